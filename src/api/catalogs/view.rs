//! Catalogues and their events as callers see them.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::openapi::Anything;
use super::super::webhooks::RetryView;
use crate::catalog::{Catalog, EventKind, Setting, SettingKind, Variant, Words};
use crate::domain::catalog::CatalogName;
use crate::domain::event::EventType;
use crate::domain::method::Method;
use crate::domain::retry::RetryPolicy;

/// A catalogue: what it is, how it sends, what a client may settle.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Catalog")]
pub(super) struct CatalogView {
    /// Its name.
    #[schemars(with = "CatalogName")]
    name: String,
    /// What people call the system.
    title: String,
    /// What it is.
    description: WordsView,
    /// How many events it has.
    event_count: usize,
    /// Codes that webhooks may name although no event has them.
    accepted_codes: Vec<String>,
    /// The only method; null for the webhook's own.
    #[schemars(with = "Option<Method>")]
    method: Option<&'static str>,
    /// The deadline of webhooks that have none of their own, in milliseconds.
    #[schemars(with = "Option<u64>")]
    timeout_ms: Option<u128>,
    /// The schedule of webhooks that have none of their own.
    #[schemars(with = "Option<RetryView>")]
    retry: Option<RetryPolicy>,
    /// How many webhooks of one client may be called for one event; null for any number.
    webhooks_per_event: Option<u32>,
    /// Whether an event that no webhook wants is kept.
    keeps_unwanted: bool,
    /// Where payloads hold secrets, as JSON pointers.
    secret_paths: Vec<String>,
    /// Whether requests are signed with a client's RSA key.
    signs: bool,
    /// What a client may settle.
    settings: Vec<SettingView>,
}

/// A text in two languages.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Words")]
struct WordsView {
    /// English.
    en: String,
    /// Portuguese.
    pt: String,
}

/// One thing to settle.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CatalogSetting")]
struct SettingView {
    /// Its name.
    name: String,
    /// What it may be.
    #[schemars(with = "SettingKindWord")]
    kind: &'static str,
    /// Of a choice, what there is to choose.
    #[serde(skip_serializing_if = "Option::is_none")]
    choices: Option<Vec<String>>,
    /// What it is until it is settled; null for nothing.
    #[schemars(with = "Anything")]
    default: Value,
    /// What it is for.
    description: WordsView,
}

/// What a setting may be. For schemas alone.
#[derive(JsonSchema)]
#[schemars(inline, rename_all = "kebab-case")]
#[expect(dead_code, reason = "it tells callers what `SettingKind::as_str` writes")]
enum SettingKindWord {
    Text,
    Flag,
    Choice,
    TimeZone,
}

/// An event of a catalogue.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "CatalogEvent")]
pub(super) struct EventView {
    /// What it is called on the wire.
    #[schemars(with = "EventType")]
    code: String,
    /// When it happens.
    description: WordsView,
    /// Other spellings that are taken for the code.
    aliases: Vec<String>,
    /// Whether it came with a later edition of the system.
    later: bool,
    /// The shapes of its payload, the usual one first.
    variants: Vec<VariantView>,
}

/// One shape of a payload.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CatalogVariant")]
struct VariantView {
    /// Its name; `default` where there is only one.
    name: String,
    /// JSON Schema.
    #[schemars(with = "Anything")]
    schema: Value,
    /// What it looks like.
    #[schemars(with = "Vec<Anything>")]
    examples: Vec<Box<RawValue>>,
}

impl WordsView {
    fn of(words: &Words) -> Self {
        Self { en: words.en.clone(), pt: words.pt.clone() }
    }
}

impl CatalogView {
    pub(super) fn of(catalog: &Catalog) -> Self {
        let sending = &catalog.sending;
        Self {
            name: catalog.name.to_string(),
            title: catalog.title.clone(),
            description: WordsView::of(&catalog.description),
            event_count: catalog.events.len(),
            accepted_codes: catalog.accepted_codes.clone(),
            method: sending.method.map(Method::as_str),
            timeout_ms: sending.timeout.map(|timeout| timeout.as_millis()),
            retry: sending.retry.clone(),
            webhooks_per_event: catalog.webhooks_per_event,
            keeps_unwanted: catalog.keeps_unwanted,
            secret_paths: catalog.secret_paths.clone(),
            signs: sending.sign.is_some(),
            settings: catalog.settings.iter().map(SettingView::of).collect(),
        }
    }
}

impl SettingView {
    fn of(setting: &Setting) -> Self {
        let choices = match &setting.kind {
            SettingKind::Choice(choices) => Some(choices.clone()),
            SettingKind::Text | SettingKind::Flag | SettingKind::TimeZone => None,
        };
        Self {
            name: setting.name.clone(),
            kind: setting.kind.as_str(),
            choices,
            default: setting.default.clone(),
            description: WordsView::of(&setting.description),
        }
    }
}

impl EventView {
    pub(super) fn of(kind: &EventKind) -> Self {
        let variant = |variant: &Variant| VariantView {
            name: variant.name.clone(),
            schema: variant.payload.schema.clone(),
            examples: variant.payload.examples.iter().filter_map(|text| RawValue::from_string(text.clone()).ok()).collect(),
        };
        Self {
            code: kind.code.to_string(),
            description: WordsView::of(&kind.description),
            aliases: kind.aliases.clone(),
            later: kind.is_later,
            variants: kind.variants.iter().map(variant).collect(),
        }
    }
}
