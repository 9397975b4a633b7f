//! Puts the request of an attempt together: url, headers, body, signatures.

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};

use super::definitions::Definition;
use crate::catalog::{Occasion, Sender, Unrenderable};
use crate::domain::catalog::CatalogName;
use crate::domain::event::{Event, EventType};
use crate::domain::signature::http_message::Message;
use crate::domain::signature::{digest, http_message, standard};
use crate::domain::target_url::UnsendableUrl;
use crate::domain::time::Timestamp;
use crate::egress::OutboundRequest;

const CONTENT_DIGEST: HeaderName = HeaderName::from_static(digest::HEADER);
const SIGNATURE_INPUT: HeaderName = HeaderName::from_static(http_message::INPUT_HEADER);
const SIGNATURE: HeaderName = HeaderName::from_static(http_message::HEADER);
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static(standard::HEADER);
const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");

/// Why an event makes no request.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unsendable {
    /// No url can carry its subject.
    #[error(transparent)]
    Url(#[from] UnsendableUrl),
    /// The catalogue makes none of it.
    #[error(transparent)]
    Catalog(#[from] Unrenderable),
    /// The webhook is called in the way of a catalogue that is not known any more.
    #[error("the catalogue {0} is not known any more")]
    UnknownCatalog(CatalogName),
    /// Its payload held secrets, which are kept only as long as its deliveries wait.
    #[error("the secrets of the payload are not kept any more")]
    SecretsGone,
    /// Its payload holds secrets, and no catalogue says where: what comes back of them could not be masked.
    #[error("no catalogue says any more where events of the type {0} hold secrets")]
    SecretsUntold(EventType),
    /// It was handed in past the API, and breaks its schema.
    #[error("{0}")]
    Breach(String),
}

impl Unsendable {
    /// Whether it passes by itself once the nodes know a catalogue again.
    #[must_use]
    pub const fn awaits_catalog(&self) -> bool {
        matches!(self, Self::UnknownCatalog(_) | Self::SecretsUntold(_))
    }
}

/// The request that tells the receiver of `event`, without its authorization.
///
/// `webhook-id` is the event's id, the same on every attempt; `webhook-timestamp` is this attempt's time in seconds.
/// POST and PUT carry the payload's bytes as they were received. It is signed by every key of the webhook that is valid
/// `now`.
///
/// A webhook that is called in a catalogue's way carries what that catalogue says instead.
///
/// # Errors
/// When no url can carry the event's subject, or the catalogue makes no request of the event.
pub fn build(definition: &Definition, event: &Event, now: Timestamp) -> Result<OutboundRequest, Unsendable> {
    if let Some(name) = &definition.missing_catalog {
        return Err(Unsendable::UnknownCatalog(name.clone()));
    }
    let webhook = &definition.webhook.definition;
    let url = webhook.url.for_subject(&event.subject)?;
    let headers = definition.headers.clone();
    let body = webhook.method.carries_body().then(|| event.payload.clone());
    let client_certificate = webhook.authorization.client_certificate.clone();
    let mut request = OutboundRequest { method: webhook.method, url, headers, body, client_certificate };
    if let Some(sender) = &definition.sender {
        render(&mut request, sender, Occasion { webhook: &definition.webhook, event, now })?;
    }
    let is_signed = definition.webhook.signing_keys.current().is_some();
    if is_signed || definition.sender.as_ref().is_none_or(|sender| sender.catalog.sending.standard_headers) {
        insert(&mut request, WEBHOOK_ID, &event.id.to_string());
        request.headers.insert(WEBHOOK_TIMESTAMP, HeaderValue::from(now.as_seconds()));
    }
    if is_signed {
        sign(&mut request, definition, event, now);
    }
    Ok(request)
}

/// Adds what the catalogue says; headers that the webhook's owner set give way.
fn render(request: &mut OutboundRequest, sender: &Sender, occasion: Occasion<'_>) -> Result<(), Unrenderable> {
    let rendered = sender.render(occasion)?;
    for (name, value) in rendered.headers {
        request.headers.insert(name, value);
    }
    if let (Some(body), Some(rendered)) = (&mut request.body, rendered.body) {
        *body = rendered;
    }
    Ok(())
}

fn sign(request: &mut OutboundRequest, definition: &Definition, event: &Event, now: Timestamp) {
    let keys = || definition.webhook.signing_keys.valid_at(now);
    let (id, body) = (event.id.to_string(), request.body.as_deref().unwrap_or_default());
    let signature = standard::header_value(keys().map(|key| &key.secret), &id, now.as_seconds(), body);
    let digest = request.body.as_deref().map(digest::header_value);
    insert(request, WEBHOOK_SIGNATURE, &signature);
    if definition.webhook.definition.delivery.http_signature {
        if let Some(digest) = digest {
            insert(request, CONTENT_DIGEST, &digest);
        }
        let message = Message { method: request.method.as_str(), url: &request.url, headers: &request.headers };
        let signed = http_message::sign(message, keys(), now);
        insert(request, SIGNATURE_INPUT, &signed.input);
        insert(request, SIGNATURE, &signed.signatures);
    }
}

/// What is computed here is text that a header can carry.
fn insert(request: &mut OutboundRequest, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        request.headers.insert(name, value);
    }
}

/// The same request with this `Authorization` header; `None` if the text cannot be one.
#[must_use]
pub fn authorized(mut request: OutboundRequest, authorization: &str) -> Option<OutboundRequest> {
    let mut value = HeaderValue::try_from(authorization).ok()?;
    value.set_sensitive(true);
    request.headers.insert(AUTHORIZATION, value);
    Some(request)
}
