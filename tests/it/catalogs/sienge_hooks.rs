//! Sienge's own management of hooks, as its customers' programs use it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::scene::Scene;
use crate::support::rest::Answer;

const HOOKS: &str = "/acme/public/api/v1/hooks";

/// An API key, by whose id or name and text a customer's program signs in.
struct Login {
    id: String,
    key: String,
}

async fn login(scene: &Scene, role: &str) -> Login {
    let body = json!({"clientId": scene.tenant.id, "role": role, "name": "integração"});
    let made = scene.rest.post("/v1/api-keys").json(&body).send().await.expect(201);
    Login { id: made["id"].as_str().unwrap().to_owned(), key: made["key"].as_str().unwrap().to_owned() }
}

async fn call(scene: &Scene, (method, path): (&str, &str), user: &str, key: &str, body: Option<&Value>) -> Answer {
    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{key}")));
    let call = scene.rest.call(method, path).without("X-API-KEY").header("Authorization", &basic);
    match body {
        Some(body) => call.json(body).send().await,
        None => call.send().await,
    }
}

/// The three fields of every refusal.
fn refused(answer: &Answer, status: u16) -> String {
    let body = answer.expect(status);
    assert_eq!(body.as_object().unwrap().keys().collect::<Vec<_>>(), ["status", "developerMessage", "clientMessage"]);
    assert_eq!(body["status"], status);
    assert!(body["clientMessage"].is_string());
    body["developerMessage"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_hook_is_made_shown_listed_called_and_deleted() {
    let scene = Scene::new().await;
    let Login { id: user, key } = login(&scene, "admin").await;
    let body = json!({"url": scene.receiver.url("/h?token=q"), "token": "my-secret-token", "events": ["UNIT_CREATED", "USER_CREATED"]});

    let made = call(&scene, ("POST", HOOKS), &user, &key, Some(&body)).await;

    let hook = made.expect(200);
    let id = hook["id"].as_str().unwrap();
    assert_eq!(made.text, json!({"id": id, "url": body["url"], "events": ["UNIT_CREATED", "USER_CREATED"]}).to_string());
    let one = format!("{HOOKS}/{id}");
    assert_eq!(call(&scene, ("GET", &one), "integração", &key, None).await.text, made.text);
    let list = call(&scene, ("GET", HOOKS), &user, &key, None).await.expect(200);
    assert_eq!(list, json!({"resultSetMetadata": {"count": 1, "offset": 0, "limit": 100}, "results": [hook]}));
    let seen = scene.told("UNIT_CREATED", r#"{"unitId":204}"#).await;
    assert_eq!(seen.target, "/h?token=q");
    assert_eq!((seen.header("authorization"), seen.header("x-sienge-hook-id")), (Some("Bearer my-secret-token"), Some(id)));

    assert_eq!(call(&scene, ("DELETE", &one), &user, &key, None).await.status, 200);
    refused(&call(&scene, ("GET", &one), &user, &key, None).await, 404);
    refused(&call(&scene, ("DELETE", &one), &user, &key, None).await, 404);
}

#[tokio::test]
async fn several_hooks_share_a_url_and_are_listed_in_parts_the_oldest_first() {
    let scene = Scene::new().await;
    let Login { id: user, key } = login(&scene, "admin").await;
    let mut ids = Vec::new();
    for code in ["UNIT_CREATED", "UNIT_UPDATED", "UNIT_REMOVED"] {
        let body = json!({"url": "https://example.com/h", "events": [code]});
        ids.push(call(&scene, ("POST", HOOKS), &user, &key, Some(&body)).await.expect(200)["id"].clone());
    }
    let other = json!({"name": "w", "events": ["UNIT_CREATED"], "method": "POST", "url": "https://example.com/h"});
    scene.rest.post("/v1/webhooks").key(&scene.tenant.admin).json(&other).send().await.expect(201);

    let part = call(&scene, ("GET", &format!("{HOOKS}?limit=1&offset=1")), &user, &key, None).await.expect(200);

    assert_eq!(part["resultSetMetadata"], json!({"count": 3, "offset": 1, "limit": 1}));
    assert_eq!(part["results"].as_array().unwrap().iter().map(|hook| &hook["id"]).collect::<Vec<_>>(), [&ids[1]]);
    for query in ["limit=0", "limit=x", "limit=201", "offset=-1"] {
        refused(&call(&scene, ("GET", &format!("{HOOKS}?{query}")), &user, &key, None).await, 400);
    }
}

#[tokio::test]
async fn a_hook_may_name_every_event() {
    let scene = Scene::new().await;
    let Login { id: user, key } = login(&scene, "admin").await;
    let events = scene.rest.get("/v1/catalogs/sienge/events").key(&scene.tenant.viewer).send().await.expect(200);
    let codes: Vec<&str> = events["items"].as_array().unwrap().iter().map(|event| event["code"].as_str().unwrap()).collect();

    let made = call(&scene, ("POST", HOOKS), &user, &key, Some(&json!({"url": "https://example.com/", "events": codes}))).await;

    assert_eq!(made.expect(200)["events"].as_array().unwrap().len(), 96);
}

#[tokio::test]
async fn what_is_wrong_with_a_hook_is_a_400_in_sienges_words() {
    let scene = Scene::new().await;
    let Login { id: user, key } = login(&scene, "admin").await;
    let url = "https://example.com/h";
    let cases = [
        (json!({"url": url, "events": ["UNIT_CREATED", "UNIT_LOST", "X Y"]}), "unknown events: UNIT_LOST, X Y"),
        (json!({"url": url}), "events"),
        (json!({"url": url, "events": []}), "events"),
        (json!({"url": url, "events": "UNIT_CREATED"}), "events"),
        (json!({"url": url, "events": [7]}), "events[0]"),
        (json!({"events": ["UNIT_CREATED"]}), "url is required"),
        (json!({"url": "http://169.254.169.254/", "events": ["UNIT_CREATED"]}), "url"),
        (json!({"url": url, "events": ["UNIT_CREATED"], "token": 7}), "token must be text"),
        (json!({"url": url, "events": ["UNIT_CREATED"], "token": "a\nb"}), "authorization"),
        (json!([]), "body"),
    ];

    for (body, said) in cases {
        let told = refused(&call(&scene, ("POST", HOOKS), &user, &key, Some(&body)).await, 400);
        assert!(told.contains(said), "{body}: {told}");
    }
    refused(&call(&scene, ("GET", &format!("{HOOKS}/7")), &user, &key, None).await, 400);
    assert_eq!(scene.rest.webhooks_stored().await, 0);
}

#[tokio::test]
async fn a_hook_is_managed_by_an_admin_of_the_tenant_alone() {
    let scene = Scene::new().await;
    let (admin, viewer) = (login(&scene, "admin").await, login(&scene, "viewer").await);
    let get = |path: &'static str, user: &str, key: &str| {
        let (user, key) = (user.to_owned(), key.to_owned());
        let scene = &scene;
        async move { call(scene, ("GET", path), &user, &key, None).await }
    };

    let anonymous = scene.rest.get(HOOKS).without("X-API-KEY").send().await;
    refused(&anonymous, 401);
    assert!(anonymous.header("www-authenticate").starts_with("Basic"));
    refused(&get(HOOKS, &admin.id, "whd_wrong").await, 401);
    refused(&get(HOOKS, "somebody", &admin.key).await, 401);
    refused(&get(HOOKS, &viewer.id, &admin.key).await, 401);
    refused(&get(HOOKS, &viewer.id, &viewer.key).await, 403);
    refused(&get("/other/public/api/v1/hooks", &admin.id, &admin.key).await, 404);
    get(HOOKS, &admin.id, &admin.key).await.expect(200);
    scene.settle("sienge", &json!({"tenant": "acme-obras"})).await;
    refused(&get(HOOKS, &admin.id, &admin.key).await, 404);
    get("/acme-obras/public/api/v1/hooks", &admin.id, &admin.key).await.expect(200);
}
