//! Which indexes the statements of the hot path read: on tables that are still empty, when every node first plans them, and
//! on tables with a million deliveries.

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection, Row};
use uuid::Uuid;

use super::connect::{MIGRATIONS, options};
use super::{audit, claim, enqueue, nodes, queue, record};
use crate::store::records::{AuditFilter, Page, Scope};

/// A client with a hundred webhooks and a million deliveries: most are delivered, every webhook has some of each kind that
/// the hot path looks for.
const MILLION: &str = "
    insert into client (id, name, created_at) select gen_random_uuid(), 'client', now();
    insert into webhook (id, client_id, version, name, events, method, url, state, state_changed_at, created_at, updated_at)
        select gen_random_uuid(), c.id, 1, 'w', '[]', 'POST', 'http://x/', 'active', now(), now(), now() from client c, generate_series(1, 100);
    insert into webhook_event select client_id, 'document.finished', id from webhook;
    insert into event (id, client_id, event_type, subject, payload, idempotency_key, created_at)
        select gen_random_uuid(), c.id, 'document.finished', 'doc' || n, '', 'key' || n, now() from client c, generate_series(1, 10000) n;
    create temporary table w as select id, row_number() over () - 1 as place from webhook;
    create temporary table e as select id, client_id, row_number() over () - 1 as place from event;
    insert into delivery (id, event_id, webhook_id, client_id, state, due_at, attempts, claim_token, claimed_by, created_at, finished_at)
        select gen_random_uuid(), e.id, w.id, e.client_id,
            case when n % 50 = 0 then 'pending' when n % 1000 = 1 then 'in_flight' else 'delivered' end, now(), 0,
            case when n % 1000 = 1 then gen_random_uuid() end, case when n % 1000 = 1 then gen_random_uuid() end, now(),
            case when n % 50 <> 0 and n % 1000 <> 1 then now() end
        from generate_series(1, 1000000) n join w on w.place = n % 100 join e on e.place = n % 10000;
    analyze";

/// A statement, how many parameters it has, and the indexes that it must read.
const HOT: [(&str, usize, &[&str]); 10] = [
    (enqueue::KEYS_TAKEN, 3, &["event_idempotency"]),
    (enqueue::WANTED_BY, 3, &["webhook_event_pkey"]),
    (enqueue::DELIVERIES_OF, 1, &["delivery_event"]),
    (enqueue::STORE, 13, &["client_pkey"]),
    (claim::CLAIM, 5, &["delivery_due", "delivery_in_flight", "delivery_pkey", "event_pkey"]),
    (record::RECORD, 21, &["delivery_pkey"]),
    (queue::LANES_DUE, 1, &["delivery_due"]),
    (queue::RELEASE, 2, &["delivery_pkey"]),
    (queue::RELEASE_DOUBTFUL, 2, &["delivery_in_flight", "delivery_pkey"]),
    (nodes::TAKE_BACK, 2, &["delivery_in_flight", "delivery_pkey"]),
];

/// The tables that grow without end.
const LARGE: [&str; 4] = ["delivery", "event", "attempt", "delivery_stat"];

#[expect(clippy::disallowed_methods, reason = "a setting of the tests themselves, not of the program")]
fn server() -> String {
    std::env::var("DISPATCHER_TEST_POSTGRES_URL").unwrap()
}

async fn plan(db: &mut PgConnection, sql: &str, parameters: usize) -> String {
    let nulls = vec!["null"; parameters].join(", ");
    let text = sqlx::AssertSqlSafe(format!("prepare hot as {sql}"));
    sqlx::raw_sql(text).execute(&mut *db).await.unwrap();
    let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(format!("explain (costs off) execute hot({nulls})"))).fetch_all(&mut *db).await.unwrap();
    db.execute("deallocate hot").await.unwrap();
    rows.iter().map(|row| row.get::<String, _>(0) + "\n").collect()
}

async fn assert_plans(db: &mut PgConnection) {
    for (sql, parameters, indexes) in HOT {
        let plan = plan(db, sql, parameters).await;
        for index in indexes {
            assert!(plan.contains(&format!("using {index} ")), "{index} is not read by\n{sql}\n{plan}");
        }
        for table in LARGE {
            assert!(!plan.contains(&format!("Seq Scan on {table}")), "{table} is read whole by\n{sql}\n{plan}");
        }
        let misled = sql == record::RECORD && plan.contains("delivery_in_flight");
        assert!(!misled, "a record reads all that is in flight\n{plan}");
    }
}

/// A database of its own.
struct Fresh {
    server: PgConnection,
    name: String,
    options: PgConnectOptions,
}

impl Fresh {
    async fn create(what: &str) -> Self {
        let name = format!("dispatcher_{what}_{}", std::process::id());
        let mut server: PgConnection = server().parse::<PgConnectOptions>().unwrap().connect().await.unwrap();
        server.execute(sqlx::AssertSqlSafe(format!("create database {name}"))).await.unwrap();
        let options = options(&self::server(), std::time::Duration::from_mins(10)).unwrap().database(&name);
        Self { server, name, options }
    }

    async fn connect(&self) -> PgConnection {
        self.options.connect().await.unwrap()
    }

    async fn remove(mut self) {
        self.server.execute(sqlx::AssertSqlSafe(format!("drop database {} with (force)", self.name))).await.unwrap();
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn the_hot_path_reads_its_indexes_whatever_the_tables_hold() {
    let fresh = Fresh::create("plans").await;
    let mut db = fresh.connect().await;
    MIGRATIONS.run_direct(None, &mut db, false).await.unwrap();

    assert_plans(&mut db).await;
    // What fills the tables may join as it likes.
    sqlx::raw_sql("set enable_hashjoin = on; set enable_seqscan = on").execute(&mut db).await.unwrap();
    sqlx::raw_sql(MILLION).execute(&mut db).await.unwrap();
    db.close().await.unwrap();
    let mut db = fresh.connect().await;
    assert_plans(&mut db).await;

    db.close().await.unwrap();
    fresh.remove().await;
}

/// A hundred clients with a thousand changes each.
const CHANGES: &str = "
    insert into audit_entry (id, at, key_id, role, key_client_id, action, object_kind, object_id, client_id)
        select gen_random_uuid(), now(), gen_random_uuid(), 'admin', gen_random_uuid(), 'update', 'webhook', gen_random_uuid(),
            lpad(to_hex(n % 100), 32, '0')::uuid
        from generate_series(1, 100000) n;
    analyze audit_entry";

#[tokio::test]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn lists_of_changes_read_an_index_in_their_order() {
    let fresh = Fresh::create("audit_plans").await;
    let mut db = fresh.connect().await;
    MIGRATIONS.run_direct(None, &mut db, false).await.unwrap();
    sqlx::raw_sql(CHANGES).execute(&mut db).await.unwrap();
    let own = AuditFilter::all(Scope::Client(Uuid::from_u128(7).into()));
    let page = Page { limit: 50, before: Some(Uuid::max().into()) };

    for (filter, index) in [
        (AuditFilter::all(Scope::All), "audit_entry_pkey"),
        (own.clone(), "audit_entry_client"),
        (AuditFilter { object_id: Some(Uuid::from_u128(8)), ..own }, "audit_entry_object"),
    ] {
        let sql = audit::entry_list(&filter, page).sql().as_str().to_owned();
        let plan = plan(&mut db, &sql, sql.matches('$').count()).await;

        assert!(plan.contains(&format!("using {index} ")), "{index} is not read by\n{sql}\n{plan}");
        assert!(!plan.contains("Sort") && !plan.contains("Seq Scan"), "{sql}\n{plan}");
    }
    db.close().await.unwrap();
    fresh.remove().await;
}
