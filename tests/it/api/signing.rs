//! Signing keys over REST: made and shown once, told of ever after, the public ones open to everybody.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::rest::{Rest, START_TEXT, Tenant};

async fn webhook(rest: &Rest, tenant: &Tenant, more: Value) -> String {
    let mut body = json!({"name": "w", "events": ["x"], "method": "POST", "url": "https://example.com/hooks"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = rest.post("/v1/webhooks").key(&tenant.admin).json(&body).send().await.expect(201);
    made["id"].as_str().unwrap().to_owned()
}

async fn rotated(rest: &Rest, tenant: &Tenant, id: &str, body: Value) -> Value {
    rest.post(&format!("/v1/webhooks/{id}/rotate-secret")).key(&tenant.admin).json(&body).send().await.expect(200)
}

async fn shown(rest: &Rest, tenant: &Tenant, id: &str) -> Value {
    rest.get(&format!("/v1/webhooks/{id}")).key(&tenant.viewer).send().await.expect(200)
}

#[tokio::test]
async fn a_webhook_has_no_key_until_one_is_asked_for_which_is_shown_once() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let id = webhook(&rest, &tenant, json!({})).await;
    assert_eq!(shown(&rest, &tenant, &id).await["signing"], Value::Null);

    let made = rest.post(&format!("/v1/webhooks/{id}/rotate-secret")).key(&tenant.admin).send().await.expect(200);

    let secret = format!("whsec_{}", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=");
    let expected = json!({"secret": secret, "previousValidUntil": null, "keyId": made["keyId"], "scheme": "hmac-sha256"});
    assert_eq!(made, expected);
    let view = shown(&rest, &tenant, &id).await;
    let signing = json!({"scheme": "hmac-sha256", "keyId": made["keyId"], "createdAt": START_TEXT, "previousValidUntil": null});
    assert_eq!(view["signing"], signing);
    assert!(!view.to_string().contains("AQEB"));
    let list = rest.get("/v1/webhooks").key(&tenant.viewer).send().await.expect(200);
    assert_eq!(list["items"][0]["signing"], signing);
}

#[tokio::test]
async fn the_old_key_is_valid_for_a_day_or_as_long_as_is_asked() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let id = webhook(&rest, &tenant, json!({})).await;

    let first = rotated(&rest, &tenant, &id, json!({"scheme": "ed25519"})).await;
    let second = rotated(&rest, &tenant, &id, json!({})).await;
    let view = shown(&rest, &tenant, &id).await;
    let third = rotated(&rest, &tenant, &id, json!({"overlapSeconds": 60, "scheme": "ed25519"})).await;
    rest.clock.advance(Duration::from_mins(1));

    assert!(first["publicKey"].as_str().unwrap().starts_with("whpk_") && first.get("secret").is_none());
    assert_eq!(second["previousValidUntil"], "2024-04-12T14:12:33.741194-03:00");
    assert_eq!(view["signing"]["previousValidUntil"], "2024-04-12T14:12:33.741194-03:00");
    assert_eq!(third["previousValidUntil"], "2024-04-11T14:13:33.741194-03:00");
    let view = shown(&rest, &tenant, &id).await;
    assert_eq!((&view["signing"]["scheme"], &view["signing"]["previousValidUntil"]), (&json!("ed25519"), &Value::Null));
}

#[tokio::test]
async fn what_is_no_order_for_a_key_is_refused() {
    let rest = Rest::new().await;
    let (tenant, stranger) = (rest.tenant("acme").await, rest.tenant("other").await);
    let id = webhook(&rest, &tenant, json!({})).await;
    let path = format!("/v1/webhooks/{id}/rotate-secret");

    let wrong = rest.post(&path).key(&tenant.admin).json(&json!({"scheme": "rsa", "overlapSeconds": 2_592_001})).send().await;
    assert_eq!(wrong.problem(422), ["scheme", "overlapSeconds"]);
    rest.post(&path).key(&tenant.admin).text("[]").send().await.problem(422);
    rest.post(&path).key(&stranger.admin).send().await.problem(404);
    for _ in 0..5 {
        rotated(&rest, &tenant, &id, json!({})).await;
    }
    rest.post(&path).key(&tenant.admin).send().await.problem(409);
    assert_eq!(rotated(&rest, &tenant, &id, json!({"overlapSeconds": 0})).await["previousValidUntil"], Value::Null);
}

#[tokio::test]
async fn public_keys_are_open_to_everybody_and_found_by_their_id() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let (one, other) = (webhook(&rest, &tenant, json!({})).await, webhook(&rest, &tenant, json!({})).await);
    rotated(&rest, &tenant, &one, json!({"scheme": "hmac-sha256"})).await;
    let old = rotated(&rest, &tenant, &one, json!({"scheme": "ed25519"})).await;
    let new = rotated(&rest, &tenant, &other, json!({"scheme": "ed25519"})).await;
    let set = async |query: &str| {
        let answer = rest.get(&format!("/.well-known/webhook-keys{query}")).without("X-API-KEY").send().await;
        assert_eq!((answer.header("content-type"), answer.header("cache-control")), ("application/jwk-set+json", "public, max-age=60"));
        answer.expect(200)["keys"].clone()
    };

    let all = set("").await;
    let found = set(&format!("?kid={}", old["keyId"].as_str().unwrap())).await;

    assert_eq!(all.as_array().unwrap().len(), 2);
    assert_eq!((&all[0]["kid"], &all[1]["kid"]), (&new["keyId"], &old["keyId"]));
    // The public key of a seed of 32 twos, in the alphabet of urls.
    let x = old["publicKey"].as_str().unwrap().trim_start_matches("whpk_").trim_end_matches('=').replace('+', "-").replace('/', "_");
    assert_eq!(found, json!([{"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": old["keyId"], "x": x}]));
    assert_eq!((set("?kid=none").await, set(&format!("?kid={one}")).await), (json!([]), json!([])));
}

#[tokio::test]
async fn http_message_signatures_are_switched_on_by_a_field_of_v1() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let id = webhook(&rest, &tenant, json!({"httpSignature": {"enabled": true}})).await;
    let patch = async |body: Value| rest.call("PATCH", &format!("/v1/webhooks/{id}")).key(&tenant.admin).json(&body).send().await;

    assert_eq!(shown(&rest, &tenant, &id).await["httpSignature"], json!({"enabled": true}));
    assert_eq!(patch(json!({"name": "x"})).await.expect(200)["httpSignature"], json!({"enabled": true}));
    assert_eq!(patch(json!({"httpSignature": {"enabled": 1}})).await.problem(422), ["httpSignature.enabled"]);
    assert_eq!(patch(json!({"httpSignature": null})).await.expect(200)["httpSignature"], json!({"enabled": false}));
}
