//! The OCR service's webhook routes against its own document.

use serde_json::{Value, json};

use crate::support::rest::{Rest, START_TEXT};

/// The document's example request.
fn example() -> Value {
    json!({
        "name": "Webhook 1",
        "type": 0,
        "method": "POST",
        "headers": {"Content-Type": "application/json"},
        "headerAuth": "Bearer",
        "url": "http://localhost:5000/ocr_feedback/:id",
        "authorizationUrl": "http://localhost:5000/login",
        "authorizationMethod": "POST",
        "authorizationHeaders": {"Content-Type": "application/x-www-form-urlencoded"},
        "authorizationBody": {"username": "root", "password": "root"},
        "authorizationResponseTokenAttr": "access_token"
    })
}

#[tokio::test]
async fn the_documents_example_gets_the_documents_answer_letter_by_letter() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;

    let answer = rest.post("/api_document/document_webhooks").key(&tenant.admin).json(&example()).send().await;

    let id = answer.expect(200)["id"].as_str().unwrap().to_owned();
    let expected = format!(
        concat!(
            r#"{{"id":"{id}","clientId":"{client}","name":"Webhook 1","type":0,"method":"POST","#,
            r#""headers":{{"Content-Type":"application/json"}},"headerAuth":"Bearer","#,
            r#""url":"http://localhost:5000/ocr_feedback/:id","authorization":null,"#,
            r#""authorizationUrl":"http://localhost:5000/login","authorizationMethod":"POST","#,
            r#""authorizationHeaders":{{"Content-Type":"application/x-www-form-urlencoded"}},"#,
            r#""authorizationResponseTokenAttr":"access_token","createdAt":"{at}","updatedAt":"{at}"}}"#
        ),
        id = id,
        client = tenant.id,
        at = START_TEXT,
    );
    assert_eq!(answer.text, expected);
    assert_eq!(answer.header("content-type"), "application/json");
    let read = rest.get(&format!("/api_document/document_webhooks/{id}")).key(&tenant.viewer).send().await;
    assert_eq!(read.text, expected);
    let listed = rest.get("/api_document/document_webhooks").key(&tenant.viewer).send().await;
    assert_eq!(listed.text, format!("[{expected}]"));
}
