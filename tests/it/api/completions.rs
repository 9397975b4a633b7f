//! `POST /api_document/completions`.

use serde_json::json;

use crate::support::rest::Rest;

#[tokio::test]
async fn a_completion_is_accepted_with_the_ids_of_its_event_and_deliveries() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let webhook = json!({"name": "w", "type": 0, "method": "POST", "url": "https://example.com/:id"});
    rest.post("/document_webhooks").key(&tenant.admin).json(&webhook).send().await.expect(200);

    let body = json!({"id": "bc1bc4ea", "type": 1, "status": 1});
    let answer = rest.post("/api_document/completions").key(&tenant.producer).json(&body).send().await;

    let accepted = answer.expect(202);
    let (event, delivery) = (&accepted["events"][0]["eventId"], &accepted["events"][0]["deliveryIds"][0]);
    assert_eq!(
        answer.text,
        format!(
            r#"{{"accepted":1,"events":[{{"eventId":{event},"documentId":"bc1bc4ea","deliveryIds":[{delivery}],"duplicate":false}}]}}"#
        )
    );
}
