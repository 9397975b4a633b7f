//! Puts the request of an attempt together: url, headers, body.

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};

use super::definitions::Definition;
use crate::domain::event::Event;
use crate::domain::target_url::UnsendableUrl;
use crate::domain::time::Timestamp;
use crate::egress::OutboundRequest;

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");

/// The request that tells the receiver of `event`, without its authorization.
///
/// `webhook-id` is the event's id, the same on every attempt; `webhook-timestamp` is this attempt's time in seconds.
/// POST and PUT carry the payload's bytes as they were received.
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
    Ok(OutboundRequest { method: webhook.method, url, headers, body })
}

/// The same request with this `Authorization` header; `None` if the text cannot be one.
#[must_use]
pub fn authorized(mut request: OutboundRequest, authorization: &str) -> Option<OutboundRequest> {
    let mut value = HeaderValue::try_from(authorization).ok()?;
    value.set_sensitive(true);
    request.headers.insert(AUTHORIZATION, value);
    Some(request)
}
