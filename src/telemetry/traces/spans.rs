//! What each kind of span says: every name of a span, an attribute and an event.
//!
//! Names without `webhook_dispatcher` are those of OpenTelemetry's conventions for messaging, HTTP clients and errors. What
//! may hold a secret does not come here: urls have the values of their queries masked, and nothing that was sent or
//! answered is told but statuses.

use url::Url;

use super::span::{Kind, Span};
use crate::domain::attempt::{Attempt, AttemptOutcome, FailureReason};
use crate::domain::delivery::Transition;
use crate::domain::event::Event;
use crate::domain::ids::{DeliveryId, EventId, WebhookId};
use crate::domain::method::Method;
use crate::domain::target_url;
use crate::domain::time::Timestamp;
use crate::domain::trace::{SpanId, TraceContext};
use crate::domain::webhook::AuthorizationFields;

const SYSTEM: (&str, &str) = ("messaging.system", "webhook_dispatcher");
const OPERATION: &str = "messaging.operation.name";
const OPERATION_TYPE: &str = "messaging.operation.type";
const EVENT_TYPE: &str = "messaging.destination.name";
const EVENT_ID: &str = "messaging.message.id";
const PAYLOAD_BYTES: &str = "messaging.message.body.size";
const METHOD: &str = "http.request.method";
const URL: &str = "url.full";
const HOST: &str = "server.address";
const PORT: &str = "server.port";
const STATUS: &str = "http.response.status_code";
const RETRY: &str = "http.request.resend_count";
const PEER_ADDRESS: &str = "network.peer.address";
const PEER_PORT: &str = "network.peer.port";
const ERROR: &str = "error.type";
const CLIENT_ID: &str = "webhook_dispatcher.client.id";
const WEBHOOK_ID: &str = "webhook_dispatcher.webhook.id";
const DELIVERY_ID: &str = "webhook_dispatcher.delivery.id";
const DELIVERIES: &str = "webhook_dispatcher.deliveries";
const DUPLICATE: &str = "webhook_dispatcher.duplicate";
const ATTEMPT: &str = "webhook_dispatcher.attempt";
const OUTCOME: &str = "webhook_dispatcher.outcome";
const NEXT_STATE: &str = "webhook_dispatcher.state";
const NEXT_ATTEMPT: &str = "webhook_dispatcher.next_attempt_at";

/// The access token was there; the answer's head was; its body was.
const AUTHORIZED: &str = "authorized";
const CONNECTED: &str = "connected";
const HEAD: &str = "response.head";
const BODY: &str = "response.body";

/// What is told where no conventional word says why something failed.
const OTHER: &str = "_OTHER";

/// An event that is being stored.
pub(super) fn enqueue(context: TraceContext, producer: Option<SpanId>, event: &Event, begun: Timestamp) -> Span {
    let mut span = Span {
        context,
        parent: producer,
        is_parent_remote: producer.is_some(),
        name: format!("enqueue {}", event.event_type),
        kind: Kind::Producer,
        begun,
        ended: begun,
        attributes: Vec::with_capacity(10),
        events: Vec::new(),
        failure: None,
    };
    of_event(&mut span, event, "enqueue");
    span.word(OPERATION_TYPE, "send");
    span.number(PAYLOAD_BYTES, event.payload.len());
    span
}

/// What became of an event that was to be stored.
#[derive(Clone, Copy, Debug)]
pub enum Enqueue<'a> {
    /// It is stored.
    Stored {
        /// Its id; of a repeat, the first one's.
        id: EventId,
        /// How many deliveries it has.
        deliveries: usize,
        /// Whether it was stored before.
        is_repeat: bool,
    },
    /// It is not, or nobody knows.
    Failed(&'a str),
}

impl Enqueue<'_> {
    pub(super) fn tell(self, span: &mut Span) {
        match self {
            Self::Stored { id, deliveries, is_repeat } => {
                span.id(EVENT_ID, id.as_uuid());
                span.number(DELIVERIES, deliveries);
                span.flag(DUPLICATE, is_repeat);
            }
            Self::Failed(why) => {
                span.word(ERROR, OTHER);
                span.failure = Some(why.to_owned());
            }
        }
    }
}

/// What an attempt was about.
#[derive(Clone, Copy, Debug)]
pub struct Attempted<'a> {
    /// The event that was to be told.
    pub event: &'a Event,
    /// Its delivery.
    pub delivery_id: DeliveryId,
    /// To which webhook.
    pub webhook_id: WebhookId,
    /// What happened.
    pub attempt: &'a Attempt,
    /// What follows from it.
    pub transition: &'a Transition,
}

/// An attempt that ended, of a request to `target` if there was one.
pub(super) fn attempt(context: TraceContext, parent: SpanId, target: Option<&(Method, Url)>, attempted: Attempted<'_>) -> Span {
    let Attempted { event, delivery_id, webhook_id, attempt, transition } = attempted;
    let mut span = Span {
        context,
        parent: Some(parent),
        is_parent_remote: false,
        name: format!("deliver {}", event.event_type),
        kind: Kind::Client,
        begun: attempt.started_at,
        ended: attempt.finished_at,
        attributes: Vec::with_capacity(24),
        events: Vec::new(),
        failure: None,
    };
    of_event(&mut span, event, "deliver");
    span.word(OPERATION_TYPE, "process");
    span.id(EVENT_ID, event.id.as_uuid());
    span.id(DELIVERY_ID, delivery_id.as_uuid());
    span.id(WEBHOOK_ID, webhook_id.as_uuid());
    if let Some((method, url)) = target {
        of_request(&mut span, *method, url);
    }
    of_exchange(&mut span, attempt);
    of_outcome(&mut span, attempt, transition);
    span
}

/// A login that ended.
#[derive(Clone, Copy, Debug)]
pub struct Login<'a> {
    /// For which webhook.
    pub webhook_id: WebhookId,
    /// How it logs in.
    pub authorization: &'a AuthorizationFields,
    /// When it began.
    pub begun: Timestamp,
    /// When it was over.
    pub ended: Timestamp,
    /// The answer's status, if it is known.
    pub status: Option<u16>,
    /// Why it failed, in words without secrets.
    pub failure: Option<&'a str>,
}

pub(super) fn login(context: TraceContext, parent: SpanId, login: Login<'_>) -> Span {
    let mut span = Span {
        context,
        parent: Some(parent),
        is_parent_remote: false,
        name: "log in".to_owned(),
        kind: Kind::Client,
        begun: login.begun,
        ended: login.ended,
        attributes: Vec::with_capacity(8),
        events: Vec::new(),
        failure: login.failure.map(str::to_owned),
    };
    span.id(WEBHOOK_ID, login.webhook_id.as_uuid());
    if let Some(url) = &login.authorization.url {
        of_request(&mut span, login.authorization.login_method(), url.url());
    }
    if let Some(status) = login.status {
        span.number(STATUS, status);
    }
    if login.failure.is_some() {
        span.text(ERROR, login.status.filter(|status| !(200..300).contains(status)).map_or(OTHER.to_owned(), |status| status.to_string()));
    }
    span
}

fn of_event(span: &mut Span, event: &Event, operation: &'static str) {
    span.word(SYSTEM.0, SYSTEM.1);
    span.word(OPERATION, operation);
    span.text(EVENT_TYPE, event.event_type.as_str());
    span.id(CLIENT_ID, event.client_id.as_uuid());
}

fn of_request(span: &mut Span, method: Method, url: &Url) {
    span.word(METHOD, method.as_str());
    span.text(URL, target_url::masked(url.as_str()));
    span.text(HOST, url.host_str().unwrap_or_default());
    span.number(PORT, url.port_or_known_default().unwrap_or_default());
}

fn of_exchange(span: &mut Span, attempt: &Attempt) {
    let exchange = &attempt.exchange;
    if let Some(status) = exchange.status {
        span.number(STATUS, status);
    }
    if let Some(peer) = exchange.remote_address {
        span.text(PEER_ADDRESS, peer.ip().to_string());
        span.number(PEER_PORT, peer.port());
    }
    let phases = exchange.phases;
    let mut after = std::time::Duration::ZERO;
    for (name, took) in [(AUTHORIZED, phases.login), (CONNECTED, phases.connect), (HEAD, phases.wait()), (BODY, phases.body)] {
        if let Some(took) = took {
            after += took;
            span.events.push((name, after));
        }
    }
}

fn of_outcome(span: &mut Span, attempt: &Attempt, transition: &Transition) {
    span.number(ATTEMPT, attempt.number);
    if attempt.number > 1 {
        span.number(RETRY, attempt.number - 1);
    }
    span.word(NEXT_STATE, transition.state().as_str());
    if let Transition::Retry { due_at } = transition {
        span.text(NEXT_ATTEMPT, due_at.to_string());
    }
    let (outcome, reason) = match &attempt.outcome {
        AttemptOutcome::Delivered => ("delivered", None),
        AttemptOutcome::Retryable(reason) => ("retryable", Some(reason)),
        AttemptOutcome::Permanent(reason) => ("permanent", Some(reason)),
    };
    span.word(OUTCOME, outcome);
    if let Some(reason) = reason {
        span.text(ERROR, error_type(reason, attempt));
        let detail = attempt.exchange.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
        span.failure = Some(format!("{reason}{detail}"));
    }
}

/// The status, or the word for what kept an answer from coming.
fn error_type(reason: &FailureReason, attempt: &Attempt) -> String {
    match (reason, attempt.exchange.status) {
        (FailureReason::Status(_) | FailureReason::Gone, Some(status)) => status.to_string(),
        _ => reason.as_str().to_owned(),
    }
}
