//! Secrets that would be known anywhere again: put into every place that takes one, and looked for in everything that the
//! program says, answers and keeps.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;
use webhook_dispatcher::domain::method::Method;

use crate::support::collector::Collector;
use crate::support::keys::KEY;
use crate::support::process::{Process, ROOT_KEY, RestClient};
use crate::support::receiver::{Receiver, Reply, Seen};
use crate::support::tls::Authority;

/// What begins so is a secret.
const CANARY: &str = "canary-";
/// A secret in the query of a url: its owner sees it again in the definition, and it is not encrypted.
const IN_QUERY: &str = "query-canary";

/// As loud as it gets, libraries too.
const LOUDEST: &str = "log.level=trace,sqlx=trace,hyper=trace,hyper_util=trace,rustls=trace,h2=trace";

/// Logs people in whose password is right, and sends back all that it was sent, beside what a token might look like.
fn receive(seen: &Seen) -> Reply {
    if seen.target.starts_with("/login") {
        let knows = seen.body_text().contains("canary-password");
        return if knows { Reply::json(r#"{"access_token": "canary-access-token", "expires_in": 3600}"#) } else { Reply::Status(403) };
    }
    let headers = seen.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("\n");
    let echo = format!("{headers}\n\n{}", seen.body_text());
    Reply::Full(if seen.target.starts_with("/refuse") { 500 } else { 200 }, "x-echo: canary-header-value\r\n", echo.into_bytes())
}

/// A running program that was given a secret everywhere.
struct Aviary {
    folder: TempDir,
    process: Process,
    receiver: Receiver,
    collector: Collector,
    rest: RestClient,
    key: String,
}

impl Aviary {
    async fn start() -> Self {
        let (folder, rest) = (tempfile::tempdir().unwrap(), RestClient::new());
        let receiver = Receiver::start(|seen, _| receive(seen)).await;
        let collector = Collector::start().await;
        let settings = [LOUDEST, &collector.setting(), "traces.headers=X-Collector-Key: canary-collector"];
        let process = Process::start_with_keys(folder.path(), &settings, KEY, &folder.path().join("log")).await;
        let key = rest.admin(process.address).await;
        Self { folder, process, receiver, collector, rest, key }
    }

    fn address(&self) -> SocketAddr {
        self.process.address
    }

    /// Makes a webhook; answers its id.
    async fn register(&self, fields: Value) -> String {
        let mut webhook = json!({
            "name": "Canary", "events": ["document.finished"], "method": "POST",
            "headers": {"X-Api-Key": "canary-header-value", "X-Plain": "plain"},
        });
        webhook.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let (status, answer) = self.rest.post(self.address(), "/v1/webhooks", &[("x-api-key", &self.key)], &webhook).await.unwrap();
        assert_eq!(status, 201, "{answer}");
        answer["id"].as_str().unwrap().to_owned()
    }

    /// Gives a webhook a signing key; answers the secret, which no other answer holds.
    async fn signing_secret(&self, id: &str) -> String {
        let path = format!("/v1/webhooks/{id}/rotate-secret");
        let (status, answer) = self.rest.post(self.address(), &path, &[("x-api-key", &self.key)], &json!({})).await.unwrap();
        assert_eq!(status, 200, "{answer}");
        answer["secret"].as_str().unwrap().strip_prefix("whsec_").unwrap().to_owned()
    }

    /// Makes six webhooks with a secret in every place; answers the signing secret and a line of the client's key, neither
    /// of which could be chosen.
    async fn register_all(&self) -> (String, String) {
        let url = |path: &str| self.receiver.url(&format!("{path}/:id?key={IN_QUERY}"));
        let login = self.receiver.url(&format!("/login?key={IN_QUERY}"));
        let user = |password: &str| json!({"user": "canary-user", "password": password});
        let login_headers = json!({"Content-Type": "application/x-www-form-urlencoded", "X-Client-Secret": "canary-login-header"});
        let client = Authority::new().issue("client.test");
        let mut fixed = json!({"url": url("/fixed"), "authorization": "Bearer canary-fixed-value", "httpSignature": {"enabled": true}});
        fixed["clientCertificate"] = client.certificate.into();
        fixed["clientKey"] = client.key.clone().into();
        let signed = self.register(fixed).await;
        self.register(json!({"url": url("/refuse"), "authorization": "canary-fixed-too"})).await;
        for password in ["canary-password", "canary-wrong"] {
            let authorized = json!({"url": url("/logged-in"), "authorizationUrl": login, "authorizationHeaders": login_headers, "authorizationBody": user(password)});
            self.register(authorized).await;
        }
        // Nobody listens on either, and the second has no address.
        self.register(json!({"url": format!("http://127.0.0.1:1/:id?key={IN_QUERY}"), "authorization": "canary-unheard"})).await;
        self.register(json!({"url": format!("http://canary.invalid/:id?key={IN_QUERY}"), "authorization": "canary-unheard"})).await;
        (self.signing_secret(&signed).await, client.key.lines().nth(1).unwrap().to_owned())
    }

    /// Hands in an event with a secret in its payload, for a webhook in the way of the system that sends it so.
    async fn tell_a_secret(&self) {
        let events = json!(["PENDENCY_DELETED_NOTIFICATION"]);
        self.register(json!({"url": self.receiver.url("/bpm"), "catalog": "senior-bpm", "events": events})).await;
        let payload = json!({
            "authorization": "Bearer canary-of-the-platform", "event_type": "PendencyDeletedNotification", "process_id": 120,
            "deleted_in": "2025-03-10T14:05:00", "process_instance_id": 98412, "deleted_by": "maria", "tenant": "acme"
        });
        let event = json!({"type": events[0], "subject": "98412", "payload": payload});
        let (status, answer) = self.rest.post(self.address(), "/v1/events", &[("x-api-key", &self.key)], &event).await.unwrap();
        assert_eq!(status, 202, "{answer}");
    }

    async fn get(&self, path: &str) -> Value {
        self.rest.get(self.address(), path, &self.key).await
    }

    /// What the API answers to a definition that breaks rules.
    async fn refused(&self, body: &str) -> String {
        let mut headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        headers.insert(HeaderName::from_static("x-api-key"), HeaderValue::try_from(&self.key).unwrap());
        let body = Some(Bytes::copy_from_slice(body.as_bytes()));
        let (status, answer) = self.rest.call(Method::Post, self.address(), "/v1/webhooks", headers, body).await.unwrap();
        assert!((400..500).contains(&status), "{answer}");
        answer.to_string()
    }

    /// The deliveries, once each had an attempt.
    async fn tried(&self) -> Vec<Value> {
        let all_tried = async {
            loop {
                let deliveries = self.get("/v1/deliveries").await["items"].as_array().unwrap().clone();
                if deliveries.iter().all(|delivery| delivery["attemptCount"].as_u64().unwrap() > 0 && delivery["state"] != "in_flight") {
                    return deliveries;
                }
            }
        };
        timeout(Duration::from_secs(30), all_tried).await.unwrap()
    }

    /// All files of the database, as they are at this moment.
    fn database(&self) -> Vec<u8> {
        let files = fs::read_dir(self.folder.path().join("data")).unwrap();
        files.flat_map(|file| fs::read(file.unwrap().path()).unwrap()).collect()
    }

    fn log(&self) -> String {
        fs::read_to_string(Path::new(self.folder.path()).join("log")).unwrap()
    }
}

#[track_caller]
fn assert_no_canary(place: &str, text: &[u8]) {
    let found = text.windows(CANARY.len()).position(|part| part == CANARY.as_bytes());
    if let Some(at) = found {
        let around = &text[at.saturating_sub(100)..(at + 100).min(text.len())];
        panic!("a canary sings in {place}: {}", String::from_utf8_lossy(around));
    }
}

#[track_caller]
fn assert_nothing(place: &str, text: &str) {
    assert_no_canary(place, text.as_bytes());
    assert!(!text.contains(IN_QUERY), "{place} tells the query of a url: {text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_said_answered_or_kept_in_clear() {
    let aviary = Aviary::start().await;
    let (signing_secret, key_line) = aviary.register_all().await;
    let event = json!({"type": "document.finished", "subject": "doc-1", "payload": {"id": "doc-1"}});
    let (status, _) = aviary.rest.post(aviary.address(), "/v1/events", &[("x-api-key", &aviary.key)], &event).await.unwrap();
    assert_eq!(status, 202);
    aviary.tell_a_secret().await;

    let deliveries = aviary.tried().await;

    // All of it was used.
    assert_eq!(deliveries.len(), 7);
    assert!(aviary.receiver.seen_at("/bpm")[0].body_text().contains("Bearer canary-of-the-platform"));
    let sent = |path: &str, header: &str| aviary.receiver.seen_at(path)[0].header(header).unwrap().to_owned();
    assert_eq!(sent("/fixed", "authorization"), "Bearer canary-fixed-value");
    assert!(sent("/fixed", "webhook-signature").starts_with("v1,"));
    assert_eq!(sent("/logged-in", "authorization"), "Bearer canary-access-token");
    assert_eq!(sent("/refuse", "x-api-key"), "canary-header-value");
    assert_eq!(aviary.receiver.seen_at("/login").len(), 2);

    for delivery in &deliveries {
        let detail = aviary.get(&format!("/v1/deliveries/{}", delivery["id"].as_str().unwrap())).await;
        assert_nothing("a delivery", &detail.to_string());
    }
    assert_nothing("the list of deliveries", &json!(deliveries).to_string());
    for path in ["/v1/events", "/v1/dead-letters", "/v1/audit"] {
        assert_nothing(path, &aviary.get(path).await.to_string());
    }
    assert_nothing("/v1/nodes", &aviary.rest.get(aviary.address(), "/v1/nodes", ROOT_KEY).await.to_string());
    // Whoever defined them sees the urls again.
    for path in ["/v1/webhooks", "/api_document/document_webhooks"] {
        let shown = aviary.get(path).await.to_string();
        assert_no_canary(path, shown.as_bytes());
        assert!(!shown.contains(&signing_secret));
        assert!(!shown.contains(&key_line));
    }
    for body in [
        r#"{"authorization": {"x": "canary-1"}, "headers": {"X-A": ["canary-2"], "X-Key": "canary-3\n"}, "authorizationBody": "canary-4"}"#,
        r#"{"url": "canary-5", "authorizationUrl": "http://user:canary-6@a.example/?key=query-canary", "method": "canary-7"}"#,
        r#"{"authorization": "canary-8" "#,
        r#"["canary-9"]"#,
    ] {
        assert_nothing("a refusal", &aviary.refused(body).await);
    }
    assert_no_canary("the database in use", &aviary.database());
    let bytes = STANDARD.decode(&signing_secret).unwrap();
    let spelled = [
        key_line.clone().into_bytes(),
        STANDARD.decode(&key_line).unwrap(),
        bytes.clone(),
        signing_secret.clone().into_bytes(),
        json!(bytes).to_string().into_bytes(),
    ];
    assert!(spelled.iter().all(|secret| !aviary.database().windows(secret.len()).any(|part| part == secret)));
    assert!(!aviary.log().contains(&signing_secret) && !aviary.log().contains(&key_line));
    let log = aviary.log();
    assert!(log.contains("TRACE") && log.contains("DEBUG"), "the log is loud: {log}");
    assert_nothing("the log", &log);

    let (folder, receiver, collector) = (aviary.folder, aviary.receiver, aviary.collector);
    assert_eq!(aviary.process.ask_to_stop().await.code(), Some(0));
    drop(receiver);
    assert_eq!(collector.seen()[0].header("x-collector-key"), Some("canary-collector"));
    let spans = collector.spans();
    assert!(["log in", "deliver document.finished"].iter().all(|name| spans.iter().any(|span| span.name == *name)));
    assert_nothing("a span", &format!("{spans:?}"));
    assert_nothing("the log of the whole run", &fs::read_to_string(folder.path().join("log")).unwrap());
    assert_no_canary("the closed database", &fs::read(folder.path().join("data/dispatcher.db")).unwrap());
}
