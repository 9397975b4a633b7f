//! `test` and `preview`: a webhook's request shown, or sent once outside the queue.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::support::receiver::{Receiver, Reply};
use crate::support::rest::{Rest, START_TEXT, Tenant};

async fn make(rest: &Rest, tenant: &Tenant, change: Value) -> String {
    let mut body = json!({"name": "w", "type": 0, "method": "POST", "url": "https://example.com/:id"});
    body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    rest.post("/v1/webhooks").key(&tenant.admin).json(&body).send().await.expect(201)["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_test_logs_in_signs_sends_and_tells_what_came_back() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let receiver = Receiver::start(|seen, _| match seen.target.as_str() {
        "/login" => Reply::json(r#"{"access_token": "t0ken"}"#),
        _ => Reply::Full(503, "content-type: text/html\r\n", b"<b>later</b>".to_vec()),
    })
    .await;
    let login = json!({"url": receiver.url("/hook/:id"), "authorizationUrl": receiver.url("/login"), "authorizationBody": {"user": "u"}});
    let id = make(&rest, &tenant, login).await;
    rest.post(&format!("/v1/webhooks/{id}/rotate-secret")).key(&tenant.admin).send().await.expect(200);

    let answer = rest.post(&format!("/v1/webhooks/{id}/test")).key(&tenant.operator).json(&json!({"subject": "doc/7"})).send().await;

    let told = answer.expect(200);
    let attempt = &told["attempt"];
    assert_eq!((&attempt["number"], &attempt["outcome"], &attempt["status"]), (&json!(1), &json!("retryable"), &json!(503)));
    assert_eq!((&attempt["responseBody"], &attempt["startedAt"]), (&json!("<b>later</b>"), &json!(START_TEXT)));
    assert!(attempt["phases"]["loginMs"].is_number() && attempt["phases"]["answerMs"].is_number());
    let seen = receiver.seen();
    assert_eq!(seen.iter().map(|seen| seen.target.as_str()).collect::<Vec<_>>(), ["/login", "/hook/doc%2F7"]);
    assert_eq!((seen[1].header("webhook-test"), seen[1].header("authorization")), (Some("true"), Some("Bearer t0ken")));
    assert_eq!(seen[1].header("webhook-id"), told["eventId"].as_str());
    assert!(seen[1].header("webhook-signature").unwrap().starts_with("v1,"));
    let body: Value = serde_json::from_slice(&seen[1].body).unwrap();
    assert_eq!((&body["id"], &body["test"], &body["statusDesc"]), (&json!("doc/7"), &json!(true), &json!("FINISHED")));
    assert_eq!((rest.events_stored().await, rest.deliveries_stored().await), (0, 0));
    assert!(!answer.text.contains("t0ken"));
}

#[tokio::test]
async fn a_test_goes_out_although_the_webhook_is_paused_and_a_410_disables_nothing() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let receiver = Receiver::answering([Reply::Status(410)]).await;
    let id = make(&rest, &tenant, json!({"url": receiver.url("/:id")})).await;
    rest.post(&format!("/v1/webhooks/{id}/pause")).key(&tenant.operator).send().await.expect(200);

    let told = rest.post(&format!("/v1/webhooks/{id}/test")).key(&tenant.operator).send().await.expect(200);

    assert_eq!((&told["attempt"]["reason"], &told["type"]), (&json!("gone"), &json!("document.finished")));
    assert_eq!(receiver.seen()[0].target, format!("/{}", told["subject"].as_str().unwrap()));
    let shown = rest.get(&format!("/v1/webhooks/{id}")).key(&tenant.viewer).send().await.expect(200);
    assert_eq!(shown["state"], "paused");
}

#[tokio::test]
async fn a_webhook_is_tested_once_at_a_time() {
    let rest = Arc::new(Rest::new().await);
    let tenant = rest.tenant("acme").await;
    let gate = Arc::new(Semaphore::new(0));
    let open = Arc::clone(&gate);
    let receiver = Receiver::start(move |_, _| Reply::WhenAllowed(Arc::clone(&open))).await;
    let id = make(&rest, &tenant, json!({"url": receiver.url("/:id")})).await;
    let path = format!("/v1/webhooks/{id}/test");
    let first = {
        let (rest, path, key) = (Arc::clone(&rest), path.clone(), tenant.operator.clone());
        tokio::spawn(async move { rest.post(&path).key(&key).send().await })
    };
    receiver.until_seen(1).await;

    let second = rest.post(&path).key(&tenant.operator).send().await;
    gate.add_permits(2);
    let first = first.await.unwrap();
    let third = rest.post(&path).key(&tenant.operator).send().await;

    second.problem(429);
    assert_eq!(second.header("retry-after"), "1");
    assert_eq!(
        (&first.expect(200)["attempt"]["outcome"], &third.expect(200)["attempt"]["outcome"]),
        (&json!("delivered"), &json!("delivered"))
    );
}

#[tokio::test]
async fn an_address_that_may_not_be_called_is_not_called_for_a_test_either() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let id = make(&rest, &tenant, json!({"url": "http://localhost.localdomain.invalid/:id"})).await;

    let told = rest.post(&format!("/v1/webhooks/{id}/test")).key(&tenant.operator).send().await.expect(200);

    assert_eq!((&told["attempt"]["outcome"], &told["attempt"]["reason"]), (&json!("retryable"), &json!("dns")));
}

#[tokio::test]
async fn a_preview_shows_the_request_and_the_login_without_their_secrets() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let written = json!({
        "url": "https://example.com/hook/:id?v=1",
        "headers": {"X-Plain": "yes", "X-Api-Key": "s3cret-1"},
        "headerAuth": "Token",
        "authorizationUrl": "https://login.example.com/oauth",
        "authorizationHeaders": {"Content-Type": "application/x-www-form-urlencoded", "X-Secret": "s3cret-2"},
        "authorizationBody": {"client_id": "s3cret-3", "client_secret": "s3cret-4"}
    });
    let id = make(&rest, &tenant, written).await;
    rest.post(&format!("/v1/webhooks/{id}/rotate-secret")).key(&tenant.admin).send().await.expect(200);

    let answer = rest.post(&format!("/v1/webhooks/{id}/preview")).key(&tenant.operator).json(&json!({"subject": "a b"})).send().await;

    let shown = answer.expect(200);
    assert_eq!((&shown["method"], &shown["url"]), (&json!("POST"), &json!("https://example.com/hook/a%20b?v=1")));
    let headers = &shown["headers"];
    assert_eq!(
        (&headers["x-plain"], &headers["x-api-key"], &headers["authorization"]),
        (&json!("yes"), &json!("****"), &json!("Token ****"))
    );
    assert_eq!((&headers["content-type"], &headers["webhook-signature"]), (&json!("application/json"), &json!("****")));
    let body: Value = serde_json::from_str(shown["body"].as_str().unwrap()).unwrap();
    assert_eq!((&body["id"], &body["test"]), (&json!("a b"), &json!(true)));
    let login = &shown["login"];
    assert_eq!((&login["method"], &login["url"]), (&json!("POST"), &json!("https://login.example.com/oauth")));
    assert_eq!((&login["headers"]["X-Secret"], &login["body"]), (&json!("****"), &json!("client_id=****&client_secret=****")));
    assert!(!answer.text.contains("s3cret"), "{}", answer.text);
}

#[tokio::test]
async fn a_definition_is_previewed_before_it_is_stored() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let preview = |body: Value| rest.post("/v1/webhooks/preview").key(&tenant.admin).json(&body);
    let definition =
        json!({"name": "w", "events": ["invoice.paid"], "method": "get", "url": "https://example.com/:id", "authorization": "Basic abc"});

    let shown = preview(json!({"definition": definition, "subject": "7", "type": "invoice.paid"})).send().await.expect(200);

    assert_eq!((&shown["method"], &shown["url"], &shown["body"]), (&json!("GET"), &json!("https://example.com/7"), &Value::Null));
    assert_eq!((&shown["headers"]["authorization"], &shown["login"]), (&json!("Basic ****"), &Value::Null));
    assert_eq!(rest.webhooks_stored().await, 0);
    assert_eq!(preview(json!({})).send().await.problem(422), ["definition"]);
    assert_eq!(
        preview(json!({"definition": {"name": "w", "type": 0, "method": "POST", "url": "https://example.com/"}})).send().await.problem(422),
        ["url"]
    );
    assert_eq!(preview(json!({"definition": definition, "subject": "", "type": "a b"})).send().await.problem(422), ["subject", "type"]);
}
