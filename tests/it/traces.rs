//! Traces: from the producer through the enqueue to every attempt, before a restart and after it.

use std::path::Path;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};

use crate::support::collector::{Collected, Collector};
use crate::support::postgres::FreshDatabase;
use crate::support::process::{Process, RestClient};
use crate::support::receiver::{Receiver, Reply, Seen};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PRODUCER: &str = "00f067aa0ba902b7";
const STATE: &str = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE";

/// What is tried again is so by a person alone.
const NO_RETRY: &str = "retry.delays_seconds=86400";

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{PRODUCER}-{flags}")
}

/// A running dispatcher with a client and its key.
struct Scene {
    rest: RestClient,
    process: Process,
    key: String,
}

impl Scene {
    async fn start(folder: &Path, settings: &[&str]) -> Self {
        let rest = RestClient::new();
        let process = Process::start(folder, settings).await;
        let key = rest.admin(process.address).await;
        Self { rest, process, key }
    }

    async fn post(&self, path: &str, headers: &[(&'static str, &str)], body: &Value) -> Value {
        let headers = [&[("x-api-key", self.key.as_str())], headers].concat();
        let (status, answer) = self.rest.post(self.process.address, path, &headers, body).await.unwrap();
        assert!((200..300).contains(&status), "{answer}");
        answer
    }

    async fn webhook(&self, url: &str, more: Value) -> String {
        let mut body = json!({"name": "w", "events": ["document.finished"], "method": "POST", "url": url});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.post("/v1/webhooks", &[], &body).await["id"].as_str().unwrap().to_owned()
    }

    /// Hands in a document; answers its event's id and its delivery's.
    async fn enqueue(&self, document: &str, headers: &[(&'static str, &str)]) -> (String, String) {
        let answer = self.post("/api_document/completions", headers, &json!({"id": document})).await;
        let event = &answer["events"][0];
        (event["eventId"].as_str().unwrap().to_owned(), event["deliveryIds"][0].as_str().unwrap().to_owned())
    }
}

/// The context that a receiver was told, as trace, span and flags.
fn told(seen: &Seen) -> (String, String, String) {
    let parts: Vec<&str> = seen.header("traceparent").unwrap().split('-').collect();
    assert_eq!(parts[0], "00");
    (parts[1].to_owned(), parts[2].to_owned(), parts[3].to_owned())
}

/// One trace holds the producer's span, the enqueue and an attempt by each of two processes.
async fn one_trace_outlives_the_process(store: &str) {
    let (folder, collector) = (tempfile::tempdir().unwrap(), Collector::start().await);
    let receiver = Receiver::answering([Reply::Status(503)]).await;
    let settings = [store, &collector.setting(), NO_RETRY, "traces.send_traceparent=true", "traces.service_name=acme-hooks"];
    let mut scene = Scene::start(folder.path(), &settings).await;
    let webhook = scene.webhook(&receiver.url("/:id?key=hidden"), json!({})).await;
    let (event, delivery) = scene.enqueue("doc-1", &[("traceparent", &traceparent("01")), ("tracestate", STATE)]).await;
    receiver.until_seen(1).await;

    assert_eq!(scene.process.ask_to_stop().await.code(), Some(0));
    let before = collector.spans();
    scene.process = Process::start(folder.path(), &settings).await;
    scene.post(&format!("/v1/deliveries/{delivery}/redeliver"), &[], &json!({})).await;
    let attempts = collector.named("deliver document.finished", 2).await;

    assert_eq!(before.len(), 2, "a stop sends what waits");
    let enqueue = &collector.named("enqueue document.finished", 1).await[0];
    assert_eq!((enqueue.trace.as_str(), enqueue.parent.as_str(), enqueue.is_parent_remote), (TRACE, PRODUCER, true));
    assert_eq!((enqueue.kind, enqueue.state.as_str()), (SpanKind::Producer as i32, STATE));
    assert_eq!((enqueue.get("messaging.message.id"), enqueue.get("webhook_dispatcher.deliveries")), (event.as_str(), "1"));
    assert_eq!((enqueue.get("messaging.operation.name"), enqueue.get("webhook_dispatcher.duplicate")), ("enqueue", "false"));
    assert_eq!(enqueue.resource["service.name"], "acme-hooks");
    for (attempt, seen) in attempts.iter().zip(receiver.seen()) {
        assert_eq!((&attempt.trace, &attempt.parent, attempt.is_parent_remote), (&enqueue.trace, &enqueue.id, false));
        assert_eq!(told(&seen), (attempt.trace.clone(), attempt.id.clone(), "01".to_owned()));
        assert_eq!((seen.header("tracestate"), attempt.state.as_str()), (Some(STATE), STATE));
        is_an_attempt(attempt, [&event, &delivery, &webhook], &receiver);
    }
    failed_and_then_worked(&attempts);
    assert_ne!(attempts[0].resource["service.instance.id"], attempts[1].resource["service.instance.id"], "two processes");
}

/// What every attempt of [`one_trace_outlives_the_process`] says.
fn is_an_attempt(attempt: &Collected, [event, delivery, webhook]: [&str; 3], receiver: &Receiver) {
    let expected = [
        ("messaging.message.id", event),
        ("messaging.destination.name", "document.finished"),
        ("webhook_dispatcher.delivery.id", delivery),
        ("webhook_dispatcher.webhook.id", webhook),
        ("http.request.method", "POST"),
        ("url.full", &receiver.url("/doc-1?key=****")),
        ("server.address", "127.0.0.1"),
        ("server.port", &receiver.address.port().to_string()),
        ("network.peer.address", "127.0.0.1"),
    ];
    assert_eq!(attempt.kind, SpanKind::Client as i32);
    for (name, value) in expected {
        assert_eq!(attempt.get(name), value, "{name}");
    }
    let (names, times): (Vec<&str>, Vec<u64>) = attempt.events.iter().map(|(name, at)| (name.as_str(), *at)).unzip();
    assert_eq!(names, ["connected", "response.head", "response.body"]);
    assert!(attempt.begun <= times[0] && times.is_sorted() && attempt.begun < attempt.ended, "{attempt:?}");
}

fn failed_and_then_worked(attempts: &[Collected]) {
    let read = |names: [&str; 6]| attempts.iter().map(|attempt| names.map(|name| attempt.get(name).to_owned())).collect::<Vec<_>>();
    let names = [
        "webhook_dispatcher.attempt",
        "http.request.resend_count",
        "http.response.status_code",
        "error.type",
        "webhook_dispatcher.outcome",
        "webhook_dispatcher.state",
    ];
    assert_eq!(read(names), [["1", "", "503", "503", "retryable", "pending"], ["2", "1", "200", "", "delivered", "delivered"]]);
    assert_eq!(attempts[0].failure.as_deref(), Some("the receiver answered 503"));
    assert_eq!(attempts[1].failure, None);
    assert_ne!(attempts[0].id, attempts[1].id);
}

#[tokio::test]
async fn one_trace_outlives_the_process_on_sqlite() {
    one_trace_outlives_the_process("store.url=sqlite://data/dispatcher.db").await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn one_trace_outlives_the_process_on_postgres() {
    let database = FreshDatabase::create();

    one_trace_outlives_the_process(&format!("store.url={}", database.url())).await;
}

#[tokio::test]
async fn an_event_without_a_producers_trace_begins_one_that_bears_its_id() {
    let (folder, collector, receiver) = (tempfile::tempdir().unwrap(), Collector::start().await, Receiver::answering([]).await);
    let scene = Scene::start(folder.path(), &[&collector.setting()]).await;
    scene.webhook(&receiver.url("/:id"), json!({})).await;

    let (event, _) = scene.enqueue("doc-1", &[("traceparent", "00-not-a-trace-01")]).await;
    receiver.until_seen(1).await;

    let attempts = collector.named("deliver document.finished", 1).await;
    let enqueue = &collector.named("enqueue document.finished", 1).await[0];
    assert_eq!(enqueue.trace, event.replace('-', ""));
    assert_eq!((enqueue.parent.as_str(), enqueue.is_parent_remote), ("", false));
    assert_eq!((&attempts[0].trace, &attempts[0].parent), (&enqueue.trace, &enqueue.id));
    assert_eq!(receiver.seen()[0].header("traceparent"), None, "nobody asked to tell the receiver");
}

#[tokio::test]
async fn whoever_begins_a_trace_says_whether_it_is_recorded() {
    let (folder, collector, receiver) = (tempfile::tempdir().unwrap(), Collector::start().await, Receiver::answering([]).await);
    let settings = [&collector.setting(), "traces.sampled_share=0.0", "traces.send_traceparent=true"];
    let scene = Scene::start(folder.path(), &settings).await;
    scene.webhook(&receiver.url("/:id"), json!({})).await;

    let (own, _) = scene.enqueue("own", &[]).await;
    scene.enqueue("quiet", &[("traceparent", &traceparent("00"))]).await;
    scene.enqueue("loud", &[("traceparent", &traceparent("01"))]).await;
    receiver.until_seen(3).await;
    assert_eq!(scene.process.ask_to_stop().await.code(), Some(0));

    let mut targets: Vec<String> = collector.spans().iter().map(|span| span.get("url.full").to_owned()).collect();
    targets.sort();
    assert_eq!(targets, ["", &receiver.url("/loud")], "an enqueue and an attempt, in whatever order they ended");
    let told = |target: &str| told(&receiver.seen_at(target)[0]);
    let (trace, _, flags) = told("/own");
    assert_eq!((trace, flags), (own.replace('-', ""), "00".to_owned()));
    let [(quiet, _, is_quiet), (loud, _, is_loud)] = ["/quiet", "/loud"].map(told);
    assert_eq!((quiet.as_str(), is_quiet.as_str(), loud.as_str(), is_loud.as_str()), (TRACE, "00", TRACE, "01"));
}

#[tokio::test]
async fn a_login_is_a_span_of_the_attempt_that_began_it() {
    let (folder, collector) = (tempfile::tempdir().unwrap(), Collector::start().await);
    let receiver = Receiver::start(|seen, _| match seen.target.as_str() {
        "/login?user=u&password=hidden" => Reply::json(r#"{"access_token": "t"}"#),
        target if target.starts_with("/refuses") => Reply::Status(403),
        _ => Reply::Status(200),
    })
    .await;
    let scene = Scene::start(folder.path(), &[&collector.setting(), NO_RETRY]).await;
    let logs_in = |path: &str| json!({"authorizationUrl": receiver.url(path), "authorizationMethod": "GET", "authorizationBody": {"user": "u", "password": "hidden"}});
    let webhook = scene.webhook(&receiver.url("/:id"), logs_in("/login")).await;
    scene.webhook(&receiver.url("/never/:id"), logs_in("/refuses")).await;

    scene.enqueue("doc-1", &[]).await;
    let attempts = collector.named("deliver document.finished", 2).await;
    let logins = collector.named("log in", 2).await;

    for login in &logins {
        let works = login.get("webhook_dispatcher.webhook.id") == webhook;
        let attempt = attempts.iter().find(|attempt| attempt.id == login.parent).unwrap();
        assert_eq!((&login.trace, login.kind), (&attempt.trace, SpanKind::Client as i32));
        assert_eq!(login.get("webhook_dispatcher.webhook.id"), attempt.get("webhook_dispatcher.webhook.id"));
        assert_eq!(login.get("http.response.status_code"), if works { "200" } else { "403" });
        assert_eq!(login.get("error.type"), if works { "" } else { "403" });
        assert_eq!(login.failure.as_deref(), (!works).then_some("the login was answered 403"));
        assert_eq!(login.get("url.full"), receiver.url(if works { "/login" } else { "/refuses" }));
        assert_eq!(attempt.get("error.type"), if works { "" } else { "authorization" });
        assert_eq!(attempt.events[0].0, "authorized");
    }
    assert!(!format!("{logins:?}{attempts:?}").contains("hidden"));
}

#[tokio::test]
async fn a_repeat_says_so_and_names_the_first_event() {
    let (folder, collector) = (tempfile::tempdir().unwrap(), Collector::start().await);
    let scene = Scene::start(folder.path(), &[&collector.setting()]).await;
    let event =
        json!([{"type": "a.b", "subject": "1", "payload": 1, "idempotencyKey": "once"}, {"type": "a.c", "subject": "1", "payload": 1}]);
    let parent = traceparent("01");

    let first = scene.post("/v1/events", &[("traceparent", &parent)], &event).await;
    scene.post("/v1/events", &[("traceparent", &parent)], &event[0]).await;
    let spans = collector.named("enqueue a.b", 2).await;

    let id = first["events"][0]["eventId"].as_str().unwrap();
    let said: Vec<_> = spans.iter().map(|span| (span.get("messaging.message.id"), span.get("webhook_dispatcher.duplicate"))).collect();
    assert_eq!(said, [(id, "false"), (id, "true")]);
    let other = &collector.named("enqueue a.c", 1).await[0];
    assert!(spans.iter().chain([other]).all(|span| span.trace == TRACE && span.parent == PRODUCER));
    assert_ne!(other.id, spans[0].id);
}

#[tokio::test]
async fn a_header_of_the_webhooks_own_is_left_as_it_is() {
    let (folder, collector, receiver) = (tempfile::tempdir().unwrap(), Collector::start().await, Receiver::answering([]).await);
    let scene = Scene::start(folder.path(), &[&collector.setting(), "traces.send_traceparent=true"]).await;
    scene.webhook(&receiver.url("/:id"), json!({"headers": {"Traceparent": "mine"}})).await;

    scene.enqueue("doc-1", &[("traceparent", &traceparent("01")), ("tracestate", STATE)]).await;
    receiver.until_seen(1).await;

    let seen = &receiver.seen()[0];
    assert_eq!((seen.header("traceparent"), seen.header("tracestate")), (Some("mine"), None));
}

#[tokio::test]
async fn without_a_collector_nothing_is_told_and_nothing_kept() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::answering([]).await);
    let scene = Scene::start(folder.path(), &[]).await;
    scene.webhook(&receiver.url("/:id"), json!({})).await;

    scene.enqueue("doc-1", &[("traceparent", &traceparent("01")), ("tracestate", STATE)]).await;
    receiver.until_seen(1).await;

    let seen = &receiver.seen()[0];
    assert_eq!((seen.header("traceparent"), seen.header("tracestate")), (None, None));
    assert_eq!(scene.process.ask_to_stop().await.code(), Some(0));
    let database = std::fs::read(folder.path().join("data/dispatcher.db")).unwrap();
    assert!(!database.windows(TRACE.len()).any(|part| part == TRACE.as_bytes()));
}

#[tokio::test]
async fn a_collector_that_is_away_or_silent_holds_up_no_delivery_and_floods_no_log() {
    let silent = Receiver::start(|_, _| Reply::RawThenSilence(Vec::new())).await;
    for collector in ["http://127.0.0.1:1".to_owned(), silent.url("/v1/traces")] {
        let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::answering([]).await);
        let (log, url) = (folder.path().join("log"), format!("traces.url={collector}"));
        let process = Process::start_in(folder.path(), &[&url, "server.drain_seconds=1"], &[("OTEL_SDK_DISABLED", "true")], &log).await;
        let rest = RestClient::new();
        let key = rest.register(process.address, &receiver.url("/:id")).await;
        for document in 0..2 {
            let body = json!((0..1000).map(|number| json!({"id": format!("{document}-{number}")})).collect::<Vec<_>>());
            rest.post(process.address, "/api_document/completions", &[("x-api-key", &key)], &body).await.unwrap();
        }
        receiver.until_seen(2000).await;

        assert_eq!(process.ask_to_stop().await.code(), Some(0));

        let said = std::fs::read_to_string(&log).unwrap();
        let told: Vec<&str> = said.lines().filter(|line| line.contains("spans") || line.contains("OTEL_")).collect();
        assert!(told.len() == 2 && told[0].contains("OTEL_SDK_DISABLED"), "once what is ignored, once what fails: {said}");
    }
}
