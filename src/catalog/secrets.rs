//! What of a payload is secret: taken out before anybody may see it.

use bytes::Bytes;
use serde_json::Value;

use super::{Catalog, Catalogs};
use crate::domain::event::Event;
use crate::domain::headers::MASK;

impl Catalog {
    /// The payload as people may see it, if it holds anything secret.
    #[must_use]
    pub fn masked(&self, payload: &Value) -> Option<Value> {
        let is_secret = |path: &&String| payload.pointer(path).is_some_and(|value| !value.is_null());
        let paths: Vec<&String> = self.secret_paths.iter().filter(is_secret).collect();
        if paths.is_empty() {
            return None;
        }
        let mut masked = payload.clone();
        for path in paths {
            if let Some(value) = masked.pointer_mut(path) {
                *value = MASK.into();
            }
        }
        Some(masked)
    }
}

impl Catalogs {
    /// Whether payloads of this event's type may hold secrets, and what is shown of them is masked.
    #[must_use]
    pub fn may_hold_secrets(&self, event: &Event) -> bool {
        self.event(event.event_type.as_str()).is_some_and(|known| !known.catalog.secret_paths.is_empty())
    }

    /// The texts that are secret in a whole payload.
    #[must_use]
    pub fn secrets_of(&self, event: &Event) -> Vec<Bytes> {
        let Some(known) = self.event(event.event_type.as_str()) else { return Vec::new() };
        let payload: Value = serde_json::from_slice(&event.payload).unwrap_or_default();
        let at = |path: &String| payload.pointer(path).and_then(Value::as_str).map(|text| Bytes::copy_from_slice(text.as_bytes()));
        known.catalog.secret_paths.iter().filter_map(at).collect()
    }

    /// Whether this event's payload is masked.
    #[must_use]
    pub fn is_masked(&self, event: &Event) -> bool {
        let Some(known) = self.event(event.event_type.as_str()) else { return false };
        let payload: Option<Value> = serde_json::from_slice(&event.payload).ok();
        payload
            .is_some_and(|payload| known.catalog.secret_paths.iter().any(|path| payload.pointer(path).is_some_and(|value| value == MASK)))
    }
}
