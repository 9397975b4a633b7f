//! Making, editing, pausing and deleting webhooks by form.

use serde_json::{Value, json};

use crate::support::pages::Browser;
use crate::support::rest::{ROOT_KEY, Rest};
use crate::support::scene::Scene;

const FORM: [(&str, &str); 9] = [
    ("name", "to the archive"),
    ("kind", "type"),
    ("method", "PUT"),
    ("url", "https://archive.example/documents/:id?x=1"),
    ("headers", "X-Api-Key: hush\nAccept: */*"),
    ("authorizationUrl", "https://archive.example/login"),
    ("authorizationBody", r#"{"user": "a", "password": "b"}"#),
    ("authorizationResponseTokenAttr", "data.token"),
    ("timeoutMs", "2500"),
];

/// The form with some fields as a test says.
fn form<'f>(changes: &[(&'f str, &'f str)]) -> Vec<(&'f str, &'f str)> {
    let kept = FORM.into_iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    kept.chain(changes.iter().copied()).collect()
}

async fn stored(rest: &Rest, key: &str) -> Vec<Value> {
    rest.get("/v1/webhooks").key(key).send().await.expect(200)["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_form_makes_the_webhook_that_the_api_would_make() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let admin = Browser::signed_in(&rest, &tenant.admin).await;

    let made = admin.post("/dashboard/webhooks/new", &FORM).await;

    assert_eq!(made.status.as_u16(), 303, "{}", made.text);
    let webhook = stored(&rest, &tenant.admin).await.remove(0);
    assert_eq!(made.header("location"), format!("/dashboard/webhooks/{}?done=created", webhook["id"].as_str().unwrap()));
    for (field, expected) in [
        ("name", json!("to the archive")),
        ("type", json!(0)),
        ("method", json!("PUT")),
        ("url", json!("https://archive.example/documents/:id?x=1")),
        ("headers", json!({"X-Api-Key": "****", "Accept": "*/*"})),
        ("authorizationUrl", json!("https://archive.example/login")),
        ("authorizationResponseTokenAttr", json!("data.token")),
        ("headerAuth", Value::Null),
        ("timeoutMs", json!(2500)),
        ("clientId", json!(tenant.id)),
    ] {
        assert_eq!(webhook[field], expected, "{field}");
    }
    let page = admin.page(made.header("location")).await;
    assert!(page.contains("X-Api-Key: ****") && !page.contains("hush") && !page.contains("password"), "{page}");
}

#[tokio::test]
async fn a_form_that_breaks_rules_says_which_and_keeps_what_was_typed() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let admin = Browser::signed_in(&rest, &tenant.admin).await;
    let broken = form(&[("url", "https://archive.example/"), ("timeoutMs", "soon"), ("headers", "no colon"), ("name", "")]);

    let refused = admin.post("/dashboard/webhooks/new", &broken).await;

    assert_eq!(refused.status.as_u16(), 422);
    for expected in [
        r#"id="name-wrong" role="alert">is required<"#,
        r#"id="timeoutMs-wrong" role="alert">must be a whole number from 100 to 300000<"#,
        r#"id="headers-wrong" role="alert">must have a name, a colon and a value on each line<"#,
        r#"value="https://archive.example/""#,
        "Nothing was saved",
    ] {
        assert!(refused.text.contains(expected), "{expected}\n{}", refused.text);
    }
    assert!(!refused.text.contains("&#34;password&#34;"), "a secret is not written into a page");
    assert_eq!(stored(&rest, &tenant.admin).await, Vec::<Value>::new());
    let portuguese = Browser::signed_in(&rest, &tenant.admin).await.reading("pt-BR");
    assert!(portuguese.post("/dashboard/webhooks/new", &broken).await.text.contains("deve ser um número inteiro de 100 a 300000"));
}

#[tokio::test]
async fn a_form_is_checked_while_it_is_filled_in_and_shows_what_would_be_sent() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let admin = Browser::signed_in(&rest, &tenant.admin).await;
    let check = async |fields: &[(&str, &str)]| admin.post("/dashboard/webhooks/check", fields).await.expect(200);

    let fine = check(&FORM).await;
    let broken = check(&form(&[("url", "ftp://x/:id"), ("retry", "5, x")])).await;

    assert_eq!(fine["errors"], json!({}));
    let preview = fine["preview"].as_str().unwrap();
    // As the API shows it: the login, and then the request.
    assert!(preview.contains("\n\n\nPUT https://archive.example/documents/00000000-0000-4000-8000-000000000000?x=1\n"), "{preview}");
    assert!(preview.contains("\nx-api-key: ****\n") && preview.contains("\nauthorization: Bearer ****\n"), "{preview}");
    assert!(preview.contains("\nwebhook-id: ") && preview.contains(r#""status":1"#), "{preview}");
    let fields: Vec<&str> = broken["errors"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!((fields, &broken["preview"]), (vec!["retry", "url"], &Value::Null));
    assert_eq!(stored(&rest, &tenant.admin).await, Vec::<Value>::new());
}

#[tokio::test]
async fn an_edit_keeps_secrets_and_what_the_form_does_not_show() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let admin = Browser::signed_in(&rest, &tenant.admin).await;
    admin.post("/dashboard/webhooks/new", &FORM).await;
    let id = stored(&rest, &tenant.admin).await[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/dashboard/webhooks/{id}/edit");
    let shown = admin.page(&path).await;
    assert!(shown.contains("X-Api-Key: ****") && !shown.contains("&#34;b&#34;") && !shown.contains("hush"), "{shown}");

    let changes = [("name", "renamed"), ("headers", "X-Api-Key: ****"), ("authorizationBody", ""), ("timeoutMs", "")];
    let saved = admin.post(&path, &form(&changes)).await;

    assert_eq!((saved.status.as_u16(), saved.header("location")), (303, format!("/dashboard/webhooks/{id}?done=saved").as_str()));
    let webhook = rest.store.webhook(webhook_dispatcher::store::records::Scope::All, id.parse().unwrap()).await.unwrap().unwrap();
    let definition = webhook.definition;
    assert_eq!(definition.headers.unwrap().iter().collect::<Vec<_>>(), [("X-Api-Key", "hush")]);
    assert_eq!(definition.authorization.body.unwrap().expose()["password"], "b");
    assert_eq!((definition.name.as_str(), definition.delivery.timeout), ("renamed", None));

    admin.post(&path, &form(&[("authorizationBody", ""), ("authorizationBodyClear", "1")])).await;
    let cleared = rest.store.webhook(webhook_dispatcher::store::records::Scope::All, id.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(cleared.definition.authorization.body, None);
}

#[tokio::test]
async fn roles_decide_what_can_be_done_with_a_webhook() {
    let scene = Scene::new().await;
    let [viewer, operator, admin] = [&scene.tenant.viewer, &scene.tenant.operator, &scene.tenant.admin];
    let path = format!("/dashboard/webhooks/{}", scene.webhook);
    let state = async || scene.get(&format!("/v1/webhooks/{}", scene.webhook)).await["state"].as_str().unwrap().to_owned();

    for (key, actions) in [(viewer, [403; 4]), (operator, [303, 303, 403, 403]), (admin, [303, 303, 200, 303])] {
        let browser = Browser::signed_in(&scene.rest, key).await;
        for (action, expected) in ["pause", "resume", "rotate"].into_iter().zip(actions) {
            let answer = browser.post(&format!("{path}/{action}"), &[]).await;
            assert_eq!(answer.status.as_u16(), expected, "{action}");
        }
        let may_edit = browser.get(&format!("{path}/edit")).await.status.as_u16() == 200;
        assert_eq!(may_edit, actions[3] == 303);
        assert_eq!(state().await, "active");
    }
    assert_eq!(Browser::signed_in(&scene.rest, operator).await.post(&format!("{path}/delete"), &[]).await.status.as_u16(), 403);
    let deleted = Browser::signed_in(&scene.rest, admin).await.post(&format!("{path}/delete"), &[]).await;
    assert_eq!(deleted.header("location"), "/dashboard/webhooks?done=deleted");
    scene.rest.get(&format!("/v1/webhooks/{}", scene.webhook)).send().await.problem(404);
}

#[tokio::test]
async fn a_new_signing_key_is_shown_once() {
    let scene = Scene::new().await;
    let admin = Browser::signed_in(&scene.rest, &scene.tenant.admin).await;
    let path = format!("/dashboard/webhooks/{}", scene.webhook);

    let answer = admin.post(&format!("{path}/rotate"), &[("scheme", "hmac-sha256"), ("overlapHours", "1")]).await;

    let secret = answer.text.split(r#"id="secret">"#).nth(1).unwrap().split('<').next().unwrap();
    assert!(secret.starts_with("whsec_"), "{secret}");
    let page = admin.page(&path).await;
    assert!(page.contains("hmac-sha256") && !page.contains(secret), "{page}");
    for nonsense in [("overlapHours", "many"), ("overlapHours", "721"), ("scheme", "md5")] {
        assert_eq!(admin.post(&format!("{path}/rotate"), &[nonsense]).await.status.as_u16(), 400, "{nonsense:?}");
    }
}

#[tokio::test]
async fn root_chooses_for_which_client_a_webhook_is_made() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let root = Browser::signed_in(&rest, ROOT_KEY).await;
    assert!(root.page("/dashboard/webhooks/new").await.contains(&format!(r#"<option value="{}">acme</option>"#, tenant.id)));

    assert_eq!(root.post("/dashboard/webhooks/new", &FORM).await.status.as_u16(), 422);
    assert_eq!(root.post("/dashboard/webhooks/new", &form(&[("clientId", &tenant.id)])).await.status.as_u16(), 303);
    let second = root.post("/dashboard/webhooks/new", &form(&[("clientId", &tenant.id)])).await;
    assert_eq!(second.status.as_u16(), 422);
    assert!(second.text.contains("has a webhook of this type already"), "{}", second.text);
    assert_eq!(stored(&rest, &tenant.admin).await.len(), 1);
}
