//! A collector of traces, which reads them by OpenTelemetry's own types.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::{Span, SpanFlags};
use prost::Message;

use super::receiver::{Receiver, Reply, Seen};

/// A span as it came.
#[derive(Clone, Debug)]
pub(crate) struct Collected {
    pub(crate) name: String,
    pub(crate) kind: i32,
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty of one that begins its trace.
    pub(crate) parent: String,
    pub(crate) is_parent_remote: bool,
    pub(crate) state: String,
    pub(crate) begun: u64,
    pub(crate) ended: u64,
    /// Values as text.
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) events: Vec<(String, u64)>,
    /// The message of one that failed.
    pub(crate) failure: Option<String>,
    /// The attributes of the process that made it.
    pub(crate) resource: BTreeMap<String, String>,
}

impl Collected {
    /// An attribute; empty if it has no such one.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

/// A running collector that takes everything; ends when dropped.
pub(crate) struct Collector(Receiver);

impl Collector {
    pub(crate) async fn start() -> Self {
        Self(Receiver::start(|_, _| Reply::Full(200, "content-type: application/x-protobuf\r\n", Vec::new())).await)
    }

    /// The setting that sends spans here.
    pub(crate) fn setting(&self) -> String {
        format!("traces.url={}", self.0.url(""))
    }

    /// The requests that came.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.0.seen()
    }

    /// The spans that came.
    pub(crate) fn spans(&self) -> Vec<Collected> {
        self.0.seen().iter().flat_map(spans).collect()
    }

    /// The spans of this name, once there are `count` of them.
    pub(crate) async fn named(&self, name: &str, count: usize) -> Vec<Collected> {
        let of_name = |seen: &[Seen]| seen.iter().flat_map(spans).filter(|span| span.name == name).collect::<Vec<_>>();
        self.0.until(|seen| of_name(seen).len() >= count).await;
        of_name(&self.0.seen())
    }
}

fn spans(seen: &Seen) -> Vec<Collected> {
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/v1/traces"));
    assert_eq!(seen.header("content-type"), Some("application/x-protobuf"));
    let request = ExportTraceServiceRequest::decode(&*seen.body).unwrap();
    let mut all = Vec::new();
    for group in request.resource_spans {
        let resource = texts(&group.resource.unwrap().attributes);
        for scope in group.scope_spans {
            assert_eq!(scope.scope.unwrap().name, "webhook-dispatcher");
            all.extend(scope.spans.into_iter().map(|span| collected(span, resource.clone())));
        }
    }
    all
}

fn collected(span: Span, resource: BTreeMap<String, String>) -> Collected {
    assert_eq!(span.flags & 1, 1, "only what is sampled comes");
    Collected {
        name: span.name,
        kind: span.kind,
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        is_parent_remote: span.flags & SpanFlags::ContextIsRemoteMask as u32 != 0,
        state: span.trace_state,
        begun: span.start_time_unix_nano,
        ended: span.end_time_unix_nano,
        attributes: texts(&span.attributes),
        events: span.events.into_iter().map(|event| (event.name, event.time_unix_nano)).collect(),
        failure: span.status.filter(|status| status.code == 2).map(|status| status.message),
        resource,
    }
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(flag)) => flag.to_string(),
        other => panic!("{other:?}"),
    };
    attributes.iter().map(|attribute| (attribute.key.clone(), text(attribute))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
