//! An event of a catalogue: its code, what it means, and the shapes that its payload may have.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::schema::{Breach, PayloadSchema};
use super::template::TemplateName;
use crate::domain::event::EventType;

/// A text in the languages of our readers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// English.
    pub en: String,
    /// Portuguese.
    pub pt: String,
}

/// An event of a catalogue.
#[derive(Debug)]
pub struct EventKind {
    /// What it is called on the wire and in webhooks.
    pub code: EventType,
    /// When it happens.
    pub description: Words,
    /// Other spellings that are taken for the code.
    pub aliases: Vec<String>,
    /// Whether it came with a later edition of the system.
    pub is_later: bool,
    /// The shapes of its payload, the usual one first; never empty.
    pub variants: Vec<Variant>,
    /// The template of its body, where it has one of its own.
    pub(super) body: Option<TemplateName>,
}

/// One shape of a payload.
#[derive(Debug)]
pub struct Variant {
    /// Its name: `default` where there is only one.
    pub name: String,
    /// The shape and what it looks like; shared by the events that have the same.
    pub payload: Arc<Payload>,
}

/// A shape, and what it looks like.
#[derive(Debug)]
pub struct Payload {
    /// JSON Schema as it was written.
    pub schema: Value,
    /// What it looks like, as JSON texts; at least one.
    pub examples: Vec<String>,
    pub(super) compiled: PayloadSchema,
}

impl EventKind {
    /// The first variant that `payload` is of.
    ///
    /// # Errors
    /// Where it is of none: what keeps it from being of the usual one.
    pub fn variant_of(&self, payload: &Value) -> Result<&Variant, Vec<Breach>> {
        let fitting = self.variants.iter().find(|variant| variant.payload.compiled.accepts(payload));
        fitting.ok_or_else(|| self.variants.first().map(|usual| usual.payload.compiled.breaches(payload)).unwrap_or_default())
    }
}
