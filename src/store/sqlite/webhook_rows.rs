//! A webhook as a row: its definition's parts in columns, lists and objects as JSON text.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use sqlx::Sqlite;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};

use super::rows::Fields;
use crate::domain::event::EventType;
use crate::domain::headers::Headers;
use crate::domain::method::Method;
use crate::domain::target_url::{IdInUrl, LoginUrl, TargetUrl};
use crate::domain::webhook::{
    AuthorizationFields, DeliverySettings, DisableReason, SecretObject, Webhook, WebhookDefinition, WebhookState,
};
use crate::store::error::StoreError;

macro_rules! webhook_columns {
    () => {
        "w.id, w.client_id, w.version, w.name, w.type_code, w.events, w.method, w.headers, w.url, w.header_auth,
         w.authorization_fixed, w.authorization_url, w.authorization_method, w.authorization_headers, w.authorization_body,
         w.authorization_response_token_attr, w.retry, w.timeout_ms, w.max_in_flight, w.rate_limit, w.state,
         w.disable_reason, w.created_at, w.updated_at"
    };
}
pub(super) use webhook_columns;

/// Reads a row that begins with `webhook_columns!`.
pub(super) fn webhook_row(row: &SqliteRow) -> Result<Webhook, StoreError> {
    webhook(&mut Fields::of(row, "webhook"))
}

/// Reads `webhook_columns!`.
pub(super) fn webhook(fields: &mut Fields<'_>) -> Result<Webhook, StoreError> {
    fields.enter("webhook");
    Ok(Webhook {
        id: fields.id("id")?,
        client_id: fields.id("client_id")?,
        version: fields.get("version")?,
        definition: definition(fields)?,
        state: state(fields)?,
        created_at: fields.time("created_at")?,
        updated_at: fields.time("updated_at")?,
    })
}

fn definition(fields: &mut Fields<'_>) -> Result<WebhookDefinition, StoreError> {
    Ok(WebhookDefinition {
        name: fields.get("name")?,
        type_code: fields.get("type_code")?,
        events: fields.optional("events", read_events)?.unwrap_or_default(),
        method: fields.parse("method")?,
        headers: fields.optional("headers", read_headers)?,
        url: fields.optional("url", |text| TargetUrl::parse(text, IdInUrl::Optional).ok())?.ok_or_else(|| fields.corrupt("url"))?,
        authorization: AuthorizationFields {
            header_auth: fields.get("header_auth")?,
            fixed: fields.get::<Option<String>>("authorization_fixed")?.map(SecretString::from),
            url: fields.optional("authorization_url", |text| LoginUrl::parse(text).ok())?,
            method: fields.optional("authorization_method", |text| text.parse().ok())?,
            headers: fields.optional("authorization_headers", read_headers)?,
            body: fields.optional("authorization_body", read_object)?,
            response_token_attr: fields.get("authorization_response_token_attr")?,
        },
        delivery: DeliverySettings {
            retry: fields.optional("retry", |text| serde_json::from_str(text).ok())?,
            timeout: fields.optional_number("timeout_ms")?.map(Duration::from_millis),
            max_in_flight: fields.optional_number("max_in_flight")?,
            rate_limit: fields.optional("rate_limit", |text| serde_json::from_str(text).ok())?,
        },
    })
}

fn state(fields: &mut Fields<'_>) -> Result<WebhookState, StoreError> {
    let word: &str = fields.get("state")?;
    let reason = fields.optional("disable_reason", DisableReason::parse)?;
    match (word, reason) {
        ("active", None) => Ok(WebhookState::Active),
        ("paused", None) => Ok(WebhookState::Paused),
        ("disabled", Some(reason)) => Ok(WebhookState::Disabled(reason)),
        _ => Err(fields.corrupt("state")),
    }
}

/// Binds the columns of a definition in the order of `webhook_columns!`, from `name` to `rate_limit`.
pub(super) fn bind_definition<'q>(
    query: Query<'q, Sqlite, SqliteArguments>,
    definition: &WebhookDefinition,
) -> Query<'q, Sqlite, SqliteArguments> {
    let authorization = &definition.authorization;
    let query = query
        .bind(definition.name.as_str())
        .bind(definition.type_code)
        .bind(write_events(&definition.events))
        .bind(definition.method.as_str())
        .bind(definition.headers.as_ref().map(write_headers))
        .bind(definition.url.as_str())
        .bind(authorization.header_auth.as_deref())
        .bind(authorization.fixed.as_ref().map(ExposeSecret::expose_secret))
        .bind(authorization.url.as_ref().map(LoginUrl::as_str))
        .bind(authorization.method.map(Method::as_str))
        .bind(authorization.headers.as_ref().map(write_headers))
        .bind(authorization.body.as_ref().map(|body| Value::Object(body.expose().clone()).to_string()))
        .bind(authorization.response_token_attr.as_deref());
    bind_settings(query, &definition.delivery)
}

fn bind_settings<'q>(query: Query<'q, Sqlite, SqliteArguments>, settings: &DeliverySettings) -> Query<'q, Sqlite, SqliteArguments> {
    let millis = |timeout: Duration| i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX);
    query
        .bind(settings.retry.as_ref().and_then(|retry| serde_json::to_string(retry).ok()))
        .bind(settings.timeout.map(millis))
        .bind(settings.max_in_flight)
        .bind(settings.rate_limit.and_then(|limit| serde_json::to_string(&limit).ok()))
}

/// The words for a state: those of the columns `state` and `disable_reason`.
pub(super) fn state_words(state: &WebhookState) -> (&'static str, Option<&'static str>) {
    match state {
        WebhookState::Active | WebhookState::Paused => (state.as_str(), None),
        WebhookState::Disabled(reason) => (state.as_str(), Some(reason.as_str())),
    }
}

fn write_events(events: &[EventType]) -> String {
    events.iter().map(EventType::as_str).collect::<Value>().to_string()
}

fn read_events(text: &str) -> Option<Vec<EventType>> {
    let words: Vec<String> = serde_json::from_str(text).ok()?;
    words.iter().map(|word| word.parse().ok()).collect()
}

/// Pairs, not an object: so names keep their order and letter case.
fn write_headers(headers: &Headers) -> String {
    headers.iter().map(|(name, value)| Value::from(vec![name, value])).collect::<Value>().to_string()
}

fn read_headers(text: &str) -> Option<Headers> {
    let pairs: Vec<(String, String)> = serde_json::from_str(text).ok()?;
    Headers::check(pairs).ok()
}

fn read_object(text: &str) -> Option<SecretObject> {
    serde_json::from_str::<Map<String, Value>>(text).ok().map(SecretObject::new)
}
