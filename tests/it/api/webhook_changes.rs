//! PUT and PATCH of webhooks: what they keep, what they clear, and what becomes of secrets that nobody is shown.

use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::{Value, json};
use webhook_dispatcher::domain::webhook::{DisableReason, Webhook, WebhookState};
use webhook_dispatcher::store::records::Scope;

use crate::support::rest::{Answer, Rest, START_TEXT, Tenant};

/// A tenant with one webhook that uses every field.
struct Scene {
    rest: Rest,
    tenant: Tenant,
    id: String,
}

impl Scene {
    async fn new() -> Self {
        let rest = Rest::new().await;
        let tenant = rest.tenant("acme").await;
        let body = json!({
            "name": "w",
            "type": 0,
            "method": "POST",
            "headers": {"X-Api-Key": "stored-key", "Accept": "text/plain"},
            "headerAuth": "Token",
            "url": "https://example.com/:id",
            "authorization": "Bearer stored-authorization",
            "authorizationUrl": "https://example.com/login",
            "authorizationMethod": "PUT",
            "authorizationHeaders": {"X-Token": "stored-token"},
            "authorizationBody": {"user": "root", "password": "stored-password"},
            "authorizationResponseTokenAttr": "token",
            "retry": {"delaysSeconds": [5, 60], "jitter": 0.1},
            "timeoutMs": 2500,
            "maxInFlight": 3,
            "rateLimit": {"requests": 30, "perSeconds": 60}
        });
        let made = rest.post("/v1/webhooks").key(&tenant.admin).json(&body).send().await.expect(201);
        let id = made["id"].as_str().unwrap().to_owned();
        Self { rest, tenant, id }
    }

    async fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.rest.call(method, &format!("{path}/{}", self.id)).key(&self.tenant.admin).json(body).send().await
    }

    async fn ocr(&self, method: &str, body: &Value) -> Value {
        self.send(method, "/api_document/document_webhooks", body).await.expect(200)
    }

    async fn v1(&self, method: &str, body: &Value) -> Value {
        self.send(method, "/v1/webhooks", body).await.expect(200)
    }

    async fn view(&self) -> Value {
        self.rest.get(&format!("/v1/webhooks/{}", self.id)).key(&self.tenant.admin).send().await.expect(200)
    }

    async fn stored(&self) -> Webhook {
        self.rest.store.webhook(Scope::All, self.id.parse().unwrap()).await.unwrap().unwrap()
    }

    /// The stored secrets: authorization, login body, a header's, a login header's.
    async fn secrets(&self) -> [Option<String>; 4] {
        let definition = self.stored().await.definition;
        let header = |headers: &Option<webhook_dispatcher::domain::headers::Headers>, name: &str| {
            headers.as_ref().and_then(|headers| headers.get(name)).map(str::to_owned)
        };
        [
            definition.authorization.fixed.as_ref().map(|fixed| fixed.expose_secret().to_owned()),
            definition.authorization.body.as_ref().map(|body| body.expose()["password"].as_str().unwrap_or_default().to_owned()),
            header(&definition.headers, "X-Api-Key"),
            header(&definition.authorization.headers, "X-Token"),
        ]
    }
}

fn minimal() -> Value {
    json!({"name": "new", "type": 0, "method": "GET", "url": "https://example.com/new/:id"})
}

fn some(secrets: [&str; 4]) -> [Option<String>; 4] {
    secrets.map(|secret| Some(secret.to_owned()))
}

const ALL_STORED: [&str; 4] = ["stored-authorization", "stored-password", "stored-key", "stored-token"];

fn all_stored() -> [Option<String>; 4] {
    let mut secrets = some(ALL_STORED);
    secrets[0] = Some("Bearer stored-authorization".to_owned());
    secrets
}

#[tokio::test]
async fn put_replaces_everything_but_the_write_only_secrets() {
    let scene = Scene::new().await;
    scene.rest.clock.advance(Duration::from_mins(1));

    let view = scene.ocr("PUT", &minimal()).await;

    assert_eq!((&view["name"], &view["method"], &view["url"]), (&json!("new"), &json!("GET"), &json!("https://example.com/new/:id")));
    for cleared in ["headers", "headerAuth", "authorizationUrl", "authorizationMethod", "authorizationHeaders"] {
        assert_eq!(view[cleared], Value::Null, "{cleared}");
    }
    assert_eq!(view["authorization"], "Bearer ****");
    assert_eq!((&view["createdAt"], &view["updatedAt"]), (&json!(START_TEXT), &json!("2024-04-11T14:13:33.741194-03:00")));
    let kept = [Some("Bearer stored-authorization".to_owned()), Some("stored-password".to_owned()), None, None];
    assert_eq!(scene.secrets().await, kept);
}

#[tokio::test]
async fn what_changes_nothing_moves_no_time_of_a_change() {
    let scene = Scene::new().await;
    let changed = scene.ocr("PUT", &minimal()).await;
    scene.rest.clock.advance(Duration::from_mins(1));

    let again = scene.ocr("PUT", &minimal()).await;
    let merged = scene.ocr("PATCH", &json!({"method": "get"})).await;
    let secret = scene.ocr("PATCH", &json!({"authorization": "Bearer another"})).await;

    assert_eq!((&again, &merged), (&changed, &changed));
    assert_eq!((&secret["authorization"], secret["updatedAt"] == changed["updatedAt"]), (&changed["authorization"], false));
}

#[tokio::test]
async fn put_with_null_clears_a_write_only_secret() {
    let scene = Scene::new().await;
    let mut body = minimal();
    body["authorization"] = Value::Null;
    body["authorizationBody"] = Value::Null;

    let view = scene.ocr("PUT", &body).await;

    assert_eq!(view["authorization"], Value::Null);
    assert_eq!(scene.secrets().await, [None, None, None, None]);
}

#[tokio::test]
async fn what_was_read_can_be_sent_back_and_nothing_changes() {
    let scene = Scene::new().await;
    let read = scene.view().await;

    for (method, path) in
        [("PUT", "/v1/webhooks"), ("PATCH", "/v1/webhooks"), ("PUT", "/document_webhooks"), ("PATCH", "/document_webhooks")]
    {
        scene.send(method, path, &read).await.expect(200);
        assert_eq!(scene.secrets().await, all_stored(), "{method} {path}");
        assert_eq!(scene.view().await, read, "{method} {path}");
    }
    assert_eq!(scene.stored().await.version, 1);
}

#[tokio::test]
async fn a_new_secret_replaces_the_stored_one() {
    let scene = Scene::new().await;
    let patch = json!({
        "authorization": "Basic new",
        "authorizationBody": {"password": "new"},
        "headers": {"x-api-key": "new"},
        "authorizationHeaders": {"X-TOKEN": "new"}
    });

    let view = scene.ocr("PATCH", &patch).await;

    assert_eq!(scene.secrets().await, some(["Basic new", "new", "new", "new"]));
    assert_eq!(view["headers"], json!({"X-Api-Key": "****", "Accept": "text/plain"}));
    assert_eq!(scene.stored().await.definition.authorization.body.unwrap().expose()["user"], "root");
}

#[tokio::test]
async fn patch_changes_what_it_names_and_removes_what_it_nulls() {
    let scene = Scene::new().await;

    let view = scene.ocr("PATCH", &json!({"headers": {"Accept": null, "X-New": "1"}, "headerAuth": null, "unknown": 1})).await;

    assert_eq!(view["headers"], json!({"X-Api-Key": "****", "X-New": "1"}));
    assert_eq!(view["headerAuth"], Value::Null);
    assert_eq!((&view["name"], &view["authorizationUrl"]), (&json!("w"), &json!("https://example.com/login")));
    assert_eq!(scene.secrets().await, all_stored());
}

#[tokio::test]
async fn the_ocr_routes_keep_what_only_v1_knows() {
    let scene = Scene::new().await;

    scene.ocr("PUT", &minimal()).await;
    scene.ocr("PATCH", &json!({"name": "newer", "timeoutMs": 9999, "retry": null})).await;

    let view = scene.view().await;
    assert_eq!(view["retry"], json!({"delaysSeconds": [5, 60], "jitter": 0.1}));
    assert_eq!((&view["timeoutMs"], &view["maxInFlight"]), (&json!(2500), &json!(3)));
    assert_eq!(view["rateLimit"], json!({"requests": 30, "perSeconds": 60}));
    let view = scene.v1("PUT", &minimal()).await;
    assert_eq!((&view["retry"], &view["timeoutMs"], &view["maxInFlight"]), (&Value::Null, &Value::Null, &Value::Null));
    assert_eq!(view["rateLimit"], Value::Null);
}

#[tokio::test]
async fn a_rate_limit_is_changed_in_part_and_taken_away() {
    let scene = Scene::new().await;

    let slower = scene.v1("PATCH", &json!({"rateLimit": {"requests": 10}})).await;
    let refused = scene.send("PATCH", "/v1/webhooks", &json!({"rateLimit": {"perSeconds": -1}})).await;
    let free = scene.v1("PATCH", &json!({"rateLimit": null})).await;

    assert_eq!(slower["rateLimit"], json!({"requests": 10, "perSeconds": 60}));
    assert_eq!(refused.problem(422), ["rateLimit.perSeconds"]);
    assert_eq!(free["rateLimit"], Value::Null);
}

#[tokio::test]
async fn a_change_that_breaks_a_rule_changes_nothing() {
    let scene = Scene::new().await;
    let before = scene.view().await;
    let cases = [
        ("PUT", json!({}), vec!["name", "type", "method", "url"]),
        ("PATCH", json!({"url": null, "name": null}), vec!["name", "url"]),
        ("PATCH", json!({"type": null}), vec!["type"]),
        ("PATCH", json!({"headers": {"Host": "x"}}), vec!["headers.Host"]),
        ("PATCH", json!({"headers": 7}), vec!["headers"]),
        ("PATCH", json!({"authorizationBody": {"x": {"y": 1}}, "authorizationMethod": "GET"}), vec!["authorizationBody.x"]),
        ("PATCH", json!([]), vec!["body"]),
        ("PUT", json!("text"), vec!["body"]),
    ];

    for (method, body, fields) in cases {
        let answer = scene.send(method, "/api_document/document_webhooks", &body).await;
        assert_eq!(answer.problem(422), fields, "{method} {body}");
    }
    assert_eq!(scene.view().await, before);
    assert_eq!(scene.secrets().await, all_stored());
    assert_eq!(scene.stored().await.version, 1);
}

#[tokio::test]
async fn patch_can_turn_a_typed_webhook_into_one_that_names_its_events_and_back() {
    let scene = Scene::new().await;

    let view = scene.v1("PATCH", &json!({"type": null, "events": ["b", "a", "b"]})).await;
    assert_eq!((&view["type"], &view["events"]), (&Value::Null, &json!(["a", "b"])));
    assert_eq!(scene.view().await["events"], json!(["a", "b"]));
    assert_eq!(scene.send("PATCH", "/v1/webhooks", &json!({"type": 0})).await.problem(422), ["events"]);
    let view = scene.v1("PATCH", &json!({"type": 0, "events": null})).await;
    assert_eq!((&view["type"], &view["events"]), (&json!(0), &json!(["document.finished"])));
}

#[tokio::test]
async fn a_type_that_is_taken_cannot_be_taken_by_a_change() {
    let scene = Scene::new().await;
    let body = json!({"name": "w2", "events": ["a"], "method": "POST", "url": "https://example.com/:id"});
    let other = scene.rest.post("/v1/webhooks").key(&scene.tenant.admin).json(&body).send().await.expect(201);

    let path = format!("/v1/webhooks/{}", other["id"].as_str().unwrap());
    let answer = scene.rest.call("PATCH", &path).key(&scene.tenant.admin).json(&json!({"type": 0, "events": null})).send().await;

    answer.problem(409);
}

#[tokio::test]
async fn concurrent_changes_are_all_made_or_refused_as_conflicts() {
    let scene = Scene::new().await;
    let patches: Vec<Value> = (0..8).map(|number| json!({"headers": {format!("X-{number}"): "x"}})).collect();

    let answers = futures_util::future::join_all(patches.iter().map(|patch| scene.send("PATCH", "/v1/webhooks", patch))).await;

    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    assert!(statuses.iter().all(|status| [200, 409].contains(status)), "{statuses:?}");
    let made = statuses.iter().filter(|status| **status == 200).count();
    assert!(made >= 5, "{statuses:?}");
    assert_eq!(scene.view().await["headers"].as_object().unwrap().len(), 2 + made);
}

#[tokio::test]
async fn pausing_holds_a_webhook_back_and_resuming_revives_even_a_disabled_one() {
    let scene = Scene::new().await;
    let state = async |action: &str| {
        let path = format!("/v1/webhooks/{}/{action}", scene.id);
        let view = scene.rest.post(&path).key(&scene.tenant.operator).send().await.expect(200);
        assert_eq!(view, scene.view().await);
        (view["state"].as_str().unwrap().to_owned(), view["disableReason"].clone())
    };

    assert_eq!(state("pause").await, ("paused".to_owned(), Value::Null));
    assert_eq!(state("pause").await, ("paused".to_owned(), Value::Null));
    assert_eq!(state("resume").await, ("active".to_owned(), Value::Null));
    let id = scene.id.parse().unwrap();
    assert!(scene.rest.store.disable_webhook(id, DisableReason::Gone, scene.rest.now()).await.unwrap());
    assert_eq!((&scene.view().await["state"], &scene.view().await["disableReason"]), (&json!("disabled"), &json!("gone")));
    scene.v1("PATCH", &json!({"name": "still disabled"})).await;
    assert_eq!(scene.stored().await.state, WebhookState::Disabled(DisableReason::Gone));
    assert_eq!(state("resume").await, ("active".to_owned(), Value::Null));
}
