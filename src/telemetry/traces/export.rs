//! Sends spans to the collector, many at a time, beside everything else.
//!
//! While the collector is slow or away, spans wait in a bounded queue, and what finds it full is dropped and counted. What the
//! collector refuses is dropped and counted too; what it could not take is sent again, later and later. The log is told once
//! that it fails, and once that it works again.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use prost::Message as _;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use url::Url;

use super::messages::{Request, Resource, Response};
use super::span::Span;
use crate::domain::method::Method;
use crate::egress::{CallLimits, Caller, OutboundRequest};
use crate::telemetry::metrics::{DropReason, TraceMetrics};

/// How many spans may wait: what a busy node makes in a second, or some megabytes.
const WAITING: usize = 8_192;

/// The most spans of one request.
const BATCH: usize = 512;

/// For how long spans gather before a request that is not full.
const GATHER: Duration = Duration::from_secs(1);

/// How long a request may take.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// The most bytes of an answer that are read.
const ANSWER_BYTES: usize = 16 * 1024;

/// How long to wait before what could not be taken is sent again: twice as long after each failure.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(64);

/// Where spans are sent.
pub struct Collector {
    /// What calls it.
    pub caller: Arc<dyn Caller>,
    /// Its url for spans.
    pub url: Url,
    /// What it wants to be told beside them, such as who we are.
    pub headers: HeaderMap,
    /// Attributes of the process that makes them.
    pub resource: Vec<(&'static str, String)>,
}

/// Where spans wait that are over.
pub struct SpanQueue {
    spans: mpsc::Sender<Span>,
    metrics: TraceMetrics,
}

impl SpanQueue {
    pub(super) const fn metrics(&self) -> &TraceMetrics {
        &self.metrics
    }

    /// Never waits: what finds no room is dropped and counted.
    pub(super) fn offer(&self, span: Span) {
        if self.spans.try_send(span).is_err() {
            self.metrics.dropped(DropReason::QueueFull, 1);
        }
    }
}

/// Sends what waits in a queue.
pub struct SpanExport {
    spans: mpsc::Receiver<Span>,
    post: Post,
    metrics: TraceMetrics,
    wait: Duration,
}

/// What the collector made of spans.
#[derive(Debug)]
enum Answer {
    /// It has them, but for so many.
    Taken { rejected: u64 },
    /// It will not have them.
    Refused(String),
    /// It may have them later.
    Unreachable(String),
}

impl SpanExport {
    /// An empty queue, and what sends its spans to `collector`.
    #[must_use]
    pub fn new(collector: Collector) -> (SpanQueue, Self) {
        let (sender, receiver) = mpsc::channel(WAITING);
        let metrics = TraceMetrics::default();
        let export = Self { spans: receiver, post: Post::new(collector), metrics: metrics.clone(), wait: Duration::ZERO };
        (SpanQueue { spans: sender, metrics }, export)
    }

    /// Sends until `stop` or until nobody makes spans any more, then what still waits, as far as the collector takes it at once.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut batch = Vec::with_capacity(BATCH);
        while let Some(true) = stop.run_until_cancelled(self.gather(&mut batch)).await {
            self.send(&mut batch).await;
            // A collector that failed is left alone for a while.
            drop(timeout(self.wait, stop.cancelled()).await);
        }
        self.send_rest(batch).await;
    }

    /// Waits for a span, and then for others until a request is full or they have gathered for long enough; `false` if there
    /// will be none.
    async fn gather(&mut self, batch: &mut Vec<Span>) -> bool {
        if batch.is_empty() && self.spans.recv_many(batch, BATCH).await == 0 {
            return false;
        }
        let until = Instant::now() + GATHER;
        while batch.len() < BATCH {
            match timeout_at(until, self.spans.recv_many(batch, BATCH - batch.len())).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        true
    }

    async fn send_rest(&mut self, mut batch: Vec<Span>) {
        self.spans.close();
        while !batch.is_empty() || self.spans.recv_many(&mut batch, BATCH).await > 0 {
            if !self.send(&mut batch).await {
                self.metrics.dropped(DropReason::Stopped, batch.len() + self.spans.len());
                return;
            }
        }
    }

    /// Sends a request; whether the collector decided on it. If not, it is still in `batch`.
    async fn send(&mut self, batch: &mut Vec<Span>) -> bool {
        match self.post.send(batch).await {
            Answer::Taken { rejected } => {
                let rejected = usize::try_from(rejected).unwrap_or(usize::MAX).min(batch.len());
                self.metrics.exported(batch.len() - rejected);
                self.metrics.dropped(DropReason::Refused, rejected);
                self.works_again();
            }
            Answer::Refused(why) => {
                self.metrics.dropped(DropReason::Refused, batch.len());
                self.fails("the collector refuses spans; they are dropped until it takes them", &why);
            }
            Answer::Unreachable(why) => {
                self.fails("spans cannot be sent; they wait, and are dropped when too many do", &why);
                return false;
            }
        }
        batch.clear();
        true
    }

    fn fails(&mut self, what: &str, why: &str) {
        if self.wait.is_zero() {
            warn!(why, "{what}");
        }
        self.wait = (self.wait * 2).clamp(FIRST_WAIT, LONGEST_WAIT);
    }

    fn works_again(&mut self) {
        if !self.wait.is_zero() {
            info!("spans are sent again");
        }
        self.wait = Duration::ZERO;
    }
}

/// Sends requests to the collector.
struct Post {
    caller: Arc<dyn Caller>,
    request: OutboundRequest,
    resource: Resource,
}

impl Post {
    fn new(Collector { caller, url, mut headers, resource }: Collector) -> Self {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let request = OutboundRequest { method: Method::Post, url, headers, body: None, client_certificate: None };
        Self { caller, request, resource: Resource::of(resource) }
    }

    async fn send(&self, spans: &[Span]) -> Answer {
        let body = Bytes::from(Request::of(&self.resource, spans).encode_to_vec());
        let request = OutboundRequest { body: Some(body), ..self.request.clone() };
        let limits = CallLimits { deadline: Instant::now() + CALL_LIMIT, body_cap: ANSWER_BYTES };
        match self.caller.call(request, limits).await {
            Ok(answer) => match answer.status {
                200..=299 => taken(&answer.body),
                status @ (429 | 502..=504) => Answer::Unreachable(format!("it answered {status}")),
                status => Answer::Refused(format!("it answered {status}")),
            },
            Err(error) => Answer::Unreachable(super::super::with_causes(&error)),
        }
    }
}

/// An answer that is not OTLP's takes everything.
fn taken(body: &[u8]) -> Answer {
    let partial = Response::decode(body).ok().and_then(|response| response.partial_success);
    Answer::Taken { rejected: partial.map_or(0, |partial| u64::try_from(partial.rejected_spans).unwrap_or(0)) }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use async_trait::async_trait;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use tokio::sync::Notify;
    use uuid::Uuid;

    use super::super::messages::PartialSuccess;
    use super::super::span::Kind;
    use super::*;
    use crate::domain::time::Timestamp;
    use crate::domain::trace::{SampledShare, TraceContext};
    use crate::egress::{Answer as HttpAnswer, Awaited, SendError};
    use crate::telemetry::metrics::{Exporter, Sights};

    /// What a collector does with a request.
    enum Reply {
        Status(u16),
        /// 200, but so many spans are rejected.
        Rejects(i64),
        /// No connection.
        Away,
        /// Nothing, for ever.
        Silence,
    }

    /// A collector that does as it is told, and then takes everything.
    #[derive(Default)]
    struct Scripted {
        replies: Mutex<VecDeque<Reply>>,
        /// The names of the spans of each request.
        seen: Mutex<Vec<Vec<String>>>,
        grown: Notify,
    }

    impl Scripted {
        fn replying(replies: impl IntoIterator<Item = Reply>) -> Arc<Self> {
            Arc::new(Self { replies: Mutex::new(replies.into_iter().collect()), ..Self::default() })
        }

        async fn until(&self, requests: usize) -> Vec<Vec<String>> {
            loop {
                let grown = self.grown.notified();
                let seen = self.seen.lock().unwrap().clone();
                if seen.len() >= requests {
                    return seen;
                }
                grown.await;
            }
        }
    }

    #[async_trait]
    impl Caller for Scripted {
        async fn call(&self, request: OutboundRequest, limits: CallLimits) -> Result<HttpAnswer, SendError> {
            let sent = ExportTraceServiceRequest::decode(request.body.unwrap()).unwrap();
            let spans = sent.resource_spans.into_iter().flat_map(|group| group.scope_spans).flat_map(|scope| scope.spans);
            self.seen.lock().unwrap().push(spans.map(|span| span.name).collect());
            self.grown.notify_waiters();
            let reply = self.replies.lock().unwrap().pop_front().unwrap_or(Reply::Status(200));
            let (status, partial_success) = match reply {
                Reply::Status(status) => (status, None),
                Reply::Rejects(rejected_spans) => (200, Some(PartialSuccess { rejected_spans, ..PartialSuccess::default() })),
                Reply::Away => return Err(SendError::Connect("connection refused".to_owned())),
                Reply::Silence => {
                    drop(timeout_at(limits.deadline, std::future::pending::<()>()).await);
                    return Err(SendError::Timeout(Awaited::Answer));
                }
            };
            Ok(HttpAnswer {
                status,
                headers: HeaderMap::new(),
                remote_address: None,
                body: Response { partial_success }.encode_to_vec().into(),
                body_complete: true,
                connect_took: None,
                head_after: Duration::ZERO,
                body_took: Duration::ZERO,
            })
        }
    }

    fn export(caller: &Arc<Scripted>) -> (SpanQueue, SpanExport) {
        let url = "http://collector.example/v1/traces".parse().unwrap();
        SpanExport::new(Collector { caller: caller.clone(), url, headers: HeaderMap::new(), resource: Vec::new() })
    }

    fn offer(queue: &SpanQueue, names: impl IntoIterator<Item = impl ToString>) {
        for name in names {
            queue.offer(Span {
                context: TraceContext::of_event(Uuid::from_u128(7).into(), None, SampledShare::new(1.0)),
                parent: None,
                is_parent_remote: false,
                name: name.to_string(),
                kind: Kind::Client,
                begun: Timestamp::from_micros(1),
                ended: Timestamp::from_micros(2),
                attributes: Vec::new(),
                events: Vec::new(),
                failure: None,
            });
        }
    }

    /// What is counted: those that the collector has, and those that it has not, by reason.
    fn counted(metrics: &TraceMetrics) -> (u64, Vec<(String, u64)>) {
        let (intake, delivery, token) = Default::default();
        let text = Exporter::new("1", &intake, &delivery, &token, metrics).text(&Sights::default()).unwrap();
        let samples = |name: &str| -> Vec<(String, u64)> {
            let lines = text.lines().filter_map(|line| line.strip_prefix(name)?.rsplit_once(' '));
            lines.map(|(labels, count)| (labels.trim_matches(['{', '}']).to_owned(), count.parse().unwrap())).collect()
        };
        let dropped = samples("dispatcher_spans_dropped_total").into_iter().filter(|(_, count)| *count > 0).collect();
        (samples("dispatcher_spans_exported_total")[0].1, dropped)
    }

    fn reason(reason: &str, count: u64) -> Vec<(String, u64)> {
        vec![(format!("reason=\"{reason}\""), count)]
    }

    /// Runs until `requests` came and another turn was taken, then asks it to stop and waits for the end.
    async fn run(export: SpanExport, caller: &Scripted, requests: usize) -> Vec<Vec<String>> {
        let stop = CancellationToken::new();
        let running = tokio::spawn(export.run(stop.clone()));
        caller.until(requests).await;
        stop.cancel();
        running.await.unwrap();
        caller.seen.lock().unwrap().clone()
    }

    #[tokio::test(start_paused = true)]
    async fn spans_gather_for_a_moment_and_go_out_together() {
        let caller = Scripted::replying([]);
        let (queue, export) = export(&caller);
        offer(&queue, ["a", "b"]);

        let seen = run(export, &caller, 1).await;

        assert_eq!(seen, [["a", "b"]]);
        assert_eq!(counted(queue.metrics()), (2, Vec::new()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_has_no_more_spans_than_its_limit() {
        let caller = Scripted::replying([]);
        let (queue, export) = export(&caller);
        offer(&queue, 0..=BATCH);

        let seen = run(export, &caller, 2).await;

        assert_eq!(seen.iter().map(Vec::len).collect::<Vec<_>>(), [BATCH, 1]);
    }

    #[tokio::test]
    async fn what_finds_the_queue_full_is_dropped_and_counted() {
        let (queue, _export) = export(&Scripted::replying([]));

        offer(&queue, 0..WAITING + 3);

        assert_eq!(counted(queue.metrics()), (0, reason("queue_full", 3)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_could_not_be_taken_is_sent_again_later_and_later() {
        let caller = Scripted::replying([Reply::Away, Reply::Silence, Reply::Status(503), Reply::Status(429)]);
        let (queue, export) = export(&caller);
        offer(&queue, ["a"]);
        let begun = Instant::now();

        let seen = run(export, &caller, 5).await;

        assert_eq!(seen, [["a"]; 5]);
        assert_eq!(counted(queue.metrics()), (1, Vec::new()));
        // Five times gathered for, four waits, and one call that ended by its deadline.
        let waits = [1, 2, 4, 8].map(Duration::from_secs).iter().sum::<Duration>();
        assert_eq!(begun.elapsed().as_secs(), (GATHER * 5 + waits + CALL_LIMIT).as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_refused_or_rejected_is_dropped_and_counted() {
        let caller = Scripted::replying([Reply::Status(400), Reply::Rejects(2)]);
        let (queue, export) = export(&caller);
        offer(&queue, 0..BATCH + 5);

        let seen = run(export, &caller, 2).await;

        assert_eq!(seen.len(), 2, "what was refused is not sent again");
        assert_eq!(counted(queue.metrics()), (3, reason("refused", BATCH as u64 + 2)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_sends_what_waits_and_counts_what_cannot_be_sent() {
        for (reply, expected) in [(Reply::Status(200), (3, Vec::new())), (Reply::Away, (0, reason("stopped", 3)))] {
            let caller = Scripted::replying([reply]);
            let (queue, export) = export(&caller);
            offer(&queue, ["a", "b", "c"]);
            let stop = CancellationToken::new();
            stop.cancel();

            export.run(stop).await;

            assert_eq!(counted(queue.metrics()), expected);
            assert_eq!(caller.seen.lock().unwrap().len(), 1);
            offer(&queue, ["late"]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_when_nobody_makes_spans_any_more() {
        let caller = Scripted::replying([]);
        let (queue, export) = export(&caller);
        offer(&queue, ["last"]);
        drop(queue);

        export.run(CancellationToken::new()).await;

        assert_eq!(*caller.seen.lock().unwrap(), [["last"]]);
    }
}
