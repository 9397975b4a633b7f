//! Events of catalogues that a pipeline hands in by SQL: what is refused at once, and what is checked before it is sent.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use webhook_dispatcher::catalog::Catalogs;
use webhook_dispatcher::domain::ids::IdSource;
use webhook_dispatcher::domain::time::{Clock, ManualClock, SystemClock};
use webhook_dispatcher::store::Store;
use webhook_dispatcher::store::postgres::{PostgresOptions, PostgresStore};

use super::scene::Scene;
use crate::support::keys;
use crate::support::postgres::FreshDatabase;
use crate::support::receiver::Seen;
use crate::support::rest::{Rest, RestSetup};

/// A node, and a pipeline that writes to its database.
struct Pipeline {
    scene: Scene,
    database: FreshDatabase,
}

impl Pipeline {
    async fn new() -> Self {
        let mut catalogs = Catalogs::built_in().unwrap();
        catalogs.add("lumber-yard.toml", include_str!("lumber-yard.toml")).unwrap();
        let (database, catalogs) = (FreshDatabase::create(), Arc::new(catalogs));
        let ids = Arc::new(IdSource::seeded([1; 32]));
        // What comes by SQL is due by the database's own clock.
        let now = SystemClock.now();
        let options = PostgresOptions {
            through_pooler: false,
            url: database.url(),
            connections: 8,
            call_limit: Duration::from_secs(10),
            ids: Arc::clone(&ids),
            keyring: keys::ring(&[keys::KEY]),
            now,
        };
        let store: Arc<dyn Store> = Arc::new(PostgresStore::open(options).await.unwrap());
        store.know_events(catalogs.known_events()).await.unwrap();
        let setup = RestSetup { catalogs: Arc::clone(&catalogs), ..RestSetup::default() };
        let clock = Arc::new(ManualClock::at(now + Duration::from_hours(1)));
        let rest = Rest::on(store, ids, clock, &setup);
        rest.make_root_key().await;
        Self { scene: Scene::around(rest, catalogs, Vec::new()).await, database }
    }

    fn enqueue(&self, event_type: &str, payload: &str) -> Result<String, String> {
        let client = &self.scene.tenant.id;
        self.database.sql(&format!("select dispatcher.dispatcher_enqueue('{client}', '{event_type}', 's', '{payload}'::jsonb)"))
    }

    /// Enqueues and delivers; answers how the delivery stands.
    async fn deliver(&self, event_type: &str, payload: &str) -> Value {
        let event = self.enqueue(event_type, payload).unwrap();
        self.scene.run_until_idle().await;
        self.scene.delivery_of(&event).await
    }

    async fn close(self) {
        self.scene.rest.store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn what_breaks_its_schema_is_not_sent_and_the_pointer_says_where() {
    let pipeline = Pipeline::new().await;
    pipeline.scene.webhook("sienge", &json!(["CUSTOMER_CREATED", "ACCOUNTACY_ACCOUNT_UPDATED"]), "/h").await;

    let refused = pipeline.deliver("CUSTOMER_CREATED", r#"{"customerId": "1510"}"#).await;
    let sent = pipeline.deliver("CUSTOMER_CREATED", r#"{"customerId": 1510}"#).await;
    let no_json = format!("select dispatcher.dispatcher_enqueue('{}', 'CUSTOMER_CREATED', 's', 'bytes'::bytea)", pipeline.scene.tenant.id);
    let no_json = pipeline.database.sql(&no_json).unwrap();
    pipeline.scene.run_until_idle().await;

    assert_eq!((&refused["state"], &refused["reason"]), (&json!("dead_lettered"), &json!("unsendable")), "{refused}");
    let detail = refused["attempts"][0]["detail"].as_str().unwrap();
    assert!(detail.starts_with("payload/customerId ") && !detail.contains("1510"), "{detail}");
    assert_eq!(sent["state"], "delivered");
    assert_eq!(pipeline.scene.receiver.seen().iter().map(Seen::body_text).collect::<Vec<_>>(), [r#"{"customerId": 1510}"#]);
    assert_eq!(pipeline.scene.delivery_of(&no_json).await["attempts"][0]["detail"], "the payload is no JSON that can be checked");
    pipeline.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn a_client_that_wants_warnings_alone_gets_what_breaks_its_schema() {
    let pipeline = Pipeline::new().await;
    pipeline.scene.webhook("sienge", &json!(["CUSTOMER_CREATED", "UNIT_CREATED"]), "/h").await;

    pipeline.scene.settle("sienge", &json!({"extraFields": true})).await;
    let extra = pipeline.deliver("UNIT_CREATED", r#"{"unitId": 204, "more": 1}"#).await;
    let wrong = pipeline.deliver("CUSTOMER_CREATED", r#"{"customerId": "1510"}"#).await;
    pipeline.scene.settle("sienge", &json!({"onBreach": "warn"})).await;
    let warned = pipeline.deliver("CUSTOMER_CREATED", r#"{"customerId": "1510"}"#).await;

    assert_eq!([extra, wrong, warned].map(|delivery| delivery["state"].clone()), ["delivered", "dead_lettered", "delivered"]);
    pipeline.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn any_spelling_of_a_code_is_taken_for_it() {
    let pipeline = Pipeline::new().await;
    pipeline.scene.webhook("lumber-yard", &json!(["load.returned"]), "/gate").await;

    for spelling in ["load.back", "load.returned"] {
        let delivery = pipeline.deliver(spelling, r#"{"kilograms": 80.5}"#).await;
        assert_eq!((&delivery["state"], &delivery["type"]), (&json!("delivered"), &json!("load.returned")));
    }
    pipeline.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn what_may_hold_secrets_is_refused_and_what_nobody_wants_is_kept_only_where_it_is_to_be() {
    let pipeline = Pipeline::new().await;

    for spelling in ["PROCESS_STARTED_NOTIFICATION", "ProcessStartedNotification"] {
        let refused = pipeline.enqueue(spelling, r#"{"authorization": "hush"}"#).unwrap_err();
        assert!(refused.contains("events of the type PROCESS_STARTED_NOTIFICATION may hold secrets"), "{refused}");
        assert!(refused.contains("POST /v1/events"), "{refused}");
    }
    let unwanted = pipeline.enqueue("load.left", r#"{"planks": 12}"#).unwrap();

    assert_eq!(unwanted.len(), 36);
    assert_eq!(pipeline.scene.rest.events_stored().await, 0);
    pipeline.enqueue("CUSTOMER_CREATED", r#"{"customerId": 1510}"#).unwrap();
    assert_eq!(pipeline.scene.rest.events_stored().await, 1);
    pipeline.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn what_is_said_of_events_is_replaced_by_what_is_said_next() {
    let pipeline = Pipeline::new().await;
    let store = &pipeline.scene.rest.store;

    let ocr = Catalogs::load(&["ocr".to_owned()], None).unwrap();
    store.know_events(ocr.known_events()).await.unwrap();

    assert_eq!(pipeline.database.sql("select spelling from catalog_event order by 1").unwrap(), "document.failed\ndocument.finished");
    pipeline.enqueue("PROCESS_STARTED_NOTIFICATION", "{}").unwrap();
    store.know_events(Catalogs::built_in().unwrap().known_events()).await.unwrap();
    pipeline.enqueue("PROCESS_STARTED_NOTIFICATION", "{}").unwrap_err();
    pipeline.close().await;
}
