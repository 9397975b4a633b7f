//! The commands for operators: the real program, called as a person or a script calls it, at the real program serving.

mod apply;
mod connection;
mod dead_letters;
mod deliveries;
mod scripts;
mod tail;

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::support::process::{Process, RestClient};
use crate::support::receiver::{Receiver, Reply, Seen};

/// A dispatcher with a client, and a receiver that answers as a test says.
struct Scene {
    folder: TempDir,
    process: Process,
    receiver: Receiver,
    rest: RestClient,
    admin: String,
}

/// How a command ended, and what it said.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ended {
    /// What was said on standard output, if the command ended so.
    #[track_caller]
    fn expect(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self.stdout
    }

    /// What was said on standard error, if the command ended so.
    #[track_caller]
    fn refusal(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self.stderr
    }

    /// The document on standard output, if the command did what it was asked.
    #[track_caller]
    fn json(self) -> Value {
        serde_json::from_str(&self.expect(0)).unwrap()
    }
}

impl Scene {
    /// A dispatcher whose receiver answers by `script`, which gets the request and how many came before it.
    async fn new(script: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
        let (folder, rest) = (tempfile::tempdir().unwrap(), RestClient::new());
        let (process, receiver) = (Process::start(folder.path(), &[]).await, Receiver::start(script).await);
        let admin = rest.admin(process.address).await;
        Self { folder, process, receiver, rest, admin }
    }

    /// Makes a webhook that is tried once, changed by `more`; answers its id.
    async fn webhook(&self, more: Value) -> String {
        let mut webhook =
            json!({"name": "w", "type": 0, "method": "POST", "url": self.receiver.url("/:id"), "retry": {"delaysSeconds": []}});
        webhook.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.post("/v1/webhooks", &webhook).await["id"].as_str().unwrap().to_owned()
    }

    /// What is answered to the admin, who is not refused.
    async fn post(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.rest.post(self.process.address, path, &[("x-api-key", &self.admin)], body).await.unwrap();
        assert!((200..300).contains(&status), "{answer}");
        answer
    }

    async fn get(&self, path: &str) -> Value {
        self.rest.get(self.process.address, path, &self.admin).await
    }

    /// Hands documents in; answers the ids of their deliveries.
    async fn hand_in(&self, ids: impl IntoIterator<Item = String>) -> Vec<String> {
        let documents: Vec<Value> = ids.into_iter().map(|id| json!({ "id": id })).collect();
        let answer = self.post("/api_document/completions", &documents.into()).await;
        let events = answer["events"].as_array().unwrap().iter();
        events.flat_map(|event| event["deliveryIds"].as_array().unwrap()).map(|id| id.as_str().unwrap().to_owned()).collect()
    }

    /// Waits until as many deliveries are in a state.
    async fn until(&self, state: &str, count: usize) {
        let path = format!("/v1/deliveries?limit=200&state={state}");
        while self.get(&path).await["items"].as_array().unwrap().len() < count {
            tokio::task::yield_now().await;
        }
    }

    /// A command with the admin's key, at this dispatcher.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(&format!("http://{}", self.process.address), arguments);
        command.env("DISPATCHER_API_KEY", &self.admin);
        command
    }

    async fn run(&self, arguments: &[&str]) -> Ended {
        run(&mut self.command(arguments)).await
    }
}

/// A command for the dispatcher at `url`, without a key.
fn command(url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_webhook-dispatcher"));
    command.args(arguments).env("DISPATCHER_URL", url).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// As Ctrl-C does.
fn interrupt(child: &Child) {
    let sent = std::process::Command::new("sh").args(["-c", &format!("kill -INT {}", child.id().unwrap())]).status().unwrap();
    assert!(sent.success());
}

/// Runs a command to its end; one that goes on for ever has failed.
async fn run(command: &mut Command) -> Ended {
    let output = timeout(Duration::from_mins(3), command.output()).await.expect("the command ends").unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}
