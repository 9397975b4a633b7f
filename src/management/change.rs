//! Changes of a stored definition: it is written out as the JSON object that its owner could have sent, changed there by
//! the rules of PUT or PATCH, and read again by the one parser.
//!
//! A secret that a caller returns as it was shown, masked, stays what it is.

use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use super::client_certificate;
use super::edition::Edition;
use crate::domain::authorization::mask_authorization;
use crate::domain::catalog::CatalogName;
use crate::domain::headers::Headers;
use crate::domain::target_url::LoginUrl;
use crate::domain::webhook::{SecretObject, WebhookDefinition};

/// Secrets that nobody is ever shown: leaving them out of a PUT keeps them.
const WRITE_ONLY: [&str; 4] = ["authorization", "authorizationBody", client_certificate::CHAIN, client_certificate::KEY];

/// Fields whose keys are header names, alike in any letter case.
const HEADER_FIELDS: [&str; 2] = ["headers", "authorizationHeaders"];

/// How a body changes what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// PUT: what the body leaves out is absent afterwards, write-only secrets apart.
    Replace,
    /// PATCH: JSON merge patch (RFC 7396).
    Merge,
    /// A form: each field that it names takes the value given, whole; the others stay.
    Set,
}

impl Change {
    /// The object to parse: `stored`, changed by the known fields of `body`.
    pub(crate) fn apply(self, stored: &WebhookDefinition, mut body: Map<String, Value>, edition: Edition) -> Map<String, Value> {
        forget_returned_mask(&mut body, stored);
        let mut object = written(stored);
        match self {
            Self::Replace => {
                object.retain(|field, _| !edition.writes(field) || WRITE_ONLY.contains(&field.as_str()));
                object.extend(body);
            }
            Self::Set => object.extend(body),
            Self::Merge => {
                adopt_header_spelling(&mut body, &object);
                for (field, patch) in body {
                    merge(object.entry(field).or_insert(Value::Null), patch);
                }
            }
        }
        object
    }
}

/// Puts stored header secrets back where their mask was returned.
pub(crate) fn restore_masked(definition: &mut WebhookDefinition, stored: &WebhookDefinition) {
    restore(&mut definition.headers, stored.headers.as_ref());
    restore(&mut definition.authorization.headers, stored.authorization.headers.as_ref());
}

fn restore(headers: &mut Option<Headers>, stored: Option<&Headers>) {
    if let (Some(headers), Some(stored)) = (headers, stored) {
        *headers = headers.restore_masked(stored);
    }
}

fn forget_returned_mask(body: &mut Map<String, Value>, stored: &WebhookDefinition) {
    let shown = stored.authorization.fixed.as_ref().map(|fixed| mask_authorization(fixed.expose_secret()));
    if shown.is_some() && body.get("authorization").and_then(Value::as_str) == shown.as_deref() {
        body.remove("authorization");
    }
    client_certificate::forget_returned(body, stored.authorization.client_certificate.as_deref());
}

/// A header in a patch means the stored header of that name, however either is spelt.
fn adopt_header_spelling(body: &mut Map<String, Value>, stored: &Map<String, Value>) {
    for field in HEADER_FIELDS {
        let (Some(patch), Some(stored)) =
            (body.get_mut(field).and_then(Value::as_object_mut), stored.get(field).and_then(Value::as_object))
        else {
            continue;
        };
        let spelt = |name: String| stored.keys().find(|known| known.eq_ignore_ascii_case(&name)).cloned().unwrap_or(name);
        *patch = std::mem::take(patch).into_iter().map(|(name, value)| (spelt(name), value)).collect();
    }
}

/// RFC 7396, for one value. The depth is bounded by that of the body.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (name, patch) in patch {
        if patch.is_null() {
            target.shift_remove(&name);
        } else {
            merge(target.entry(name).or_insert(Value::Null), patch);
        }
    }
}

/// The definition as its owner could have sent it, secrets and all; for changes alone, never for an answer.
fn written(definition: &WebhookDefinition) -> Map<String, Value> {
    let authorization = &definition.authorization;
    let delivery = &definition.delivery;
    let events: Option<Vec<_>> =
        definition.type_code.is_none().then(|| definition.events.iter().map(|event| Value::from(event.as_str())).collect());
    let fields = [
        ("name", json!(definition.name)),
        ("type", json!(definition.type_code)),
        ("events", json!(events)),
        ("catalog", json!(definition.catalog.as_ref().map(CatalogName::as_str))),
        ("method", json!(definition.method)),
        ("headers", json!(definition.headers.as_ref().map(unmasked))),
        ("url", json!(definition.url.as_str())),
        ("headerAuth", json!(authorization.header_auth)),
        ("authorization", json!(authorization.fixed.as_ref().map(ExposeSecret::expose_secret))),
        ("authorizationUrl", json!(authorization.url.as_ref().map(LoginUrl::as_str))),
        ("authorizationMethod", json!(authorization.method)),
        ("authorizationHeaders", json!(authorization.headers.as_ref().map(unmasked))),
        ("authorizationBody", json!(authorization.body.as_ref().map(SecretObject::expose))),
        ("authorizationResponseTokenAttr", json!(authorization.response_token_attr)),
        ("retry", json!(delivery.retry)),
        ("timeoutMs", json!(delivery.timeout.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)))),
        ("maxInFlight", json!(delivery.max_in_flight)),
        ("rateLimit", json!(delivery.rate_limit)),
        ("httpSignature", json!({ "enabled": delivery.http_signature })),
    ];
    let certificate = authorization.client_certificate.as_deref().map(client_certificate::written);
    fields
        .into_iter()
        .chain(certificate.into_iter().flatten())
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn unmasked(headers: &Headers) -> Map<String, Value> {
    headers.iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_does_what_rfc_7396_shows() {
        let cases = [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ];

        for (mut target, patch, expected) in cases {
            merge(&mut target, patch.clone());
            assert_eq!(target, expected, "{patch}");
        }
    }
}
