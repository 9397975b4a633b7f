//! Events: something that happened to a subject, with a payload that is kept and sent byte for byte.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use super::ids::{ClientId, EventId};
use super::time::Timestamp;

/// The longest subject, in characters.
pub const MAX_SUBJECT_CHARS: usize = 255;

/// The longest idempotency key, in characters.
pub const MAX_IDEMPOTENCY_KEY_CHARS: usize = 255;

/// The code of an event type: 1 to 100 letters, digits, dots, hyphens and underscores.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventType(String);

/// The text is no event type.
#[derive(Debug, thiserror::Error)]
#[error("must be 1 to 100 letters, digits, dots, hyphens or underscores")]
pub struct InvalidEventType;

impl EventType {
    /// The event of the OCR service: a document is finished.
    #[must_use]
    pub fn document_finished() -> Self {
        Self("document.finished".to_owned())
    }

    /// The event of a document that ended in error, where such ones are kept apart.
    #[must_use]
    pub fn document_failed() -> Self {
        Self("document.failed".to_owned())
    }

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EventType {
    type Err = InvalidEventType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let valid = (1..=100).contains(&text.len()) && text.chars().all(allowed);
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidEventType) }
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What rests as an event's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadState {
    /// The very bytes that came.
    Whole,
    /// The payload with its secrets masked.
    Masked,
    /// The very bytes that came, which nobody has held to their schema yet.
    Unchecked,
}

impl PayloadState {
    /// The word for it in stores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Masked => "masked",
            Self::Unchecked => "unchecked",
        }
    }

    /// The state that [`Self::as_str`] writes so.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Whole, Self::Masked, Self::Unchecked].into_iter().find(|state| state.as_str() == word)
    }
}

/// An event as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its id, the `webhook-id` of every request about it.
    pub id: EventId,
    /// Whose it is.
    pub client_id: ClientId,
    /// What happened.
    pub event_type: EventType,
    /// To what it happened: the text that fills `:id`.
    pub subject: String,
    /// The payload's bytes, as received.
    pub payload: Bytes,
    /// When it was accepted.
    pub created_at: Timestamp,
}
