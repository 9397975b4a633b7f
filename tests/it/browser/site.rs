//! What operators look at: the real program, a client whose documents go to a receiver, and faults of that receiver, which
//! a test makes and mends.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::interval;

use crate::support::process::{Process, ROOT_KEY, RestClient};
use crate::support::receiver::{Receiver, Reply, Seen};

/// What a receiver answers to requests whose target has this in it.
type Faults = Arc<Mutex<Vec<(String, Reply)>>>;

/// A running dispatcher with one client.
pub(crate) struct Site {
    pub(crate) receiver: Receiver,
    process: Process,
    rest: RestClient,
    client: String,
    admin: String,
    faults: Faults,
    _folder: TempDir,
}

impl Site {
    /// Nothing is tried again, nor is a receiver left alone, unless `settings` say so.
    pub(crate) async fn open(settings: &[&str]) -> Self {
        let faults = Faults::default();
        let receiver = Receiver::start(answers(Arc::clone(&faults))).await;
        let folder = tempfile::tempdir().unwrap();
        let settings: Vec<&str> = ["retry.delays_seconds=", "lanes.breaker_failures=1000"].iter().chain(settings).copied().collect();
        let process = Process::start(folder.path(), &settings).await;
        let rest = RestClient::new();
        let root = [("x-api-key", ROOT_KEY)];
        let (_, client) = rest.post(process.address, "/v1/clients", &root, &json!({"name": "acme"})).await.unwrap();
        let client = client["id"].as_str().unwrap().to_owned();
        let mut site = Self { receiver, process, rest, client, admin: String::new(), faults, _folder: folder };
        site.admin = site.key("admin").await;
        site
    }

    /// As [`Self::open`], with a webhook called “archive” for finished documents.
    pub(crate) async fn with_webhook(settings: &[&str]) -> Self {
        let site = Self::open(settings).await;
        site.add_webhook("archive", json!({"type": 0})).await;
        site
    }

    /// Where browsers find it.
    pub(crate) fn address(&self) -> String {
        format!("http://{}", self.process.address)
    }

    /// A new key of the client.
    pub(crate) async fn key(&self, role: &str) -> String {
        let wanted = json!({"role": role, "clientId": self.client, "name": role});
        let (_, key) = self.rest.post(self.process.address, "/v1/api-keys", &[("x-api-key", ROOT_KEY)], &wanted).await.unwrap();
        key["key"].as_str().unwrap().to_owned()
    }

    /// A webhook that calls the receiver, unless `fields` say otherwise; answers its id.
    pub(crate) async fn add_webhook(&self, name: &str, fields: Value) -> String {
        let mut webhook = json!({"name": name, "method": "POST", "url": self.receiver.url("/documents/:id")});
        webhook.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.posts("/v1/webhooks", webhook).await["id"].as_str().unwrap().to_owned()
    }

    /// Hands in a finished document; answers the ids of its deliveries.
    pub(crate) async fn hands_in(&self, document: &str) -> Vec<String> {
        let accepted = self.posts("/api_document/completions", json!({"id": document, "statusDesc": "FINISHED"})).await;
        let ids = accepted["events"][0]["deliveryIds"].as_array().unwrap().iter();
        ids.map(|id| id.as_str().unwrap().to_owned()).collect()
    }

    /// Posts as the client's admin.
    pub(crate) async fn posts(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.rest.post(self.process.address, path, &[("x-api-key", &self.admin)], &body).await.unwrap();
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        answer
    }

    /// What a path shows to the client's admin.
    pub(crate) async fn get(&self, path: &str) -> Value {
        self.rest.get(self.process.address, path, &self.admin).await
    }

    /// Comes back when a path shows what `enough` says.
    pub(crate) async fn until(&self, path: &str, enough: impl Fn(&Value) -> bool) {
        let mut beat = interval(Duration::from_millis(20));
        while !enough(&self.get(path).await) {
            beat.tick().await;
        }
    }

    /// Comes back when so many deliveries are given up.
    pub(crate) async fn until_given_up(&self, count: usize) {
        self.until("/v1/dead-letters?limit=200", |page| page["items"].as_array().is_some_and(|items| items.len() == count)).await;
    }

    /// From now on requests whose target has `part` in it are answered so.
    pub(crate) fn breaks(&self, part: impl Into<String>, reply: Reply) {
        self.faults.lock().unwrap().push((part.into(), reply));
    }

    /// From now on every request is answered as it should.
    pub(crate) fn mends(&self) {
        self.faults.lock().unwrap().clear();
    }
}

/// A receiver that gives whoever logs in a token and takes everything, but for its faults.
fn answers(faults: Faults) -> impl Fn(&Seen, usize) -> Reply + Send + Sync {
    move |seen, _| {
        let faults = faults.lock().unwrap();
        let fault = faults.iter().find(|(part, _)| seen.target.contains(part.as_str())).map(|(_, reply)| reply.clone());
        let usual =
            if seen.target == "/login" { Reply::json(r#"{"access_token": "t-1", "expires_in": 3600}"#) } else { Reply::Status(200) };
        fault.unwrap_or(usual)
    }
}
