//! The OCR service's webhook routes against its own document.

use serde_json::{Value, json};

use crate::support::rest::{Rest, START_TEXT};

const PATH: &str = "/api_document/document_webhooks";

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

    let answer = rest.post(PATH).key(&tenant.admin).json(&example()).send().await;

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
    let read = rest.get(&format!("{PATH}/{id}")).key(&tenant.viewer).send().await;
    assert_eq!(read.text, expected);
    let listed = rest.get(PATH).key(&tenant.viewer).send().await;
    assert_eq!(listed.text, format!("[{expected}]"));
}

#[tokio::test]
async fn only_the_four_needed_fields_leave_every_other_key_null() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let body = json!({"name": "w", "type": 0, "method": "get", "url": "https://example.com/?id=:id", "headers": null});

    let answer = rest.post(PATH).key(&tenant.admin).json(&body).send().await;

    let webhook = answer.expect(200);
    let keys: Vec<_> = webhook.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = "id clientId name type method headers headerAuth url authorization authorizationUrl authorizationMethod \
                    authorizationHeaders authorizationResponseTokenAttr createdAt updatedAt";
    assert_eq!(keys, expected.split(' ').collect::<Vec<_>>());
    assert_eq!(webhook["method"], "GET");
    let null = webhook.as_object().unwrap().values().filter(|value| value.is_null()).count();
    assert_eq!(null, 7);
}

#[tokio::test]
async fn secrets_are_never_shown_again() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let mut body = example();
    body["authorization"] = json!("Bearer hush-1");
    body["headers"] = json!({"X-Api-Key": "hush-2", "Accept": "text/plain"});
    body["authorizationHeaders"] = json!({"Authorization": "Basic hush-3"});
    body["authorizationBody"] = json!({"password": "hush-4"});

    let made = rest.post(PATH).key(&tenant.admin).json(&body).send().await;

    let id = made.expect(200)["id"].as_str().unwrap().to_owned();
    let mut answers = vec![made];
    for path in [PATH.to_owned(), format!("{PATH}/{id}"), "/v1/webhooks".to_owned(), format!("/v1/webhooks/{id}")] {
        answers.push(rest.get(&path).key(&tenant.admin).send().await);
    }
    for answer in &answers {
        assert!(!answer.text.contains("hush"), "{}", answer.text);
        assert!(!answer.text.contains("authorizationBody"), "{}", answer.text);
    }
    let webhook = answers[0].expect(200);
    assert_eq!(webhook["authorization"], "Bearer ****");
    assert_eq!(webhook["headers"], json!({"X-Api-Key": "****", "Accept": "text/plain"}));
    assert_eq!(webhook["authorizationHeaders"], json!({"Authorization": "****"}));
}

#[tokio::test]
async fn a_client_has_one_webhook_of_the_type_until_it_is_deleted() {
    let rest = Rest::new().await;
    let (acme, other) = (rest.tenant("acme").await, rest.tenant("other").await);
    let first = rest.post(PATH).key(&acme.admin).json(&example()).send().await.expect(200);

    rest.post(PATH).key(&acme.admin).json(&example()).send().await.problem(409);
    rest.post("/document_webhooks").key(&acme.admin).json(&example()).send().await.problem(409);
    rest.post("/v1/webhooks").key(&acme.admin).json(&example()).send().await.problem(409);
    rest.post(PATH).key(&other.admin).json(&example()).send().await.expect(200);
    let path = format!("{PATH}/{}", first["id"].as_str().unwrap());
    let deleted = rest.call("DELETE", &path).key(&acme.admin).send().await;
    deleted.expect(204);
    assert_eq!(deleted.text, "");
    rest.get(&path).key(&acme.admin).send().await.problem(404);
    rest.call("DELETE", &path).key(&acme.admin).send().await.problem(404);
    rest.post(PATH).key(&acme.admin).json(&example()).send().await.expect(200);
}

#[tokio::test]
async fn the_newer_edition_has_its_own_path_and_key_header() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;

    let made = rest.post("/document_webhooks").without("X-API-KEY").header("IDEXA-API-KEY", &tenant.admin).json(&example()).send().await;
    let id = made.expect(200)["id"].as_str().unwrap().to_owned();
    let one = format!("/document_webhooks/{id}");
    let read = rest.get(&one).without("X-API-KEY").header("IDEXA-API-KEY", &tenant.viewer).send().await;
    assert_eq!(read.text, made.text);
    assert_eq!(rest.get(&one).key(&tenant.viewer).send().await.text, made.text);
    assert_eq!(rest.get(&format!("{PATH}/{id}")).key(&tenant.viewer).send().await.text, made.text);
    rest.get(PATH).without("X-API-KEY").header("IDEXA-API-KEY", &tenant.viewer).send().await.problem(401);
    rest.get("/v1/webhooks").without("X-API-KEY").header("IDEXA-API-KEY", &tenant.viewer).send().await.problem(401);
}

#[tokio::test]
async fn webhooks_without_a_type_are_not_this_services() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let body = json!({"name": "w", "events": ["invoice.paid"], "method": "POST", "url": "https://example.com/"});
    let id = rest.post("/v1/webhooks").key(&tenant.admin).json(&body).send().await.expect(201)["id"].as_str().unwrap().to_owned();
    let path = format!("{PATH}/{id}");

    assert_eq!(rest.get(PATH).key(&tenant.admin).send().await.expect(200), json!([]));
    rest.get(&path).key(&tenant.admin).send().await.problem(404);
    rest.call("PUT", &path).key(&tenant.admin).json(&example()).send().await.problem(404);
    rest.call("PATCH", &path).key(&tenant.admin).json(&json!({"type": 0})).send().await.problem(404);
    rest.call("DELETE", &path).key(&tenant.admin).send().await.problem(404);
    rest.get(&format!("/v1/webhooks/{id}")).key(&tenant.admin).send().await.expect(200);
}

#[tokio::test]
async fn deleting_a_webhook_cancels_what_waits_for_it() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let webhook = rest.post(PATH).key(&tenant.admin).json(&example()).send().await.expect(200);
    let accepted = rest.post("/api_document/completions").key(&tenant.producer).json(&json!({"id": "7"})).send().await.expect(202);
    let delivery = accepted["events"][0]["deliveryIds"][0].as_str().unwrap().to_owned();

    rest.call("DELETE", &format!("{PATH}/{}", webhook["id"].as_str().unwrap())).key(&tenant.admin).send().await.expect(204);

    let delivery = rest.get(&format!("/v1/deliveries/{delivery}")).key(&tenant.viewer).send().await.expect(200);
    assert_eq!(delivery["state"], "cancelled");
}

#[tokio::test]
async fn root_lists_every_clients_webhooks_and_makes_them_for_the_client_it_names() {
    let rest = Rest::new().await;
    let (acme, other) = (rest.tenant("acme").await, rest.tenant("other").await);

    assert_eq!(rest.post(PATH).json(&example()).send().await.problem(422), ["X-Client-Id"]);
    let made = rest.post(PATH).acting_for(&acme.id).json(&example()).send().await.expect(200);
    rest.post(PATH).key(&other.admin).json(&example()).send().await.expect(200);

    assert_eq!(made["clientId"], acme.id.as_str());
    assert_eq!(rest.get(PATH).send().await.expect(200).as_array().unwrap().len(), 2);
    assert_eq!(rest.get(PATH).acting_for(&acme.id).send().await.expect(200), json!([made]));
}
