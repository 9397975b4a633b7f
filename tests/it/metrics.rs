//! `/metrics` of the running program: what is in it, who may read it, and that what is said about it elsewhere is true.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::process::{Process, ROOT_KEY, RestClient};
use crate::support::receiver::{Receiver, Reply};
use crate::support::rest::Rest;

/// The files that name metrics.
const FILES: [&str; 2] = ["config/grafana/dashboard.json", "config/prometheus/alerts.yml"];

/// The metrics that a text names.
fn named(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c: char| !is_part(c)).filter(|word| word.starts_with("dispatcher_")).map(str::to_owned).collect()
}

/// The names of the samples in an answer of `/metrics`.
fn exported(text: &str) -> BTreeSet<String> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples.filter_map(|line| line.split(['{', ' ']).next()).map(str::to_owned).collect()
}

async fn metrics(rest: &RestClient, process: &Process) -> String {
    let (status, body) = rest.get_text(process.address, "/metrics", &[]).await;
    assert_eq!(status, 200, "{body}");
    body
}

/// The value of a sample.
fn value(text: &str, sample: &str) -> i64 {
    let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{sample} is not in\n{text}")).parse().unwrap()
}

#[tokio::test]
async fn what_came_in_and_went_out_is_counted_and_every_metric_that_is_named_exists() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|seen, _| match seen.target.as_str() {
        "/login" => Reply::json(r#"{"access_token": "t"}"#),
        "/doc-1" => Reply::Status(200),
        _ => Reply::Status(410),
    })
    .await;
    let (rest, process) = (RestClient::new(), Process::start(folder.path(), &[]).await);
    let key = rest.admin(process.address).await;
    let webhook =
        json!({"name": "w", "type": 0, "method": "POST", "url": receiver.url("/:id"), "authorizationUrl": receiver.url("/login")});
    let key = [("x-api-key", key.as_str())];
    assert_eq!(rest.post(process.address, "/v1/webhooks", &key, &webhook).await.unwrap().0, 201);
    for document in ["doc-1", "doc-2"] {
        rest.post(process.address, "/api_document/completions", &key, &json!({"id": document})).await.unwrap();
        receiver.until(|seen| seen.iter().any(|seen| seen.target.ends_with(document))).await;
    }
    // An attempt is counted once it is recorded.
    let text = loop {
        let text = metrics(&rest, &process).await;
        if text.contains("dispatcher_dead_letters_made_total{reason=\"gone\"} 1") {
            break text;
        }
        tokio::task::yield_now().await;
    };

    assert_eq!((value(&text, "dispatcher_events_total"), value(&text, "dispatcher_deliveries_total")), (2, 2));
    assert_eq!(value(&text, "dispatcher_attempts_total{outcome=\"delivered\",reason=\"\"}"), 1);
    assert_eq!(value(&text, "dispatcher_attempts_total{outcome=\"permanent\",reason=\"gone\"}"), 1);
    assert_eq!(value(&text, "dispatcher_attempt_phase_duration_seconds_count{phase=\"answer\"}"), 2);
    assert_eq!((value(&text, "dispatcher_token_logins_total{result=\"worked\"}"), value(&text, "dispatcher_store_up")), (1, 1));
    assert_eq!(value(&text, "dispatcher_nodes{state=\"living\"}"), 1);
    assert!(value(&text, "dispatcher_store_free_bytes") > 0);
    let exported = exported(&text);
    for file in FILES {
        let named = named(&std::fs::read_to_string(file).unwrap());
        let unknown: Vec<&String> = named.difference(&exported).collect();
        assert!(named.len() > 5 && unknown.is_empty(), "{file} names {unknown:?}, which are not in\n{text}");
    }
    process.kill();
}

#[tokio::test]
async fn metrics_are_open_to_the_machine_itself_and_to_keys() {
    let folder = tempfile::tempdir().unwrap();
    let rest = RestClient::new();
    let status = async |process: &Process, headers: &[(&str, &str)]| rest.get_text(process.address, "/metrics", headers).await.0;
    let near = Process::start(folder.path(), &[]).await;

    assert_eq!(status(&near, &[]).await, 200);
    assert_eq!(status(&near, &[("x-forwarded-for", "203.0.113.7")]).await, 401, "a proxy asks for others");
    near.kill();
    let closed = Process::start(folder.path(), &["server.metrics_access=key"]).await;
    assert_eq!(status(&closed, &[]).await, 401);
    assert_eq!(status(&closed, &[("x-api-key", ROOT_KEY)]).await, 200);
    closed.kill();
    let open = Process::start(folder.path(), &["server.metrics_access=everybody"]).await;
    assert_eq!(status(&open, &[("x-forwarded-for", "203.0.113.7")]).await, 200);
    open.kill();
}

#[tokio::test]
async fn a_producer_reads_no_metrics_and_a_viewer_does() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;

    rest.get("/metrics").key(&tenant.producer).send().await.problem(403);
    let answer = rest.get("/metrics").key(&tenant.viewer).send().await;

    assert_eq!(
        (answer.status.as_u16(), answer.header("content-type")),
        (200, "application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
}
