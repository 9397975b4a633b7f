//! Measures the store alone: events in, claimed, recorded, in batches as group commit makes them.
//!
//! The database is a file in the folder for temporary files, with all the durability of production.
#![expect(clippy::expect_used, reason = "a benchmark that cannot go on has nobody to tell but its caller")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput};
use tokio::runtime::Runtime;
use webhook_dispatcher::domain::attempt::{Attempt, AttemptOutcome, Exchange, Phases};
use webhook_dispatcher::domain::client::Client;
use webhook_dispatcher::domain::delivery::Transition;
use webhook_dispatcher::domain::event::{Event, EventType};
use webhook_dispatcher::domain::ids::{ClientId, IdSource, NodeId, WebhookId};
use webhook_dispatcher::domain::method::Method;
use webhook_dispatcher::domain::signature::SigningKeys;
use webhook_dispatcher::domain::target_url::{IdInUrl, TargetUrl};
use webhook_dispatcher::domain::time::Timestamp;
use webhook_dispatcher::domain::webhook::{AuthorizationFields, DeliverySettings, Webhook, WebhookDefinition, WebhookState};
use webhook_dispatcher::secrets::{Keyring, SecretKey};
use webhook_dispatcher::store::contract::{Clients, Queue, Store, Webhooks};
use webhook_dispatcher::store::records::{AttemptRecord, ClaimRequest, ClaimedDelivery, LaneQuota, NewEvent};
use webhook_dispatcher::store::sqlite::{SqliteOptions, SqliteStore};

const START: Timestamp = Timestamp::from_micros(1_712_855_553_741_194);
const PAYLOAD: &[u8] = &[b'x'; 512];

struct Filled {
    store: SqliteStore,
    ids: Arc<IdSource>,
    client_id: ClientId,
    webhook_id: WebhookId,
    node: NodeId,
    clock: AtomicI64,
}

impl Filled {
    async fn at(folder: &Path) -> Self {
        let ids = Arc::new(IdSource::seeded([1; 32]));
        let key = SecretKey::from_text("Tq7mWx2ZrLd9VbKy4NfHs8JcPgE3uAoR").expect("the key is long and irregular");
        let keyring = Arc::new(Keyring::new(key, Vec::new()));
        let options = SqliteOptions { path: folder.join("bench.db"), readers: 2, ids: Arc::clone(&ids), keyring };
        let store = SqliteStore::open(options).await.expect("a new file opens");
        let client = Client { id: ids.next(START), name: "client".to_owned(), created_at: START };
        let webhook = webhook(client.id, &ids);
        let (client_id, webhook_id) = (client.id, webhook.id);
        store.insert_client(client, None).await.expect("the client is new");
        store.insert_webhook(webhook, None, None).await.expect("the webhook is new");
        Self { store, node: ids.next(START), ids, client_id, webhook_id, clock: AtomicI64::new(0) }
    }

    /// A millisecond later than ever before.
    fn now(&self) -> Timestamp {
        START + Duration::from_millis(self.clock.fetch_add(1, Ordering::Relaxed).unsigned_abs())
    }

    fn events(&self, count: usize) -> Vec<NewEvent> {
        let now = self.now();
        (0..count).map(|_| self.event(now)).collect()
    }

    fn event(&self, now: Timestamp) -> NewEvent {
        let id = self.ids.next(now);
        let event = Event {
            id,
            client_id: self.client_id,
            event_type: EventType::document_finished(),
            // As random as the ids that documents have elsewhere.
            subject: format!("{:x}", id.as_uuid().as_u64_pair().1),
            payload: Bytes::from_static(PAYLOAD),
            created_at: now,
        };
        NewEvent { event, idempotency_key: Some(format!("key-{id}")), due_at: now, whole_payload: None, kept_unwanted: true, trace: None }
    }

    async fn claim(&self, count: usize) -> Vec<ClaimedDelivery> {
        let limit = u32::try_from(count).expect("batches are small");
        let lanes = vec![LaneQuota { webhook_id: self.webhook_id, limit }];
        let claimed = self.store.claim_due(ClaimRequest { node: self.node, now: self.now(), lanes }).await.expect("claims work");
        assert_eq!(claimed.len(), count);
        claimed
    }

    fn records(&self, claimed: &[ClaimedDelivery]) -> Vec<AttemptRecord> {
        let now = self.now();
        claimed.iter().map(|claimed| record(claimed, now)).collect()
    }
}

fn webhook(client_id: ClientId, ids: &IdSource) -> Webhook {
    let definition = WebhookDefinition {
        name: "webhook".to_owned(),
        type_code: Some(0),
        events: vec![EventType::document_finished()],
        catalog: None,
        method: Method::Post,
        headers: None,
        url: TargetUrl::parse("https://receiver.example/:id", IdInUrl::Required).expect("the url is valid"),
        authorization: AuthorizationFields::default(),
        delivery: DeliverySettings::default(),
    };
    Webhook {
        id: ids.next(START),
        client_id,
        version: 1,
        definition,
        signing_keys: SigningKeys::default(),
        state: WebhookState::Active,
        created_at: START,
        updated_at: START,
    }
}

fn record(claimed: &ClaimedDelivery, now: Timestamp) -> AttemptRecord {
    let exchange = Exchange {
        status: Some(200),
        detail: None,
        remote_address: Some(([127, 0, 0, 1], 8080).into()),
        phases: Phases { answer: Some(Duration::from_micros(900)), body: Some(Duration::from_micros(20)), ..Phases::default() },
        response_head: Some("content-type: text/plain\ncontent-length: 2\ndate: Thu, 11 Apr 2024 14:12:33 GMT".to_owned()),
        response_body: Some(Bytes::from_static(b"ok")),
    };
    let attempt =
        Attempt { number: claimed.attempt_number(), started_at: now, finished_at: now, outcome: AttemptOutcome::Delivered, exchange };
    AttemptRecord {
        claim: claimed.claim,
        webhook_id: claimed.webhook_id,
        webhook_version: claimed.webhook_version,
        attempt,
        transition: Transition::Deliver,
        disable_webhook: None,
    }
}

/// One of the three steps of a delivery through the store, the other two beside the clock.
#[derive(Clone, Copy)]
enum Step {
    Enqueue,
    Claim,
    Record,
}

/// How long `step` takes in `rounds` rounds of enqueue, claim and record.
async fn time(filled: &Filled, step: Step, rounds: u64, batch: usize) -> Duration {
    let mut spent = Duration::ZERO;
    for _ in 0..rounds {
        let events = filled.events(batch);
        let begun = Instant::now();
        filled.store.enqueue(events).await.expect("enqueues work");
        let enqueued = Instant::now();
        let claimed = filled.claim(batch).await;
        let claimed_at = Instant::now();
        let records = filled.records(&claimed);
        let recording = Instant::now();
        filled.store.record(records).await.expect("records work");
        spent += match step {
            Step::Enqueue => enqueued - begun,
            Step::Claim => claimed_at - enqueued,
            Step::Record => recording.elapsed(),
        };
    }
    spent
}

fn main() {
    let runtime = Runtime::new().expect("a runtime starts");
    let folder = tempfile::tempdir().expect("a folder can be made");
    let filled = runtime.block_on(Filled::at(folder.path()));
    let mut criterion = Criterion::default().configure_from_args().sample_size(20);
    for (name, step) in [("enqueue", Step::Enqueue), ("claim", Step::Claim), ("record", Step::Record)] {
        let mut group = criterion.benchmark_group(name);
        for batch in [1, 32, 256] {
            group.throughput(Throughput::Elements(u64::try_from(batch).expect("batches are small")));
            group.bench_with_input(BenchmarkId::from_parameter(batch), &batch, |bencher, &batch| {
                bencher.to_async(&runtime).iter_custom(|rounds| time(&filled, step, rounds, batch));
            });
        }
        group.finish();
    }
    criterion.final_summary();
    runtime.block_on(filled.store.close());
}
