//! The real program, killed without warning under load: nothing acknowledged is lost, and little is repeated.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::postgres::FreshDatabase;
use crate::support::process::{Process, RestClient};
use crate::support::receiver::{Receiver, Seen};

/// How many claims a process may hold, and so how much each kill may repeat.
const MAX_IN_FLIGHT: usize = 64;
const PRODUCERS: usize = 8;

/// Kills this many times; `DISPATCHER_TEST_CRASH_ROUNDS` says otherwise.
fn rounds() -> usize {
    from_environment("DISPATCHER_TEST_CRASH_ROUNDS").unwrap_or(5)
}

/// The seed of this run: printed when it fails, and set to see it again.
fn seed() -> u64 {
    from_environment("DISPATCHER_TEST_SEED").unwrap_or(20_241_104)
}

#[expect(clippy::disallowed_methods, reason = "settings of the test itself, not of the program")]
fn from_environment<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

/// What producers know: which documents were acknowledged, under which event id.
#[derive(Default)]
struct Acknowledged {
    event_of: Mutex<HashMap<String, String>>,
    grown: Notify,
}

impl Acknowledged {
    fn add(&self, document: &str, event_id: &str) {
        let before = self.event_of.lock().unwrap().insert(document.to_owned(), event_id.to_owned());
        assert!(before.is_none_or(|before| before == event_id), "{document} became two events");
        self.grown.notify_waiters();
    }

    fn count(&self) -> usize {
        self.event_of.lock().unwrap().len()
    }

    async fn until(&self, count: usize) {
        loop {
            let grown = self.grown.notified();
            if self.count() >= count {
                return;
            }
            grown.await;
        }
    }
}

/// Enqueues documents until no answer comes. A document without an answer is left to be sent again.
async fn produce(
    rest: RestClient,
    address: SocketAddr,
    key: String,
    numbers: Arc<AtomicUsize>,
    acknowledged: Arc<Acknowledged>,
) -> Option<String> {
    loop {
        let document = format!("doc-{}", numbers.fetch_add(1, Ordering::Relaxed));
        if !enqueue(&rest, address, &key, &document, &acknowledged).await {
            return Some(document);
        }
    }
}

async fn enqueue(rest: &RestClient, address: SocketAddr, key: &str, document: &str, acknowledged: &Acknowledged) -> bool {
    let headers = [("x-api-key", key), ("idempotency-key", document)];
    let answer = rest.post(address, "/api_document/completions", &headers, &json!({"id": document, "status": 1})).await;
    let Some((202, body)) = answer else { return false };
    acknowledged.add(document, body["events"][0]["eventId"].as_str().unwrap());
    true
}

/// How many requests came for each document beyond the first, and that all of them name one event.
fn repeats(seen: &[Seen], acknowledged: &HashMap<String, String>) -> usize {
    let mut by_document: HashMap<&str, Vec<&str>> = HashMap::new();
    for request in seen {
        let document = request.target.strip_prefix("/ocr_feedback/").unwrap();
        by_document.entry(document).or_default().push(request.header("webhook-id").unwrap());
    }
    for (document, event_id) in acknowledged {
        let ids: HashSet<&str> = by_document[document.as_str()].iter().copied().collect();
        assert_eq!(ids, HashSet::from([event_id.as_str()]), "{document}");
    }
    by_document.values().map(|requests| requests.len() - 1).sum()
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

    let known = acknowledged.event_of.lock().unwrap().clone();
    let all_arrived = receiver.until(|seen| {
        let arrived: HashSet<&str> = seen.iter().filter_map(|seen| seen.target.strip_prefix("/ocr_feedback/")).collect();
        arrived.len() >= known.len() && known.keys().all(|document| arrived.contains(document.as_str()))
    });
    timeout(Duration::from_mins(1), all_arrived).await.unwrap_or_else(|_| panic!("acknowledged documents are missing (seed {seed})"));
    let repeats = repeats(&receiver.seen(), &known);
    assert!(repeats <= rounds() * MAX_IN_FLIGHT, "{repeats} repeats (seed {seed})");
}
