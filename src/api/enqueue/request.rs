//! One request to enqueue: its items checked, then stored together.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::super::error::{ApiError, FieldError};
use super::super::fields::Message;
use super::super::state::Api;
use super::idempotency::{KEY_RULE, RequestKey, fits};
use super::items::Items;
use crate::domain::event::{Event, EventType};
use crate::domain::ids::ClientId;
use crate::domain::time::Timestamp;
use crate::store::records::{Enqueued, NewEvent};

/// What an item says, checked.
pub(super) struct Item {
    pub(super) event_type: EventType,
    pub(super) subject: String,
    pub(super) payload: Bytes,
    pub(super) key: Option<String>,
    pub(super) due_at: Timestamp,
}

/// Reads the fields of one item and collects what is wrong, under the names that the caller knows.
pub(super) struct ItemReader<'a> {
    pub(super) items: &'a Items<'a>,
    pub(super) index: usize,
    pub(super) errors: &'a mut Vec<FieldError>,
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
    pub(super) fn key(&mut self, value: Option<&RawValue>, request: &RequestKey) -> Option<String> {
        let own = self.optional("idempotencyKey", value);
        if own.as_deref().is_some_and(|own| !fits(own)) {
            self.refuse("idempotencyKey", KEY_RULE);
        }
        request.stored(own.as_deref(), self.items.is_list().then_some(self.index))
    }

    /// A subject, under the name that it has here.
    pub(super) fn subject(&mut self, field: &'static str, value: Option<&RawValue>) -> Option<String> {
        let subject = self.required(field, value)?;
        let fits = (1..=crate::domain::event::MAX_SUBJECT_CHARS).contains(&subject.chars().count());
        if fits {
            Some(subject)
        } else {
            self.refuse(field, "must have 1 to 255 characters");
            None
        }
    }
}

fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

/// Reads every item with `read`.
///
/// # Errors
///
/// Refuses the request if any item is wrong, and names all that is.
pub(super) fn read_all(
    items: &Items<'_>,
    mut read: impl FnMut(&mut ItemReader<'_>, &str) -> Result<Option<Item>, ApiError>,
) -> Result<Vec<Item>, ApiError> {
    let mut errors = Vec::new();
    let mut all = Vec::with_capacity(items.texts().len());
    for (index, text) in items.texts().iter().enumerate() {
        all.extend(read(&mut ItemReader { items, index, errors: &mut errors }, text)?);
    }
    if errors.is_empty() { Ok(all) } else { Err(ApiError::Invalid(errors)) }
}

/// Stores the items as events of `client_id`, all or none, and answers in their order.
pub(super) async fn enqueue(api: &Api, client_id: ClientId, now: Timestamp, items: Vec<Item>) -> Result<Vec<Enqueued>, ApiError> {
    let new = |item: Item| {
        let Item { event_type, subject, payload, key, due_at } = item;
        let event = Event { id: api.ids.next(now), client_id, event_type, subject, payload, created_at: now };
        NewEvent { event, idempotency_key: key, due_at }
    };
    Ok(api.intake.enqueue(items.into_iter().map(new).collect()).await?)
}
