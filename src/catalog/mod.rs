//! Catalogues: what the systems that we send for are like. One file says which events a system has, what their payloads
//! look like, and how it sends; a further system is a further file, not a further program.
//!
//! - `file`: how a catalogue is written; `compile` makes it fit for use, or says what is wrong, where;
//! - [`Catalog`]: one catalogue; [`Catalogs`]: all that are known, by name and by event code;
//! - `schema` hides the library for JSON Schema, `template` the one for templates;
//! - [`Sending`]: what a request of a system carries;
//! - [`Settings`]: what a client may settle for itself.
//!
//! Pure but for reading a folder at the start. Compiled once; nothing here ever fetches anything.

mod builtin;
mod compile;
mod error;
mod event_kind;
mod file;
mod filters;
mod local_times;
mod registry;
mod schema;
mod secrets;
mod sending;
mod settings;
mod template;

pub use self::builtin::{NAMES as BUILT_IN_NAMES, OCR};
pub use self::compile::compile;
pub use self::error::{CatalogError, CatalogErrors};
pub use self::event_kind::{EventKind, Variant, Words};
pub use self::registry::{Catalogs, Known};
pub use self::schema::Breach;
pub use self::sending::{Occasion, Rendered, Sender, Sending, Unrenderable};
pub use self::settings::{OnBreach, Setting, SettingKind, Settings};

use std::collections::HashMap;
use std::fmt;

use crate::domain::catalog::CatalogName;

/// One system: its events, how it sends them, what a client may settle.
pub struct Catalog {
    /// Its name.
    pub name: CatalogName,
    /// What people call the system.
    pub title: String,
    /// What it is.
    pub description: Words,
    /// Its events, in the order of the file.
    pub events: Vec<EventKind>,
    /// Codes that webhooks may name although no event has them.
    pub accepted_codes: Vec<String>,
    /// How it sends.
    pub sending: Sending,
    /// What a client may settle.
    pub settings: Settings,
    /// How many webhooks of one client may be called for one event; `None` for any number.
    pub webhooks_per_event: Option<u32>,
    /// Whether an event that no webhook wants is kept.
    pub keeps_unwanted: bool,
    /// Where payloads hold secrets, as JSON pointers.
    pub secret_paths: Vec<String>,
    by_code: HashMap<String, usize>,
}

impl Catalog {
    /// The event with this code or alias.
    #[must_use]
    pub fn event(&self, code: &str) -> Option<&EventKind> {
        self.by_code.get(code).and_then(|&place| self.events.get(place))
    }

    /// The code that a webhook means by `code`: an event's own one for its aliases, or one that is accepted without an
    /// event.
    #[must_use]
    pub fn canonical<'c>(&'c self, code: &'c str) -> Option<&'c str> {
        let accepted = || self.accepted_codes.iter().map(String::as_str).find(|known| *known == code);
        self.event(code).map(|event| event.code.as_str()).or_else(accepted)
    }
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Catalog({}, {} events)", self.name, self.events.len())
    }
}
