//! A database to test on, and short ways to fill it with valid things of which no two are alike.
//!
//! Every time, name and number that could be mistaken for another is different, so that a store that reads the wrong
//! column fails.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use webhook_dispatcher::domain::attempt::{Attempt, AttemptOutcome, Exchange, FailureReason, Phases};
use webhook_dispatcher::domain::client::{ApiKey, Client, KeyHash, Role};
use webhook_dispatcher::domain::delivery::{DeadLetterReason, Delivery, DeliveryState, Transition};
use webhook_dispatcher::domain::event::{Event, EventType};
use webhook_dispatcher::domain::ids::{ClientId, DeliveryId, IdSource, NodeId, WebhookId};
use webhook_dispatcher::domain::method::Method;
use webhook_dispatcher::domain::signature::SigningKeys;
use webhook_dispatcher::domain::target_url::{IdInUrl, TargetUrl};
use webhook_dispatcher::domain::time::Timestamp;
use webhook_dispatcher::domain::webhook::{AuthorizationFields, DeliverySettings, Webhook, WebhookDefinition, WebhookState};
use webhook_dispatcher::secrets::Keyring;
use webhook_dispatcher::store::records::{
    AttemptRecord, ClaimRequest, ClaimedDelivery, DeliveryDetail, Enqueued, LaneQuota, NewEvent, RecordOutcome, Scope, WebhookWrite,
};
use webhook_dispatcher::store::signal::Signal;
use webhook_dispatcher::store::{Store, StoreError};

use crate::support::keys;

/// A database of some back end, which can be opened again after its store was closed.
#[async_trait]
pub(super) trait Database: Send + Sync + 'static {
    /// Opens it with these keys.
    async fn open_with(&self, keyring: Arc<Keyring>) -> Result<Arc<dyn Store>, StoreError>;

    /// Runs a statement as somebody else would who came near the database.
    async fn execute(&self, sql: &str) {
        assert!(self.allows(sql).await, "{sql}");
    }

    /// Runs a statement likewise; answers whether the database let it.
    async fn allows(&self, sql: &str) -> bool;

    /// All that somebody would get who stole it.
    async fn stolen(&self) -> Vec<u8>;

    async fn open(&self) -> Arc<dyn Store> {
        self.open_with(keys::ring(&[keys::KEY])).await.unwrap()
    }
}

/// So many seconds after the beginning of every case, which is no whole minute.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_712_855_553_741_194 + seconds * 1_000_000)
}

/// How long a node is silent that is taken for dead. Nodes that never said that they live are.
pub(super) const SILENT: Duration = Duration::from_mins(5);

/// When everything that a [`World`] makes by default is due.
pub(super) fn later() -> Timestamp {
    at(100_000)
}

/// A fresh database with its store.
pub(super) struct World {
    pub(super) store: Arc<dyn Store>,
    pub(super) ids: IdSource,
    pub(super) node: NodeId,
    pub(super) database: Box<dyn Database>,
    made: AtomicU32,
}

impl World {
    pub(super) async fn on(database: impl Database) -> Self {
        let store = database.open().await;
        let ids = IdSource::seeded([7; 32]);
        let node = ids.next(at(0));
        Self { store, ids, node, database: Box::new(database), made: AtomicU32::new(0) }
    }

    /// Closes the store and opens the database again.
    pub(super) async fn reopen(&mut self) {
        self.store.close().await;
        self.store = self.database.open().await;
    }

    /// As [`Self::reopen`], with these keys; says why when that is refused.
    pub(super) async fn reopen_with(&mut self, keys: &[&str]) -> Result<(), String> {
        self.store.close().await;
        self.store = self.database.open_with(keys::ring(keys)).await.map_err(|refused| refused.to_string())?;
        Ok(())
    }

    /// A number that nothing had before.
    pub(super) fn number(&self) -> u32 {
        self.made.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(super) fn new_client(&self) -> Client {
        let number = self.number();
        let created_at = at(i64::from(number));
        Client { id: self.ids.next(created_at), name: format!("client {number}"), created_at }
    }

    pub(super) async fn client(&self) -> ClientId {
        let client = self.new_client();
        self.store.insert_client(client.clone(), None).await.unwrap();
        client.id
    }

    pub(super) fn new_key(&self, role: Role, client_id: Option<ClientId>) -> ApiKey {
        let number = self.number();
        let created_at = at(i64::from(number));
        let (name, prefix) = (Some(format!("key {number}")), format!("whd_{number:04}"));
        let hash = KeyHash::of(&prefix);
        ApiKey { id: self.ids.next(created_at), client_id, role, name, prefix, hash, created_at, expires_at: None, last_used_at: None }
    }

    /// An active webhook for finished documents with only what every webhook must have.
    pub(super) fn new_webhook(&self, client_id: ClientId) -> Webhook {
        let number = self.number();
        let created_at = at(i64::from(number));
        let definition = WebhookDefinition {
            name: format!("webhook {number}"),
            type_code: None,
            events: vec![EventType::document_finished()],
            catalog: None,
            method: Method::Post,
            headers: None,
            url: url(&format!("https://receiver-{number}.example/documents/:id")),
            authorization: AuthorizationFields::default(),
            delivery: DeliverySettings::default(),
        };
        let updated_at = created_at + Duration::from_millis(1);
        Webhook {
            id: self.ids.next(created_at),
            client_id,
            version: 1,
            definition,
            signing_keys: SigningKeys::default(),
            state: WebhookState::Active,
            created_at,
            updated_at,
        }
    }

    pub(super) async fn webhook(&self, client_id: ClientId) -> WebhookId {
        self.webhook_with(client_id, |_| {}).await
    }

    pub(super) async fn webhook_with(&self, client_id: ClientId, change: impl FnOnce(&mut Webhook)) -> WebhookId {
        let mut webhook = self.new_webhook(client_id);
        change(&mut webhook);
        let id = webhook.id;
        assert_eq!(self.store.insert_webhook(webhook, None, None).await.unwrap(), WebhookWrite::Stored);
        id
    }

    /// A finished document, due three seconds after it was accepted.
    pub(super) fn new_event(&self, client_id: ClientId) -> NewEvent {
        let number = self.number();
        let created_at = at(i64::from(number));
        let event = Event {
            id: self.ids.next(created_at),
            client_id,
            event_type: EventType::document_finished(),
            subject: format!("document-{number}"),
            payload: Bytes::from(format!("{{\"number\":{number}}}")),
            created_at,
        };
        NewEvent {
            event,
            idempotency_key: None,
            due_at: created_at + Duration::from_secs(3),
            whole_payload: None,
            kept_unwanted: true,
            trace: None,
        }
    }

    pub(super) async fn enqueue(&self, new: NewEvent) -> Enqueued {
        let mut enqueued = self.store.enqueue(vec![new]).await.unwrap();
        assert_eq!(enqueued.len(), 1);
        enqueued.remove(0)
    }

    /// Enqueues an event that exactly one webhook wants.
    pub(super) async fn delivery(&self, client_id: ClientId) -> DeliveryId {
        self.delivery_with(client_id, |_| {}).await
    }

    pub(super) async fn delivery_with(&self, client_id: ClientId, change: impl FnOnce(&mut NewEvent)) -> DeliveryId {
        let mut new = self.new_event(client_id);
        change(&mut new);
        let enqueued = self.enqueue(new).await;
        assert_eq!(enqueued.delivery_ids.len(), 1);
        enqueued.delivery_ids[0]
    }

    /// Claims whatever is due later, of one webhook.
    pub(super) async fn claim(&self, webhook_id: WebhookId) -> Vec<ClaimedDelivery> {
        self.claim_at(later(), &[(webhook_id, 1_000)]).await
    }

    pub(super) async fn claim_at(&self, now: Timestamp, lanes: &[(WebhookId, u32)]) -> Vec<ClaimedDelivery> {
        let lanes = lanes.iter().map(|&(webhook_id, limit)| LaneQuota { webhook_id, limit }).collect();
        self.store.claim_due(ClaimRequest { node: self.node, now, lanes }).await.unwrap()
    }

    pub(super) async fn claim_one(&self, webhook_id: WebhookId) -> ClaimedDelivery {
        let mut claimed = self.claim_at(later(), &[(webhook_id, 1)]).await;
        assert_eq!(claimed.len(), 1);
        claimed.remove(0)
    }

    pub(super) async fn record(&self, record: AttemptRecord) -> RecordOutcome {
        let outcomes = self.store.record(vec![record]).await.unwrap();
        assert_eq!(outcomes.len(), 1);
        outcomes[0]
    }

    /// Claims the next due delivery of a webhook and records what `record` makes of it.
    pub(super) async fn attempt(&self, webhook_id: WebhookId, record: impl FnOnce(&ClaimedDelivery) -> AttemptRecord) -> DeliveryId {
        let claimed = self.claim_one(webhook_id).await;
        assert_eq!(self.record(record(&claimed)).await, RecordOutcome::Recorded);
        claimed.claim.delivery_id
    }

    pub(super) async fn detail(&self, id: DeliveryId) -> DeliveryDetail {
        self.store.delivery(Scope::All, id).await.unwrap().unwrap()
    }

    pub(super) async fn shown(&self, id: DeliveryId) -> Delivery {
        self.detail(id).await.summary.delivery
    }

    pub(super) async fn state(&self, id: DeliveryId) -> DeliveryState {
        self.shown(id).await.state
    }

    /// One delivery in each state: pending, in flight, delivered, dead-lettered, cancelled.
    pub(super) async fn one_in_each_state(&self, client_id: ClientId, webhook_id: WebhookId) -> [DeliveryId; 5] {
        let cancelled = self.delivery(client_id).await;
        self.store.cancel(Scope::All, cancelled, at(50), None).await.unwrap();
        self.delivery(client_id).await;
        let delivered = self.attempt(webhook_id, success).await;
        self.delivery(client_id).await;
        let dead_lettered = self.attempt(webhook_id, given_up).await;
        let in_flight = self.delivery(client_id).await;
        self.claim_one(webhook_id).await;
        let pending = self.delivery(client_id).await;
        [pending, in_flight, delivered, dead_lettered, cancelled]
    }
}

pub(super) fn url(text: &str) -> TargetUrl {
    TargetUrl::parse(text, IdInUrl::Required).unwrap()
}

pub(super) fn event_type(text: &str) -> EventType {
    text.parse().unwrap()
}

/// An attempt that was answered, with everything that can be known of one.
fn attempt(claimed: &ClaimedDelivery, outcome: AttemptOutcome, status: u16) -> Attempt {
    let seconds = i64::from(claimed.attempt_number()) * 1_000;
    let exchange = Exchange {
        status: Some(status),
        detail: Some("what happened".to_owned()),
        remote_address: Some(SocketAddr::from(([203, 0, 113, 7], 8443))),
        phases: Phases {
            login: Some(Duration::from_micros(11)),
            connect: Some(Duration::from_micros(22)),
            answer: Some(Duration::from_micros(222)),
            body: Some(Duration::from_micros(3_333)),
        },
        response_head: Some("content-type: text/plain".to_owned()),
        response_body: Some(Bytes::from_static(b"\xFF\0body")),
    };
    Attempt { number: claimed.attempt_number(), started_at: at(200_000 + seconds), finished_at: at(200_007 + seconds), outcome, exchange }
}

fn record(claimed: &ClaimedDelivery, attempt: Attempt, transition: Transition) -> AttemptRecord {
    AttemptRecord {
        claim: claimed.claim,
        webhook_id: claimed.webhook_id,
        webhook_version: claimed.webhook_version,
        attempt,
        transition,
        disable_webhook: None,
    }
}

pub(super) fn success(claimed: &ClaimedDelivery) -> AttemptRecord {
    record(claimed, attempt(claimed, AttemptOutcome::Delivered, 204), Transition::Deliver)
}

/// A failure that is tried again, due before [`later`].
pub(super) fn failure(claimed: &ClaimedDelivery) -> AttemptRecord {
    let attempt = attempt(claimed, AttemptOutcome::Retryable(FailureReason::Status(503)), 503);
    record(claimed, attempt, Transition::Retry { due_at: at(60_000 + i64::from(claimed.attempt_number())) })
}

pub(super) fn given_up(claimed: &ClaimedDelivery) -> AttemptRecord {
    let attempt = attempt(claimed, AttemptOutcome::Retryable(FailureReason::Status(500)), 500);
    record(claimed, attempt, Transition::DeadLetter(DeadLetterReason::Exhausted))
}

/// As `record`, but finished at another time.
pub(super) fn finished(mut record: AttemptRecord, finished_at: Timestamp) -> AttemptRecord {
    record.attempt.finished_at = finished_at;
    record
}

/// What was signalled until now.
pub(super) fn heard(signals: &mut tokio::sync::broadcast::Receiver<Signal>) -> Vec<Signal> {
    std::iter::from_fn(|| signals.try_recv().ok()).collect()
}
