//! Reads the fields of one item and collects what is wrong, under the names that the caller knows.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::super::error::FieldError;
use super::super::fields::Message;
use super::super::state::Api;
use super::breaches::Broken;
use super::idempotency::{KEY_RULE, RequestKey, fits};
use super::items::Items;
use crate::domain::event::{EventType, MAX_SUBJECT_CHARS};
use crate::domain::time::Timestamp;

/// What an item says, checked.
pub(super) struct Item {
    pub(super) event_type: EventType,
    pub(super) subject: String,
    pub(super) payload: Bytes,
    /// The idempotency key as it is stored.
    pub(super) key: Option<String>,
    pub(super) due_at: Timestamp,
    /// The payload with its secrets, when `payload` has them masked.
    pub(super) whole_payload: Option<Bytes>,
    pub(super) kept_unwanted: bool,
}

impl Item {
    /// What no catalogue says anything of.
    pub(super) const fn plain(event_type: EventType, subject: String, payload: Bytes, key: Option<String>, due_at: Timestamp) -> Self {
        Self { event_type, subject, payload, key, due_at, whole_payload: None, kept_unwanted: true }
    }
}

/// Reads one item of a request.
pub(super) struct ItemReader<'a> {
    pub(super) items: &'a Items<'a>,
    /// Which item it is.
    pub(super) index: usize,
    pub(super) request_key: &'a RequestKey,
    pub(super) now: Timestamp,
    pub(super) api: &'a Api,
    pub(super) errors: &'a mut Vec<FieldError>,
    /// What breaks schemas; the client's settings say whether that is an error.
    pub(super) breaches: &'a mut Vec<Broken>,
}

impl ItemReader<'_> {
    /// Notes that something is wrong with a field; `""` is the item itself.
    pub(super) fn refuse(&mut self, field: &'static str, message: impl Into<Message>) {
        self.errors.push(FieldError::new(self.items.name(self.index, field), message));
    }

    /// A field that must be text; null is the same as absent.
    pub(super) fn required(&mut self, field: &'static str, value: Option<&RawValue>) -> Option<String> {
        if value.is_none_or(is_null) {
            self.refuse(field, "is required");
        }
        self.optional(field, value)
    }

    /// A field that may be text; null is the same as absent.
    pub(super) fn optional(&mut self, field: &'static str, value: Option<&RawValue>) -> Option<String> {
        let value = value.filter(|value| !is_null(value))?;
        let text = serde_json::from_str(value.get());
        text.map_err(|_| self.refuse(field, "must be text")).ok()
    }

    /// The item's idempotency key as it is stored.
    pub(super) fn key(&mut self, value: Option<&RawValue>) -> Option<String> {
        let own = self.optional("idempotencyKey", value);
        if own.as_deref().is_some_and(|own| !fits(own)) {
            self.refuse("idempotencyKey", KEY_RULE);
        }
        self.request_key.stored(own.as_deref(), self.items.is_list().then_some(self.index))
    }

    /// The item's subject, under the name that it has there.
    pub(super) fn subject(&mut self, field: &'static str, value: Option<&RawValue>) -> Option<String> {
        let subject = self.required(field, value)?;
        if !(1..=MAX_SUBJECT_CHARS).contains(&subject.chars().count()) {
            self.refuse(field, format!("must have 1 to {MAX_SUBJECT_CHARS} characters"));
        }
        Some(subject)
    }
}

/// Whether a value is there but null.
pub(super) fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}
