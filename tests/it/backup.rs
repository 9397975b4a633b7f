//! A copy of a store that is at work: made under load, started elsewhere, compared with what producers were told.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use tokio::task::{JoinSet, spawn_blocking};

use crate::support::ledger::{Acknowledged, all_arrive, enqueue, produce};
use crate::support::process::{Process, RestClient};
use crate::support::receiver::Receiver;

const PRODUCERS: usize = 8;

async fn back_up(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_webhook-dispatcher"));
    command.arg("backup").args(arguments).current_dir(folder).stdin(Stdio::null());
    spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_made_under_load_has_everything_that_was_acknowledged_before() {
    let (folder, elsewhere, receiver, rest) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), Receiver::answering([]).await, RestClient::new());
    let (numbers, acknowledged) = (Arc::new(AtomicUsize::new(0)), Arc::new(Acknowledged::default()));
    let process = Process::start(folder.path(), &[]).await;
    let key = rest.register(process.address, &receiver.url("/ocr_feedback/:id")).await;
    let mut producers = JoinSet::new();
    for _ in 0..PRODUCERS {
        producers.spawn(produce(rest.clone(), process.address, key.clone(), Arc::clone(&numbers), Arc::clone(&acknowledged)));
    }
    acknowledged.until(400).await;

    let before = acknowledged.so_far();
    std::fs::create_dir(elsewhere.path().join("data")).unwrap();
    let copy = elsewhere.path().join("data/dispatcher.db");
    let output = back_up(folder.path(), &[copy.to_str().unwrap()]).await;

    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // The server took part in nothing and goes on.
    acknowledged.until(acknowledged.count() + 1).await;
    process.kill();
    producers.join_all().await;
    let restored = Process::start(elsewhere.path(), &[]).await;
    for document in before.documents() {
        // Whatever the copy lacks would become a second event.
        assert!(enqueue(&rest, restored.address, &key, &document, &before).await);
    }
    all_arrive(&receiver, &before, "acknowledged before the copy").await;
}

#[tokio::test]
async fn what_it_made_and_what_that_needs_is_said_and_why_it_made_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    drop(Process::start_without_root_key(folder.path()).await);

    let made = back_up(folder.path(), &["copy.db"]).await;
    let again = back_up(folder.path(), &["copy.db"]).await;
    let elsewhere = back_up(folder.path(), &["other.db", "--set", "store.url=postgres://user@127.0.0.1/none"]).await;

    let said = text(made.stdout);
    assert!(said.starts_with("data/dispatcher.db is copied to copy.db: ") && said.contains(" read through and whole\n"), "{said}");
    assert!(said.ends_with("its secrets open with the keys of data/dispatcher.db.key: keep a copy of that file apart from it\n"), "{said}");
    assert_eq!(text(again.stderr), "webhook-dispatcher: there is a file copy.db already\n");
    assert!(text(elsewhere.stderr).contains("pg_dump"));
    assert_eq!([made.status.code(), again.status.code(), elsewhere.status.code()], [Some(0), Some(1), Some(1)]);
}
