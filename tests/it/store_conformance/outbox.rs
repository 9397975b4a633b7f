//! `dispatcher_enqueue`: a pipeline that writes to the same database enqueues inside its own transaction.

use webhook_dispatcher::domain::ids::ClientId;
use webhook_dispatcher::store::records::{EventDetail, Scope};

use super::postgres_database::PostgresDatabase;
use super::world::{World, at};

/// A world whose database can also be spoken to as a pipeline does.
struct Pipeline {
    world: World,
    database: std::sync::Arc<PostgresDatabase>,
    client: ClientId,
}

impl Pipeline {
    async fn new() -> Self {
        let database = std::sync::Arc::new(PostgresDatabase::fresh());
        let world = World::on(std::sync::Arc::clone(&database)).await;
        let client = world.client().await;
        Self { world, database, client }
    }

    fn call(&self, arguments: &str) -> String {
        format!("select dispatcher.dispatcher_enqueue('{}', {arguments})", self.client)
    }

    /// Enqueues; answers the event's id as text.
    fn enqueue(&self, arguments: &str) -> Result<String, String> {
        self.database.sql(&self.call(arguments))
    }

    async fn event(&self, id: &str) -> Option<EventDetail> {
        self.world.store.event(Scope::Client(self.client), id.parse().unwrap()).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn an_event_of_the_pipelines_transaction_is_due_for_every_webhook_that_wants_it() {
    let pipeline = Pipeline::new().await;
    let webhooks = [pipeline.world.webhook(pipeline.client).await, pipeline.world.webhook(pipeline.client).await];

    let id = pipeline.enqueue(r#"'document.finished', 'doc ü \U+F0000', '{"b": 1, "a": [2]}'::jsonb"#).unwrap();

    let detail = pipeline.event(&id).await.unwrap();
    assert_eq!((detail.event.subject.as_str(), &detail.event.payload[..]), ("doc ü \\U+F0000", &br#"{"a": [2], "b": 1}"#[..]));
    assert_eq!(detail.event.event_type.as_str(), "document.finished");
    let told: Vec<_> = detail.deliveries.iter().map(|delivery| delivery.webhook_id).collect();
    assert_eq!(told, webhooks);
    let now = detail.event.created_at;
    assert_eq!(pipeline.world.store.lanes_due(now + std::time::Duration::from_secs(1)).await.unwrap(), webhooks);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn what_the_pipeline_rolls_back_was_never_enqueued() {
    let pipeline = Pipeline::new().await;
    let webhook = pipeline.world.webhook(pipeline.client).await;

    let call = pipeline.call("'document.finished', 'doc', 'bytes'::bytea");
    let id = pipeline.database.sql(&format!("begin; {call}; rollback")).unwrap();

    assert!(pipeline.event(&id).await.is_none());
    assert_eq!(pipeline.world.claim_at(at(900_000_000), &[(webhook, 1)]).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn a_key_is_good_for_one_event_whichever_way_it_comes_in() {
    let pipeline = Pipeline::new().await;
    let mut over_rest = pipeline.world.new_event(pipeline.client);
    over_rest.idempotency_key = Some("run-7".to_owned());
    let first = pipeline.world.enqueue(over_rest).await;

    let second = pipeline.enqueue("'document.finished', 'doc', 'bytes'::bytea, 'run-7'").unwrap();
    let other = pipeline.enqueue("'document.finished', 'doc', 'bytes'::bytea, 'run-8'").unwrap();
    let again = pipeline.enqueue("'document.finished', 'doc', 'bytes'::bytea, 'run-8'").unwrap();

    assert_eq!(second, first.event_id.to_string());
    assert_eq!(other, again);
    assert_ne!(other, second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn what_rest_would_refuse_is_refused_and_leaves_nothing() {
    let pipeline = Pipeline::new().await;

    for (arguments, reason) in [
        ("'no type', 'doc', ''::bytea", "type must be"),
        ("null, 'doc', ''::bytea", "type must be"),
        ("'t', '', ''::bytea", "subject must have"),
        ("'t', repeat('x', 256), ''::bytea", "subject must have"),
        ("'t', 'doc', null::bytea", "payload must not"),
        ("'t', 'doc', ''::bytea, ''", "idempotency_key must have"),
    ] {
        let refused = pipeline.enqueue(arguments).unwrap_err();
        assert!(refused.contains(reason), "{arguments}: {refused}");
    }
    let unknown = "select dispatcher.dispatcher_enqueue('00000000-0000-7000-8000-000000000000', 't', 'doc', ''::bytea)";
    assert!(pipeline.database.sql(unknown).unwrap_err().contains("there is no client"));
    assert_eq!(pipeline.database.sql("select count(*) from event").unwrap(), "0");
}
