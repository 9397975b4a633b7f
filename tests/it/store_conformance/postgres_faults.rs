//! What a store does whose server goes away, falls silent, or commits without saying so.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use webhook_dispatcher::domain::ids::IdSource;
use webhook_dispatcher::domain::time::{Clock, SystemClock};
use webhook_dispatcher::secrets::Keyring;
use webhook_dispatcher::store::postgres::{PostgresOptions, PostgresStore};
use webhook_dispatcher::store::records::{ClaimRequest, LaneQuota};
use webhook_dispatcher::store::{Store, StoreError};

use super::world::{Database, World, later};
use crate::support::postgres::FreshDatabase;
use crate::support::proxy::{Proxy, Way};

/// As many connections as a silent server could take away.
const CONNECTIONS: u32 = 4;

/// A database behind a way that can be disturbed.
struct Disturbed {
    database: FreshDatabase,
    proxy: Arc<Proxy>,
}

#[async_trait]
impl Database for Disturbed {
    async fn open_with(&self, keyring: Arc<Keyring>) -> Result<Arc<dyn Store>, StoreError> {
        let options = PostgresOptions {
            url: self.database.url_by_way_of(self.proxy.address),
            through_pooler: false,
            connections: CONNECTIONS,
            call_limit: Duration::from_secs(2),
            ids: Arc::new(IdSource::seeded([9; 32])),
            keyring,
            now: SystemClock.now(),
        };
        Ok(Arc::new(PostgresStore::open(options).await?))
    }

    async fn allows(&self, sql: &str) -> bool {
        self.database.sql(sql).is_ok()
    }

    async fn stolen(&self) -> Vec<u8> {
        unreachable!("no case of a disturbed database steals it")
    }
}

async fn world() -> (World, Arc<Proxy>) {
    let database = FreshDatabase::create();
    let proxy = Arc::new(Proxy::before(database.server_address()).await);
    (World::on(Disturbed { database, proxy: Arc::clone(&proxy) }).await, proxy)
}

fn is_passing(error: &StoreError) -> bool {
    matches!(error, StoreError::Busy(_) | StoreError::Unanswered(_))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn when_the_server_is_back_the_first_call_works() {
    let (world, proxy) = world().await;
    let client = world.client().await;

    proxy.set(Way::Cut);
    for _ in 0..3 {
        let refused = world.store.enqueue(vec![world.new_event(client)]).await.unwrap_err();
        assert!(is_passing(&refused), "{refused:?}");
    }
    proxy.set(Way::Open);

    world.store.enqueue(vec![world.new_event(client)]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn a_silent_server_keeps_no_connection_for_ever() {
    let (world, proxy) = world().await;
    let client = world.client().await;
    let at_once = || async {
        let calls = (0..CONNECTIONS).map(|_| world.store.enqueue(vec![world.new_event(client)]));
        futures_util::future::join_all(calls).await
    };
    at_once().await.into_iter().for_each(|enqueued| drop(enqueued.unwrap()));

    proxy.set(Way::Silent);
    for refused in at_once().await {
        assert!(is_passing(&refused.unwrap_err()));
    }
    proxy.set(Way::Open);

    at_once().await.into_iter().for_each(|enqueued| drop(enqueued.unwrap()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn a_commit_without_an_answer_is_neither_lost_nor_doubled() {
    let (world, proxy) = world().await;
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    // So that nothing has to be prepared while the answer is swallowed.
    world.enqueue(world.new_event(client)).await;
    assert_eq!(world.claim(webhook).await.len(), 1);
    let mut event = world.new_event(client);
    event.idempotency_key = Some("run-7".to_owned());
    event.event.subject = "the answer to this is lost".to_owned();

    proxy.set(Way::DeafFrom("the answer to this is lost"));
    let unanswered = world.store.enqueue(vec![event.clone()]).await.unwrap_err();
    proxy.set(Way::Open);
    let first = event.event.id;
    event.event.id = world.ids.next(later());
    let again = world.enqueue(event).await;

    assert!(matches!(unanswered, StoreError::Unanswered(_)), "{unanswered:?}");
    assert_eq!((again.event_id, again.duplicate), (first, true));
    assert_eq!(world.claim(webhook).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn what_a_claim_without_an_answer_took_is_claimed_again() {
    let (world, proxy) = world().await;
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    // So that nothing has to be prepared while answers are swallowed.
    assert_eq!(world.claim(webhook).await.len(), 0);
    for _ in 0..3 {
        world.delivery(client).await;
    }

    // Every claim names the lanes that it asks; the first byte of the message is enough.
    proxy.set(Way::DeafFrom("B"));
    let lanes = vec![LaneQuota { webhook_id: webhook, limit: 2 }];
    let request = ClaimRequest { node: world.node, now: later(), lanes };
    let unanswered = world.store.claim_due(request).await.unwrap_err();
    proxy.set(Way::Open);

    assert!(matches!(unanswered, StoreError::Unanswered(_)), "{unanswered:?}");
    assert_eq!(world.claim(webhook).await.len(), 3);
}
