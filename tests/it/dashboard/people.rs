//! Clients, keys, and who changed what.

use crate::support::pages::Browser;
use crate::support::rest::{ROOT_KEY, Rest};
use crate::support::scene::Scene;

#[tokio::test]
async fn a_key_is_made_shown_once_and_deleted() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let admin = Browser::signed_in(&rest, &tenant.admin).await;

    let made = admin.post("/dashboard/keys", &[("role", "operator"), ("name", "night shift")]).await;

    let key = made.text.split(r#"id="secret">"#).nth(1).unwrap().split('<').next().unwrap();
    rest.get("/v1/deliveries").key(key).send().await.expect(200);
    let page = admin.page("/dashboard/keys").await;
    assert!(page.contains("night shift") && !page.contains(key), "{page}");
    let id = rest.get("/v1/api-keys").key(&tenant.admin).send().await.expect(200)["items"][0]["id"].as_str().unwrap().to_owned();
    let deleted = admin.post(&format!("/dashboard/keys/{id}/delete"), &[]).await;
    assert_eq!(deleted.header("location"), "/dashboard/keys?done=deleted");
    assert!(!admin.page("/dashboard/keys").await.contains("night shift"));
    rest.get("/v1/deliveries").key(key).send().await.problem(401);
}

#[tokio::test]
async fn the_keys_of_a_client_that_is_deleted_open_nothing_at_once() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let root = Browser::signed_in(&rest, ROOT_KEY).await;
    rest.get("/v1/deliveries").key(&tenant.viewer).send().await.expect(200);

    let deleted = root.post(&format!("/dashboard/clients/{}/delete", tenant.id), &[]).await;

    assert_eq!(deleted.header("location"), "/dashboard/keys?done=deleted");
    rest.get("/v1/deliveries").key(&tenant.viewer).send().await.problem(401);
}

#[tokio::test]
async fn nobody_gives_more_than_they_have() {
    let rest = Rest::new().await;
    let (acme, other) = (rest.tenant("acme").await, rest.tenant("other").await);
    let (admin, root) = (Browser::signed_in(&rest, &acme.admin).await, Browser::signed_in(&rest, ROOT_KEY).await);
    let status = async |browser: &Browser<'_>, path: &str, form: &[(&str, &str)]| browser.post(path, form).await.status.as_u16();

    assert_eq!(status(&admin, "/dashboard/keys", &[("role", "root")]).await, 403);
    assert_eq!(status(&admin, "/dashboard/keys", &[("role", "viewer"), ("clientId", &other.id)]).await, 200);
    assert_eq!(rest.get("/v1/api-keys").key(&other.admin).send().await.expect(200)["items"].as_array().unwrap().len(), 4);
    assert_eq!(status(&admin, "/dashboard/clients", &[("name", "new")]).await, 403);
    assert_eq!(status(&admin, &format!("/dashboard/clients/{}/delete", other.id), &[]).await, 403);
    for key in [&acme.operator, &acme.viewer] {
        let browser = Browser::signed_in(&rest, key).await;
        for path in ["/dashboard/keys", "/dashboard/audit", "/dashboard/webhooks/new"] {
            assert_eq!(browser.get(path).await.status.as_u16(), 403, "{path}");
        }
    }
    assert_eq!(status(&root, "/dashboard/keys", &[("role", "viewer")]).await, 400);
    assert_eq!(status(&root, "/dashboard/keys", &[("role", "viewer"), ("clientId", &other.id)]).await, 200);
    assert_eq!(status(&root, "/dashboard/clients", &[("name", "")]).await, 400);
    assert_eq!(status(&root, "/dashboard/clients", &[("name", "third")]).await, 303);
    assert!(root.page("/dashboard/keys").await.contains("third"));
    assert_eq!(status(&root, &format!("/dashboard/clients/{}/delete", acme.id), &[]).await, 303);
    assert_eq!(admin.get("/dashboard/keys").await.status.as_u16(), 303, "an admin goes with their client");
}

#[tokio::test]
async fn the_audit_says_from_where_a_page_was_sent() {
    let scene = Scene::new().await;
    let admin = Browser::signed_in(&scene.rest, &scene.tenant.admin).await.at("::ffff:192.0.2.7");

    admin.post(&format!("/dashboard/webhooks/{}/pause", scene.webhook), &[]).await;

    let list = scene.rest.get(&format!("/v1/audit?objectId={}", scene.webhook)).key(&scene.tenant.admin).send().await.expect(200);
    assert_eq!((&list["items"][0]["action"], &list["items"][0]["actor"]["remoteAddress"]), (&"pause".into(), &"192.0.2.7".into()));
}

#[tokio::test]
async fn the_last_root_key_stays() {
    let rest = Rest::new().await;
    let root = Browser::signed_in(&rest, ROOT_KEY).await;
    let id = rest.get("/v1/api-keys").send().await.expect(200)["items"][0]["id"].as_str().unwrap().to_owned();

    let refused = root.post(&format!("/dashboard/keys/{id}/delete"), &[]).await;

    assert_eq!(refused.status.as_u16(), 409);
    assert!(refused.text.contains("The last root key cannot be deleted."), "{}", refused.text);
}

#[tokio::test]
async fn the_audit_shows_what_differs_and_no_secret() {
    let scene = Scene::new().await;
    let admin = Browser::signed_in(&scene.rest, &scene.tenant.admin).await;
    let path = format!("/dashboard/webhooks/{}/edit", scene.webhook);
    let form =
        [("name", "renamed"), ("kind", "type"), ("method", "POST"), ("url", "https://example.com/:id"), ("authorization", "Bearer hush")];
    assert_eq!(admin.post(&path, &form).await.status.as_u16(), 303);

    let page = admin.page(&format!("/dashboard/audit?object={}", scene.webhook)).await;

    assert!(page.contains("<del>w</del>") && page.contains("<ins>renamed</ins>") && !page.contains("hush"), "{page}");
    assert_eq!(page.matches("<tr>").count(), 1 + 2, "the head, the making and the change");
}

#[tokio::test]
async fn the_audit_says_who_and_what_by_name() {
    let scene = Scene::new().await;
    let admin = Browser::signed_in(&scene.rest, &scene.tenant.admin).await;
    let made = admin.post("/dashboard/keys", &[("role", "admin"), ("name", "night <shift>")]).await;
    let key = made.text.split(r#"id="secret">"#).nth(1).unwrap().split('<').next().unwrap();
    Browser::signed_in(&scene.rest, key).await.post(&format!("/dashboard/webhooks/{}/pause", scene.webhook), &[]).await;

    let made = Browser::signed_in(&scene.rest, ROOT_KEY).await.post("/dashboard/keys", &[("role", "root"), ("name", "of the house")]).await;
    let house = made.text.split(r#"id="secret">"#).nth(1).unwrap().split('<').next().unwrap();
    let root = Browser::signed_in(&scene.rest, house).await;
    root.post(&format!("/dashboard/webhooks/{}/resume", scene.webhook), &[]).await;

    let of_webhook = admin.page(&format!("/dashboard/audit?object={}", scene.webhook)).await;
    let all = admin.page("/dashboard/audit").await;

    let cells = |page: &str, name: &str| page.matches(&format!("<strong>{name}</strong> <")).count();
    assert_eq!(cells(&of_webhook, "night &#60;shift&#62;"), 1, "who paused it: {of_webhook}");
    assert_eq!(cells(&of_webhook, "w"), 3, "what was made, paused and resumed: {of_webhook}");
    assert!(!all.contains("of the house"), "a key of others: {all}");
    assert!(root.page("/dashboard/audit").await.contains("<strong>of the house</strong> <"));
    assert_eq!(cells(&all, "night &#60;shift&#62;"), 2, "the key that was made, and what it did: {all}");
}
