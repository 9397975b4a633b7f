//! One alert as a request: signed, sent, and tried again a few times.

use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use tokio::time::Instant;
use tracing::warn;
use url::Url;

use crate::domain::alert::Alert;
use crate::domain::ids::{EventId, IdSource};
use crate::domain::method::Method;
use crate::domain::signature::{SigningSecret, standard};
use crate::domain::time::Timestamp;
use crate::egress::{CallLimits, Caller, OutboundRequest, SendError};

/// How long a call may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// What of an answer is read.
const READ: usize = 1024;

/// From the first try to the second, and how often at most.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const TRIES: usize = 4;

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static(standard::HEADER);

/// To whom alerts are sent.
#[derive(Clone)]
pub struct Recipient {
    /// Where.
    pub url: Url,
    /// What signs them.
    pub secret: Option<SigningSecret>,
}

/// Sends alerts.
pub struct Notices {
    caller: Arc<dyn Caller>,
    ids: Arc<IdSource>,
    recipient: Option<Recipient>,
}

/// Why an alert did not arrive.
#[derive(Debug, thiserror::Error)]
enum NotTold {
    #[error("no answer came")]
    NoAnswer(#[from] SendError),
    #[error("the answer was {0}")]
    Refused(u16),
}

impl Notices {
    /// Sends to `recipient`, if there is one, through `caller`.
    #[must_use]
    pub fn new(caller: Arc<dyn Caller>, ids: Arc<IdSource>, recipient: Option<Recipient>) -> Self {
        Self { caller, ids, recipient }
    }

    /// Sends an alert, a few times if need be. One that does not arrive is in the log all the same.
    pub async fn tell(&self, alert: &Alert, now: Timestamp) {
        let Some(recipient) = &self.recipient else { return };
        let request = request(recipient, self.ids.next(now), alert, now);
        let waits = ExponentialBuilder::default().with_min_delay(FIRST_WAIT).with_factor(3.0).with_max_times(TRIES - 1);
        let told = (|| self.send(request.clone())).retry(waits).await;
        if let Err(failure) = told {
            warn!(alert = alert.kind(), error = %failure, source = ?std::error::Error::source(&failure), "an alert did not arrive at alerts.url");
        }
    }

    async fn send(&self, request: OutboundRequest) -> Result<(), NotTold> {
        let limits = CallLimits { deadline: Instant::now() + DEADLINE, body_cap: READ };
        let answer = self.caller.call(request, limits).await?;
        if (200..300).contains(&answer.status) { Ok(()) } else { Err(NotTold::Refused(answer.status)) }
    }
}

fn request(recipient: &Recipient, id: EventId, alert: &Alert, now: Timestamp) -> OutboundRequest {
    let body = Bytes::from(payload(id, alert, now).to_string());
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    headers.insert(WEBHOOK_TIMESTAMP, HeaderValue::from(now.as_seconds()));
    let id = id.to_string();
    let signature = recipient.secret.as_ref().map(|secret| standard::header_value([secret].into_iter(), &id, now.as_seconds(), &body));
    for (name, text) in [(WEBHOOK_ID, Some(id)), (WEBHOOK_SIGNATURE, signature)] {
        // What is computed here is text that a header can carry.
        if let Some(Ok(value)) = text.map(HeaderValue::try_from) {
            headers.insert(name, value);
        }
    }
    OutboundRequest { method: Method::Post, url: recipient.url.clone(), headers, body: Some(body), client_certificate: None }
}

fn payload(id: EventId, alert: &Alert, now: Timestamp) -> Value {
    let webhook = alert.webhook().map(|webhook| json!({"id": webhook.id, "clientId": webhook.client_id, "name": webhook.name}));
    let node = alert.node().map(|node| json!({"id": node.id, "name": node.name}));
    let count = match alert {
        Alert::DeadLetters(_, count) | Alert::WebhookFailing(_, count) => Some(count),
        Alert::WebhookDisabled(..) | Alert::WebhookRecovered(_) | Alert::NodeLost(_) => None,
    };
    json!({
        "id": id, "type": alert.kind(), "at": now.to_string(), "text": alert.words(), "webhook": webhook, "node": node, "count": count,
    })
}
