//! How often a key may come, and how often an unknown one.

use std::time::Duration;

use serde_json::{Value, json};
use webhook_dispatcher::domain::allowance::Allowance;

use crate::support::rest::{Answer, Rest, RestSetup};

/// Three requests at once and then one every two seconds.
const THREE: Allowance = Allowance { interval: Duration::from_secs(2), burst: 3 };

/// A client with a producer's and a viewer's key, made as slowly as the root key may come.
async fn producer_and_viewer(rest: &Rest) -> [String; 2] {
    let post = async |path: &str, body: Value| {
        rest.clock.advance(Duration::from_mins(1));
        rest.post(path).json(&body).send().await.expect(201)
    };
    let client = post("/v1/clients", json!({"name": "acme"})).await["id"].clone();
    let key = async |role: &str| post("/v1/api-keys", json!({"clientId": client, "role": role})).await["key"].as_str().unwrap().to_owned();
    [key("producer").await, key("viewer").await]
}

/// Asserts that too much came, and in how many seconds less will have.
#[track_caller]
fn has_to_wait(answer: &Answer, seconds: &str) {
    answer.problem(429);
    assert_eq!(answer.header("retry-after"), seconds);
}

#[tokio::test]
async fn a_key_that_comes_too_often_is_told_when_to_come_again() {
    let rest = Rest::with(RestSetup { requests: Some(THREE), ..RestSetup::default() }).await;
    let [producer, viewer] = producer_and_viewer(&rest).await;
    let enqueue = async |id: &str| rest.post("/api_document/completions").key(&producer).json(&json!({"id": id})).send().await;
    for id in ["1", "2", "3"] {
        enqueue(id).await.expect(202);
    }

    has_to_wait(&enqueue("4").await, "2");

    assert_eq!(rest.events_stored().await, 3);
    rest.get("/v1/webhooks").key(&viewer).send().await.expect(200);
    rest.clock.advance(Duration::from_millis(500));
    has_to_wait(&enqueue("4").await, "2");
    rest.clock.advance(Duration::from_millis(1_500));
    enqueue("4").await.expect(202);
    has_to_wait(&enqueue("5").await, "2");
}

#[tokio::test]
async fn a_batch_is_one_request_and_what_is_forbidden_counts_too() {
    let rest = Rest::with(RestSetup { requests: Some(THREE), ..RestSetup::default() }).await;
    let [producer, _] = producer_and_viewer(&rest).await;
    let batch = json!((0..1_000).map(|id| json!({"id": id.to_string()})).collect::<Vec<_>>());

    rest.post("/api_document/completions").key(&producer).json(&batch).send().await.expect(202);
    rest.get("/v1/webhooks").key(&producer).send().await.problem(403);
    rest.get("/v1/webhooks").key(&producer).send().await.problem(403);

    has_to_wait(&rest.get("/v1/webhooks").key(&producer).send().await, "2");
}

#[tokio::test]
async fn whether_the_process_is_well_is_told_however_often() {
    let rest = Rest::with(RestSetup { requests: Some(THREE), unknown_keys: Some(THREE), ..RestSetup::default() }).await;

    for _ in 0..20 {
        rest.get("/healthz").from("192.0.2.1").send().await.expect(200);
    }
}

#[tokio::test]
async fn who_guesses_is_slowed_down_and_locks_out_nobody() {
    let rest = Rest::with(RestSetup { unknown_keys: Some(THREE), ..RestSetup::default() }).await;
    let tenant = rest.tenant("acme").await;
    let call = async |key: &str, address: &str| rest.get("/v1/webhooks").key(key).from(address).send().await;
    for guess in ["a", "whd_b_c", "c"] {
        call(guess, "192.0.2.1").await.problem(401);
    }

    has_to_wait(&call("d", "192.0.2.1").await, "2");
    has_to_wait(&call(&"e".repeat(4_000), "::ffff:192.0.2.1").await, "2");

    // Nobody has called with this key yet.
    call(&tenant.viewer, "192.0.2.1").await.expect(200);
    rest.get("/v1/webhooks").without("X-API-KEY").from("192.0.2.1").send().await.problem(401);
    call("d", "192.0.2.2").await.problem(401);
    rest.clock.advance(Duration::from_secs(2));
    call("d", "192.0.2.1").await.problem(401);
    has_to_wait(&call("d", "192.0.2.1").await, "2");
}

#[tokio::test]
async fn an_expired_key_is_slowed_down_as_an_unknown_one_is() {
    let rest = Rest::with(RestSetup { unknown_keys: Some(THREE), ..RestSetup::default() }).await;
    let tenant = rest.tenant("acme").await;
    let wanted = json!({"clientId": tenant.id, "role": "viewer", "expiresAt": "2024-04-11T17:12:34.741194Z"});
    let key = rest.post("/v1/api-keys").json(&wanted).send().await.expect(201)["key"].as_str().unwrap().to_owned();
    rest.clock.advance(Duration::from_secs(1));
    let call = async || rest.get("/v1/webhooks").key(&key).from("2001:db8::1").send().await;

    for _ in 0..3 {
        call().await.problem(401);
    }

    has_to_wait(&call().await, "2");
}
