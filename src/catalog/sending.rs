//! What a request of a system carries: its headers, its body, its signature; rendered for one event and one webhook.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{Offset as _, Utc};
use http::{HeaderName, HeaderValue};
use minijinja::value::Serde;
use minijinja::{Value, context};
use serde_json::Value as Json;

use super::Catalog;
use super::settings::Settings;
use super::template::{MAX_BODY_BYTES, MAX_HEADER_BYTES, TemplateName, Templates};
use crate::domain::catalog::ClientCatalog;
use crate::domain::client::Client;
use crate::domain::event::Event;
use crate::domain::headers::holds_secret;
use crate::domain::method::Method;
use crate::domain::retry::RetryPolicy;
use crate::domain::signature::in_lines;
use crate::domain::time::Timestamp;
use crate::domain::webhook::Webhook;

/// How a system sends.
#[derive(Debug)]
pub struct Sending {
    /// The one method; `None` for the webhook's own.
    pub method: Option<Method>,
    /// Whether `webhook-id` and `webhook-timestamp` go along even when nothing is signed.
    pub standard_headers: bool,
    /// The deadline of a webhook that has none of its own.
    pub timeout: Option<Duration>,
    /// The schedule of a webhook that has none of its own.
    pub retry: Option<RetryPolicy>,
    /// What is signed with the client's key, and how that is written.
    pub sign: Option<Sign>,
    pub(super) headers: Vec<(HeaderName, TemplateName)>,
    pub(super) body: Option<TemplateName>,
    pub(super) templates: Templates,
    /// Whether any template looks into the payload.
    pub(super) reads_payload: bool,
    /// Whether some events have a body of their own.
    pub(super) has_event_bodies: bool,
}

/// What is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sign {
    /// The header whose value is signed.
    pub header: HeaderName,
    /// How many columns of base64 a line of the signature has.
    pub columns: usize,
}

/// A catalogue that sends on a client's behalf, made ready once per webhook.
#[derive(Debug)]
pub struct Sender {
    /// The catalogue.
    pub catalog: Arc<Catalog>,
    client: Value,
    settings: Value,
    settled: Option<ClientCatalog>,
}

/// Of what a request tells.
#[derive(Clone, Copy)]
pub struct Occasion<'a> {
    /// The webhook that is called.
    pub webhook: &'a Webhook,
    /// What happened.
    pub event: &'a Event,
    /// When the attempt begins.
    pub now: Timestamp,
}

/// What the catalogue adds to a request.
#[derive(Debug)]
pub struct Rendered {
    /// Headers; those whose names say so are marked as secret.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body; `None` for the payload's own bytes.
    pub body: Option<Bytes>,
}

/// A catalogue makes no request of an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{part} cannot be made: {reason}")]
pub struct Unrenderable {
    /// Of what.
    pub part: String,
    /// Why not.
    pub reason: String,
    /// The line of the template, counted from 1; 0 where there is none.
    pub(super) line: usize,
}

impl Unrenderable {
    fn new(part: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { part: part.into(), reason: reason.into(), line: 0 }
    }
}

impl Sending {
    /// Whether requests are just like those of the dispatcher's own way.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.standard_headers && self.headers.is_empty() && self.body.is_none() && !self.has_event_bodies && self.sign.is_none()
    }
}

impl Sender {
    /// A catalogue on the behalf of `client`, which has `settled` so much.
    #[must_use]
    pub fn new(catalog: Arc<Catalog>, client: &Client, settled: Option<ClientCatalog>) -> Self {
        let own = settled.as_ref().map(|settled| &settled.settings);
        let tenant = Settings::tenant(own).unwrap_or(&client.name);
        let in_force = catalog.settings.in_force(own);
        let client = context! { id => client.id.to_string(), name => &client.name, tenant => tenant };
        Self { client, settings: Value::from(Serde(in_force)), settled, catalog }
    }

    /// What the catalogue adds to the request about `occasion`.
    ///
    /// # Errors
    /// When a template gives nothing that can be sent, or the client has no key to sign with.
    pub fn render(&self, occasion: Occasion<'_>) -> Result<Rendered, Unrenderable> {
        self.render_signed(occasion, |text, columns| self.signature(text, columns, occasion.event.created_at))
    }

    /// The signature by the key that was current when the event came in, so that every attempt carries the same.
    fn signature(&self, text: &[u8], columns: usize, at: Timestamp) -> Result<String, Unrenderable> {
        let refused = |reason: &str| Unrenderable::new("the signature", reason);
        let key = self.settled.as_ref().and_then(|settled| settled.key_at(at)).ok_or_else(|| refused("the client has no key for it"))?;
        let signature = key.secret.sign(key.algorithm, text).map_err(|_| refused("the client's key does not sign"))?;
        Ok(in_lines(&signature, columns))
    }

    pub(super) fn render_signed(
        &self,
        occasion: Occasion<'_>,
        sign: impl FnOnce(&[u8], usize) -> Result<String, Unrenderable>,
    ) -> Result<Rendered, Unrenderable> {
        let sending = &self.catalog.sending;
        let context = self.context(occasion)?;
        let headers = sending.render_headers(&context)?;
        let Some(template) = self.body_template(occasion.event) else { return Ok(Rendered { headers, body: None }) };
        let context = match &sending.sign {
            None => context,
            Some(wanted) => {
                let signed = headers.iter().find(|(name, _)| *name == wanted.header).map(|(_, value)| value.as_bytes());
                let signature = sign(signed.unwrap_or_default(), wanted.columns)?;
                context! { signature, ..context }
            }
        };
        Ok(Rendered { headers, body: Some(sending.render_body(template, &context)?) })
    }

    fn body_template(&self, event: &Event) -> Option<&str> {
        let own = self.catalog.event(event.event_type.as_str()).and_then(|kind| kind.body.as_deref());
        own.or(self.catalog.sending.body.as_deref())
    }

    /// What templates may speak of: `event`, `payload`, `raw`, `webhook`, `client`, `settings`, `time`.
    fn context(&self, Occasion { webhook, event, now }: Occasion<'_>) -> Result<Value, Unrenderable> {
        let raw = str::from_utf8(&event.payload).map_err(|_| Unrenderable::new("the body", "the payload is no text"))?;
        let payload = if self.catalog.sending.reads_payload { parsed(raw)? } else { Value::UNDEFINED };
        let written = |time: Timestamp| time.to_rfc3339(Utc.fix());
        Ok(context! {
            event => context! {
                id => event.id.to_string(),
                type => event.event_type.as_str(),
                subject => &event.subject,
                createdAt => written(event.created_at),
            },
            webhook => context! { id => webhook.id.to_string(), name => &webhook.definition.name },
            client => &self.client,
            settings => &self.settings,
            time => written(now),
            payload => payload,
            raw => raw,
        })
    }
}

fn parsed(raw: &str) -> Result<Value, Unrenderable> {
    let payload: Json = serde_json::from_str(raw).map_err(|_| Unrenderable::new("the body", "the payload is no JSON"))?;
    Ok(Value::from(Serde(payload)))
}

impl Sending {
    /// Every header whose template renders to something.
    fn render_headers(&self, context: &Value) -> Result<Vec<(HeaderName, HeaderValue)>, Unrenderable> {
        let mut headers = Vec::with_capacity(self.headers.len());
        for (name, template) in &self.headers {
            let text = self.render(&format!("the header {name}"), template, context, MAX_HEADER_BYTES)?;
            if text.is_empty() {
                continue;
            }
            let value = HeaderValue::try_from(text);
            let mut value = value.map_err(|_| Unrenderable::new(format!("the header {name}"), "it cannot carry what comes out"))?;
            value.set_sensitive(holds_secret(name.as_str()));
            headers.push((name.clone(), value));
        }
        Ok(headers)
    }

    /// A body, which must be JSON.
    fn render_body(&self, template: &str, context: &Value) -> Result<Bytes, Unrenderable> {
        let text = self.render("the body", template, context, MAX_BODY_BYTES)?;
        match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
            Ok(_) => Ok(text.into()),
            Err(_) => Err(Unrenderable::new("the body", "what comes out is no JSON")),
        }
    }

    fn render(&self, part: &str, template: &str, context: &Value, most: usize) -> Result<String, Unrenderable> {
        let rendered = self.templates.render(template, context, most);
        rendered.map_err(|error| Unrenderable { part: part.to_owned(), line: error.line, reason: error.reason })
    }
}
