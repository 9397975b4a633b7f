//! `clientCertificate` and `clientKey` of `/v1/webhooks`: taken together, checked, and never shown again.

use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::{Value, json};
use webhook_dispatcher::store::records::Scope;

use crate::support::rest::{Answer, Rest, Tenant};
use crate::support::tls::{Authority, Issued};

const V1: &str = "/v1/webhooks";
const OCR: &str = "/api_document/document_webhooks";

fn definition(fields: &Value) -> Value {
    let mut definition = json!({"name": "w", "type": 0, "method": "POST", "url": "https://example.com/:id"});
    definition.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    definition
}

/// A webhook with a certificate.
struct Scene {
    rest: Rest,
    tenant: Tenant,
    authority: Authority,
    id: String,
    first: Issued,
}

impl Scene {
    async fn new() -> Self {
        let (rest, authority) = (Rest::new().await, Authority::new());
        let (tenant, first) = (rest.tenant("acme").await, authority.issue("client.test"));
        let body = definition(&json!({"clientCertificate": first.certificate, "clientKey": first.key}));
        let made = rest.post(V1).key(&tenant.admin).json(&body).send().await.expect(201);
        let id = made["id"].as_str().unwrap().to_owned();
        Self { rest, tenant, authority, id, first }
    }

    async fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.rest.call(method, &format!("{path}/{}", self.id)).key(&self.tenant.admin).json(body).send().await
    }

    /// Chain and key as they are kept.
    async fn kept(&self) -> Option<(String, String)> {
        let webhook = self.rest.store.webhook(Scope::All, self.id.parse().unwrap()).await.unwrap().unwrap();
        let certificate = webhook.definition.authorization.client_certificate?;
        Some((certificate.chain().to_owned(), certificate.key().expose_secret().to_owned()))
    }

    async fn assert_kept(&self, issued: &Issued) {
        assert_eq!(self.kept().await, Some((issued.certificate.clone(), issued.key.clone())));
    }
}

#[tokio::test]
async fn a_certificate_is_shown_by_what_it_says_and_its_key_not_at_all() {
    let scene = Scene::new().await;

    let answer = scene.rest.get(&format!("{V1}/{}", scene.id)).key(&scene.tenant.viewer).send().await;

    let view = answer.expect(200);
    assert_eq!((&view["clientCertificate"]["subject"], &view["clientKey"]), (&json!("CN=client.test"), &json!("****")));
    assert_eq!(view["clientCertificate"]["expiresAt"], "4095-12-31T21:00:00.000000-03:00");
    assert_eq!(view["clientCertificate"]["sha256"].as_str().unwrap().len(), 64);
    for text in [&scene.first.certificate, &scene.first.key] {
        assert!(!answer.text.contains(text.lines().nth(1).unwrap()));
    }
    let ocr = scene.rest.get(&format!("{OCR}/{}", scene.id)).key(&scene.tenant.viewer).send().await.expect(200);
    assert_eq!(ocr.as_object().unwrap().len(), 15);
}

#[tokio::test]
async fn what_makes_no_certificate_is_refused_by_name() {
    let (rest, authority) = (Rest::new().await, Authority::new());
    let (tenant, first, other) = (rest.tenant("acme").await, authority.issue("client.test"), authority.issue("client.test"));
    let cases: &[(Value, &[&str])] = &[
        (json!({"clientCertificate": first.certificate}), &["clientKey"]),
        (json!({"clientKey": first.key}), &["clientCertificate"]),
        (json!({"clientCertificate": first.certificate, "clientKey": other.key}), &["clientKey"]),
        (json!({"clientCertificate": first.key, "clientKey": first.key}), &["clientCertificate"]),
        (json!({"clientCertificate": first.certificate, "clientKey": first.certificate}), &["clientKey"]),
        (json!({"clientCertificate": 7, "clientKey": [first.key]}), &["clientCertificate", "clientKey"]),
        (json!({"clientCertificate": "", "clientKey": first.key}), &["clientCertificate"]),
        (json!({"clientCertificate": "\u{0}", "clientKey": first.key}), &["clientCertificate"]),
        (json!({"clientCertificate": "x".repeat(1 << 19), "clientKey": first.key}), &["clientCertificate"]),
    ];

    for (fields, named) in cases {
        let answer = rest.post(V1).key(&tenant.admin).json(&definition(fields)).send().await;

        assert_eq!(answer.problem(422), *named, "{fields}");
        assert!(!answer.text.contains("BEGIN") && !answer.text.contains(first.key.lines().nth(1).unwrap()), "{}", answer.text);
    }
    assert_eq!(rest.webhooks_stored().await, 0);
    // The OCR service's document knows nothing of it.
    let body = definition(&json!({"clientCertificate": first.certificate, "clientKey": other.key}));
    rest.post(OCR).key(&tenant.admin).json(&body).send().await.expect(200);
}

#[tokio::test]
async fn a_certificate_stays_until_it_is_replaced_or_cleared() {
    let scene = Scene::new().await;
    let view = scene.rest.get(&format!("{V1}/{}", scene.id)).key(&scene.tenant.admin).send().await.expect(200);

    // Returned as it was shown, left out, and changed by the other edition.
    scene.send("PUT", V1, &view).await.expect(200);
    scene.send("PATCH", V1, &view).await.expect(200);
    scene.send("PUT", V1, &definition(&json!({}))).await.expect(200);
    scene.send("PATCH", V1, &json!({"name": "new"})).await.expect(200);
    scene.send("PUT", OCR, &definition(&json!({}))).await.expect(200);
    scene.assert_kept(&scene.first).await;

    let next = scene.authority.issue("next.test");
    assert_eq!(scene.send("PATCH", V1, &json!({"clientCertificate": next.certificate})).await.problem(422), ["clientKey"]);
    scene.assert_kept(&scene.first).await;
    let both = json!({"clientCertificate": next.certificate, "clientKey": next.key});
    let view = scene.send("PATCH", V1, &both).await.expect(200);
    assert_eq!(view["clientCertificate"]["subject"], "CN=next.test");
    scene.assert_kept(&next).await;

    let view = scene.send("PATCH", V1, &json!({"clientCertificate": null})).await.expect(200);
    assert_eq!((&view["clientCertificate"], &view["clientKey"]), (&Value::Null, &Value::Null));
    assert_eq!(scene.kept().await, None);
}

#[tokio::test]
async fn one_that_has_expired_is_not_taken_and_one_that_expires_keeps_its_webhook_changeable() {
    let scene = Scene::new().await;
    let both = |issued: &Issued| json!({"clientCertificate": issued.certificate, "clientKey": issued.key});
    let (expired, ending) = (scene.authority.issue_until("past.test", 2024), scene.authority.issue_until("ending.test", 2025));

    let refused = scene.rest.post(V1).key(&scene.tenant.admin).json(&definition(&both(&expired))).send().await;
    assert_eq!(refused.problem(422), ["clientCertificate"]);
    assert!(refused.text.contains("it was good until 2024-01-01T00:00:00"), "{}", refused.text);
    assert_eq!(scene.send("PATCH", V1, &both(&expired)).await.problem(422), ["clientCertificate"]);
    scene.assert_kept(&scene.first).await;

    scene.send("PATCH", V1, &both(&ending)).await.expect(200);
    scene.rest.clock.advance(Duration::from_hours(365 * 24));
    scene.send("PATCH", V1, &json!({"name": "new"})).await.expect(200);
    scene.send("PATCH", V1, &both(&ending)).await.expect(200);
    scene.assert_kept(&ending).await;
}

#[tokio::test]
async fn a_change_is_told_by_the_certificates_fingerprint_and_never_by_its_key() {
    let scene = Scene::new().await;
    let next = scene.authority.issue("next.test");
    let both = json!({"clientCertificate": next.certificate, "clientKey": next.key});
    let view = scene.send("PATCH", V1, &both).await.expect(200);

    let answer = scene.rest.get(&format!("/v1/audit?objectId={}", scene.id)).key(&scene.tenant.admin).send().await;

    let list = answer.expect(200);
    let after = json!({"clientCertificate": view["clientCertificate"]["sha256"], "clientKey": "changed"});
    assert_eq!(list["items"][0]["after"], after);
    assert_eq!(list["items"][1]["after"]["clientKey"], "changed");
    for text in [&scene.first.key, &next.key] {
        assert!(!answer.text.contains(text.lines().nth(1).unwrap()));
    }
}
