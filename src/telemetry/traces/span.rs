//! A span while it is put together, before it is written as the collector reads it.

use std::time::Duration;

use uuid::Uuid;

use crate::domain::time::Timestamp;
use crate::domain::trace::{SpanId, TraceContext};

/// What a span says of the side that it is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It calls somebody.
    Client = 3,
    /// It hands something in, to be worked on later.
    Producer = 4,
}

/// What an attribute says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Word(&'static str),
    Number(i64),
    Id(Uuid),
    Flag(bool),
}

/// Something that took its time, and what is to be known of it.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) context: TraceContext,
    pub(super) parent: Option<SpanId>,
    /// Whether its parent is of another process.
    pub(super) is_parent_remote: bool,
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) begun: Timestamp,
    pub(super) ended: Timestamp,
    pub(super) attributes: Vec<(&'static str, Value)>,
    /// What happened meanwhile, and how long after its beginning.
    pub(super) events: Vec<(&'static str, Duration)>,
    /// Why it failed, in words.
    pub(super) failure: Option<String>,
}

impl Span {
    pub(super) fn text(&mut self, key: &'static str, text: impl Into<String>) {
        self.attributes.push((key, Value::Text(text.into())));
    }

    pub(super) fn word(&mut self, key: &'static str, word: &'static str) {
        self.attributes.push((key, Value::Word(word)));
    }

    pub(super) fn number(&mut self, key: &'static str, number: impl TryInto<i64>) {
        self.attributes.push((key, Value::Number(number.try_into().unwrap_or(i64::MAX))));
    }

    pub(super) fn id(&mut self, key: &'static str, id: Uuid) {
        self.attributes.push((key, Value::Id(id)));
    }

    pub(super) fn flag(&mut self, key: &'static str, flag: bool) {
        self.attributes.push((key, Value::Flag(flag)));
    }
}
