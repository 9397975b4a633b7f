//! The traces of events: that of their producer, and the spans that say how they were stored.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use serde_json::json;

use super::super::error::ApiError;
use super::super::openapi::{Input, Operation, Parameter, object};
use super::super::state::Api;
use crate::domain::time::Timestamp;
use crate::domain::trace::{TRACEPARENT, TRACESTATE, TraceContext};
use crate::intake::IntakeError;
use crate::store::records::{Enqueued, NewEvent};
use crate::telemetry::traces::{Enqueue, EnqueueTrace};

/// Where in a trace the caller is. What cannot be read is left out, and so is everything while traces are off.
pub(super) struct Producer(pub(super) Option<TraceContext>);

impl FromRequestParts<Api> for Producer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        Ok(Self(if api.tracer.is_on() { context(&parts.headers) } else { None }))
    }
}

impl Input for Producer {
    fn declare(operation: &mut Operation) {
        let text = |_: &mut _| object([("type", json!("string"))]);
        operation.reads(Parameter::Header {
            name: TRACEPARENT,
            about: "The trace that the events belong to (W3C Trace Context), where traces are on; what cannot be read begins a new one.",
            schema: text,
        });
        operation.reads(Parameter::Header { name: TRACESTATE, about: "What goes with `traceparent`.", schema: text });
    }
}

/// Of several `traceparent` none is the right one; several `tracestate` are one list.
fn context(headers: &HeaderMap) -> Option<TraceContext> {
    let mut parents = headers.get_all(TRACEPARENT).iter();
    let parent = parents.next().filter(|_| parents.next().is_none())?.to_str().ok()?;
    let states: Option<Vec<&str>> = headers.get_all(TRACESTATE).iter().map(|state| state.to_str().ok()).collect();
    let state = states.map(|states| states.join(","));
    TraceContext::of_headers(parent, state.as_deref())
}

/// Spans of the events of a request, in their order; none of those whose traces are not recorded.
pub(super) struct Spans(Vec<Option<EnqueueTrace>>);

impl Spans {
    /// Begins them.
    pub(super) fn begin(api: &Api, events: &[NewEvent], now: Timestamp) -> Self {
        if !api.tracer.is_on() {
            return Self(Vec::new());
        }
        Self(events.iter().map(|new| api.tracer.enqueue(&new.event, new.trace.as_ref(), now)).collect())
    }

    /// Ends them with what became of the events.
    pub(super) fn end(self, api: &Api, stored: &Result<Vec<Enqueued>, IntakeError>) {
        if self.0.is_empty() {
            return;
        }
        let now = api.clock.now();
        let failure = stored.as_ref().err().map(ToString::to_string);
        for (place, span) in self.0.into_iter().enumerate() {
            let enqueued = stored.as_ref().ok().and_then(|enqueued| enqueued.get(place));
            if let Some(span) = span {
                span.end(now, enqueued.map_or(Enqueue::Failed(failure.as_deref().unwrap_or_default()), became));
            }
        }
    }
}

fn became(enqueued: &Enqueued) -> Enqueue<'_> {
    Enqueue::Stored { id: enqueued.event_id, deliveries: enqueued.delivery_ids.len(), is_repeat: enqueued.duplicate }
}
