//! Several nodes of the real program over one database, killed and frozen under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::support::ledger::{Acknowledged, all_arrive, enqueue};
use crate::support::postgres::FreshDatabase;
use crate::support::process::{Process, ROOT_KEY, RestClient};
use crate::support::receiver::{Receiver, Reply};
use crate::support::settings::{from_environment, seed};

/// How many claims a node may hold, and so how much each end of a node may repeat.
const MAX_IN_FLIGHT: usize = 32;
const NODES: usize = 5;
const WEBHOOKS: usize = 6;
const DOCUMENTS_A_ROUND: usize = 60;

/// Kills or freezes a node this many times; `DISPATCHER_TEST_NODE_ROUNDS` says otherwise.
fn rounds() -> usize {
    from_environment("DISPATCHER_TEST_NODE_ROUNDS").unwrap_or(10)
}

/// Nodes that are taken for dead after half a second.
struct Nodes {
    folder: TempDir,
    settings: Vec<String>,
    running: Vec<Process>,
    _database: FreshDatabase,
}

impl Nodes {
    async fn start() -> Self {
        let mut nodes = Self::prepare();
        for _ in 0..NODES {
            let node = nodes.new_node(&[]).await;
            nodes.running.push(node);
        }
        nodes
    }

    /// None yet.
    fn prepare() -> Self {
        let database = FreshDatabase::create();
        let settings = vec![
            format!("store.url={}", database.url()),
            // So few that a server as it comes has room for all of them.
            "store.connections=6".to_owned(),
            format!("delivery.max_in_flight={MAX_IN_FLIGHT}"),
            "node.heartbeat_ms=100".to_owned(),
            "node.limit_ms=500".to_owned(),
            "delivery.poll_interval_ms=200".to_owned(),
        ];
        Self { folder: tempfile::tempdir().unwrap(), settings, running: Vec::new(), _database: database }
    }

    async fn new_node(&self, more: &[&str]) -> Process {
        let settings: Vec<&str> = self.settings.iter().map(String::as_str).chain(more.iter().copied()).collect();
        Process::start(self.folder.path(), &settings).await
    }

    async fn known(&self, rest: &RestClient, node: usize) -> Vec<Value> {
        rest.get(self.running[node].address, "/v1/nodes", ROOT_KEY).await["items"].as_array().unwrap().clone()
    }
}

/// Hands in so many documents, each at the next node that takes it.
async fn hand_in(rest: &RestClient, nodes: &[&Process], key: &str, numbers: &AtomicUsize, acknowledged: &Acknowledged) {
    for _ in 0..DOCUMENTS_A_ROUND {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let node = nodes[number % nodes.len()];
        assert!(enqueue(rest, node.address, key, &format!("doc-{number}"), acknowledged).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn nothing_is_lost_while_nodes_are_killed_and_frozen() {
    let (seed, rounds) = (seed(), rounds());
    let (mut chance, rest) = (StdRng::seed_from_u64(seed), RestClient::new());
    let receiver = Receiver::answering([]).await;
    let mut nodes = Nodes::start().await;
    let mut keys = Vec::new();
    for _ in 0..WEBHOOKS {
        keys.push(rest.register(nodes.running[0].address, &receiver.url("/ocr_feedback/:id")).await);
    }
    let (numbers, acknowledged) = (AtomicUsize::new(0), Arc::new(Acknowledged::default()));

    for round in 0..rounds {
        let (victim, key) = (chance.random_range(0..NODES), &keys[round % WEBHOOKS]);
        let others: Vec<&Process> = nodes.running.iter().enumerate().filter(|(node, _)| *node != victim).map(|(_, node)| node).collect();
        hand_in(&rest, &nodes.running.iter().collect::<Vec<_>>(), key, &numbers, &acknowledged).await;
        if chance.random_bool(0.5) {
            nodes.running[victim].freeze();
            hand_in(&rest, &others, key, &numbers, &acknowledged).await;
            // What the frozen one had is taken up by the others: everything arrives although it still lies there.
            all_arrive(&receiver, &acknowledged, "while a node is frozen").await;
            nodes.running[victim].thaw();
        } else {
            nodes.running.remove(victim).kill();
            let fresh = nodes.new_node(&[]).await;
            nodes.running.insert(victim, fresh);
        }
    }

    let repeats = all_arrive(&receiver, &acknowledged, "at the end").await;
    assert!(repeats <= rounds * MAX_IN_FLIGHT, "{repeats} repeats with seed {seed}");
    assert_eq!(acknowledged.count(), numbers.load(Ordering::Relaxed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn nodes_know_one_another_and_roles_are_kept() {
    let rest = RestClient::new();
    let receiver = Receiver::answering([]).await;
    let mut nodes = Nodes::start().await;
    let api = nodes.new_node(&["node.role=api", "node.name=front"]).await;
    let worker = nodes.new_node(&["node.role=worker"]).await;

    let known = nodes.known(&rest, 0).await;
    let roles: Vec<&str> = known.iter().map(|node| node["role"].as_str().unwrap()).collect();
    assert_eq!(roles, [&["all"; NODES][..], &["api", "worker"]].concat());
    assert_eq!(known[NODES]["name"], "front");
    assert!(known.iter().all(|node| node["silentSeconds"].as_f64().unwrap() < 60.0));

    for node in nodes.running.drain(..) {
        assert_eq!(node.ask_to_stop().await.code(), Some(0));
    }
    let known = rest.get(api.address, "/v1/nodes", ROOT_KEY).await;
    assert_eq!(known["items"].as_array().unwrap().len(), 2);
    let key = rest.register(api.address, &receiver.url("/ocr_feedback/:id")).await;
    let refused = rest.post(worker.address, "/v1/clients", &[("x-api-key", ROOT_KEY)], &serde_json::json!({"name": "x"})).await;
    assert_eq!(refused.unwrap().0, 404);
    let acknowledged = Acknowledged::default();
    assert!(enqueue(&rest, api.address, &key, "doc-1", &acknowledged).await);
    assert_eq!(all_arrive(&receiver, &acknowledged, "through the worker").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn a_node_that_delivers_nothing_hears_from_the_others_how_lanes_stand() {
    let (rest, acknowledged) = (RestClient::new(), Acknowledged::default());
    let receiver = Receiver::start(|_, _| Reply::Status(503)).await;
    let nodes = Nodes::prepare();
    let (api, worker) = (nodes.new_node(&["node.role=api"]).await, nodes.new_node(&["node.role=worker"]).await);
    let key = rest.register(api.address, &receiver.url("/ocr_feedback/:id")).await;
    for number in 0..10 {
        assert!(enqueue(&rest, api.address, &key, &format!("doc-{number}"), &acknowledged).await);
    }

    let lane = async || rest.get(api.address, "/v1/webhooks", ROOT_KEY).await["items"][0]["lane"].clone();
    let opens = async { while lane().await["state"] != "open" {} };
    timeout(Duration::from_mins(1), opens).await.expect("the node that is asked hears that the receiver is not there");
    assert_eq!(worker.ask_to_stop().await.code(), Some(0));

    assert_eq!(lane().await["state"], "idle");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn a_node_that_stops_hands_its_lanes_over_at_once_and_finishes_what_it_has_in_flight() {
    let (rest, acknowledged) = (RestClient::new(), Acknowledged::default());
    let permits = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&permits);
    let hanging = Receiver::start(move |_, _| Reply::WhenAllowed(Arc::clone(&gate))).await;
    let receiver = Receiver::answering([]).await;
    let nodes = Nodes::prepare();
    let first = nodes.new_node(&["server.drain_seconds=180", "delivery.timeout_ms=180000"]).await;
    let key = rest.register(first.address, &hanging.url("/ocr_feedback/:id")).await;
    rest.post(first.address, "/api_document/completions", &[("x-api-key", &key)], &serde_json::json!({"id": "held"})).await.unwrap();
    hanging.until_seen(1).await;
    let second = nodes.new_node(&[]).await;

    let stopping = tokio::spawn(first.ask_to_stop());
    let delivering = async || {
        let known = rest.get(second.address, "/v1/nodes", ROOT_KEY).await;
        known["items"].as_array().unwrap().iter().filter(|node| node["role"] == "all").count()
    };
    let handed_over = async { while delivering().await > 1 {} };
    timeout(Duration::from_mins(1), handed_over).await.expect("the node that stops serves no lane any more");
    // Some of these would be the first one's.
    for number in 0..16 {
        let key = rest.register(second.address, &receiver.url("/ocr_feedback/:id")).await;
        assert!(enqueue(&rest, second.address, &key, &format!("doc-{number}"), &acknowledged).await);
    }
    assert_eq!(all_arrive(&receiver, &acknowledged, "while the first still waits for its answer").await, 0);
    assert!(!stopping.is_finished());
    permits.add_permits(1);

    assert_eq!(stopping.await.unwrap().code(), Some(0));
    assert_eq!(hanging.seen().len(), 1);
}
