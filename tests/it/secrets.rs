//! The keys of secrets as an operator handles them: made, required, refused, exchanged while everything runs.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use crate::support::keys::{self, KEY, NEW_KEY};
use crate::support::postgres::FreshDatabase;
use crate::support::process::{Process, RestClient};
use crate::support::receiver::Receiver;

/// The new key and, behind it, the old one.
const BOTH: &str = "Nb4Xv8Kd2QzRw7LmHy3TcJf9GsPe6uAo,Tq7mWx2ZrLd9VbKy4NfHs8JcPgE3uAoR";

fn program(folder: &Path, arguments: &[&str], keys: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_webhook-dispatcher"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    if !keys.is_empty() {
        command.env("DISPATCHER_SECRETS_KEY", keys);
    }
    command
}

fn run(folder: &Path, arguments: &[&str], keys: &str) -> Output {
    program(folder, arguments, keys).output().unwrap()
}

fn refusal(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Makes so many webhooks with a secret each; the first is for finished documents. Answers an admin key.
async fn webhooks(rest: &RestClient, address: SocketAddr, url: &str, count: usize) -> String {
    let key = rest.admin(address).await;
    for number in 0..count {
        let events = [if number == 0 { "document.finished" } else { "other" }];
        let webhook =
            json!({"name": "Webhook", "events": events, "method": "POST", "url": url, "authorization": format!("Basic {number:012}")});
        let (status, answer) = rest.post(address, "/v1/webhooks", &[("x-api-key", &key)], &webhook).await.unwrap();
        assert_eq!(status, 201, "{answer}");
    }
    key
}

/// Enqueues a document; what the receiver then gets for it must carry the first webhook's secret.
async fn delivers(rest: &RestClient, address: SocketAddr, key: &str, receiver: &Receiver) {
    let before = receiver.seen().len();
    let event = json!({"type": "document.finished", "subject": "doc", "payload": {"id": "doc"}});
    rest.post(address, "/v1/events", &[("x-api-key", key)], &event).await.unwrap();
    timeout(Duration::from_secs(30), receiver.until_seen(before + 1)).await.unwrap();
    assert_eq!(receiver.seen()[before].header("authorization"), Some("Basic 000000000000"));
}

async fn logged(log: &Path, text: &str) {
    let found = async {
        while !fs::read_to_string(log).is_ok_and(|log| log.contains(text)) {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(30), found).await.unwrap();
}

#[tokio::test]
async fn without_a_key_one_is_made_beside_the_database_and_needed_from_then_on() {
    let (folder, rest, receiver) = (tempfile::tempdir().unwrap(), RestClient::new(), Receiver::answering([]).await);
    let (log, file) = (folder.path().join("log"), folder.path().join("data/dispatcher.db.key"));

    let process = Process::start_with_keys(folder.path(), &[], "", &log).await;
    let key = webhooks(&rest, process.address, &receiver.url("/:id"), 2).await;
    process.kill();
    let again = Process::start_with_keys(folder.path(), &[], "", &log).await;
    delivers(&rest, again.address, &key, &receiver).await;
    again.kill();

    assert!(fs::read_to_string(&log).unwrap().contains("data/dispatcher.db.key"));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    fs::rename(&file, folder.path().join("elsewhere")).unwrap();
    let refused = refusal(&run(folder.path(), &["serve", "--listen", "127.0.0.1:0"], ""));
    assert!(refused.contains("are encrypted under") && refused.contains("data/dispatcher.db.key is not there"), "{refused}");
    assert!(!file.exists(), "another key would open nothing");
    fs::rename(folder.path().join("elsewhere"), &file).unwrap();
    let back = Process::start_with_keys(folder.path(), &[], "", &log).await;
    delivers(&rest, back.address, &key, &receiver).await;
}

#[tokio::test]
async fn a_server_that_starts_with_a_new_key_brings_everything_under_it() {
    let (folder, rest, receiver) = (tempfile::tempdir().unwrap(), RestClient::new(), Receiver::answering([]).await);
    let log = folder.path().join("log");
    let old = Process::start(folder.path(), &[]).await;
    let key = webhooks(&rest, old.address, &receiver.url("/:id"), 5).await;
    old.kill();

    let both = Process::start_with_keys(folder.path(), &["log.level=info", "maintenance.batch_rows=2"], BOTH, &log).await;
    logged(&log, "every secret is encrypted under the newest key").await;
    both.kill();

    let new = Process::start_with_keys(folder.path(), &[], NEW_KEY, &log).await;
    delivers(&rest, new.address, &key, &receiver).await;
}

#[tokio::test]
async fn a_file_in_use_is_not_rotated_and_one_that_rests_is() {
    let (folder, rest) = (tempfile::tempdir().unwrap(), RestClient::new());
    let process = Process::start(folder.path(), &[]).await;
    webhooks(&rest, process.address, "http://127.0.0.1:1/:id", 3).await;

    let while_running = refusal(&run(folder.path(), &["secrets", "rotate"], BOTH));
    process.kill();
    let at_rest = said(&run(folder.path(), &["secrets", "rotate", "--batch-rows", "2"], BOTH));
    let without_old = said(&run(folder.path(), &["secrets", "rotate"], NEW_KEY));

    assert!(while_running.contains("in use by another process"), "{while_running}");
    let (new, old) = (keys::id(NEW_KEY), keys::id(KEY));
    let told = format!("3 rows were encrypted anew under the key {new}\nno row needs the key {old} any more: it can go\n");
    assert_eq!(at_rest, told);
    assert_eq!(without_old, format!("0 rows were encrypted anew under the key {new}\n"));
}

#[test]
fn a_new_key_is_one_that_is_taken_and_never_the_same() {
    let folder = tempfile::tempdir().unwrap();

    let made = [(); 2].map(|()| said(&run(folder.path(), &["secrets", "new-key"], "")).trim_end().to_owned());

    assert_ne!(made[0], made[1]);
    assert!(said(&run(folder.path(), &["check-config"], &made.join(","))).contains("key = [\"****\", \"****\"]"));
}

#[test]
fn weak_keys_are_refused_and_not_repeated() {
    let folder = tempfile::tempdir().unwrap();

    for weak in ["short", "0123456789abcdef0123456789abcdef", "aB1cD2eF3aB1cD2eF3aB1cD2eF3aB1cD2eF3"] {
        let refused = refusal(&run(folder.path(), &["serve", "--listen", "127.0.0.1:0"], &format!("{NEW_KEY},{weak}")));

        assert!(refused.contains("DISPATCHER_SECRETS_KEY: secrets.key = \"****\" is not allowed"), "{refused}");
        assert!(!refused.contains(weak) && !refused.contains(NEW_KEY), "{refused}");
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn a_shared_store_needs_a_key_that_is_given() {
    let (folder, database) = (tempfile::tempdir().unwrap(), FreshDatabase::create());

    let refused = refusal(&run(folder.path(), &["serve", "--listen", "127.0.0.1:0", "--store-url", &database.url()], ""));

    assert!(refused.contains("PostgreSQL needs a key") && refused.contains("DISPATCHER_SECRETS_KEY"), "{refused}");
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn a_shared_store_is_rotated_while_servers_run_and_goes_on_after_a_kill() {
    const WEBHOOKS: usize = 300;
    let (folder, rest, receiver) = (tempfile::tempdir().unwrap(), RestClient::new(), Receiver::answering([]).await);
    let (database, log) = (FreshDatabase::create(), folder.path().join("log"));
    let store = format!("store.url={}", database.url());
    let under_new = || -> usize {
        let count = format!("select count(*) from webhook where secrets_key = '{}'", keys::id(NEW_KEY));
        database.sql(&count).unwrap().parse().unwrap()
    };
    // First every node learns to read the new key, then every node writes with it, then the old one goes.
    let server = Process::start_with_keys(folder.path(), &[&store], &format!("{KEY},{NEW_KEY}"), &log).await;
    let key = webhooks(&rest, server.address, &receiver.url("/:id"), WEBHOOKS).await;
    assert_eq!(under_new(), 0);
    let writer = Process::start_with_keys(folder.path(), &[&store], BOTH, &log).await;

    let arguments = ["secrets", "rotate", "--batch-rows", "1", "--set", &store];
    let mut rotating = program(folder.path(), &arguments, BOTH).stdout(Stdio::null()).spawn().unwrap();
    while under_new() < 20 {}
    rotating.kill().unwrap();
    rotating.wait().unwrap();
    let done = under_new();
    delivers(&rest, server.address, &key, &receiver).await;
    delivers(&rest, writer.address, &key, &receiver).await;
    let rest_of_it = said(&run(folder.path(), &["secrets", "rotate", "--set", &store], BOTH));

    assert!((20..WEBHOOKS).contains(&done), "{done}");
    let told = format!("{} rows were encrypted anew", WEBHOOKS - done);
    assert!(rest_of_it.starts_with(&told) && rest_of_it.contains(&format!("no row needs the key {}", keys::id(KEY))), "{rest_of_it}");
    let new = Process::start_with_keys(folder.path(), &[&store], NEW_KEY, &log).await;
    delivers(&rest, new.address, &key, &receiver).await;
    let with_old_alone = refusal(&run(folder.path(), &["serve", "--listen", "127.0.0.1:0", "--set", &store], KEY));
    assert!(with_old_alone.contains(&format!("{WEBHOOKS} rows of the database need the key {}", keys::id(NEW_KEY))), "{with_old_alone}");
}
