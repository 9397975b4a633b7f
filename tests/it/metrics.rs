//! `/metrics` of the running program: what is in it, who may read it, and that what is said about it elsewhere is true.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::process::{Process, ROOT_KEY, RestClient};
use crate::support::promql::{Asked, Selector, scraped};
use crate::support::receiver::{Receiver, Reply};
use crate::support::rest::Rest;

/// The labels that Prometheus itself adds to every sample.
const ADDED: [&str; 2] = ["job", "instance"];

/// The expressions of the alerts, and of the panels of the dashboard.
fn expressions() -> Vec<String> {
    let alerts = std::fs::read_to_string("config/prometheus/alerts.yml").unwrap();
    let mut found: Vec<String> = alerts.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).map(str::to_owned).collect();
    assert_eq!(found.len(), alerts.matches("- alert: ").count(), "each alert has its expression on one line");
    let dashboard: Value = serde_json::from_str(&std::fs::read_to_string("config/grafana/dashboard.json").unwrap()).unwrap();
    let targets = dashboard["panels"].as_array().unwrap().iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    found.extend(targets.map(|target| target["expr"].as_str().unwrap().to_owned()));
    found
}

/// Holds that every metric and label that an expression asks for is in a scrape, and every value that it asks for.
fn assert_is_scraped(expression: &str, scraped: &BTreeMap<String, BTreeMap<String, BTreeSet<String>>>) {
    let Asked { selectors, grouped_by } = Asked::of(expression);
    let of_prometheus = BTreeMap::new();
    assert!(!selectors.is_empty(), "{expression}");
    let mut known = BTreeSet::new();
    for Selector { metric, labels } in selectors {
        let own = if metric == "up" { Some(&of_prometheus) } else { scraped.get(&metric) };
        let own = own.unwrap_or_else(|| panic!("there is no {metric} for {expression}"));
        for (label, operator, value) in labels.iter().filter(|(label, ..)| !ADDED.contains(&label.as_str())) {
            let values = own.get(label).unwrap_or_else(|| panic!("{metric} has no label {label} for {expression}"));
            assert!(operator != "=" || values.contains(value), "no {metric} has the {label} {value} for {expression}");
        }
        known.extend(own.keys().cloned());
    }
    assert!(grouped_by.is_subset(&known), "{grouped_by:?} are no labels of {expression}");
}

/// What stands behind `beginning` on every line that begins so.
fn behind<'t>(text: &'t str, beginning: &str) -> Vec<&'t str> {
    text.lines().filter_map(|line| line.trim().strip_prefix(beginning)).collect()
}

#[test]
fn the_readme_says_of_every_alert_what_to_do_and_how_soon() {
    let (alerts, readme) =
        (std::fs::read_to_string("config/prometheus/alerts.yml").unwrap(), std::fs::read_to_string("README.md").unwrap());
    let severities = behind(&alerts, "labels: { severity: ").into_iter().map(|rest| rest.trim_end_matches(" }"));

    let fires: BTreeSet<String> =
        behind(&alerts, "- alert: ").into_iter().zip(severities).map(|(name, severity)| format!("{name}` ({severity})")).collect();
    let explained: BTreeSet<String> =
        behind(&readme, "| `Dispatcher").into_iter().map(|row| format!("Dispatcher{}", row.split(" |").next().unwrap())).collect();

    assert_eq!(fires, explained);
    assert!(behind(&readme, "| `Dispatcher").into_iter().all(|row| row.split(" | ").count() == 3));
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
    let scraped = scraped(&text);
    for expression in expressions() {
        assert_is_scraped(&expression, &scraped);
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

#[tokio::test]
async fn what_waits_and_how_webhooks_do_is_seen_by_looking() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let webhook = json!({"name": "w", "type": 0, "method": "POST", "url": "https://example.com/:id"});
    let made = rest.post("/v1/webhooks").key(&tenant.admin).json(&webhook).send().await.expect(201);
    let samples = async |names: [&str; 4]| {
        let text = rest.get("/metrics").without("X-API-KEY").from("127.0.0.1").send().await.text;
        names.map(|name| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap().to_owned())
    };
    let (pending, due) = ("dispatcher_pending_deliveries", "dispatcher_oldest_due_seconds");
    let (idle, paused) = ("dispatcher_webhooks{health=\"idle\"}", "dispatcher_webhooks{health=\"paused\"}");

    rest.post("/api_document/completions").key(&tenant.producer).json(&json!({"id": "1"})).send().await.expect(202);
    rest.clock.advance(Duration::from_secs(90));
    let waiting = samples([pending, due, idle, paused]).await;
    rest.post(&format!("/v1/webhooks/{}/pause", made["id"].as_str().unwrap())).key(&tenant.admin).send().await.expect(200);
    rest.clock.advance(Duration::from_secs(5));
    let held_back = samples([pending, due, idle, paused]).await;
    rest.store.close().await;
    rest.clock.advance(Duration::from_secs(5));
    let unseen = samples(["dispatcher_store_up", pending, due, paused]).await;

    assert_eq!(waiting, ["1", "90.0", "1", "0"]);
    assert_eq!(held_back, ["1", "0.0", "0", "1"], "nothing is late that is not to be sent");
    assert_eq!(unseen, ["0", "1", "0.0", "1"], "what was seen before stays");
}
