//! Every place of the API that takes text, met with every hostile text: answers stay answers, and never blame us.

use axum::http::HeaderValue;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::support::hostile;
use crate::support::rest::{Answer, Rest, RestSetup, Tenant};

#[track_caller]
fn assert_answered(answer: &Answer, what: &str) {
    let status = answer.status.as_u16();
    assert!((200..500).contains(&status), "{what}: {status} {}", answer.text);
    let is_json = answer.text.is_empty() || serde_json::from_str::<Value>(&answer.text).is_ok();
    assert!(is_json, "{what}: {}", answer.text);
}

async fn rest() -> (Rest, Tenant) {
    let rest = Rest::with(RestSetup { max_body_bytes: 16 << 20, ..RestSetup::default() }).await;
    let tenant = rest.tenant("acme").await;
    (rest, tenant)
}

/// Everything that a caller may list can still be listed.
async fn assert_lists_stand(rest: &Rest, tenant: &Tenant) {
    for path in ["/v1/events", "/v1/deliveries", "/v1/dead-letters", "/v1/webhooks", "/v1/audit", "/v1/api-keys"] {
        let answer = rest.get(&format!("{path}?limit=200")).key(&tenant.admin).send().await;
        answer.expect(200);
    }
}

#[tokio::test]
async fn bodies_may_hold_any_text_in_any_field() {
    let (rest, tenant) = rest().await;
    for text in hostile::texts() {
        let what: String = text.chars().take(30).collect();
        let object = |field: &str| {
            let mut object = json!({"name": "w", "events": ["hostile.event"], "method": "POST", "url": "https://example.com/:id"});
            object[field] = text.clone().into();
            object
        };
        let webhooks = ["name", "events", "method", "url", "headerAuth", "authorization", "authorizationUrl", "authorizationMethod"];
        let more =
            ["authorizationBody", "authorizationResponseTokenAttr", "headers", "retry", "timeoutMs", "rateLimit", "clientCertificate"];
        for field in webhooks.iter().chain(&more) {
            let answer = rest.post("/v1/webhooks").key(&tenant.admin).json(&object(field)).send().await;
            assert_answered(&answer, &format!("{field} {what:?}"));
        }
        let nested = [
            json!({"headers": {(text.as_str()): "x"}}),
            json!({"headers": {"X-A": text}}),
            json!({"authorizationHeaders": {(text.as_str()): text}}),
            json!({"authorizationBody": {(text.as_str()): text}}),
            json!({"events": [text]}),
            json!({(text.as_str()): 1}),
        ];
        for fields in nested {
            let mut body = object("name");
            body["name"] = "w".into();
            body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            assert_answered(&rest.post("/v1/webhooks").key(&tenant.admin).json(&body).send().await, &format!("nested {what:?}"));
        }
        let events = [
            ("/api_document/completions", json!({"id": text})),
            ("/api_document/completions", json!([{"id": "ok", (text.as_str()): text}])),
            ("/api_document/completions", json!({"id": "ok", "idempotencyKey": text})),
            ("/v1/events", json!({"type": text, "subject": "s", "payload": 1})),
            ("/v1/events", json!({"type": "hostile.event", "subject": text, "payload": {(text.as_str()): text}})),
            ("/v1/events", json!({"type": "hostile.event", "subject": "s", "payload": 1, "deliverAt": text, "idempotencyKey": text})),
            ("/v1/clients", json!({"name": text})),
            ("/v1/api-keys", json!({"role": text, "name": text})),
            ("/v1/api-keys", json!({"role": "viewer", "name": text, "clientId": text})),
        ];
        for (path, body) in events {
            let answer = rest.post(path).acting_for(&tenant.id).json(&body).send().await;
            assert_answered(&answer, &format!("{path} {what:?}"));
        }
    }
    assert_lists_stand(&rest, &tenant).await;
}

#[tokio::test]
async fn paths_queries_and_headers_may_hold_any_text() {
    let (rest, tenant) = rest().await;
    for text in hostile::texts().iter().filter(|text| text.len() < 1_000) {
        let encoded = utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let mut paths: Vec<String> =
            ["webhooks", "events", "deliveries", "api-keys", "clients"].map(|noun| format!("/v1/{noun}/{encoded}")).into();
        let parameters = ["cursor", "limit", "from", "to", "state", "type", "subject", "webhookId", "objectId", "kid"];
        for list in ["/v1/deliveries", "/v1/events", "/v1/audit", "/v1/webhooks", "/v1/dead-letters", "/.well-known/webhook-keys"] {
            paths.extend(parameters.map(|parameter| format!("{list}?{parameter}={encoded}")));
            paths.push(format!("{list}?{encoded}={encoded}&{encoded}"));
        }
        for path in paths {
            for method in ["GET", "DELETE", "PATCH"] {
                let answer = rest.call(method, &path).key(&tenant.admin).json(&json!({})).send().await;
                assert_answered(&answer, &format!("{method} {path}"));
            }
        }
        if HeaderValue::from_str(text).is_ok() {
            for name in ["X-API-KEY", "X-Client-Id", "Idempotency-Key", "Content-Type", "Accept", "Content-Length"] {
                let answer = rest.post("/v1/events").header(name, text).send().await;
                assert_answered(&answer, &format!("{name}: {text:?}"));
            }
        }
    }
}

#[tokio::test]
async fn bodies_may_be_anything_but_json() {
    let (rest, tenant) = rest().await;
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(200_000), close.repeat(200_000)).into_bytes();
    let bodies = [
        Vec::new(),
        b"\0".to_vec(),
        b"\xff\xfe".to_vec(),
        b"{\"id\": \"\xc3\x28\"}".to_vec(),
        b"{\"id\": \"\\ud800\"}".to_vec(),
        b"{\"id\": \"\\u0000\"}".to_vec(),
        deep("[", "]"),
        deep("{\"a\":", "}"),
        vec![b'['; 1 << 20],
        vec![0; 1 << 20],
        b"{\"id\": 1e999999}".to_vec(),
        format!("{{\"id\": {}}}", "9".repeat(1 << 20)).into_bytes(),
        b"[{}".to_vec(),
        b"\xef\xbb\xbf{}".to_vec(),
    ];
    for body in bodies {
        for path in
            ["/v1/webhooks", "/v1/events", "/api_document/completions", "/api_document/document_webhooks", "/v1/clients", "/v1/api-keys"]
        {
            let answer = rest.post(path).acting_for(&tenant.id).text(body.clone()).send().await;
            assert_answered(&answer, &format!("{path} {:?}", String::from_utf8_lossy(&body[..body.len().min(40)])));
        }
    }
    assert_lists_stand(&rest, &tenant).await;
}
