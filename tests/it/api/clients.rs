//! `/v1/clients`.

use serde_json::{Value, json};

use crate::support::rest::{Rest, START_TEXT};

#[tokio::test]
async fn a_client_is_made_listed_and_deleted() {
    let rest = Rest::new().await;

    let made = rest.post("/v1/clients").json(&json!({"name": "acme 💾"})).send().await;

    let client = made.expect(201);
    assert_eq!(made.text, format!(r#"{{"id":{},"name":"acme 💾","createdAt":"{START_TEXT}"}}"#, client["id"]));
    assert_eq!(rest.get("/v1/clients").send().await.expect(200), json!({"items": [client], "nextCursor": null}));
    let path = format!("/v1/clients/{}", client["id"].as_str().unwrap());
    rest.call("DELETE", &path).send().await.expect(204);
    rest.call("DELETE", &path).send().await.problem(404);
    assert_eq!(rest.get("/v1/clients").send().await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn a_deleted_clients_keys_open_nothing_from_then_on() {
    let rest = Rest::new().await;
    let (acme, other) = (rest.tenant("acme").await, rest.tenant("other").await);
    rest.get("/v1/webhooks").key(&acme.viewer).send().await.expect(200);
    rest.get("/v1/webhooks").acting_for(&acme.id).send().await.expect(200);
    let webhook = json!({"name": "w", "type": 0, "method": "POST", "url": "https://example.com/:id"});
    rest.post("/v1/webhooks").key(&acme.admin).json(&webhook).send().await.expect(201);

    rest.call("DELETE", &format!("/v1/clients/{}", acme.id)).send().await.expect(204);

    rest.get("/v1/webhooks").key(&acme.viewer).send().await.problem(401);
    rest.get("/v1/webhooks").acting_for(&acme.id).send().await.problem(404);
    rest.post("/v1/api-keys").json(&json!({"role": "admin", "clientId": acme.id})).send().await.problem(404);
    rest.get("/v1/webhooks").key(&other.viewer).send().await.expect(200);
    assert_eq!(rest.webhooks_stored().await, 0);
}

#[tokio::test]
async fn clients_are_walked_page_by_page() {
    let rest = Rest::new().await;
    for number in 0..3 {
        rest.post("/v1/clients").json(&json!({"name": format!("c{number}")})).send().await.expect(201);
    }

    let first = rest.get("/v1/clients?limit=2").send().await.expect(200);
    let second = rest.get(&format!("/v1/clients?limit=2&cursor={}", first["nextCursor"].as_str().unwrap())).send().await.expect(200);

    let names = |page: &Value| page["items"].as_array().unwrap().iter().map(|client| client["name"].clone()).collect::<Vec<_>>();
    assert_eq!((names(&first), names(&second)), (vec![json!("c2"), json!("c1")], vec![json!("c0")]));
    assert_eq!(second["nextCursor"], Value::Null);
}

#[tokio::test]
async fn bad_names_are_refused() {
    let rest = Rest::new().await;

    for name in [json!(null), json!(""), json!("x".repeat(256)), json!("a\u{0}"), json!("a\nb"), json!(7), json!([]), json!({})] {
        assert_eq!(rest.post("/v1/clients").json(&json!({"name": name})).send().await.problem(422), ["name"], "{name}");
    }
    assert_eq!(rest.post("/v1/clients").json(&json!({})).send().await.problem(422), ["name"]);
    assert_eq!(rest.post("/v1/clients").json(&json!([{"name": "x"}])).send().await.problem(422), ["body"]);
    assert_eq!(rest.get("/v1/clients").send().await.expect(200)["items"], json!([]));
}
