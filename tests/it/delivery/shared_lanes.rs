//! Nodes on one database: whichever of them is asked, how a lane stands is told as the node has it that serves it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use webhook_dispatcher::delivery::pool::Pool;
use webhook_dispatcher::delivery::served::ServedLanes;
use webhook_dispatcher::delivery::telling::LaneTeller;
use webhook_dispatcher::domain::ids::{IdSource, WebhookId};
use webhook_dispatcher::domain::node::{Node, NodeRole};
use webhook_dispatcher::domain::time::{Clock, ManualClock, SystemClock};
use webhook_dispatcher::node::{Heartbeat, Membership};
use webhook_dispatcher::store::Store;
use webhook_dispatcher::store::postgres::{PostgresOptions, PostgresStore};
use webhook_dispatcher::store::signal::Signal;

use crate::support::dispatcher::{Setup, worker};
use crate::support::keys;
use crate::support::postgres::FreshDatabase;
use crate::support::receiver::{Receiver, Reply};
use crate::support::rest::{Rest, RestSetup, START, Tenant};

struct OneNode {
    membership: Arc<Membership>,
    pool: Arc<Pool>,
    teller: LaneTeller,
    rest: Rest,
}

impl OneNode {
    /// `seed` tells nodes apart.
    async fn join(database: &FreshDatabase, clock: &Arc<ManualClock>, seed: u8, role: NodeRole) -> Self {
        let ids = Arc::new(IdSource::seeded([seed; 32]));
        let options = PostgresOptions {
            url: database.url(),
            through_pooler: false,
            connections: 4,
            call_limit: Duration::from_secs(10),
            ids: Arc::clone(&ids),
            keyring: keys::ring(&[keys::KEY]),
            now: SystemClock.now(),
        };
        let store: Arc<dyn Store> = Arc::new(PostgresStore::open(options).await.unwrap());
        let node = Node { id: ids.next(START), name: format!("node {seed}"), role, version: "0".to_owned(), started_at: START };
        let heartbeat = Heartbeat { interval: Duration::from_mins(10), limit: Duration::from_hours(1) };
        let membership = Membership::join(node, heartbeat, Arc::clone(&store)).await.unwrap();
        let (setup, told): (_, Arc<dyn Clock>) = (Setup::default(), clock.clone());
        let worker = worker(&setup, &told);
        let pool = Pool::new(Arc::clone(&membership), Arc::clone(&store), Arc::clone(&told), worker, setup.pool);
        let lanes = ServedLanes::new(Arc::clone(&pool), Arc::clone(&membership), Arc::clone(&store), told);
        let teller = LaneTeller::new(Arc::clone(&pool), Arc::clone(&membership), Arc::clone(&store));
        let rest = Rest::beside(Arc::new(lanes), store, ids, Arc::clone(clock), &RestSetup::default());
        Self { membership, pool, teller, rest }
    }

    async fn run_until_idle(&self) {
        self.pool.look_for_due().await.unwrap();
        while self.pool.run_once().await.unwrap() || self.pool.held() > 0 {
            self.pool.idle().await;
        }
    }

    /// The webhook's lane, as this node shows it by itself and in a list.
    async fn lane(&self, tenant: &Tenant, webhook: WebhookId) -> Value {
        let shown = self.rest.get(&format!("/v1/webhooks/{webhook}")).key(&tenant.viewer).send().await.expect(200);
        let listed = self.rest.get("/v1/webhooks").key(&tenant.viewer).send().await.expect(200);
        assert_eq!(shown["lane"], listed["items"][0]["lane"]);
        shown["lane"].clone()
    }

    /// Why the delivery stands where it stands, and when it is attempted next.
    async fn explanation(&self, tenant: &Tenant, delivery: &str) -> (Value, Value) {
        let shown = self.rest.get(&format!("/v1/deliveries/{delivery}")).key(&tenant.viewer).send().await.expect(200);
        (shown["explanation"].clone(), shown["nextAttemptAt"].clone())
    }
}

/// A webhook whose receiver is not there, and the nodes: the first serves it, the second would in its place, the third
/// serves nothing.
struct Outage {
    nodes: [OneNode; 3],
    database: FreshDatabase,
    clock: Arc<ManualClock>,
    tenant: Tenant,
    webhook: WebhookId,
    /// A delivery of which nothing was attempted yet.
    waiting: String,
    _receiver: Receiver,
}

impl Outage {
    async fn new() -> Self {
        let receiver = Receiver::start(|_, _| Reply::Status(503)).await;
        let (database, clock) = (FreshDatabase::create(), Arc::new(ManualClock::at(START)));
        let join = |seed, role| OneNode::join(&database, &clock, seed, role);
        let (one, other, front) = (join(1, NodeRole::All).await, join(2, NodeRole::All).await, join(3, NodeRole::Api).await);
        one.rest.make_root_key().await;
        let tenant = one.rest.tenant("acme").await;
        let body = json!({"name": "w", "type": 0, "method": "POST", "url": receiver.url("/:id"), "maxInFlight": 1});
        let made = one.rest.post("/v1/webhooks").key(&tenant.admin).json(&body).send().await.expect(201);
        let webhook: WebhookId = made["id"].as_str().unwrap().parse().unwrap();
        one.membership.run_once().await.unwrap();
        let nodes = if one.membership.serves(webhook) { [one, other, front] } else { [other, one, front] };
        let mut waiting = String::new();
        for number in 0..6 {
            let call = nodes[0].rest.post("/api_document/completions").key(&tenant.producer).json(&json!({"id": format!("doc-{number}")}));
            waiting = call.send().await.expect(202)["events"][0]["deliveryIds"][0].as_str().unwrap().to_owned();
        }
        let outage = Self { nodes, database, clock, tenant, webhook, waiting, _receiver: receiver };
        outage.beat_all().await;
        outage.nodes[0].run_until_idle().await;
        outage
    }

    async fn beat_all(&self) {
        for node in &self.nodes {
            node.membership.run_once().await.unwrap();
        }
    }

    async fn tell(&mut self) {
        for node in &mut self.nodes[..2] {
            node.teller.run_once().await.unwrap();
        }
    }

    async fn lane_at(&self, node: usize) -> Value {
        self.nodes[node].lane(&self.tenant, self.webhook).await
    }

    fn lanes_told(&self) -> String {
        self.database.sql("select count(*) from lane").unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn every_node_tells_of_a_receiver_that_is_not_there() {
    let mut outage = Outage::new().await;

    outage.tell().await;

    let (lane, explanation) = (outage.lane_at(0).await, outage.nodes[0].explanation(&outage.tenant, &outage.waiting).await);
    assert_eq!((&lane["state"], &lane["breaker"], &lane["limit"]), (&json!("open"), &json!("open"), &json!(1)));
    assert_eq!(lane["nodeId"], json!(outage.nodes[0].membership.id().to_string()));
    assert_eq!(lane["nextProbeAt"], explanation.1);
    assert!(explanation.0.as_str().unwrap().contains("its receiver is not there: one delivery probes that at"), "{explanation:?}");
    for node in &outage.nodes[1..] {
        assert_eq!(node.lane(&outage.tenant, outage.webhook).await, lane);
        assert_eq!(node.explanation(&outage.tenant, &outage.waiting).await, explanation);
    }
    // When the probe is due is the same for all of them.
    outage.clock.advance(Duration::from_mins(1));
    for node in 0..3 {
        assert_eq!((&outage.lane_at(node).await["nextProbeAt"], &lane["state"]), (&Value::Null, &json!("open")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn what_a_node_told_ends_with_the_node() {
    let mut outage = Outage::new().await;
    outage.tell().await;
    assert_eq!(outage.lane_at(2).await["state"], "open");

    outage.nodes[0].membership.leave().await;

    assert_eq!(outage.lane_at(2).await["state"], "idle");
    outage.nodes[2].membership.run_once().await.unwrap();
    let lane = outage.lane_at(2).await;
    assert_eq!((&lane["state"], &lane["breaker"], &lane["nextProbeAt"]), (&json!("idle"), &json!("closed"), &Value::Null));
    assert_eq!(lane["nodeId"], json!(outage.nodes[1].membership.id().to_string()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn what_a_node_told_that_lives_no_more_is_not_shown() {
    let mut outage = Outage::new().await;
    outage.tell().await;
    let silent = outage.nodes[0].membership.id();

    let falls_silent = format!("update node set heartbeat_at = heartbeat_at - interval '2 hours' where id = '{silent}'");
    outage.database.sql(&falls_silent).unwrap();
    outage.nodes[2].membership.run_once().await.unwrap();
    outage.nodes[1].membership.run_once().await.unwrap();

    assert_eq!(outage.lanes_told(), "1");
    for node in 1..3 {
        let lane = outage.lane_at(node).await;
        assert_eq!((&lane["state"], &lane["nodeId"]), (&json!("idle"), &json!(outage.nodes[1].membership.id().to_string())));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn a_lane_that_changes_hands_is_told_by_the_node_that_serves_it_now() {
    let mut outage = Outage::new().await;
    outage.tell().await;
    let gone = outage.nodes[0].membership.id();
    outage.nodes[0].membership.leave().await;
    for node in &outage.nodes[1..] {
        node.membership.run_once().await.unwrap();
    }

    outage.clock.advance(Duration::from_mins(10));
    outage.nodes[1].run_until_idle().await;
    outage.nodes[1].teller.run_once().await.unwrap();

    let lane = outage.lane_at(2).await;
    assert_eq!((&lane, &lane["state"]), (&outage.lane_at(1).await, &json!("open")));
    assert_ne!(lane["nodeId"], json!(gone.to_string()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn what_calmed_down_is_told_no_more_and_what_was_forgotten_is_told_again() {
    let mut outage = Outage::new().await;
    outage.tell().await;
    let told_at = outage.database.sql("select told_at from lane").unwrap();

    outage.tell().await;
    assert_eq!(outage.database.sql("select told_at from lane").unwrap(), told_at, "nothing changed, so nothing is written");
    outage.database.sql("truncate lane").unwrap();
    outage.tell().await;
    outage.tell().await;
    assert_eq!(outage.lane_at(2).await["state"], "open");
    let paths = ["pause", "resume"].map(|change| format!("/v1/webhooks/{}/{change}", outage.webhook));
    for path in paths {
        outage.nodes[2].rest.post(&path).key(&outage.tenant.operator).send().await.expect(200);
    }
    outage.nodes[0].pool.heed(Signal::WebhookChanged(outage.webhook)).await.unwrap();
    outage.tell().await;

    assert_eq!(outage.lanes_told(), "0");
    assert_eq!(outage.lane_at(2).await, outage.lane_at(0).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn where_nobody_else_is_asked_nothing_is_told() {
    let mut outage = Outage::new().await;
    outage.tell().await;
    assert_eq!(outage.lanes_told(), "1");

    for node in &outage.nodes[1..] {
        node.membership.leave().await;
    }
    outage.nodes[0].membership.run_once().await.unwrap();
    outage.nodes[0].teller.run_once().await.unwrap();

    assert_eq!(outage.lanes_told(), "0");
    assert_eq!(outage.lane_at(0).await["state"], "open");
}
