//! One log event is one line, as text and as JSON, whatever names, ids and receivers' answers hold; and nothing is lost.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::support::hostile;
use crate::support::postgres::FreshDatabase;
use crate::support::process::{Process, RestClient};
use crate::support::receiver::{Receiver, Reply, Seen};

const LOUDEST: &str = "log.level=trace,sqlx=trace,hyper=trace,hyper_util=trace,rustls=trace";

/// Answers that break every rule, and some that keep them with rubbish.
fn answers() -> Vec<Vec<u8>> {
    let heads: [&[u8]; 12] = [
        b"HTTP/1.1 500 \x1b[31mred\x1b[0m\r\n\r\n",
        b"HTTP/1.1 500 caf\xe9 \xe2\x80\xa8\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 500 a\rERROR forged\r\n\r\n",
        b"HTTP/1.1 500 a\nERROR: forged\r\n\r\n",
        b"HTTP/1.1 500 X\r\nx-a: \xff\xfe\x80\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 500 X\r\nx-a: \0\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 500 X\r\nx-a: \x1b]0;title\x07\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 500 X\r\nx-a: \xe2\x80\xa8\xe2\x80\xae\r\nretry-after: \xe2\x80\xa8\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 500 X\r\nx-a: a\r\n folded\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 500 X\r\nx-a: a\rx-b: b\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 500 X\r\nretry-after: 99999999999999999999999999\r\ncontent-length: 0\r\n\r\n",
        b"\x1b[2J\0\r\n\r\n",
    ];
    let bodies = hostile::texts().into_iter().map(String::into_bytes).chain([vec![0; 1 << 20], b"\xff\0\xfe\x1b".to_vec()]);
    let with_head = |body: Vec<u8>| [format!("HTTP/1.1 500 X\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes(), body].concat();
    heads.iter().map(|head| head.to_vec()).chain(bodies.map(with_head)).collect()
}

fn answer(seen: &Seen, before: usize, answers: &[Vec<u8>]) -> Reply {
    match seen.target.strip_prefix("/login/") {
        Some("text") => Reply::json(&json!({"access_token": "a\r\nX: \u{2028}\u{1b}"}).to_string()),
        Some(_) => Reply::Full(200, "", b"{\"access_token\": \"\xff\0".to_vec()),
        None => Reply::Raw(answers[before % answers.len()].clone()),
    }
}

/// A running program, what it logs, and those who mean harm on both sides of it.
struct Siege {
    folder: TempDir,
    process: Process,
    receiver: Receiver,
    rest: RestClient,
    key: String,
}

impl Siege {
    async fn begin(settings: &[&str]) -> Self {
        let (folder, rest, answers) = (tempfile::tempdir().unwrap(), RestClient::new(), answers());
        let receiver = Receiver::start(move |seen, before| answer(seen, before, &answers)).await;
        let log = folder.path().join("log");
        let process = Process::start_in(folder.path(), &[settings, &[LOUDEST]].concat(), &[], &log).await;
        let key = rest.admin(process.address).await;
        Self { folder, process, receiver, rest, key }
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.rest.post(self.process.address, path, &[("x-api-key", &self.key)], body).await.unwrap()
    }

    /// Makes webhooks with every name that is taken, and some that log in.
    async fn register(&self) {
        for text in hostile::texts() {
            let name: String = text.chars().take(200).collect();
            let body = json!({"name": name, "events": [name], "headers": {(name.as_str()): text}, "method": "POST", "url": text});
            let (status, problem) = self.post("/v1/webhooks", &body).await;
            assert!(matches!(status, 413 | 422), "{problem}");
            let (status, answer) =
                self.post("/v1/webhooks", &json!({"name": name, "events": ["e"], "method": "POST", "url": self.receiver.url("/x")})).await;
            assert!(matches!(status, 201 | 422), "{answer}");
        }
        let url = self.receiver.url("/documents/:id");
        for login in ["text", "broken"] {
            let body = json!({"name": login, "events": ["document.finished"], "method": "POST", "url": url, "authorizationUrl": self.receiver.url(&format!("/login/{login}"))});
            assert_eq!(self.post("/v1/webhooks", &body).await.0, 201);
        }
        let body = json!({"name": "plain", "events": ["document.finished"], "method": "PUT", "url": url, "maxInFlight": 1_024});
        assert_eq!(self.post("/v1/webhooks", &body).await.0, 201);
    }

    /// Hands in a document of every name; answers how many were taken.
    async fn enqueue(&self) -> usize {
        let mut taken = 0;
        for text in hostile::texts().iter().cycle().take(60) {
            let (status, answer) = self
                .post("/v1/events", &json!({"type": "document.finished", "subject": text, "payload": {"id": "x", (text.as_str()): text}}))
                .await;
            assert!(matches!(status, 202 | 422), "{answer}");
            taken += usize::from(status == 202);
        }
        taken
    }

    /// Every delivery, once each had an attempt or is held back by its webhook's failed login.
    async fn tried(&self, deliveries: usize) -> Vec<Value> {
        let plain_are_tried = async {
            loop {
                let list = self.rest.get(self.process.address, "/v1/deliveries?limit=200", &self.key).await;
                let items = list["items"].as_array().unwrap().clone();
                let tried = items.iter().filter(|item| item["attemptCount"].as_u64().unwrap() > 0).count();
                if items.len() == 3 * deliveries && tried >= deliveries {
                    return items;
                }
            }
        };
        timeout(Duration::from_mins(1), plain_are_tried).await.unwrap()
    }

    async fn end(self) -> String {
        let log: PathBuf = self.folder.path().join("log");
        assert_eq!(self.process.ask_to_stop().await.code(), Some(0));
        fs::read_to_string(log).unwrap()
    }
}

/// Runs everything; answers the lines of the log.
async fn lines(settings: &[&str]) -> Vec<String> {
    let siege = Siege::begin(settings).await;
    siege.register().await;
    let taken = siege.enqueue().await;
    assert!(taken > 40, "{taken}");

    for delivery in siege.tried(taken).await {
        let path = format!("/v1/deliveries/{}", delivery["id"].as_str().unwrap());
        siege.rest.get(siege.process.address, &path, &siege.key).await;
    }
    let log = siege.end().await;

    assert!(!log.contains("panicked"), "nothing panics");
    assert!(log.contains("TRACE"), "the log is loud");
    let lines: Vec<String> = log.split_terminator('\n').map(str::to_owned).collect();
    for line in &lines {
        let broken = line.chars().find(|c| *c != '\t' && (c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202e}')));
        assert_eq!(broken, None, "{line}");
    }
    lines
}

fn assert_json(lines: &[String]) {
    for line in lines {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(event["timestamp"].is_string() && event["level"].is_string(), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_of_the_text_log_is_one_line() {
    for line in lines(&["log.format=text"]).await {
        let time = line.split_once(' ').map(|(time, _)| time).unwrap_or_default();
        assert!(chrono::DateTime::parse_from_rfc3339(time).is_ok(), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_of_the_json_log_is_one_line() {
    assert_json(&lines(&["log.format=json"]).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn postgres_refuses_nothing_of_it() {
    let database = FreshDatabase::create();

    assert_json(&lines(&["log.format=json", &format!("store.url={}", database.url())]).await);
}
