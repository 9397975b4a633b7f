//! OTLP's messages, as far as spans need them, and spans written so.
//!
//! Field numbers and types are those of `opentelemetry/proto/trace/v1/trace.proto` and its neighbours, which are stable.

use std::time::Duration;

use prost::Message;

use super::span::{Span, Value};
use crate::domain::time::Timestamp;

#[derive(Clone, PartialEq, Message)]
pub(super) struct Request {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Response {
    #[prost(message, optional, tag = "1")]
    pub(super) partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PartialSuccess {
    #[prost(int64, tag = "1")]
    pub(super) rejected_spans: i64,
    #[prost(string, tag = "2")]
    pub(super) error_message: String,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
}

/// Who made the spans.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeSpans {
    #[prost(message, optional, tag = "1")]
    scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    spans: Vec<SpanMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct Scope {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    version: String,
}

#[derive(Clone, PartialEq, Message)]
struct SpanMessage {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(string, tag = "3")]
    trace_state: String,
    #[prost(bytes = "vec", tag = "4")]
    parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
    #[prost(message, repeated, tag = "11")]
    events: Vec<Event>,
    #[prost(message, optional, tag = "15")]
    status: Option<Status>,
    #[prost(fixed32, tag = "16")]
    flags: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(fixed64, tag = "1")]
    time_unix_nano: u64,
    #[prost(string, tag = "2")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(string, tag = "2")]
    message: String,
    #[prost(int32, tag = "3")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "OneValue", tags = "1, 2, 3")]
    value: Option<OneValue>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum OneValue {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Flag(bool),
    #[prost(int64, tag = "3")]
    Number(i64),
}

/// A status that says that something failed.
const FAILED: i32 = 2;

/// Flags of a span: its trace is recorded; it is known whether its parent is of another process; it is.
const SAMPLED: u32 = 0x1;
const REMOTE_IS_KNOWN: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

impl Request {
    /// Spans of one resource, as one request.
    pub(super) fn of(resource: &Resource, spans: &[Span]) -> Self {
        let scope = Scope { name: env!("CARGO_PKG_NAME").to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
        let scope_spans = ScopeSpans { scope: Some(scope), spans: spans.iter().map(SpanMessage::of).collect() };
        Self { resource_spans: vec![ResourceSpans { resource: Some(resource.clone()), scope_spans: vec![scope_spans] }] }
    }
}

impl Resource {
    pub(super) fn of(attributes: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        Self { attributes: attributes.into_iter().map(|(key, text)| KeyValue::of(key, &Value::Text(text))).collect() }
    }
}

impl SpanMessage {
    fn of(span: &Span) -> Self {
        let remote = if span.is_parent_remote { IS_REMOTE } else { 0 };
        Self {
            trace_id: span.context.trace_id.to_bytes().to_vec(),
            span_id: span.context.span_id.to_bytes().to_vec(),
            trace_state: span.context.state.as_deref().unwrap_or_default().to_owned(),
            parent_span_id: span.parent.map(|id| id.to_bytes().to_vec()).unwrap_or_default(),
            name: span.name.clone(),
            kind: span.kind as i32,
            start_time_unix_nano: nanos(span.begun),
            end_time_unix_nano: nanos(span.ended),
            attributes: span.attributes.iter().map(|(key, value)| KeyValue::of(key, value)).collect(),
            events: span.events.iter().map(|(name, after)| Event::of(name, span.begun, *after)).collect(),
            status: span.failure.as_ref().map(|message| Status { message: message.clone(), code: FAILED }),
            flags: SAMPLED | REMOTE_IS_KNOWN | remote,
        }
    }
}

impl Event {
    fn of(name: &str, begun: Timestamp, after: Duration) -> Self {
        Self { time_unix_nano: nanos(begun + after), name: name.to_owned() }
    }
}

impl KeyValue {
    fn of(key: &str, value: &Value) -> Self {
        let value = match value {
            Value::Text(text) => OneValue::Text(text.clone()),
            Value::Word(word) => OneValue::Text((*word).to_owned()),
            Value::Number(number) => OneValue::Number(*number),
            Value::Id(id) => OneValue::Text(id.to_string()),
            Value::Flag(flag) => OneValue::Flag(*flag),
        };
        Self { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }) }
    }
}

/// Nanoseconds since 1970; none before it.
fn nanos(at: Timestamp) -> u64 {
    u64::try_from(at.as_micros()).unwrap_or(0).saturating_mul(1_000)
}
