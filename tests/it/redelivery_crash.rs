//! The real program, killed without warning while it sends many dead letters again: the job goes on where it was, leaves
//! none out and sends none twice.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::support::postgres::FreshDatabase;
use crate::support::process::{Process, RestClient};
use crate::support::receiver::{Receiver, Reply};

/// As many as one page shows.
const DEAD_LETTERS: usize = 200;

/// How many a second the job may send again: so it has work for longer than the kills take.
const PER_SECOND: usize = 50;

/// After how many of them the program is killed.
const KILLED_AFTER: [usize; 2] = [60, 120];

const MAX_IN_FLIGHT: usize = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redelivery_of_many_survives_kills_and_sends_each_again_once() {
    kill_in_the_middle(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn a_redelivery_of_many_survives_kills_in_a_shared_store_too() {
    let database = FreshDatabase::create();
    let url = format!("store.url={}", database.url());

    kill_in_the_middle(&[&url, "node.heartbeat_ms=100", "node.limit_ms=500"]).await;
}

async fn kill_in_the_middle(settings: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let bound = format!("delivery.max_in_flight={MAX_IN_FLIGHT}");
    let settings: Vec<&str> = settings.iter().copied().chain([bound.as_str(), "retry.delays_seconds="]).collect();
    let mut scene = Scene::start(folder.path(), &settings).await;
    scene.make_dead_letters().await;
    scene.is_well.store(true, Ordering::SeqCst);

    let job = scene.begin_job().await;
    for count in KILLED_AFTER {
        scene.receiver.until_seen(DEAD_LETTERS + count).await;
        assert_eq!(scene.get(&job).await["state"], "running");
        scene.process.kill();
        scene.process = Process::start(folder.path(), &settings).await;
    }
    let done = scene.until(&job, |job| job["state"] == "done").await;

    assert_eq!((&done["redelivered"], &done["matched"]), (&json!(DEAD_LETTERS), &json!(DEAD_LETTERS)));
    let delivered = scene.until("/v1/deliveries?state=delivered&limit=200", |page| items(page).len() == DEAD_LETTERS).await;
    // The attempt that failed and the one that the job made: one more would be of a second redelivery.
    assert!(items(&delivered).iter().all(|delivery| delivery["attemptCount"] == 2), "{delivered}");
    let repeats = scene.receiver.seen().len() - 2 * DEAD_LETTERS;
    assert!(repeats <= KILLED_AFTER.len() * MAX_IN_FLIGHT, "{repeats} repeats");
}

fn items(page: &Value) -> &[Value] {
    page["items"].as_array().unwrap()
}

/// A program with a webhook, whose receiver takes nothing until it is well.
struct Scene {
    receiver: Receiver,
    is_well: Arc<AtomicBool>,
    rest: RestClient,
    process: Process,
    key: String,
}

impl Scene {
    async fn start(folder: &Path, settings: &[&str]) -> Self {
        let is_well = Arc::new(AtomicBool::new(false));
        let health = Arc::clone(&is_well);
        let receiver = Receiver::start(move |_, _| Reply::Status(if health.load(Ordering::SeqCst) { 200 } else { 500 })).await;
        let (rest, process) = (RestClient::new(), Process::start(folder, settings).await);
        let key = rest.register(process.address, &receiver.url("/:id")).await;
        Self { receiver, is_well, rest, process, key }
    }

    async fn make_dead_letters(&self) {
        let documents: Vec<Value> = (0..DEAD_LETTERS).map(|number| json!({"id": format!("doc-{number}")})).collect();
        self.post("/api_document/completions", &json!(documents)).await;
        self.until("/v1/stats?window=15m", |stats| stats["total"]["deadLetters"] == DEAD_LETTERS).await;
    }

    /// Answers the path of the job.
    async fn begin_job(&self) -> String {
        let job = self.post("/v1/dead-letters/redeliver", &json!({"perSecond": PER_SECOND})).await;
        format!("/v1/redelivery-jobs/{}", job["id"].as_str().unwrap())
    }

    /// What `path` shows, once that is `enough`.
    async fn until(&self, path: &str, enough: impl Fn(&Value) -> bool) -> Value {
        let shown = async {
            loop {
                let shown = self.get(path).await;
                if enough(&shown) {
                    return shown;
                }
                yield_now().await;
            }
        };
        timeout(Duration::from_mins(1), shown).await.unwrap_or_else(|_| panic!("{path} never showed what was waited for"))
    }

    async fn get(&self, path: &str) -> Value {
        self.rest.get(self.process.address, path, &self.key).await
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.rest.post(self.process.address, path, &[("x-api-key", &self.key)], body).await.unwrap();
        assert_eq!(status, 202, "{answer}");
        answer
    }
}
