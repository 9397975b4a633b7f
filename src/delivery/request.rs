//! Puts the request of an attempt together: url, headers, body, signatures.

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};

use super::definitions::Definition;
use crate::domain::event::Event;
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

/// The request that tells the receiver of `event`, without its authorization.
///
/// `webhook-id` is the event's id, the same on every attempt; `webhook-timestamp` is this attempt's time in seconds.
/// POST and PUT carry the payload's bytes as they were received. It is signed by every key of the webhook that is valid
/// `now`.
///
/// # Errors
/// When no url can carry the event's subject.
pub fn build(definition: &Definition, event: &Event, now: Timestamp) -> Result<OutboundRequest, UnsendableUrl> {
    let webhook = &definition.webhook.definition;
    let url = webhook.url.for_subject(&event.subject)?;
    let mut headers = definition.headers.clone();
    if let Ok(id) = HeaderValue::try_from(event.id.to_string()) {
        headers.insert(WEBHOOK_ID, id);
    }
    headers.insert(WEBHOOK_TIMESTAMP, HeaderValue::from(now.as_seconds()));
    let body = webhook.method.carries_body().then(|| event.payload.clone());
    let client_certificate = webhook.authorization.client_certificate.clone();
    let mut request = OutboundRequest { method: webhook.method, url, headers, body, client_certificate };
    if definition.webhook.signing_keys.current().is_some() {
        sign(&mut request, definition, event, now);
    }
    Ok(request)
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
