//! The delivering half of the dispatcher on a real store and real sockets, with a clock that tests move.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tempfile::TempDir;
use tokio::sync::Mutex;
use tokio::sync::broadcast::Receiver;
use tokio::time::timeout;
use webhook_dispatcher::catalog::Catalogs;
use webhook_dispatcher::delivery::PoolSettings;
use webhook_dispatcher::delivery::lanes::{BreakerSettings, LaneSettings};
use webhook_dispatcher::delivery::pool::Pool;
use webhook_dispatcher::delivery::sender::Sender;
use webhook_dispatcher::delivery::worker::Worker;
use webhook_dispatcher::domain::address_policy::AddressPolicy;
use webhook_dispatcher::domain::client::Client;
use webhook_dispatcher::domain::delivery::DeliveryState;
use webhook_dispatcher::domain::event::{Event, EventType};
use webhook_dispatcher::domain::ids::{ClientId, DeliveryId, IdSource, WebhookId};
use webhook_dispatcher::domain::method::Method;
use webhook_dispatcher::domain::node::{Node, NodeRole};
use webhook_dispatcher::domain::retry::RetryPolicy;
use webhook_dispatcher::domain::signature::SigningKeys;
use webhook_dispatcher::domain::target_url::{IdInUrl, TargetUrl};
use webhook_dispatcher::domain::time::{Clock, ManualClock, Timestamp};
use webhook_dispatcher::domain::webhook::{AuthorizationFields, DeliverySettings, Webhook, WebhookDefinition, WebhookState};
use webhook_dispatcher::egress::{EgressSettings, HttpCaller, Names, SystemNames};
use webhook_dispatcher::node::{Heartbeat, Membership};
use webhook_dispatcher::store::Store;
use webhook_dispatcher::store::records::{DeliveryDetail, NewEvent, Scope, WebhookWrite};
use webhook_dispatcher::store::signal::Signal;
use webhook_dispatcher::store::sqlite::{SqliteOptions, SqliteStore};
use webhook_dispatcher::token::{AccessTokens, TokenSettings};

use super::keys;

/// When every test begins.
pub(crate) const START: Timestamp = Timestamp::from_micros(1_712_855_553_741_194);

/// What a test may set; the rest is sensible.
pub(crate) struct Setup {
    pub(crate) pool: PoolSettings,
    pub(crate) token: TokenSettings,
    /// Networks that may be called.
    pub(crate) allow: &'static [&'static str],
    pub(crate) egress: EgressSettings,
    /// What names stand for.
    pub(crate) names: Arc<dyn Names>,
}

impl Default for Setup {
    fn default() -> Self {
        let token = TokenSettings {
            default_ttl: Duration::from_mins(1),
            margin: Duration::from_secs(10),
            max_ttl: Duration::from_hours(24),
            max_answer_bytes: 64 * 1024,
        };
        let pool = PoolSettings {
            lanes: LaneSettings {
                capacity: 64,
                max_stalled: 64,
                limit: 16,
                breaker: BreakerSettings { failures: 5, pause: Duration::from_secs(5), pause_max: Duration::from_mins(5) },
            },
            catalogs: Arc::new(Catalogs::built_in().unwrap()),
            timeout: Duration::from_secs(10),
            poll_interval: Duration::from_secs(1),
            claim_batch: 64,
            record_batch: 64,
            kept_body_bytes: 8192,
            retry: RetryPolicy::new([60, 600].map(Duration::from_secs).to_vec(), 0.0).unwrap(),
            retry_after_max: Duration::from_hours(24),
            login_backoff: Duration::from_secs(5),
            login_backoff_max: Duration::from_mins(5),
        };
        let (egress, names) = (EgressSettings::default(), Arc::new(SystemNames::default()));
        Self { pool, token, allow: &["127.0.0.0/8", "::1"], egress, names }
    }
}

/// A dispatcher without its API; nothing is in flight when it is dropped.
pub(crate) struct Dispatcher {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) client: ClientId,
    ids: Arc<IdSource>,
    signals: Mutex<Receiver<Signal>>,
    folder: TempDir,
}

/// The membership of a node that is never taken for dead.
pub(crate) async fn alone(ids: &IdSource, store: &Arc<dyn Store>) -> Arc<Membership> {
    let node = Node { id: ids.next(START), name: "alone".to_owned(), role: NodeRole::All, version: "0".to_owned(), started_at: START };
    let heartbeat = Heartbeat { interval: Duration::from_hours(1), limit: Duration::from_hours(24) };
    Membership::join(node, heartbeat, Arc::clone(store)).await.unwrap()
}

impl Dispatcher {
    pub(crate) async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    pub(crate) async fn with(setup: Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ids = Arc::new(IdSource::seeded([1; 32]));
        let keyring = keys::ring(&[keys::KEY]);
        let options = SqliteOptions { path: folder.path().join("dispatcher.db"), readers: 2, ids: Arc::clone(&ids), keyring };
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(options).await.unwrap());
        let clock = Arc::new(ManualClock::at(START));
        let client: ClientId = ids.next(START);
        store.insert_client(Client { id: client, name: "acme".to_owned(), created_at: START }, None).await.unwrap();
        let told: Arc<dyn Clock> = clock.clone();
        let worker = worker(&setup, &told);
        let pool = Pool::new(alone(&ids, &store).await, Arc::clone(&store), told, worker, setup.pool);
        let signals = Mutex::new(store.signals());
        Self { store, clock, pool, client, ids, signals, folder }
    }

    /// Stores a webhook for finished documents that calls `url`, changed as `change` says.
    pub(crate) async fn webhook(&self, url: &str, change: impl FnOnce(&mut WebhookDefinition)) -> WebhookId {
        let mut definition = WebhookDefinition {
            name: "Webhook 1".to_owned(),
            type_code: None,
            events: vec![EventType::document_finished()],
            catalog: None,
            method: Method::Post,
            headers: None,
            url: TargetUrl::parse(url, IdInUrl::Optional).unwrap(),
            authorization: AuthorizationFields::default(),
            delivery: DeliverySettings::default(),
        };
        change(&mut definition);
        let id = self.ids.next(self.clock.now());
        let webhook = Webhook {
            id,
            client_id: self.client,
            version: 1,
            definition,
            signing_keys: SigningKeys::default(),
            state: WebhookState::Active,
            created_at: self.clock.now(),
            updated_at: self.clock.now(),
        };
        assert_eq!(self.store.insert_webhook(webhook, None, None).await.unwrap(), WebhookWrite::Stored);
        id
    }

    /// Changes the database behind the dispatcher's back.
    pub(crate) fn write(&self, sql: &str) {
        rusqlite::Connection::open(self.folder.path().join("dispatcher.db")).unwrap().execute_batch(sql).unwrap();
    }

    /// Stores the event that the document `subject` is finished; answers its deliveries.
    pub(crate) async fn enqueue(&self, subject: &str) -> Vec<DeliveryId> {
        let payload = serde_json::json!({ "id": subject }).to_string();
        self.enqueue_payload(subject, payload.into()).await
    }

    pub(crate) async fn enqueue_payload(&self, subject: &str, payload: Bytes) -> Vec<DeliveryId> {
        let now = self.clock.now();
        let event = Event {
            id: self.ids.next(now),
            client_id: self.client,
            event_type: EventType::document_finished(),
            subject: subject.to_owned(),
            payload,
            created_at: now,
        };
        let enqueued = self
            .store
            .enqueue(vec![NewEvent { event, idempotency_key: None, due_at: now, whole_payload: None, kept_unwanted: true, trace: None }])
            .await
            .unwrap();
        enqueued.into_iter().next().unwrap().delivery_ids
    }

    /// As [`Self::enqueue`] where exactly one webhook wants it.
    pub(crate) async fn enqueue_one(&self, subject: &str) -> DeliveryId {
        let ids = self.enqueue(subject).await;
        assert_eq!(ids.len(), 1);
        ids[0]
    }

    /// Attempts everything that is due by the clock, until nothing more is.
    pub(crate) async fn run_until_idle(&self) {
        loop {
            self.pool.look_for_due().await.unwrap();
            while self.pool.run_once().await.unwrap() {}
            if self.pool.held() == 0 {
                return;
            }
            self.pool.idle().await;
        }
    }

    /// Claims and lets tasks run until `done`; the clock stands still.
    pub(crate) async fn settle(&self, done: impl Fn() -> bool) {
        let settled = async {
            while !done() {
                self.drive(1).await;
            }
        };
        timeout(Duration::from_secs(30), settled).await.expect("what is waited for comes about without the clock moving");
    }

    /// Claims and lets tasks run, so many times.
    pub(crate) async fn drive(&self, rounds: u32) {
        for _ in 0..rounds {
            self.pool.run_once().await.unwrap();
            tokio::task::yield_now().await;
        }
    }

    /// Acts on what the store signalled since the last time.
    pub(crate) async fn heed_signals(&self) {
        let mut signals = self.signals.lock().await;
        while let Ok(signal) = signals.try_recv() {
            self.pool.heed(signal).await.unwrap();
        }
    }

    /// Stops without waiting for what is under way.
    pub(crate) async fn give_up(&self) {
        self.pool.drain(Duration::ZERO).await;
    }

    pub(crate) async fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.run_until_idle().await;
    }

    pub(crate) async fn delivery(&self, id: DeliveryId) -> DeliveryDetail {
        self.store.delivery(Scope::All, id).await.unwrap().unwrap()
    }

    pub(crate) async fn state_of(&self, id: DeliveryId) -> DeliveryState {
        self.delivery(id).await.summary.delivery.state
    }
}

/// A worker that calls what `setup` allows.
pub(crate) fn worker(setup: &Setup, clock: &Arc<dyn Clock>) -> Arc<Worker> {
    let policy = AddressPolicy::new(setup.allow.iter().map(|network| network.parse().unwrap()).collect());
    let caller = Arc::new(HttpCaller::with_names(Arc::new(policy), setup.egress.clone(), setup.names.clone()).unwrap());
    let tokens = AccessTokens::new(caller.clone(), Arc::clone(clock), setup.token);
    let sender = Sender::new(caller, tokens);
    Arc::new(Worker::new(sender, Arc::clone(clock), setup.pool.clone(), StdRng::from_seed([2; 32])))
}
