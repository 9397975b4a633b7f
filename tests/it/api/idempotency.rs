//! A repeat with the same key gets the first answer, and makes nothing.

use std::collections::HashSet;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::rest::{Rest, Tenant};

const PATH: &str = "/api_document/completions";

/// Sends `body` with an `Idempotency-Key`; answers the accepted events.
async fn with_key(rest: &Rest, tenant: &Tenant, key: &str, body: &Value) -> Vec<Value> {
    let answer = rest.post(PATH).key(&tenant.producer).header("Idempotency-Key", key).json(body).send().await;
    answer.expect(202)["events"].as_array().unwrap().clone()
}

async fn scene() -> (Rest, Tenant) {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let webhook = json!({"name": "w", "type": 0, "method": "POST", "url": "https://example.com/:id"});
    rest.post("/document_webhooks").key(&tenant.admin).json(&webhook).send().await.expect(200);
    (rest, tenant)
}

#[tokio::test]
async fn twenty_concurrent_repeats_make_one_event() {
    let (rest, tenant) = scene().await;

    let body = json!({"id": "7"});
    let answers = join_all((0..20).map(|_| with_key(&rest, &tenant, "once", &body))).await;

    let events: HashSet<String> = answers.iter().map(|events| events[0]["eventId"].to_string()).collect();
    let deliveries: HashSet<String> = answers.iter().map(|events| events[0]["deliveryIds"].to_string()).collect();
    assert_eq!((events.len(), deliveries.len()), (1, 1));
    assert_eq!(answers.iter().filter(|events| events[0]["duplicate"] == false).count(), 1);
    assert_eq!((rest.events_stored().await, rest.deliveries_stored().await), (1, 1));
}

#[tokio::test]
async fn a_repeat_gets_the_first_ids_however_the_key_was_given() {
    let (rest, tenant) = scene().await;
    let first = with_key(&rest, &tenant, "a", &json!({"id": "7"})).await;

    let by_header = with_key(&rest, &tenant, "a", &json!({"id": "7"})).await;
    let in_body = rest.post(PATH).key(&tenant.producer).json(&json!({"id": "7", "idempotencyKey": "a"})).send().await.expect(202);
    let own_wins = with_key(&rest, &tenant, "b", &json!({"id": "7", "idempotencyKey": "a"})).await;
    let in_list = rest.post(PATH).key(&tenant.producer).json(&json!([{"id": "7", "idempotencyKey": "a"}])).send().await.expect(202);

    for repeat in [&by_header[0], &in_body["events"][0], &own_wins[0], &in_list["events"][0]] {
        assert_eq!(repeat["eventId"], first[0]["eventId"]);
        assert_eq!(repeat["deliveryIds"], first[0]["deliveryIds"]);
        assert_eq!(repeat["duplicate"], true);
    }
    assert_eq!(in_body["accepted"], 1);
    assert_eq!(rest.events_stored().await, 1);
}

#[tokio::test]
async fn a_repeated_list_gets_every_first_id() {
    let (rest, tenant) = scene().await;
    let list = json!([{"id": "1"}, {"id": "2"}, {"id": "3", "idempotencyKey": "own"}]);

    let first = with_key(&rest, &tenant, "all", &list).await;
    let again = with_key(&rest, &tenant, "all", &list).await;

    let ids = |events: &[Value]| events.iter().map(|event| event["eventId"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&first), ids(&again));
    assert!(first.iter().all(|event| event["duplicate"] == false) && again.iter().all(|event| event["duplicate"] == true));
    assert_eq!(rest.events_stored().await, 3);
}

#[tokio::test]
async fn a_key_that_comes_twice_in_a_list_makes_one_event() {
    let (rest, tenant) = scene().await;
    let list = json!([{"id": "1", "idempotencyKey": "k"}, {"id": "1", "idempotencyKey": "k"}]);

    let accepted = rest.post(PATH).key(&tenant.producer).json(&list).send().await.expect(202);

    assert_eq!(accepted["events"][0]["eventId"], accepted["events"][1]["eventId"]);
    assert_eq!((&accepted["events"][0]["duplicate"], &accepted["events"][1]["duplicate"]), (&json!(false), &json!(true)));
    assert_eq!(rest.events_stored().await, 1);
}

#[tokio::test]
async fn keys_of_lists_never_meet_keys_that_callers_chose() {
    let (rest, tenant) = scene().await;
    with_key(&rest, &tenant, "a", &json!([{"id": "1"}, {"id": "2"}])).await;

    for key in ["a", "a:0", "a:1", "r:a:0", "k:a"] {
        assert_eq!(with_key(&rest, &tenant, key, &json!({"id": "x"})).await[0]["duplicate"], false, "{key}");
    }
    assert_eq!(with_key(&rest, &tenant, "a:0", &json!([{"id": "x"}])).await[0]["duplicate"], false);
}

#[tokio::test]
async fn clients_do_not_meet_each_others_keys() {
    let (rest, tenant) = scene().await;
    let other = rest.tenant("other").await;
    with_key(&rest, &tenant, "a", &json!({"id": "1"})).await;

    assert_eq!(with_key(&rest, &other, "a", &json!({"id": "1"})).await[0]["duplicate"], false);
}

#[tokio::test]
async fn keys_of_the_wrong_length_are_refused() {
    let (rest, tenant) = scene().await;

    for key in ["", &"k".repeat(256)] {
        let answer = rest.post(PATH).key(&tenant.producer).header("Idempotency-Key", key).json(&json!({"id": "7"})).send().await;
        assert_eq!(answer.problem(422), ["Idempotency-Key"]);
    }
    with_key(&rest, &tenant, &"é".repeat(255), &json!({"id": "7"})).await;
    assert_eq!(rest.events_stored().await, 1);
}
