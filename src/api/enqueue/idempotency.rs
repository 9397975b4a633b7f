//! Which stored idempotency key an item gets. Keys that callers chose for an item and keys that are derived from a
//! request's header live under different prefixes, so that no choice of one ever meets the other.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde_json::json;

use super::super::error::ApiError;
use super::super::openapi::{Input, Operation, Parameter, object};
use super::super::state::Api;
use crate::domain::event::MAX_IDEMPOTENCY_KEY_CHARS;

const HEADER: &str = "Idempotency-Key";

/// What is wrong with a key.
pub(super) const KEY_RULE: &str = "must be text of 1 to 255 characters";

/// Whether a key may be stored.
pub(super) fn fits(key: &str) -> bool {
    (1..=MAX_IDEMPOTENCY_KEY_CHARS).contains(&key.chars().count())
}

/// The key that came with the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestKey(Option<String>);

impl FromRequestParts<Api> for RequestKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get(HEADER) else { return Ok(Self(None)) };
        match str::from_utf8(value.as_bytes()) {
            Ok(key) if fits(key) => Ok(Self(Some(key.to_owned()))),
            _ => Err(ApiError::field(HEADER, KEY_RULE)),
        }
    }
}

impl Input for RequestKey {
    fn declare(operation: &mut Operation) {
        operation.reads(Parameter::Header {
            name: HEADER,
            about: "Makes a repeat of this request return the first answer. A key in an item goes before it.",
            schema: |_| object([("type", json!("string")), ("minLength", json!(1)), ("maxLength", json!(MAX_IDEMPOTENCY_KEY_CHARS))]),
        });
    }
}

impl RequestKey {
    /// The key to store for an item: its own; else the request's for a lone object; else, in a list, one made of the
    /// request's and the item's place.
    pub(super) fn stored(&self, own: Option<&str>, place_in_list: Option<usize>) -> Option<String> {
        match (own, &self.0, place_in_list) {
            (Some(own), _, _) => Some(format!("k:{own}")),
            (None, Some(key), None) => Some(format!("k:{key}")),
            (None, Some(key), Some(place)) => Some(format!("r:{key}:{place}")),
            (None, None, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_items_own_key_wins_over_the_requests() {
        let request = RequestKey(Some("all".to_owned()));

        assert_eq!(request.stored(Some("own"), None).unwrap(), "k:own");
        assert_eq!(request.stored(Some("own"), Some(3)).unwrap(), "k:own");
        assert_eq!(request.stored(None, None).unwrap(), "k:all");
        assert_eq!(request.stored(None, Some(3)).unwrap(), "r:all:3");
        assert_eq!(RequestKey(None).stored(None, Some(3)), None);
    }

    #[test]
    fn no_choice_of_keys_makes_two_items_meet() {
        let derived = RequestKey(Some("a".to_owned())).stored(None, Some(1));

        for own in ["a:1", "r:a:1", "k:a", ":1"] {
            assert_ne!(RequestKey(None).stored(Some(own), None), derived);
        }
        assert_ne!(RequestKey(Some("a:1".to_owned())).stored(None, Some(1)), derived);
    }
}
