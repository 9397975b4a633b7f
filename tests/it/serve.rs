//! The program as an operator starts and stops it.

use std::process::{Command, Stdio};
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::support::process::{Process, RestClient};
use crate::support::receiver::{Receiver, Reply};

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_webhook-dispatcher"));
    command.stdin(Stdio::null());
    command
}

#[tokio::test]
async fn a_second_process_on_the_same_file_is_refused_in_clear_words() {
    let folder = tempfile::tempdir().unwrap();
    let running = Process::start(folder.path(), &[]).await;

    let second = program().arg("serve").args(["--listen", "127.0.0.1:0"]).current_dir(folder.path()).output().unwrap();

    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(said.contains("dispatcher.db") && said.contains("another process"), "{said}");
    drop(running);
}

#[tokio::test]
async fn certificates_that_are_none_keep_it_from_starting_before_it_touches_anything() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, "no certificate").unwrap();

    let setting = format!("egress.ca_file={}", file.display());
    let refused = program().args(["serve", "--listen", "127.0.0.1:0", "--set", &setting]).current_dir(folder.path()).output().unwrap();

    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let reason = format!("the certificates of {} (egress.ca_file) cannot be used: it holds no certificate", file.display());
    assert!(said.contains(&reason), "{said}");
    assert!(!folder.path().join("data").exists());
}

#[tokio::test]
async fn it_takes_no_webhook_that_calls_it_itself() {
    let folder = tempfile::tempdir().unwrap();
    let (rest, process) = (RestClient::new(), Process::start(folder.path(), &[]).await);
    let key = rest.admin(process.address).await;
    let webhook = |host: String| serde_json::json!({"name": "w", "events": ["e"], "method": "POST", "url": format!("http://{host}/:id")});

    for (host, expected) in [(process.address.to_string(), 422), (format!("127.0.0.1:{}", process.address.port() ^ 1), 201)] {
        let (status, answer) = rest.post(process.address, "/v1/webhooks", &[("x-api-key", &key)], &webhook(host)).await.unwrap();

        assert_eq!(status, expected, "{answer}");
    }
}

#[tokio::test]
async fn the_first_start_shows_a_root_key_once() {
    let folder = tempfile::tempdir().unwrap();

    let (first, address) = Process::start_without_root_key(folder.path()).await;
    let key = first.lines().find_map(|line| line.strip_prefix("root key (shown this once): ")).unwrap().to_owned();
    let made = RestClient::new().post(address.address, "/v1/clients", &[("x-api-key", &key)], &serde_json::json!({"name": "acme"})).await;
    address.kill();
    let (second, _process) = Process::start_without_root_key(folder.path()).await;

    assert_eq!(made.unwrap().0, 201);
    assert!(!second.contains("root key"), "{second}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn it_takes_no_huge_pages() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &[]).await;

    let status = process.status();
    assert!(status.lines().any(|line| line.split_whitespace().eq(["THP_enabled:", "0"])), "{status}");
}

#[tokio::test]
async fn asked_to_stop_it_finishes_what_is_in_flight_and_exits_with_0() {
    let permits = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&permits);
    let receiver = Receiver::start(move |_, _| Reply::WhenAllowed(Arc::clone(&gate))).await;
    let folder = tempfile::tempdir().unwrap();
    let (rest, process) = (RestClient::new(), Process::start(folder.path(), &[]).await);
    let key = rest.register(process.address, &receiver.url("/:id")).await;
    let body = serde_json::json!({"id": "doc-1"});
    rest.post(process.address, "/api_document/completions", &[("x-api-key", &key)], &body).await.unwrap();
    receiver.until_seen(1).await;

    let stopping = process.ask_to_stop();
    permits.add_permits(1);
    let status = stopping.await;

    assert_eq!(status.code(), Some(0));
    let again = Process::start(folder.path(), &[]).await;
    let delivery = rest.get(again.address, "/v1/deliveries", &key).await;
    assert_eq!(delivery["items"][0]["state"], "delivered");
}

#[test]
fn check_config_shows_what_would_be_used_and_masks_secrets() {
    let mut command = program();
    command.args(["check-config", "--set", "delivery.timeout_ms=2500"]);
    command.env("DISPATCHER_ROOT_KEY", "a-secret-root-key-that-nobody-may-see").env("DISPATCHER_SERVER_LISTEN", "127.0.0.1:9999");

    let output = command.output().unwrap();

    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert!(shown.contains("timeout_ms = 2500") && shown.contains("127.0.0.1:9999"), "{shown}");
    assert!(shown.contains("key = \"****\"") && !shown.contains("nobody-may-see"), "{shown}");
}

#[test]
fn a_mistyped_key_stops_the_start_and_names_the_nearest_one() {
    let output = program().args(["serve", "--set", "delivery.timeout=5"]).output().unwrap();

    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("delivery.timeout_ms"), "{said}");
}
