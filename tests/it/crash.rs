//! The real program, killed without warning under load: nothing acknowledged is lost, and little is repeated.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;

use crate::support::ledger::{Acknowledged, all_arrive, enqueue, produce};
use crate::support::postgres::FreshDatabase;
use crate::support::process::{Process, RestClient};
use crate::support::receiver::Receiver;
use crate::support::settings::{from_environment, seed};

/// How many claims a process may hold, and so how much each kill may repeat.
const MAX_IN_FLIGHT: usize = 64;
const PRODUCERS: usize = 8;

/// Kills this many times; `DISPATCHER_TEST_CRASH_ROUNDS` says otherwise.
fn rounds() -> usize {
    from_environment("DISPATCHER_TEST_CRASH_ROUNDS").unwrap_or(20)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_and_little_is_repeated_however_often_the_program_is_killed() {
    kill_again_and_again(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn nothing_acknowledged_is_lost_in_a_shared_store_either() {
    let database = FreshDatabase::create();
    let url = format!("store.url={}", database.url());

    kill_again_and_again(&[&url, "node.heartbeat_ms=100", "node.limit_ms=500"]).await;
}

async fn kill_again_and_again(settings: &[&str]) {
    let seed = seed();
    let mut chance = StdRng::seed_from_u64(seed);
    let (folder, receiver, rest) = (tempfile::tempdir().unwrap(), Receiver::answering([]).await, RestClient::new());
    let bound = format!("delivery.max_in_flight={MAX_IN_FLIGHT}");
    let settings: Vec<&str> = settings.iter().copied().chain([bound.as_str()]).collect();
    let (numbers, acknowledged) = (Arc::new(AtomicUsize::new(0)), Arc::new(Acknowledged::default()));

    let mut process = Process::start(folder.path(), &settings).await;
    let key = rest.register(process.address, &receiver.url("/ocr_feedback/:id")).await;
    for _ in 0..rounds() {
        let mut producers = JoinSet::new();
        for _ in 0..PRODUCERS {
            producers.spawn(produce(rest.clone(), process.address, key.clone(), Arc::clone(&numbers), Arc::clone(&acknowledged)));
        }
        acknowledged.until(acknowledged.count() + chance.random_range(1..400)).await;
        process.kill();
        let unanswered = producers.join_all().await;
        process = Process::start(folder.path(), &settings).await;
        for document in unanswered.into_iter().flatten() {
            assert!(enqueue(&rest, process.address, &key, &document, &acknowledged).await);
        }
    }

    let repeats = all_arrive(&receiver, &acknowledged, &format!("seed {seed}")).await;
    assert!(repeats <= rounds() * MAX_IN_FLIGHT, "{repeats} repeats (seed {seed})");
}
