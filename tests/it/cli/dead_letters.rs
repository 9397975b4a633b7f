//! Dead letters sent again by a job: counted, confirmed, watched to its end, left alone, stopped.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::{Ended, Scene, command, interrupt, run};
use crate::support::receiver::{Receiver, Reply};

const JOB: &str = "00000000-0000-7000-8000-000000000000";

/// A dispatcher with as many dead letters, whose receiver is well now.
async fn with_dead_letters(count: usize) -> Scene {
    let scene = Scene::new(move |_, before| Reply::Status(if before < count { 500 } else { 200 })).await;
    scene.webhook(json!({})).await;
    scene.hand_in((0..count).map(|number| number.to_string())).await;
    scene.until("dead_lettered", count).await;
    scene
}

#[tokio::test]
async fn they_are_counted_confirmed_and_sent_again_to_the_end() {
    let scene = with_dead_letters(120).await;

    let counted = scene.run(&["dead-letters", "redeliver", "--dry-run", "--reason", "exhausted"]).await.expect(0);
    let fits_none = scene.run(&["dead-letters", "redeliver", "--yes", "--subject", "nobody"]).await.expect(0);
    let unconfirmed = scene.run(&["dead-letters", "redeliver"]).await.refusal(2);
    let attempts_before = scene.receiver.seen().len();
    let one = scene.run(&["dead-letters", "redeliver", "--yes", "--subject", "7", "--json"]).await.json();
    let all = scene.run(&["dead-letters", "redeliver", "--yes", "--rate", "10000"]).await;

    assert_eq!(counted, "120 dead letters would be sent again\n");
    assert_eq!(fits_none, "0 dead letters would be sent again\n");
    assert!(unconfirmed.contains("Send 120 dead letters again, 50 a second?") && unconfirmed.contains("--yes"), "{unconfirmed}");
    assert_eq!(attempts_before, 120);
    assert_eq!((&one["state"], &one["redelivered"]), (&json!("done"), &json!(1)));
    assert!(all.stderr.contains("/119 sent again\n") && all.stderr.contains("goes on by itself"), "{}", all.stderr);
    assert_eq!(all.expect(0), "done: 119 of 119 dead letters sent again\n");
    scene.receiver.until_seen(240).await;
    assert_eq!(scene.run(&["dead-letters", "list"]).await.expect(0), "");
}

#[tokio::test]
async fn ctrl_c_leaves_the_job_running_and_cancel_stops_it() {
    let scene = with_dead_letters(40).await;
    let mut command = scene.command(&["dead-letters", "redeliver", "--yes", "--rate", "1"]);
    let mut watching = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(watching.stderr.take().unwrap()).lines();
    let told = said.next_line().await.unwrap().unwrap();
    let job = told.split_whitespace().nth(1).unwrap().to_owned();

    interrupt(&watching);
    let status = watching.wait().await.unwrap();
    let state = async || scene.get(&format!("/v1/redelivery-jobs/{job}")).await["state"].clone();
    let left = state().await;
    let jobs = scene.run(&["dead-letters", "jobs", "--json"]).await.json();
    let stopped = scene.run(&["dead-letters", "cancel", &job]).await.expect(0);
    let watched: Ended = scene.run(&["dead-letters", "watch", &job]).await;

    assert_eq!((status.code(), left, &jobs["items"][0]["id"]), (Some(7), json!("running"), &Value::from(job.clone())));
    assert!(told.contains(&format!("`dead-letters cancel {job}` stops it")), "{told}");
    assert!(stopped.starts_with("stopped: "), "{stopped}");
    assert!(watched.stdout.starts_with("cancelled: "), "{}", watched.stdout);
    watched.refusal(7);
    assert_eq!(state().await, "cancelled");
    assert!(scene.run(&["dead-letters", "cancel", &job]).await.refusal(8).contains("only a running job"));
}

#[tokio::test]
async fn a_job_is_watched_over_a_restart_of_the_dispatcher() {
    let job = |state: &str, redelivered: u32| {
        let job = json!({"id": JOB, "state": state, "matched": 2, "matchedHasMore": false, "redelivered": redelivered});
        Reply::json(&job.to_string())
    };
    let away = std::iter::repeat_n(Reply::Close, 4);
    let dispatcher = Receiver::answering([job("running", 1)].into_iter().chain(away).chain([job("running", 2), job("done", 2)])).await;

    let ended = run(command(&dispatcher.url(""), &["dead-letters", "watch", JOB]).env("DISPATCHER_API_KEY", "k")).await;

    assert!(ended.stderr.ends_with("1/2 sent again\n2/2 sent again\n"), "{}", ended.stderr);
    assert_eq!(ended.expect(0), "done: 2 of 2 dead letters sent again\n");
}
