//! The certificate by which a webhook's requests show who calls: read as two texts, shown without its key.

use std::sync::Arc;

use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::super::fields::Fields;
use super::super::openapi::Time;
use super::super::state::Api;
use crate::domain::client_certificate::ClientCertificate;
use crate::domain::headers::MASK;

/// The chain, in PEM form.
pub(super) const CHAIN: &str = "clientCertificate";

/// The private key, in PEM form.
pub(super) const KEY: &str = "clientKey";

/// What is shown of a certificate: never the key, and not the chain as it was written.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ClientCertificate")]
pub(super) struct ClientCertificateView {
    /// Whose it is, as in `CN=client.example, O=Acme`.
    subject: String,
    /// Until when it is good.
    #[schemars(with = "Time")]
    expires_at: String,
    /// The SHA-256 of the first certificate of the chain, in hexadecimal digits.
    sha256: String,
}

impl ClientCertificateView {
    /// What callers see of `certificate`.
    pub(super) fn of(api: &Api, certificate: &ClientCertificate) -> Self {
        let facts = certificate.facts().clone();
        Self { subject: facts.subject, expires_at: api.written(facts.expires_at), sha256: facts.sha256 }
    }
}

/// Reads both texts; neither is good for anything alone.
pub(super) fn client_certificate(fields: &mut Fields<'_>) -> Option<Arc<ClientCertificate>> {
    let (chain, key) = (fields.value(CHAIN), fields.value(KEY));
    let text = |field, value: Option<&Value>, other: &str, fields: &mut Fields<'_>| {
        match value {
            None => fields.refuse(field, format!("must be given together with {other}")),
            Some(value) if !value.is_string() => fields.refuse(field, "must be text"),
            Some(_) => {}
        }
        value.and_then(Value::as_str).map(str::to_owned)
    };
    if chain.is_none() && key.is_none() {
        return None;
    }
    let (chain, key) = (text(CHAIN, chain, KEY, fields), text(KEY, key, CHAIN, fields));
    let checked = ClientCertificate::check(chain?, SecretString::from(key?));
    checked.map(Arc::new).map_err(|error| fields.refuse(if error.is_of_key() { KEY } else { CHAIN }, error.to_string())).ok()
}

/// Takes out of a body what was shown and is returned unchanged: it stays what it is. The certificate cleared alone takes
/// its key with it.
pub(super) fn forget_returned(body: &mut Map<String, Value>, stored: Option<&ClientCertificate>) {
    if let Some(stored) = stored {
        let shown = body.get(CHAIN).and_then(|shown| shown.get("sha256")?.as_str());
        if shown == Some(stored.facts().sha256.as_str()) {
            body.remove(CHAIN);
        }
        if body.get(KEY) == Some(&json!(MASK)) {
            body.remove(KEY);
        }
    }
    if body.get(CHAIN).is_some_and(Value::is_null) {
        body.entry(KEY).or_insert(Value::Null);
    }
}

/// Both as their owner could have sent them; for changes alone, never for an answer.
pub(super) fn written(certificate: &ClientCertificate) -> [(&'static str, Value); 2] {
    [(CHAIN, json!(certificate.chain())), (KEY, json!(certificate.key().expose_secret()))]
}
