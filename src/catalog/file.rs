//! How a catalogue is written: the fields of its TOML file. What the values mean is `compile`'s matter.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::event_kind::Words;

type Text = Spanned<String>;

/// A whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CatalogFile {
    pub(super) name: Text,
    pub(super) title: String,
    pub(super) description: Words,
    /// Codes that webhooks may name although no event has them.
    #[serde(default)]
    pub(super) accepted_codes: Vec<Text>,
    /// Where payloads hold secrets, as JSON pointers.
    #[serde(default)]
    pub(super) secret_paths: Vec<Text>,
    #[serde(default)]
    pub(super) sending: SendingFile,
    #[serde(default)]
    pub(super) limits: LimitsFile,
    #[serde(default)]
    pub(super) settings: Vec<SettingFile>,
    /// Payloads that several events share, by name.
    #[serde(default)]
    pub(super) payloads: BTreeMap<String, PayloadFile>,
    pub(super) events: Vec<EventFile>,
}

/// How the system sends.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SendingFile {
    /// Any of the webhook's own when absent.
    pub(super) method: Option<Text>,
    /// Whether `webhook-id` and `webhook-timestamp` go along even when nothing is signed; yes when absent.
    pub(super) standard_headers: Option<bool>,
    #[serde(default)]
    pub(super) headers: Vec<HeaderFile>,
    /// A template; the payload's own bytes when absent.
    pub(super) body: Option<Text>,
    pub(super) sign: Option<SignFile>,
    pub(super) timeout_ms: Option<Spanned<u64>>,
    pub(super) retry_delays_seconds: Option<Spanned<Vec<u64>>>,
    pub(super) retry_jitter: Option<Spanned<f64>>,
}

/// A header with a template; one that renders to nothing is left out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HeaderFile {
    pub(super) name: Text,
    pub(super) value: Text,
}

/// What is signed, and how.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignFile {
    pub(super) kind: Text,
    /// The header whose value is signed.
    pub(super) header: Text,
    /// How many columns of base64 a line of the signature has.
    pub(super) columns: usize,
}

/// What is limited.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsFile {
    pub(super) webhooks_per_event: Option<u32>,
    pub(super) keep_unwanted: Option<bool>,
}

/// What a client may settle.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SettingFile {
    pub(super) name: Text,
    pub(super) kind: Text,
    /// For the kind `choice`.
    #[serde(default)]
    pub(super) choices: Vec<String>,
    pub(super) default: Spanned<toml::Value>,
    pub(super) description: Words,
}

/// A payload's shape, and what it looks like.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PayloadFile {
    /// JSON Schema as JSON text.
    pub(super) schema: Text,
    /// JSON texts; at least one.
    pub(super) examples: Spanned<Vec<Text>>,
}

/// An event.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventFile {
    pub(super) code: Text,
    pub(super) description: Words,
    #[serde(default)]
    pub(super) aliases: Vec<Text>,
    /// Whether it came with a later edition of the system.
    #[serde(default)]
    pub(super) later: bool,
    /// The name of its payload, when it has one shape.
    pub(super) payload: Option<Text>,
    /// Its payloads, when it has several: the first is the usual one.
    #[serde(default)]
    pub(super) variants: Vec<VariantFile>,
    /// A template for the body of this event alone.
    pub(super) body: Option<Text>,
}

/// One of several payloads of an event.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VariantFile {
    pub(super) name: String,
    pub(super) payload: Text,
}
