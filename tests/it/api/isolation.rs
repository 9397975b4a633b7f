//! Another client's things cannot be seen or reached. That each of them looks like what does not exist is tested over
//! the whole description, in `openapi::matrix`.

use serde_json::{Value, json};

use crate::support::rest::{Rest, Tenant};

const NOBODY: &str = "00000000-0000-7000-8000-000000000000";

struct Things {
    webhook: String,
    event: String,
    delivery: String,
}

async fn things_of(rest: &Rest, tenant: &Tenant) -> Things {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let webhook = json!({"name": "w", "type": 0, "method": "POST", "url": "https://example.com/:id"});
    let webhook = rest.post("/v1/webhooks").key(&tenant.admin).json(&webhook).send().await.expect(201);
    let accepted = rest.post("/api_document/completions").key(&tenant.admin).json(&json!({"id": "7"})).send().await.expect(202);
    Things {
        webhook: text(&webhook["id"]),
        event: text(&accepted["events"][0]["eventId"]),
        delivery: text(&accepted["events"][0]["deliveryIds"][0]),
    }
}

#[tokio::test]
async fn lists_show_a_clients_own_things_alone_whatever_is_asked() {
    let rest = Rest::new().await;
    let (acme, other) = (rest.tenant("acme").await, rest.tenant("other").await);
    let things = things_of(&rest, &acme).await;

    for path in ["/v1/webhooks", "/v1/events", "/v1/deliveries", "/v1/dead-letters"] {
        let list = rest.get(path).key(&other.admin).send().await.expect(200);
        assert_eq!(list["items"], json!([]), "{path}");
    }
    for query in [format!("webhookId={}", things.webhook), format!("eventId={}", things.event), "subject=7".to_owned()] {
        let list = rest.get(&format!("/v1/deliveries?{query}")).key(&other.admin).send().await.expect(200);
        assert_eq!(list["items"], json!([]), "{query}");
    }
    assert_eq!(rest.get("/document_webhooks").key(&other.admin).send().await.expect(200), json!([]));
}

#[tokio::test]
async fn a_client_header_opens_nothing_that_the_key_does_not() {
    let rest = Rest::new().await;
    let (acme, other) = (rest.tenant("acme").await, rest.tenant("other").await);
    let list = async |key: &str, client: &str| rest.get("/v1/webhooks").key(key).acting_for(client).send().await;

    list(&acme.viewer, &acme.id).await.expect(200);
    for client in [other.id.as_str(), NOBODY, "7", "", "é"] {
        list(&acme.viewer, client).await.problem(404);
    }
    for client in [NOBODY, "7", "", "é"] {
        list(crate::support::rest::ROOT_KEY, client).await.problem(404);
    }
}

#[tokio::test]
async fn root_sees_everything_and_acts_on_anything() {
    let rest = Rest::new().await;
    let acme = rest.tenant("acme").await;
    let things = things_of(&rest, &acme).await;

    for (path, id) in [("webhooks", &things.webhook), ("events", &things.event), ("deliveries", &things.delivery)] {
        rest.get(&format!("/v1/{path}/{id}")).send().await.expect(200);
        assert_eq!(rest.get(&format!("/v1/{path}")).send().await.expect(200)["items"][0]["id"], id.as_str());
    }
    rest.post(&format!("/v1/webhooks/{}/pause", things.webhook)).send().await.expect(200);
    rest.call("PATCH", &format!("/v1/webhooks/{}", things.webhook)).json(&json!({"name": "by root"})).send().await.expect(200);
    rest.post(&format!("/v1/deliveries/{}/cancel", things.delivery)).send().await.expect(202);
    rest.call("DELETE", &format!("/v1/webhooks/{}", things.webhook)).send().await.expect(204);
}
