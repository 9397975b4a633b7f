//! Reads a webhook definition from JSON. Every way in (create, replace, merge) ends here, so the rules are written once.
//!
//! The rules of single values are `domain`'s; this file knows the fields' names, and says all that is wrong at once.

use std::collections::BTreeSet;
use std::time::Duration;

use http::HeaderValue;
use secrecy::SecretString;
use serde_json::{Map, Value};
use url::Url;

use super::catalog;
use super::client_certificate::client_certificate;
use super::edition::Edition;
use super::fields::{Fields, Invalid, Message, integer, name, text, whole};
use crate::catalog::{Catalog, Catalogs};
use crate::domain::address_policy::AddressPolicy;
use crate::domain::event::EventType;
use crate::domain::headers::Headers;
use crate::domain::method::Method;
use crate::domain::rate_limit::{RateLimit, RateLimitError};
use crate::domain::retry::{RetryPolicy, RetryPolicyError};
use crate::domain::target_url::{IdInUrl, LoginUrl, TargetUrl};
use crate::domain::webhook::{AuthorizationFields, DOCUMENT_FINISHED, DeliverySettings, SecretObject, WebhookDefinition};

pub(crate) const MAX_EVENTS: usize = 100;
pub(crate) const MAX_AUTHORIZATION_BYTES: usize = 8_192;
pub(crate) const MAX_HEADER_AUTH_CHARS: usize = 64;
pub(crate) const MIN_TIMEOUT_MS: u32 = 100;
pub(crate) const MAX_TIMEOUT_MS: u32 = 300_000;
pub(crate) const MAX_IN_FLIGHT: u32 = 1_024;
const MAX_LOGIN_BODY_BYTES: usize = 16 * 1_024;

/// What the configuration says of every definition.
#[derive(Clone, Copy)]
pub(crate) struct Rules<'a> {
    /// Whether webhooks may be called without TLS.
    pub(crate) allow_http: bool,
    /// Which addresses may be called: a url that names any other is refused at once.
    pub(crate) addresses: &'a AddressPolicy,
    /// The systems in whose way webhooks may be called.
    pub(crate) catalogs: &'a Catalogs,
}

/// The definition that `object` writes.
///
/// # Errors
///
/// Names every field that breaks a rule.
pub(crate) fn parse(object: &Map<String, Value>, edition: Edition, rules: Rules<'_>) -> Result<WebhookDefinition, Invalid> {
    let mut fields = Fields::of(object);
    let name = fields.required("name", name);
    let catalog = catalog::read(&mut fields, rules.catalogs);
    let (type_code, events) = kind(&mut fields, edition, catalog.as_deref());
    let method = catalog::method(&mut fields, catalog.as_deref());
    let headers = headers(&mut fields, "headers");
    let id = if fields.value("type").is_some() { IdInUrl::Required } else { IdInUrl::Optional };
    let url = fields.required("url", |value| target_url(value, id, rules));
    let authorization = authorization(&mut fields, rules);
    let delivery = delivery(&mut fields);
    let catalog = catalog.map(|catalog| catalog.name.clone());
    let made = (|| {
        let (name, events, method, url) = (name?, events?, method?, url?);
        Some(WebhookDefinition { name, type_code, events, catalog, method, headers, url, authorization, delivery })
    })();
    fields.finish(made)
}

/// The type code and the events that it stands for, or the events that the webhook names itself.
fn kind(fields: &mut Fields<'_>, edition: Edition, catalog: Option<&Catalog>) -> (Option<i64>, Option<Vec<EventType>>) {
    let of_type = vec![EventType::document_finished()];
    let named = events(fields, catalog);
    if fields.value("type").is_none() {
        match edition {
            Edition::Ocr => fields.refuse("type", "is required"),
            Edition::V1 if fields.value("events").is_none() => fields.refuse("events", "must be given when type is not"),
            Edition::V1 => {}
        }
        return (None, named);
    }
    // What a webhook of this type shows as its events may be sent back to it.
    if named.is_some_and(|named| named != of_type) {
        fields.refuse("events", "must not be given together with type");
    }
    let code = fields.optional("type", |value| {
        let code = whole(value).and_then(|code| i64::try_from(code).ok()).filter(|code| *code == DOCUMENT_FINISHED);
        code.ok_or_else(|| "must be 0 (document finished)".into())
    });
    (code, code.map(|_| of_type))
}

fn events(fields: &mut Fields<'_>, catalog: Option<&Catalog>) -> Option<Vec<EventType>> {
    let list = fields.optional("events", |value| {
        let list = value.as_array().filter(|list| (1..=MAX_EVENTS).contains(&list.len()));
        list.ok_or_else(|| format!("must be a list of 1 to {MAX_EVENTS} event types").into())
    })?;
    let mut events = BTreeSet::new();
    for (index, value) in list.iter().enumerate() {
        match event_type(value, catalog) {
            Ok(event) => drop(events.insert(event)),
            Err(message) => fields.refuse(format!("events[{index}]"), message),
        }
    }
    Some(events.into_iter().collect())
}

/// An event type as text; of a catalogue one of its codes, however it is spelt.
fn event_type(value: &Value, catalog: Option<&Catalog>) -> Result<EventType, Message> {
    let text = value.as_str().ok_or("must be text")?;
    let code = match catalog {
        None => text,
        Some(catalog) => catalog.canonical(text).ok_or_else(|| format!("is no event of the catalogue {}", catalog.name))?,
    };
    code.parse().map_err(message)
}

fn authorization(fields: &mut Fields<'_>, rules: Rules<'_>) -> AuthorizationFields {
    let authorization = AuthorizationFields {
        header_auth: fields.optional("headerAuth", |value| header_text(text(value, 0..=MAX_HEADER_AUTH_CHARS)?)).map(str::to_owned),
        fixed: fields.optional("authorization", fixed_authorization),
        url: fields.optional("authorizationUrl", |value| login_url(value, rules)),
        method: fields.optional("authorizationMethod", method),
        headers: headers(fields, "authorizationHeaders"),
        body: fields.optional("authorizationBody", login_body),
        response_token_attr: fields.optional("authorizationResponseTokenAttr", name),
        client_certificate: client_certificate(fields),
    };
    refuse_nested_form(fields, &authorization);
    authorization
}

/// A form or a query knows names and values only.
fn refuse_nested_form(fields: &mut Fields<'_>, authorization: &AuthorizationFields) {
    let Some(body) = &authorization.body else { return };
    let form = authorization.headers.as_ref().and_then(Headers::content_type).is_some_and(is_form);
    if form || !authorization.login_method().carries_body() {
        for (name, _) in body.expose().iter().filter(|(_, value)| value.is_object() || value.is_array()) {
            fields.refuse(format!("authorizationBody.{name}"), "must be text, a number or true or false: it is sent as a form or query");
        }
    }
}

fn is_form(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn delivery(fields: &mut Fields<'_>) -> DeliverySettings {
    DeliverySettings {
        retry: retry(fields),
        timeout: fields
            .optional("timeoutMs", |value| integer(value, MIN_TIMEOUT_MS..=MAX_TIMEOUT_MS))
            .map(|ms| Duration::from_millis(ms.into())),
        max_in_flight: fields.optional("maxInFlight", |value| integer(value, 1..=MAX_IN_FLIGHT)),
        rate_limit: rate_limit(fields),
        http_signature: http_signature(fields).unwrap_or(false),
    }
}

/// Whether requests carry an HTTP message signature: `{"enabled": true}`.
fn http_signature(fields: &mut Fields<'_>) -> Option<bool> {
    let object = fields.optional("httpSignature", |value| value.as_object().ok_or_else(|| "must be a JSON object".into()))?;
    let enabled = object.get("enabled").and_then(Value::as_bool);
    if enabled.is_none() {
        fields.refuse("httpSignature.enabled", "must be true or false");
    }
    enabled
}

fn retry(fields: &mut Fields<'_>) -> Option<RetryPolicy> {
    let object = fields.optional("retry", |value| value.as_object().ok_or_else(|| "must be a JSON object".into()))?;
    let delays = object.get("delaysSeconds").and_then(Value::as_array).and_then(|list| list.iter().map(whole).collect());
    let Some(delays): Option<Vec<u64>> = delays else {
        fields.refuse("retry.delaysSeconds", "must be a list of whole numbers of seconds");
        return None;
    };
    let default = RetryPolicy::default().jitter();
    let jitter = object.get("jitter").filter(|value| !value.is_null()).map_or(Some(default), Value::as_f64);
    let policy = RetryPolicy::new(delays.into_iter().map(Duration::from_secs).collect(), jitter.unwrap_or(f64::NAN));
    policy.map_err(|error| fields.refuse(retry_field(error), error.to_string())).ok()
}

const fn retry_field(error: RetryPolicyError) -> &'static str {
    match error {
        RetryPolicyError::TooManyDelays | RetryPolicyError::Delay => "retry.delaysSeconds",
        RetryPolicyError::Jitter => "retry.jitter",
    }
}

fn rate_limit(fields: &mut Fields<'_>) -> Option<RateLimit> {
    let object = fields.optional("rateLimit", |value| value.as_object().ok_or_else(|| "must be a JSON object".into()))?;
    // No number is out of range too.
    let number = |value: &Value| whole(value).and_then(|number| u32::try_from(number).ok()).unwrap_or(0);
    let requests = object.get("requests").map_or(0, number);
    let per_seconds = object.get("perSeconds").filter(|value| !value.is_null()).map_or(RateLimit::DEFAULT_SECONDS, number);
    RateLimit::new(requests, per_seconds).map_err(|error| fields.refuse(rate_limit_field(error), error.to_string())).ok()
}

const fn rate_limit_field(error: RateLimitError) -> &'static str {
    match error {
        RateLimitError::Requests => "rateLimit.requests",
        RateLimitError::PerSeconds => "rateLimit.perSeconds",
    }
}

pub(super) fn method(value: &Value) -> Result<Method, Message> {
    value.as_str().ok_or("must be text")?.parse().map_err(message)
}

/// Headers as a JSON object of texts; each that is wrong is named by itself.
fn headers(fields: &mut Fields<'_>, field: &'static str) -> Option<Headers> {
    let object = fields.optional(field, |value| value.as_object().ok_or_else(|| "must be a JSON object".into()))?;
    let mut entries = Vec::with_capacity(object.len());
    for (name, value) in object {
        match value.as_str() {
            Some(text) => entries.push((name.clone(), text.to_owned())),
            None => fields.refuse(format!("{field}.{name}"), "must be text"),
        }
    }
    match Headers::check(entries) {
        Ok(headers) => Some(headers),
        Err(errors) => {
            for error in errors {
                fields.refuse(format!("{field}.{}", error.name), error.message);
            }
            None
        }
    }
}

fn target_url(value: &Value, id: IdInUrl, rules: Rules<'_>) -> Result<TargetUrl, Message> {
    let url = TargetUrl::parse(value.as_str().ok_or("must be text")?, id).map_err(message)?;
    callable(url.template(), rules)?;
    Ok(url)
}

fn login_url(value: &Value, rules: Rules<'_>) -> Result<LoginUrl, Message> {
    let url = LoginUrl::parse(value.as_str().ok_or("must be text")?).map_err(message)?;
    callable(url.url(), rules)?;
    Ok(url)
}

/// Whether a url may be called as far as its text tells; where a name leads is judged when it is called. The words are
/// the same for every refused address, so that nobody learns what lies behind one.
fn callable(url: &Url, rules: Rules<'_>) -> Result<(), Message> {
    if url.scheme() == "http" && !rules.allow_http {
        return Err("must begin with https://".into());
    }
    rules.addresses.check_url_host(url).map_err(|refused| {
        // Operators learn why.
        tracing::info!(address = %refused.address, rule = refused.rule, "a webhook with an address that may not be called is refused");
        "this address may not be called".into()
    })
}

fn fixed_authorization(value: &Value) -> Result<SecretString, Message> {
    let text = header_text(value.as_str().ok_or("must be text")?)?;
    if (1..=MAX_AUTHORIZATION_BYTES).contains(&text.len()) {
        Ok(text.into())
    } else {
        Err(format!("must have 1 to {MAX_AUTHORIZATION_BYTES} bytes").into())
    }
}

fn login_body(value: &Value) -> Result<SecretObject, Message> {
    let object = value.as_object().ok_or("must be a JSON object")?;
    if value.to_string().len() > MAX_LOGIN_BODY_BYTES {
        return Err(format!("must have at most {MAX_LOGIN_BODY_BYTES} bytes").into());
    }
    Ok(SecretObject::new(object.clone()))
}

/// Text that a header can carry.
fn header_text(text: &str) -> Result<&str, Message> {
    if HeaderValue::from_str(text).is_ok() { Ok(text) } else { Err("must not hold control characters".into()) }
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to `map_err`")]
fn message(error: impl ToString) -> Message {
    error.to_string().into()
}
