//! The certificate by which a webhook's requests show who calls, as it is written: two texts, neither good without the other.

use std::sync::Arc;

use chrono::{Offset as _, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use super::fields::{FieldError, Fields, Invalid};
use crate::domain::client_certificate::ClientCertificate;
use crate::domain::headers::MASK;
use crate::domain::time::Timestamp;
use crate::domain::webhook::WebhookDefinition;

/// The chain, in PEM form.
pub(crate) const CHAIN: &str = "clientCertificate";

/// The private key, in PEM form.
pub(crate) const KEY: &str = "clientKey";

/// Reads both texts; neither is good for anything alone.
pub(crate) fn client_certificate(fields: &mut Fields<'_>) -> Option<Arc<ClientCertificate>> {
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

/// Refuses a certificate that has expired already, unless the webhook had it before: what is stored stays changeable.
pub(super) fn refuse_expired(wanted: &WebhookDefinition, stored: Option<&WebhookDefinition>, now: Timestamp) -> Result<(), Invalid> {
    let certificate = |definition: &'_ WebhookDefinition| definition.authorization.client_certificate.clone();
    let Some(new) = certificate(wanted).filter(|new| new.facts().has_expired(now)) else { return Ok(()) };
    if stored.and_then(certificate).is_some_and(|old| old.identity() == new.identity()) {
        return Ok(());
    }
    let message = format!("has expired: it was good until {}", new.facts().expires_at.to_rfc3339(Utc.fix()));
    Err(Invalid(vec![FieldError::new(CHAIN, message)]))
}

/// Takes out of a body what was shown and is returned unchanged: it stays what it is. The certificate cleared alone takes
/// its key with it.
pub(crate) fn forget_returned(body: &mut Map<String, Value>, stored: Option<&ClientCertificate>) {
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
pub(crate) fn written(certificate: &ClientCertificate) -> [(&'static str, Value); 2] {
    [(CHAIN, json!(certificate.chain())), (KEY, json!(certificate.key().expose_secret()))]
}
