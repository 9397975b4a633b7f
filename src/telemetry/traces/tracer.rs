//! Says which traces are recorded, and takes the spans of those that are.

use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, HeaderName, HeaderValue};
use rand::Rng as _;
use rand::rngs::StdRng;
use url::Url;

use super::export::SpanQueue;
use super::span::Span;
use super::spans::{self, Attempted, Enqueue, Login};
use crate::domain::event::Event;
use crate::domain::ids::EventId;
use crate::domain::method::Method;
use crate::domain::time::Timestamp;
use crate::domain::trace::{SampledShare, SpanId, TRACEPARENT, TRACESTATE, TraceContext};
use crate::egress::OutboundRequest;
use crate::telemetry::metrics::TraceMetrics;

/// What the configuration says of traces.
#[derive(Clone, Copy, Debug)]
pub struct TraceSettings {
    /// Which traces are recorded of those that begin here.
    pub sampled: SampledShare,
    /// Whether receivers are told of the trace.
    pub sends_traceparent: bool,
}

/// Takes spans; one that is off ([`Default`]) makes none.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<Active>>);

struct Active {
    settings: TraceSettings,
    chance: Mutex<StdRng>,
    queue: SpanQueue,
}

impl Tracer {
    /// A tracer whose spans go into `queue`; `chance` is for their ids.
    #[must_use]
    pub fn new(settings: TraceSettings, chance: StdRng, queue: SpanQueue) -> Self {
        Self(Some(Arc::new(Active { settings, chance: Mutex::new(chance), queue })))
    }

    /// Whether there are traces at all.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// What became of spans.
    #[must_use]
    pub fn metrics(&self) -> TraceMetrics {
        self.0.as_ref().map(|active| active.queue.metrics().clone()).unwrap_or_default()
    }

    /// Begins the span of an event that is being stored; `None` if its trace is not recorded.
    #[must_use]
    pub fn enqueue(&self, event: &Event, producer: Option<&TraceContext>, begun: Timestamp) -> Option<EnqueueTrace> {
        let active = self.0.as_ref()?;
        let context = TraceContext::of_event(event.id, producer, active.settings.sampled);
        context.is_sampled.then(|| EnqueueTrace {
            active: Arc::clone(active),
            span: spans::enqueue(context, producer.map(|producer| producer.span_id), event, begun),
        })
    }

    /// Begins the span of an attempt; `None` if nobody would see its trace.
    #[must_use]
    pub fn attempt(&self, event: EventId, producer: Option<&TraceContext>) -> Option<AttemptTrace> {
        let active = self.0.as_ref()?;
        let enqueue = TraceContext::of_event(event, producer, active.settings.sampled);
        (enqueue.is_sampled || active.settings.sends_traceparent).then(|| AttemptTrace {
            place: Place { context: enqueue.with_span(active.new_span()), parent: enqueue.span_id, active: Arc::clone(active) },
            target: None,
        })
    }
}

impl Active {
    fn new_span(&self) -> SpanId {
        SpanId::of_chance(self.chance.lock().unwrap_or_else(PoisonError::into_inner).next_u64())
    }
}

/// An event that is being stored, in a trace that is recorded.
pub struct EnqueueTrace {
    active: Arc<Active>,
    span: Span,
}

impl EnqueueTrace {
    /// Ends the span.
    pub fn end(mut self, ended: Timestamp, enqueue: Enqueue<'_>) {
        enqueue.tell(&mut self.span);
        self.span.ended = ended;
        self.active.queue.offer(self.span);
    }
}

/// A span that is not over, with its place in its trace.
struct Place {
    active: Arc<Active>,
    parent: SpanId,
    context: TraceContext,
}

/// An attempt that is under way.
pub struct AttemptTrace {
    place: Place,
    /// What is called, of a trace that is recorded.
    target: Option<(Method, Url)>,
}

impl AttemptTrace {
    /// Notes what is called, and tells the receiver of the trace if it is to be told: unless the webhook has such headers
    /// of its own. Call it after the request was signed, for proxies may change these headers.
    pub fn calls(&mut self, request: &mut OutboundRequest) {
        let Place { active, context, .. } = &self.place;
        if context.is_sampled {
            self.target = Some((request.method, request.url.clone()));
        }
        let has_own = [TRACEPARENT, TRACESTATE].iter().any(|name| request.headers.contains_key(*name));
        if active.settings.sends_traceparent && !has_own {
            insert(&mut request.headers, TRACEPARENT, &context.traceparent());
            if let Some(state) = &context.state {
                insert(&mut request.headers, TRACESTATE, state);
            }
        }
    }

    /// A login that this attempt begins; `None` if its trace is not recorded.
    #[must_use]
    pub fn login(&self) -> Option<LoginTrace> {
        let Place { active, context, .. } = &self.place;
        let login = || Place { active: Arc::clone(active), parent: context.span_id, context: context.with_span(active.new_span()) };
        context.is_sampled.then(|| LoginTrace(login()))
    }

    /// Ends the span.
    pub fn end(self, attempted: Attempted<'_>) {
        let Self { place: Place { active, parent, context }, target } = self;
        if context.is_sampled {
            active.queue.offer(spans::attempt(context, parent, target.as_ref(), attempted));
        }
    }
}

/// A login that is under way, in a trace that is recorded.
pub struct LoginTrace(Place);

impl LoginTrace {
    /// Ends the span.
    pub fn end(self, login: Login<'_>) {
        let Place { active, parent, context } = self.0;
        active.queue.offer(spans::login(context, parent, login));
    }
}

/// Contexts are text that a header can carry.
fn insert(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}
