//! `/v1/api-keys`.

use serde_json::{Value, json};

use crate::support::rest::{Answer, ROOT_KEY, Rest, START_TEXT};

const PATH: &str = "/v1/api-keys";

async fn make(rest: &Rest, key: &str, body: Value) -> Answer {
    rest.post(PATH).key(key).json(&body).send().await
}

#[tokio::test]
async fn a_key_is_shown_once_and_opens_what_its_role_allows() {
    let rest = Rest::new().await;
    let client = rest.post("/v1/clients").json(&json!({"name": "acme"})).send().await.expect(201)["id"].clone();

    let made = make(&rest, ROOT_KEY, json!({"clientId": client, "role": "viewer", "name": "board"})).await;

    let key = made.expect(201);
    let text = key["key"].as_str().unwrap().to_owned();
    let expected = format!(
        r#"{{"id":{},"clientId":{client},"role":"viewer","name":"board","key":"{text}","prefix":"{}","createdAt":"{START_TEXT}","expiresAt":null,"lastUsedAt":null}}"#,
        key["id"],
        &text[..12]
    );
    assert_eq!(made.text, expected);
    assert!(text.starts_with("whd_") && text.split('_').count() == 3, "{text}");
    let listed = rest.get(PATH).send().await;
    rest.get("/v1/webhooks").key(&text).send().await.expect(200);
    assert!(!listed.text.contains(&text), "{}", listed.text);
    let mut without_key = key;
    without_key.as_object_mut().unwrap().shift_remove("key");
    assert_eq!(listed.expect(200)["items"][0], without_key);
}

#[tokio::test]
async fn a_deleted_key_opens_nothing_from_then_on() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let made = make(&rest, &tenant.admin, json!({"role": "viewer"})).await.expect(201);
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    rest.get("/v1/webhooks").key(key).send().await.expect(200);

    rest.call("DELETE", &format!("{PATH}/{id}")).key(&tenant.admin).send().await.expect(204);

    rest.get("/v1/webhooks").key(key).send().await.problem(401);
    rest.call("DELETE", &format!("{PATH}/{id}")).key(&tenant.admin).send().await.problem(404);
    rest.get("/v1/webhooks").key(&tenant.viewer).send().await.expect(200);
}

#[tokio::test]
async fn an_admin_makes_and_sees_keys_of_its_own_client_alone() {
    let rest = Rest::new().await;
    let (acme, other) = (rest.tenant("acme").await, rest.tenant("other").await);

    let own = make(&rest, &acme.admin, json!({"role": "admin"})).await.expect(201);
    assert_eq!((&own["clientId"], &own["name"]), (&json!(acme.id), &Value::Null));
    make(&rest, &acme.admin, json!({"role": "admin", "clientId": acme.id})).await.expect(201);
    make(&rest, &acme.admin, json!({"role": "viewer", "clientId": other.id})).await.problem(404);
    make(&rest, &acme.admin, json!({"role": "root"})).await.problem(403);
    let listed = rest.get(PATH).key(&acme.admin).send().await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 6);
    assert!(listed["items"].as_array().unwrap().iter().all(|key| key["clientId"] == json!(acme.id)));
    let foreign = rest.get(PATH).key(&other.admin).send().await.expect(200)["items"][0]["id"].as_str().unwrap().to_owned();
    rest.call("DELETE", &format!("{PATH}/{foreign}")).key(&acme.admin).send().await.problem(404);
    assert_eq!(rest.get(PATH).send().await.expect(200)["items"].as_array().unwrap().len(), 11);
}

#[tokio::test]
async fn the_last_root_key_stays() {
    let rest = Rest::new().await;
    let first = rest.get(PATH).send().await.expect(200)["items"][0].clone();
    assert_eq!((&first["role"], &first["clientId"]), (&json!("root"), &Value::Null));
    let delete = async |id: &Value, key: &str| rest.call("DELETE", &format!("{PATH}/{}", id.as_str().unwrap())).key(key).send().await;

    delete(&first["id"], ROOT_KEY).await.problem(409);
    let second = make(&rest, ROOT_KEY, json!({"role": "root"})).await.expect(201);
    assert_eq!(second["clientId"], Value::Null);
    delete(&first["id"], ROOT_KEY).await.expect(204);
    rest.get(PATH).send().await.problem(401);
    delete(&second["id"], second["key"].as_str().unwrap()).await.problem(409);
}

#[tokio::test]
async fn root_names_the_client_in_the_body_or_in_the_header() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;

    let by_header = rest.post(PATH).acting_for(&tenant.id).json(&json!({"role": "viewer"})).send().await.expect(201);

    assert_eq!(by_header["clientId"], tenant.id.as_str());
    let nobody = "00000000-0000-7000-8000-000000000000";
    make(&rest, ROOT_KEY, json!({"role": "viewer", "clientId": nobody})).await.problem(404);
    assert_eq!(make(&rest, ROOT_KEY, json!({"role": "viewer"})).await.problem(422), ["clientId"]);
    assert_eq!(make(&rest, ROOT_KEY, json!({"role": "root", "clientId": tenant.id})).await.problem(422), ["clientId"]);
}

#[tokio::test]
async fn bad_keys_are_refused_by_name() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let ids = async || {
        let listed = rest.get(PATH).send().await.expect(200);
        listed["items"].as_array().unwrap().iter().map(|key| key["id"].clone()).collect::<Vec<_>>()
    };
    let before = ids().await;
    let cases: [(Value, &[&str]); 20] = [
        (json!({}), &["role"]),
        (json!({"role": null}), &["role"]),
        (json!({"role": "owner"}), &["role"]),
        (json!({"role": "ADMIN"}), &["role"]),
        (json!({"role": 7}), &["role"]),
        (json!({"role": ["admin"]}), &["role"]),
        (json!({"role": "viewer", "name": ""}), &["name"]),
        (json!({"role": "viewer", "name": 7}), &["name"]),
        (json!({"role": "viewer", "name": "x".repeat(256)}), &["name"]),
        (json!({"role": "viewer", "name": "a\u{0}"}), &["name"]),
        (json!({"role": "viewer", "clientId": "7"}), &["clientId"]),
        (json!({"role": "viewer", "clientId": 7}), &["clientId"]),
        (json!({"role": "x", "clientId": {}, "name": []}), &["role", "clientId", "name"]),
        (json!({"role": "viewer", "expiresAt": START_TEXT}), &["expiresAt"]),
        (json!({"role": "viewer", "expiresAt": "2024-04-11T17:12:33.741193Z"}), &["expiresAt"]),
        (json!({"role": "viewer", "expiresAt": "2024-05-01"}), &["expiresAt"]),
        (json!({"role": "viewer", "expiresAt": "2024-05-01T00:00:00"}), &["expiresAt"]),
        (json!({"role": "viewer", "expiresAt": "tomorrow"}), &["expiresAt"]),
        (json!({"role": "viewer", "expiresAt": 1_900_000_000}), &["expiresAt"]),
        (json!({"role": "viewer", "name": 7, "expiresAt": ""}), &["name", "expiresAt"]),
    ];

    for (body, fields) in cases {
        assert_eq!(make(&rest, &tenant.admin, body.clone()).await.problem(422), fields, "{body}");
    }
    assert_eq!(ids().await, before);
}
