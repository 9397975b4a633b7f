//! Webhooks: a definition's parts in columns, lists and objects as JSON text, secrets in an envelope.

use std::time::Duration;

use serde_json::Value;

use super::signing_keys::unseal_signing_keys;
use super::webhook_secrets::WebhookSecrets;
use super::{Cells, Fields};
use crate::domain::catalog::CatalogName;
use crate::domain::event::EventType;
use crate::domain::ids::WebhookId;
use crate::domain::method::Method;
use crate::domain::target_url::{IdInUrl, LoginUrl, TargetUrl};
use crate::domain::webhook::{AuthorizationFields, DeliverySettings, DisableReason, Webhook, WebhookDefinition, WebhookState};
use crate::secrets::Keyring;
use crate::store::error::StoreError;

macro_rules! webhook_columns {
    () => {
        "w.id, w.client_id, w.version, w.name, w.type_code, w.events, w.catalog, w.method, w.url, w.header_auth, w.authorization_url,
         w.authorization_method, w.authorization_response_token_attr, w.retry, w.timeout_ms, w.max_in_flight, w.rate_limit,
         w.http_signature, w.secrets, w.signing_keys, w.state, w.disable_reason, w.created_at, w.updated_at"
    };
}
pub(in crate::store) use webhook_columns;

/// Reads `webhook_columns!`.
pub(in crate::store) fn webhook(row: &dyn Cells, keyring: &Keyring) -> Result<Webhook, StoreError> {
    let fields = &mut Fields::of(row, "webhook");
    let id = fields.id("id")?;
    Ok(Webhook {
        id,
        client_id: fields.id("client_id")?,
        version: fields.number("version")?,
        definition: definition(fields, id, keyring)?,
        signing_keys: unseal_signing_keys(keyring, id, fields.optional_bytes("signing_keys")?)?,
        state: state(fields)?,
        created_at: fields.time("created_at")?,
        updated_at: fields.time("updated_at")?,
    })
}

fn definition(fields: &mut Fields<'_>, id: WebhookId, keyring: &Keyring) -> Result<WebhookDefinition, StoreError> {
    let mut definition = WebhookDefinition {
        name: fields.text("name")?,
        type_code: fields.optional_number("type_code")?,
        events: fields.optional("events", read_events)?.unwrap_or_default(),
        catalog: fields.optional("catalog", |text| text.parse().ok())?,
        method: fields.parse("method")?,
        url: fields.optional("url", |text| TargetUrl::parse(text, IdInUrl::Optional).ok())?.ok_or_else(|| fields.corrupt("url"))?,
        authorization: AuthorizationFields {
            header_auth: fields.optional_text("header_auth")?,
            url: fields.optional("authorization_url", |text| LoginUrl::parse(text).ok())?,
            method: fields.optional("authorization_method", |text| text.parse().ok())?,
            response_token_attr: fields.optional_text("authorization_response_token_attr")?,
            ..AuthorizationFields::default()
        },
        delivery: DeliverySettings {
            retry: fields.optional("retry", |text| serde_json::from_str(text).ok())?,
            timeout: fields.optional_number("timeout_ms")?.map(Duration::from_millis),
            max_in_flight: fields.optional_number("max_in_flight")?,
            rate_limit: fields.optional("rate_limit", |text| serde_json::from_str(text).ok())?,
            http_signature: fields.flag("http_signature")?,
        },
        headers: None,
    };
    if let Some(envelope) = fields.optional_bytes("secrets")? {
        WebhookSecrets::unseal(keyring, id, envelope)?.restore(id, &mut definition)?;
    }
    Ok(definition)
}

/// Reads the columns `state` and `disable_reason`.
pub(super) fn state(fields: &mut Fields<'_>) -> Result<WebhookState, StoreError> {
    let word = fields.text("state")?;
    let reason = fields.optional("disable_reason", DisableReason::parse)?;
    match (word.as_str(), reason) {
        ("active", None) => Ok(WebhookState::Active),
        ("paused", None) => Ok(WebhookState::Paused),
        ("disabled", Some(reason)) => Ok(WebhookState::Disabled(reason)),
        _ => Err(fields.corrupt("state")),
    }
}

/// A definition as its columns hold it, in the order of `webhook_columns!` from `name` to `secrets`.
pub(in crate::store) struct WrittenDefinition<'d> {
    pub(in crate::store) name: &'d str,
    pub(in crate::store) type_code: Option<i64>,
    pub(in crate::store) events: String,
    pub(in crate::store) catalog: Option<&'d str>,
    pub(in crate::store) method: &'static str,
    pub(in crate::store) url: &'d str,
    pub(in crate::store) header_auth: Option<&'d str>,
    pub(in crate::store) authorization_url: Option<&'d str>,
    pub(in crate::store) authorization_method: Option<&'static str>,
    pub(in crate::store) authorization_response_token_attr: Option<&'d str>,
    pub(in crate::store) retry: Option<String>,
    pub(in crate::store) timeout_ms: Option<i64>,
    pub(in crate::store) max_in_flight: Option<i64>,
    pub(in crate::store) rate_limit: Option<String>,
    pub(in crate::store) http_signature: bool,
    pub(in crate::store) secrets: Option<Vec<u8>>,
}

impl<'d> WrittenDefinition<'d> {
    /// What is to be written for `webhook`, its secrets sealed.
    pub(in crate::store) fn of(webhook: &'d Webhook, keyring: &Keyring) -> Result<Self, StoreError> {
        let definition = &webhook.definition;
        let (authorization, settings) = (&definition.authorization, &definition.delivery);
        let millis = |timeout: Duration| i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX);
        Ok(Self {
            name: definition.name.as_str(),
            type_code: definition.type_code,
            events: write_events(&definition.events),
            catalog: definition.catalog.as_ref().map(CatalogName::as_str),
            method: definition.method.as_str(),
            url: definition.url.as_str(),
            header_auth: authorization.header_auth.as_deref(),
            authorization_url: authorization.url.as_ref().map(LoginUrl::as_str),
            authorization_method: authorization.method.map(Method::as_str),
            authorization_response_token_attr: authorization.response_token_attr.as_deref(),
            retry: settings.retry.as_ref().and_then(|retry| serde_json::to_string(retry).ok()),
            timeout_ms: settings.timeout.map(millis),
            max_in_flight: settings.max_in_flight.map(i64::from),
            rate_limit: settings.rate_limit.and_then(|limit| serde_json::to_string(&limit).ok()),
            http_signature: settings.http_signature,
            secrets: WebhookSecrets::from(definition).seal(keyring, webhook.id)?,
        })
    }
}

fn write_events(events: &[EventType]) -> String {
    events.iter().map(EventType::as_str).collect::<Value>().to_string()
}

fn read_events(text: &str) -> Option<Vec<EventType>> {
    let words: Vec<String> = serde_json::from_str(text).ok()?;
    words.iter().map(|word| word.parse().ok()).collect()
}
