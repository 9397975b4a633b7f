//! A database of its own on the server that `DISPATCHER_TEST_POSTGRES_URL` names, and what the contract does not ask of
//! others: nodes that share it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use webhook_dispatcher::domain::delivery::DeliveryState;
use webhook_dispatcher::domain::ids::{IdSource, NodeId, WebhookId};
use webhook_dispatcher::domain::lane::{BreakerState, LaneState, LaneView};
use webhook_dispatcher::domain::time::{Clock, SystemClock};
use webhook_dispatcher::secrets::Keyring;
use webhook_dispatcher::store::postgres::{PostgresOptions, PostgresStore};
use webhook_dispatcher::store::records::{ClaimRequest, ClaimedDelivery, DeliveryFilter, LaneQuota, Page, RecordOutcome, Scope};
use webhook_dispatcher::store::signal::Signal;
use webhook_dispatcher::store::{Store, StoreError};

use super::nodes::node;
use super::world::{Database, SILENT, World, at, later, success};
use crate::support::keys;
use crate::support::postgres::FreshDatabase;

pub(super) struct PostgresDatabase {
    database: FreshDatabase,
}

impl PostgresDatabase {
    pub(super) fn fresh() -> Self {
        Self { database: FreshDatabase::create() }
    }

    /// Runs SQL as somebody else would.
    pub(super) fn sql(&self, text: &str) -> Result<String, String> {
        self.database.sql(text)
    }

    pub(super) fn url(&self) -> String {
        self.database.url()
    }

    /// As another node opens it: `seed` tells nodes apart.
    async fn open_as(&self, seed: u8, keyring: Arc<Keyring>) -> Result<Arc<dyn Store>, StoreError> {
        let options = PostgresOptions {
            url: self.database.url(),
            through_pooler: false,
            connections: 8,
            call_limit: Duration::from_secs(10),
            ids: Arc::new(IdSource::seeded([seed; 32])),
            keyring,
            now: SystemClock.now(),
        };
        Ok(Arc::new(PostgresStore::open(options).await?))
    }
}

#[async_trait]
impl Database for PostgresDatabase {
    async fn open_with(&self, keyring: Arc<Keyring>) -> Result<Arc<dyn Store>, StoreError> {
        self.open_as(9, keyring).await
    }

    async fn allows(&self, sql: &str) -> bool {
        self.sql(sql).is_ok()
    }

    /// The files of the tables, with what was overwritten in them.
    async fn stolen(&self) -> Vec<u8> {
        self.sql("checkpoint").unwrap();
        let files = "select encode(pg_read_binary_file(pg_relation_filepath(oid)), 'escape') from pg_class
            where relkind = 'r' and relnamespace = 'public'::regnamespace";
        self.sql(files).unwrap().into_bytes()
    }
}

#[async_trait]
impl Database for Arc<PostgresDatabase> {
    async fn open_with(&self, keyring: Arc<Keyring>) -> Result<Arc<dyn Store>, StoreError> {
        (**self).open_with(keyring).await
    }

    async fn allows(&self, sql: &str) -> bool {
        (**self).allows(sql).await
    }

    async fn stolen(&self) -> Vec<u8> {
        (**self).stolen().await
    }
}

/// A world, and a second node's store on the same database.
struct TwoNodes {
    world: World,
    other: Arc<dyn Store>,
    other_node: NodeId,
}

impl TwoNodes {
    async fn fresh() -> Self {
        let database = PostgresDatabase::fresh();
        let other = database.open_as(5, keys::ring(&[keys::KEY])).await.unwrap();
        let world = World::on(database).await;
        let other_node = world.ids.next(at(4));
        Self { world, other, other_node }
    }

    async fn both_beat(&self) {
        self.world.store.beat(node(self.world.node)).await.unwrap();
        self.other.beat(node(self.other_node)).await.unwrap();
        // The first learns of the second by its next beat.
        self.world.store.beat(node(self.world.node)).await.unwrap();
    }

    async fn other_claims(&self, webhook_id: WebhookId) -> Vec<ClaimedDelivery> {
        let lanes = vec![LaneQuota { webhook_id, limit: 10 }];
        self.other.claim_due(ClaimRequest { node: self.other_node, now: later(), lanes }).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn claims_of_living_nodes_stay_and_a_node_that_left_lives_no_more() {
    let nodes = TwoNodes::fresh().await;
    let client = nodes.world.client().await;
    let webhook = nodes.world.webhook(client).await;
    nodes.world.delivery(client).await;
    nodes.both_beat().await;
    let claimed = nodes.world.claim_one(webhook).await;

    let from_the_living = nodes.other.take_back_claims(nodes.other_node, SILENT).await.unwrap();
    nodes.world.store.leave(nodes.world.node).await.unwrap();
    let from_the_dead = nodes.other.take_back_claims(nodes.other_node, SILENT).await.unwrap();

    assert_eq!((from_the_living, from_the_dead), (0, 1));
    assert_eq!(nodes.world.record(success(&claimed)).await, RecordOutcome::ClaimLost);
    assert_eq!(nodes.other_claims(webhook).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn a_lane_is_claimed_by_one_node_at_a_time() {
    let nodes = TwoNodes::fresh().await;
    let client = nodes.world.client().await;
    let webhook = nodes.world.webhook(client).await;
    nodes.world.delivery(client).await;
    nodes.world.delivery(client).await;
    let claimed = nodes.world.claim_one(webhook).await;

    let while_claimed = nodes.other_claims(webhook).await;
    nodes.world.record(success(&claimed)).await;
    let afterwards = nodes.other_claims(webhook).await;

    assert_eq!((while_claimed.len(), afterwards.len()), (0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn a_duty_is_one_nodes_until_it_ends_or_the_node_does() {
    let nodes = TwoNodes::fresh().await;
    let (store, first, second) = (&nodes.world.store, nodes.world.node, nodes.other_node);
    nodes.both_beat().await;

    assert!(store.take_turn("sweep", first, at(60), SILENT).await.unwrap());
    assert!(!nodes.other.take_turn("sweep", second, at(120), SILENT).await.unwrap());
    store.end_turn("sweep", first).await.unwrap();
    assert!(nodes.other.take_turn("sweep", second, at(120), SILENT).await.unwrap());
    nodes.other.leave(second).await.unwrap();
    assert!(store.take_turn("sweep", first, at(180), SILENT).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn other_nodes_hear_what_becomes_due_and_what_changes() {
    let nodes = TwoNodes::fresh().await;
    nodes.both_beat().await;
    let client = nodes.world.client().await;
    let mut signals = nodes.other.signals();
    let webhook = nodes.world.webhook(client).await;
    // What is told before the other listens is lost, so it is told until it is heard.
    let listening = async {
        loop {
            nodes.world.delivery(client).await;
            tokio::task::yield_now().await;
        }
    };

    let told = async {
        loop {
            if let Signal::Due(webhooks) = signals.recv().await.unwrap() {
                return webhooks;
            }
        }
    };
    let due = tokio::select! {
        due = told => due,
        () = listening => unreachable!(),
    };

    assert_eq!(due.as_ref(), [webhook]);
    nodes.world.store.delete_webhook(Scope::All, webhook, at(300), None).await.unwrap();
    while signals.recv().await.unwrap() != Signal::WebhookChanged(webhook) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn the_same_key_on_two_nodes_at_once_stores_one_event() {
    let nodes = TwoNodes::fresh().await;
    let client = nodes.world.client().await;
    nodes.world.webhook(client).await;

    for round in 0..20 {
        let event = || {
            let mut event = nodes.world.new_event(client);
            event.idempotency_key = Some(format!("key {round}"));
            event
        };
        let (here, there) = tokio::join!(nodes.world.store.enqueue(vec![event()]), nodes.other.enqueue(vec![event()]));

        let (here, there) = (here.unwrap().remove(0), there.unwrap().remove(0));
        assert_eq!((here.event_id, &here.delivery_ids), (there.event_id, &there.delivery_ids));
        assert!(here.duplicate != there.duplicate);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn a_deletion_leaves_nothing_pending_whatever_is_enqueued_meanwhile() {
    let nodes = TwoNodes::fresh().await;
    let client = nodes.world.client().await;

    for _ in 0..10 {
        let webhook = nodes.world.webhook(client).await;
        let events = || (0..20).map(|_| nodes.world.new_event(client)).collect::<Vec<_>>();
        let (enqueued, _, deleted) = tokio::join!(
            nodes.other.enqueue(events()),
            nodes.world.store.enqueue(events()),
            nodes.world.store.delete_webhook(Scope::All, webhook, at(300), None),
        );

        enqueued.unwrap();
        assert!(deleted.unwrap());
        assert_eq!(nodes.other.lanes_due(later()).await.unwrap(), []);
        let filter = DeliveryFilter { state: Some(DeliveryState::Pending), ..DeliveryFilter::all(Scope::All) };
        let page = Page { limit: 10, before: None };
        assert_eq!(nodes.world.store.deliveries(filter, page).await.unwrap().len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn how_lanes_stand_comes_back_as_the_node_told_that_is_named() {
    let nodes = TwoNodes::fresh().await;
    nodes.both_beat().await;
    let (first, second) = (nodes.world.node, nodes.other_node);
    let [open, calm, elsewhere]: [WebhookId; 3] = [5, 6, 7].map(|seconds| nodes.world.ids.next(at(seconds)));
    let lane = LaneView {
        state: LaneState::HeldBack,
        in_flight: 2,
        limit: 3,
        breaker: BreakerState::HalfOpen,
        next_probe_at: Some(at(4)),
        held_back_until: Some(at(5)),
    };
    let idle = LaneView::idle(7);
    let told = async |served: &[(WebhookId, NodeId)]| {
        let mut told = nodes.other.told_lanes(served.to_vec()).await.unwrap();
        told.sort_unstable_by_key(|(id, _)| *id);
        told
    };

    assert_eq!(nodes.world.store.tell_lanes(first, vec![(calm, idle), (open, lane)], vec![]).await.unwrap(), 0);
    assert_eq!(nodes.other.tell_lanes(second, vec![(elsewhere, idle)], vec![]).await.unwrap(), 0);

    assert_eq!(told(&[(open, first), (calm, first), (elsewhere, second)]).await, [(open, lane), (calm, idle), (elsewhere, idle)]);
    assert_eq!(told(&[(open, second), (elsewhere, first)]).await, []);

    // What is neither changed nor unchanged is forgotten, and what is unchanged and not known is counted.
    let changed = LaneView { in_flight: 1, ..lane };
    let forgotten = nodes.world.store.tell_lanes(first, vec![(open, changed)], vec![elsewhere]).await.unwrap();
    assert_eq!(
        (forgotten, told(&[(open, first), (calm, first), (elsewhere, second)]).await),
        (1, vec![(open, changed), (elsewhere, idle)])
    );
    assert_eq!(nodes.world.store.tell_lanes(first, vec![], vec![open]).await.unwrap(), 0);
    assert_eq!(told(&[(open, first)]).await, [(open, changed)]);

    // A lane that changed hands is the other node's, and goes with it.
    nodes.other.tell_lanes(second, vec![(open, idle)], vec![elsewhere]).await.unwrap();
    assert_eq!(told(&[(open, first), (open, second)]).await, [(open, idle)]);
    nodes.other.leave(second).await.unwrap();
    assert_eq!(told(&[(open, first), (open, second), (elsewhere, second)]).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn a_node_that_is_not_known_tells_nothing() {
    let nodes = TwoNodes::fresh().await;
    let webhook = nodes.world.ids.next(at(5));

    let told = nodes.world.store.tell_lanes(nodes.world.node, vec![(webhook, LaneView::idle(1))], vec![]).await;

    assert!(matches!(told, Err(StoreError::Conflict { .. })), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn whatever_a_lane_does_comes_back_as_it_was_told() {
    let nodes = TwoNodes::fresh().await;
    nodes.both_beat().await;
    let lane = |state, breaker| LaneView { state, breaker, held_back_until: Some(at(9)), ..LaneView::idle(1) };
    let all = LaneState::ALL.into_iter().flat_map(|state| BreakerState::ALL.map(|breaker| lane(state, breaker)));
    let all: Vec<(WebhookId, LaneView)> = all.map(|lane| (nodes.world.ids.next(at(5)), lane)).collect();

    nodes.world.store.tell_lanes(nodes.world.node, all.clone(), vec![]).await.unwrap();

    let served = all.iter().map(|(id, _)| (*id, nodes.world.node)).collect();
    let mut told = nodes.other.told_lanes(served).await.unwrap();
    told.sort_unstable_by_key(|(id, _)| *id);
    assert_eq!(told, all);
}
