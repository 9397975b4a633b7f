//! Documents that ended in error: told as finished, unless they are to be kept apart.

use serde_json::{Value, json};

use crate::support::rest::{Rest, RestSetup, Tenant};

async fn rest(keeps_ocr_errors: bool) -> (Rest, Tenant) {
    let rest = Rest::with(RestSetup { keeps_ocr_errors, ..RestSetup::default() }).await;
    let tenant = rest.tenant("acme").await;
    let webhook = json!({"name": "w", "type": 0, "method": "POST", "url": "https://example.com/:id"});
    rest.post("/api_document/document_webhooks").key(&tenant.admin).json(&webhook).send().await.expect(200);
    (rest, tenant)
}

/// How many deliveries a document with this status has, and the type of its event.
async fn become_of(rest: &Rest, tenant: &Tenant, status: &Value) -> (usize, String) {
    let document = json!({"id": "doc", "status": status});
    let accepted = rest.post("/api_document/completions").key(&tenant.producer).json(&document).send().await.expect(202);
    let event = &accepted["events"][0];
    let path = format!("/v1/events/{}", event["eventId"].as_str().unwrap());
    let shown = rest.get(&path).key(&tenant.viewer).send().await.expect(200);
    (event["deliveryIds"].as_array().unwrap().len(), shown["type"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_document_that_ended_in_error_is_told_as_finished() {
    let (rest, tenant) = rest(false).await;

    assert_eq!(become_of(&rest, &tenant, &json!(2)).await, (1, "document.finished".to_owned()));
}

#[tokio::test]
async fn it_is_kept_apart_when_it_is_to_be() {
    let (rest, tenant) = rest(true).await;

    assert_eq!(become_of(&rest, &tenant, &json!(2)).await, (0, "document.failed".to_owned()));
    for other in [json!(1), json!("2"), json!(null), json!(22)] {
        assert_eq!(become_of(&rest, &tenant, &other).await, (1, "document.finished".to_owned()), "{other}");
    }
}
