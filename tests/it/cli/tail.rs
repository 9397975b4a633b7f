//! Ends of deliveries as they are told: every one, once, whatever becomes of the dispatcher meanwhile.

use std::collections::HashSet;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout};
use tokio::time::timeout;

use super::{Scene, command, interrupt, run};
use crate::support::process::Process;
use crate::support::receiver::{Receiver, Reply, Seen};

/// A `tail` that runs.
struct Tail {
    child: Child,
    ends: Lines<BufReader<ChildStdout>>,
    notes: Lines<BufReader<ChildStderr>>,
}

impl Tail {
    async fn start(scene: &Scene, arguments: &[&str]) -> Self {
        let mut command = scene.command(&[&["tail", "--json"][..], arguments].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let ends = BufReader::new(child.stdout.take().unwrap()).lines();
        let notes = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut tail = Self { child, ends, notes };
        tail.until_told("what ends from").await;
        tail
    }

    /// Waits for a note that begins so.
    async fn until_told(&mut self, beginning: &str) {
        let told = async { while !self.notes.next_line().await.unwrap().unwrap().starts_with(beginning) {} };
        timeout(Duration::from_mins(1), told).await.expect(beginning);
    }

    /// The next ends.
    async fn next(&mut self, count: usize) -> Vec<Value> {
        let mut ends = Vec::new();
        while ends.len() < count {
            let line = timeout(Duration::from_mins(1), self.ends.next_line()).await.expect("an end is missing").unwrap().unwrap();
            ends.push(serde_json::from_str(&line).unwrap());
        }
        ends
    }

    /// Asks it to stop; how it ended, and what it had told still.
    async fn stop(mut self) -> (Option<i32>, Option<String>) {
        interrupt(&self.child);
        let left = self.ends.next_line().await.unwrap();
        (self.child.wait().await.unwrap().code(), left)
    }
}

/// Refuses the documents that are called bad.
fn receive(seen: &Seen) -> Reply {
    Reply::Status(if seen.target.contains("bad") { 500 } else { 200 })
}

fn documents(numbers: std::ops::Range<u32>) -> impl Iterator<Item = String> {
    numbers.map(|number| format!("{}-{number}", if number % 3 == 0 { "bad" } else { "good" }))
}

#[tokio::test]
async fn every_end_is_told_once_over_a_restart() {
    let mut scene = Scene::new(|seen, _| receive(seen)).await;
    scene.webhook(json!({})).await;
    let mut tail = Tail::start(&scene, &[]).await;

    let mut made = scene.hand_in(documents(0..30)).await;
    let mut ends = tail.next(30).await;
    // Some of these end before the power is cut, some after; nobody knows which.
    made.extend(scene.hand_in(documents(30..330)).await);
    let listen = format!("server.listen={}", scene.process.address);
    scene.process.kill();
    tail.until_told("no answer from").await;
    scene.process = Process::start(scene.folder.path(), &[&listen]).await;
    made.extend(scene.hand_in(documents(330..360)).await);
    ends.extend(tail.next(330).await);

    let told: Vec<&str> = ends.iter().map(|end| end["id"].as_str().unwrap()).collect();
    assert_eq!(told.iter().collect::<HashSet<_>>().len(), 360);
    assert_eq!(told.iter().copied().collect::<HashSet<_>>(), made.iter().map(String::as_str).collect());
    for end in &ends {
        let expected = if end["subject"].as_str().unwrap().starts_with("bad") { "dead_lettered" } else { "delivered" };
        assert_eq!(end["state"], expected, "{end}");
    }
    assert_eq!(tail.stop().await, (Some(0), None));
}

#[tokio::test]
async fn only_the_ends_that_are_asked_for_are_told() {
    let scene = Scene::new(|seen, _| receive(seen)).await;
    let webhook = scene.webhook(json!({})).await;
    let other = scene.webhook(json!({"name": "other", "type": null, "events": ["document.finished"]})).await;
    scene.hand_in(documents(0..9)).await;
    scene.until("delivered", 12).await;
    scene.until("dead_lettered", 6).await;

    let since = ["--since", "2020-01-01T00:00:00Z"];
    let mut all = Tail::start(&scene, &since).await;
    let mut dead = Tail::start(&scene, &[&since[..], &["--outcome", "dead_lettered"]].concat()).await;
    let mut of_other = Tail::start(&scene, &[&since[..], &["--webhook", &other]].concat()).await;
    let mut new = Tail::start(&scene, &[]).await;
    let (all_ends, dead_ends, other_ends) = (all.next(18).await, dead.next(6).await, of_other.next(9).await);
    scene.hand_in(["good-new".to_owned()]).await;

    assert!(all_ends.is_sorted_by_key(|end| end["finishedAt"].as_str().unwrap().to_owned()));
    assert!(dead_ends.iter().all(|end| end["state"] == "dead_lettered"));
    assert!(other_ends.iter().all(|end| end["webhookId"] == other && end["webhookId"] != webhook));
    assert!(new.next(2).await.iter().all(|end| end["subject"] == "good-new"));
    assert!(all.next(2).await.iter().all(|end| end["subject"] == "good-new"));
    assert_eq!(new.stop().await, (Some(0), None));
}

#[tokio::test]
async fn what_will_not_pass_by_itself_ends_it() {
    let scene = Scene::new(|seen, _| receive(seen)).await;
    let gone = "http://127.0.0.1:1";

    assert!(run(scene.command(&["tail"]).env("DISPATCHER_API_KEY", "unknown")).await.refusal(4).contains("(401)"));
    assert!(run(scene.command(&["tail", "--url", gone]).env("X", "x")).await.refusal(6).contains("no answer"));
    assert!(scene.run(&["tail", "--outcome", "pending"]).await.refusal(2).contains("pending"));
}

#[tokio::test]
async fn after_an_absence_it_looks_further_back() {
    let page = |items: Value| json!({"items": items, "nextCursor": null}).to_string();
    let ended = page(json!([{"id": "1", "finishedAt": "2024-04-11T14:22:33Z"}]));
    let none = page(json!([]));
    let dispatcher = Receiver::start(move |_, before| match before {
        0 => Reply::json(r#"{"to": "2024-04-11T14:12:33Z"}"#),
        1 => Reply::json(&ended),
        3 => Reply::Status(500),
        _ => Reply::json(&none),
    })
    .await;
    let mut command = command(&dispatcher.url(""), &["tail", "--json"]);
    let mut child = command.env("DISPATCHER_API_KEY", "k").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();

    tokio::select! {
        () = dispatcher.until_seen(6) => {}
        ended = child.wait() => panic!("it waits for the dispatcher: {ended:?}"),
    }
    interrupt(&child);
    let output = child.wait_with_output().await.unwrap();

    let seen = dispatcher.seen();
    let looks: Vec<&str> = seen[1..6].iter().map(|seen| seen.target.split(['=', '&']).nth(1).unwrap()).collect();
    let [begin, before, long_before] = ["12%3A33", "22%3A31", "20%3A33"].map(|time| format!("2024-04-11T14%3A{time}%2B00%3A00"));
    assert_eq!(looks, [&begin, &begin, &before, &long_before, &before]);
    assert_eq!((output.status.code(), String::from_utf8(output.stdout).unwrap().lines().count()), (Some(0), 1));
    let notes = String::from_utf8(output.stderr).unwrap();
    assert!(notes.contains("(500); waiting for it\n") && notes.ends_with("the dispatcher is there again\n"), "{notes}");
}

#[tokio::test]
async fn an_end_is_a_line_until_the_key_is_no_good_any_more() {
    let end = json!({
        "id": "7", "finishedAt": "2024-04-11T14:22:33Z", "state": "dead_lettered", "attemptCount": 2, "type": "invoice.paid",
        "subject": "a\tb", "webhookId": "9", "lastStatus": 500, "lastDetail": "out of order",
    });
    let page = json!({"items": [end], "nextCursor": null}).to_string();
    let dispatcher = Receiver::start(move |_, before| match before {
        0 => Reply::json(&page),
        _ => Reply::Full(401, "", br#"{"detail": "a known API key is needed"}"#.to_vec()),
    })
    .await;

    let arguments = ["tail", "--since", "2024-04-11T14:12:33Z"];
    let ended = run(command(&dispatcher.url(""), &arguments).env("DISPATCHER_API_KEY", "k")).await;

    assert!(ended.stderr.contains("a known API key is needed (401)"), "{}", ended.stderr);
    assert_eq!(ended.expect(4), "2024-04-11T14:22:33Z\tdead_lettered\t2\tinvoice.paid\ta\\tb\t9\t7\t500\tout of order\n");
}
