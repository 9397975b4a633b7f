//! Which indexes statements read: those of the hot path and of retention on tables that are still empty, when every node first
//! plans them, and on tables with a million deliveries, which were last analysed when they held one or just now; and how much of those a page of a list reads.

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Execute, Executor, PgConnection, Postgres, QueryBuilder, Row};
use uuid::Uuid;

use super::connect::{MIGRATIONS, access};
use super::delivery_list::PLANNED_ANEW;
use super::{
    audit, claim, deliveries, delivery_list, enqueue, lanes, left_over, nodes, queue, record, redelivery, stats, upkeep, webhooks,
};
use crate::domain::delivery::DeliveryState;
use crate::domain::event::EventType;
use crate::store::records::{AuditFilter, DeliveryFilter, EventFilter, Page, Scope};

/// What a new installation looks like when it was just analysed.
const ONE_OF_EACH: &str = "
    insert into client (id, name, created_at) select gen_random_uuid(), 'first', now();
    insert into webhook (id, client_id, version, name, events, method, url, state, state_changed_at, created_at, updated_at)
        select gen_random_uuid(), c.id, 1, 'w', '[]', 'POST', 'http://x/', 'active', now(), now(), now() from client c;
    insert into webhook_event select client_id, 'document.finished', id from webhook;
    insert into event (id, client_id, event_type, subject, payload, created_at)
        select gen_random_uuid(), c.id, 'document.finished', 'doc', '', now() from client c;
    insert into delivery (id, event_id, webhook_id, client_id, state, due_at, created_at)
        select gen_random_uuid(), e.id, w.id, e.client_id, 'pending', now(), now() from event e, webhook w;
    analyze";

/// A client with a hundred webhooks and a million deliveries: most are delivered, every webhook has some of each kind that
/// the hot path looks for, and statistics.
const MILLION: &str = "
    insert into client (id, name, created_at) select gen_random_uuid(), 'client', now();
    insert into webhook (id, client_id, version, name, events, method, url, state, state_changed_at, created_at, updated_at)
        select gen_random_uuid(), c.id, 1, 'w', '[]', 'POST', 'http://x/', 'active', now(), now(), now()
        from client c, generate_series(1, 100) where c.name = 'client';
    create temporary table w as select webhook.id, row_number() over () - 1 as place
        from webhook join client c on c.id = client_id where c.name = 'client';
    insert into webhook_event select client_id, 'document.finished', id from webhook where id in (select id from w);
    insert into event (id, client_id, event_type, subject, payload, idempotency_key, created_at)
        select gen_random_uuid(), c.id, 'document.finished', 'doc' || n, '', 'key' || n, now()
        from client c, generate_series(1, 10000) n where c.name = 'client';
    create temporary table e as select id, client_id, row_number() over () - 1 as place from event where idempotency_key is not null;
    insert into delivery (id, event_id, webhook_id, client_id, state, dead_letter_reason, due_at, attempts, claim_token, claimed_by,
            created_at, finished_at)
        select gen_random_uuid(), e.id, w.id, e.client_id,
            case when n % 50 = 0 then 'pending' when n % 1000 = 1 then 'in_flight' when n % 100 = 3 then 'dead_lettered' else 'delivered' end,
            case when n % 100 = 3 then 'exhausted' end, now(), 0,
            case when n % 1000 = 1 then gen_random_uuid() end, case when n % 1000 = 1 then gen_random_uuid() end, now(),
            case when n % 50 <> 0 and n % 1000 <> 1 then now() end
        from generate_series(1, 1000000) n join w on w.place = n % 100 join e on e.place = n % 10000;
    insert into attempt (delivery_id, number, started_at, finished_at, outcome, status)
        select id, 1, created_at, created_at, 'delivered', 200 from delivery where state = 'delivered' limit 100000;
    insert into delivery_stat (webhook_id, minute) select id, minute from w, generate_series(29400000, 29400500) minute;
    insert into delivery_stat_hour (webhook_id, hour) select id, hour from w, generate_series(489860, 490000) hour;
    insert into delivery_stat_day (webhook_id, day) select id, day from w, generate_series(20410, 20416) day;
    insert into delivery_stat_scope_hour (scope, hour, shard) select id, hour, 1 from client, generate_series(480000, 490000) hour";

/// A statement, how many parameters it has, and the indexes that it must read.
const ALONG_INDEXES: [(&str, usize, &[&str]); 38] = [
    (enqueue::KEYS_TAKEN, 3, &["event_idempotency"]),
    (enqueue::WANTED_BY, 3, &["webhook_event_pkey"]),
    (enqueue::DELIVERIES_OF, 1, &["delivery_event"]),
    (deliveries::DELIVERIES_OF, 1, &["delivery_event"]),
    (deliveries::ATTEMPTS_OF, 1, &["attempt_pkey"]),
    (enqueue::STORE, 17, &["client_pkey", "webhook_pkey"]),
    (claim::CLAIM, 5, &["webhook_pkey", "delivery_due", "delivery_in_flight", "delivery_pkey", "event_pkey"]),
    (record::RECORD, 24, &["delivery_pkey", "webhook_pkey"]),
    (webhooks::ONE, 2, &["webhook_pkey"]),
    (webhooks::NAMED, 1, &["webhook_pkey"]),
    (queue::LANES_DUE, 1, &["delivery_due", "webhook_pkey"]),
    (queue::RELEASE, 2, &["delivery_pkey"]),
    (queue::RELEASE_DOUBTFUL, 2, &["delivery_in_flight", "delivery_pkey"]),
    (stats::WEBHOOKS_WITH_PENDING, 0, &["delivery_due"]),
    (stats::WEBHOOKS_WITH_DEAD_LETTERS, 0, &["delivery_dead_letter_webhook"]),
    (stats::PENDING, 3, &["delivery_due"]),
    (stats::DEAD_LETTERS, 2, &["delivery_dead_letter_webhook"]),
    (lanes::TELL, 9, &["lane_node"]),
    (lanes::TOLD, 2, &["lane_pkey"]),
    (nodes::TAKE_BACK, 2, &["delivery_in_flight", "delivery_pkey"]),
    (upkeep::REMOVE_DELIVERIES, 3, &["delivery_finished", "delivery_pkey", "attempt_pkey", "delivery_event", "event_pkey"]),
    (upkeep::REMOVE_EVENTS, 2, &["event_bare", "event_pkey"]),
    (upkeep::FORGET_KEYS, 2, &["event_idempotency_age", "event_pkey"]),
    (upkeep::REMOVE_MINUTES, 2, &["delivery_stat_pkey"]),
    (upkeep::REMOVE_HOURS, 2, &["delivery_stat_hour_pkey"]),
    (upkeep::REMOVE_DAYS, 2, &["delivery_stat_day_pkey"]),
    (upkeep::REMOVE_HOURS_OF_SCOPES, 2, &["delivery_stat_scope_hour_pkey"]),
    (upkeep::REMOVE_JOBS, 2, &["redelivery_job_finished"]),
    (redelivery::IS_DUE, 1, &["redelivery_job_running"]),
    (redelivery::DEAD_LETTERS_OF_CLIENT, 4, &["delivery_dead_letter", "webhook_pkey"]),
    (redelivery::DEAD_LETTERS_OF_WEBHOOK, 4, &["delivery_dead_letter_webhook", "webhook_pkey"]),
    (redelivery::EVENTS_WANTED, 6, &["event_client", "webhook_event_pkey", "delivery_event"]),
    (left_over::IS_ANY, 0, &["webhook_left_over"]),
    (left_over::CANCEL, 1, &["webhook_left_over", "delivery_due", "delivery_pkey"]),
    (left_over::CANCEL_OF, 3, &["delivery_due", "delivery_pkey"]),
    (left_over::NOTHING_LEFT, 0, &["webhook_left_over", "delivery_due"]),
    (upkeep::FAILING, 1, &["delivery_stat_pkey"]),
    (upkeep::PENDING, 1, &["delivery_due"]),
];

/// What goes over all webhooks or clients, which are few, along their key.
const READ_WHOLE: [&str; 5] =
    [upkeep::REMOVE_MINUTES, upkeep::REMOVE_HOURS, upkeep::REMOVE_DAYS, upkeep::REMOVE_HOURS_OF_SCOPES, upkeep::FAILING];

/// The tables that grow without end.
const LARGE: [&str; 7] =
    ["delivery", "event", "attempt", "delivery_stat", "delivery_stat_hour", "delivery_stat_day", "delivery_stat_scope_hour"];

#[expect(clippy::disallowed_methods, reason = "a setting of the tests themselves, not of the program")]
fn server() -> String {
    std::env::var("DISPATCHER_TEST_POSTGRES_URL").unwrap()
}

async fn plan(db: &mut PgConnection, sql: &str, parameters: usize) -> String {
    let nulls = if parameters == 0 { String::new() } else { format!("({})", vec!["null"; parameters].join(", ")) };
    let text = sqlx::AssertSqlSafe(format!("prepare planned as {sql}"));
    sqlx::raw_sql(text).execute(&mut *db).await.unwrap();
    let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(format!("explain (costs off) execute planned{nulls}"))).fetch_all(&mut *db).await.unwrap();
    db.execute("deallocate planned").await.unwrap();
    rows.iter().map(|row| row.get::<String, _>(0) + "\n").collect()
}

async fn assert_plans(db: &mut PgConnection) {
    for (sql, parameters, indexes) in ALONG_INDEXES {
        let plan = plan(db, sql, parameters).await;
        for index in indexes {
            assert!(plan.contains(&format!("using {index} ")), "{index} is not read by\n{sql}\n{plan}");
        }
        let finds_by_key =
            plan.lines().zip(plan.lines().skip(1)).all(|(scan, next)| !scan.contains("_pkey on") || next.contains("Index Cond"));
        assert!(finds_by_key || READ_WHOLE.contains(&sql), "a table is read whole by its key in\n{sql}\n{plan}");
        for table in LARGE {
            assert!(!plan.contains(&format!("Seq Scan on {table}")), "{table} is read whole by\n{sql}\n{plan}");
        }
        let elsewhere = sql == queue::LANES_DUE && plan.contains("delivery_webhook");
        assert!(!elsewhere, "all that a lane ever had is read\n{plan}");
        let misled = sql == record::RECORD && plan.contains("delivery_in_flight");
        assert!(!misled, "a record reads all that is in flight\n{plan}");
    }
}

/// The tables that a statement adds up, and what it looks for in each along the primary key.
type Added = (&'static str, usize, &'static [(&'static str, &'static str)]);

const ADDED_UP: [Added; 3] = [
    (stats::COUNTED_BY_MINUTE, 5, &[("delivery_stat", "(webhook_id = ANY ($0)) AND (minute >= $3) AND (minute < $4)")]),
    (stats::COUNTED_BY_HOUR, 5, &[("delivery_stat_hour", "(webhook_id = ANY ($0)) AND (hour >= $3) AND (hour < $4)")]),
    (
        stats::COUNTED_BY_DAY,
        8,
        &[
            ("delivery_stat_hour", "(webhook_id = ANY ($0)) AND (hour >= $3) AND (hour < $4)"),
            ("delivery_stat_day", "(webhook_id = ANY ($1)) AND (day >= $5) AND (day < $6)"),
            ("delivery_stat_hour", "(webhook_id = ANY ($2)) AND (hour >= $7) AND (hour < $8)"),
            ("delivery_stat_scope_hour", "(scope = COALESCE($1, EVERYBODY)) AND (hour >= $3) AND (hour < $8)"),
        ],
    ),
];

/// As [`assert_plans`], of what is fetched as it lies in the table.
async fn assert_statistics_are_fetched_once(db: &mut PgConnection) {
    for (sql, parameters, tables) in ADDED_UP {
        let mut reading = db.begin().await.unwrap();
        sqlx::raw_sql(stats::FETCHED_AS_THEY_LIE).execute(&mut *reading).await.unwrap();
        let plan = plan(&mut reading, sql, parameters).await.replace("'00000000-0000-0000-0000-000000000000'::uuid", "EVERYBODY");
        reading.commit().await.unwrap();
        let steps: Vec<&str> = plan.lines().map(|line| line.trim_start_matches([' ', '-', '>'])).collect();
        for (table, range) in tables {
            let fetched = steps.iter().any(|step| step.starts_with(&format!("Bitmap Heap Scan on {table} s")));
            let search = [format!("Bitmap Index Scan on {table}_pkey"), format!("Index Cond: ({range})")];
            assert!(fetched && steps.windows(2).any(|steps| steps == search), "{search:?} is not in the plan of\n{sql}\n{plan}");
        }
        for slow in ["Nested Loop", "Sort"] {
            assert!(!plan.contains(slow), "webhooks are looked up one by one, or rows are sorted\n{plan}");
        }
    }
}

/// A page of so many is read.
const PAGE: u32 = 50;

/// How many rows a page of a list may look at: a few of several tables for each that it shows, and what a narrow index holds
/// of a state that is rare.
const MOST_READ: u64 = 10_000 + 10 * PAGE as u64;

/// How many rows of tables a statement looks at, shown and passed over.
async fn rows_read(db: &mut PgConnection, mut query: QueryBuilder<Postgres>) -> (u64, String) {
    let mut query = query.build();
    let (parameters, sql) = (query.take_arguments().unwrap().unwrap(), query.sql());
    let explained = sqlx::AssertSqlSafe(format!("explain (analyze, timing off, summary off, format json) {}", sql.as_str()));
    let mut list = db.begin_with(sqlx::AssertSqlSafe(format!("{};{}", PLANNED_ANEW.statement, PLANNED_ANEW.settings))).await.unwrap();
    let row = sqlx::query_with(explained, parameters).persistent(false).fetch_one(&mut *list).await.unwrap();
    list.commit().await.unwrap();
    let plan: serde_json::Value = serde_json::from_str(row.try_get_raw(0).unwrap().as_str().unwrap()).unwrap();
    (read_below(&plan[0]["Plan"]), format!("{}\n{plan:#}", sql.as_str()))
}

fn read_below(node: &serde_json::Value) -> u64 {
    let number = |name: &str| node[name].as_f64().unwrap_or(0.0);
    let is_scan = node["Node Type"].as_str().is_some_and(|kind| kind.ends_with("Scan")) && node.get("Relation Name").is_some();
    let each = number("Actual Rows") + number("Rows Removed by Filter") + number("Rows Removed by Index Recheck");
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts of rows")]
    let own = if is_scan { (each * number("Actual Loops")) as u64 } else { 0 };
    own + node["Plans"].as_array().into_iter().flatten().map(read_below).sum::<u64>()
}

/// One of each kind of list: of everything, of one client's, of a webhook's, by state, by what an event says.
async fn lists(db: &mut PgConnection) -> Vec<QueryBuilder<Postgres>> {
    let client: Uuid = sqlx::query_scalar("select id from client").fetch_one(&mut *db).await.unwrap();
    let webhook: Uuid = sqlx::query_scalar("select id from webhook limit 1").fetch_one(db).await.unwrap();
    let all = DeliveryFilter::all(Scope::All);
    let own = DeliveryFilter::all(Scope::Client(client.into()));
    let of_webhook = DeliveryFilter { webhook_id: Some(webhook.into()), ..own.clone() };
    let subject = DeliveryFilter { subject: Some("doc77".to_owned()), ..own.clone() };
    let of_type = DeliveryFilter { event_type: Some(EventType::document_finished()), ..own.clone() };
    let mut filters = vec![all.clone(), own.clone(), of_webhook.clone(), subject, of_type];
    for state in [DeliveryState::Pending, DeliveryState::Delivered, DeliveryState::DeadLettered, DeliveryState::Cancelled] {
        for filter in [&all, &own, &of_webhook] {
            filters.push(DeliveryFilter { state: Some(state), ..filter.clone() });
        }
    }
    let events = |scope, subject| EventFilter { scope, subject, event_type: None };
    let page = Page { before: None, limit: PAGE };
    let deliveries = filters.iter().map(|filter| delivery_list::statement(filter, page));
    let events = [events(Scope::All, None), events(own.scope, None), events(own.scope, Some("doc77".to_owned()))];
    let page = Page { before: None, limit: PAGE };
    deliveries.chain(events.iter().map(|filter| deliveries::event_list(filter, page))).collect()
}

async fn assert_pages_read_little(db: &mut PgConnection) {
    for list in lists(db).await {
        let (read, explained) = rows_read(db, list).await;
        assert!(read <= MOST_READ, "{read} rows are read for a page of {PAGE} by\n{explained}");
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
        let options = access(&self::server(), std::time::Duration::from_mins(10), false).unwrap().options.database(&name);
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
async fn statements_read_their_indexes_whatever_the_tables_hold() {
    let fresh = Fresh::create("plans").await;
    let mut db = fresh.connect().await;
    MIGRATIONS.run_direct(None, &mut db, false).await.unwrap();

    assert_plans(&mut db).await;
    assert_statistics_are_fetched_once(&mut db).await;
    sqlx::raw_sql(ONE_OF_EACH).execute(&mut db).await.unwrap();
    // What fills the tables may join as it likes.
    sqlx::raw_sql("set enable_hashjoin = on; set enable_seqscan = on").execute(&mut db).await.unwrap();
    sqlx::raw_sql(MILLION).execute(&mut db).await.unwrap();
    db.close().await.unwrap();
    let mut db = fresh.connect().await;
    assert_plans(&mut db).await;
    assert_statistics_are_fetched_once(&mut db).await;
    db.execute("analyze").await.unwrap();
    assert_plans(&mut db).await;
    assert_statistics_are_fetched_once(&mut db).await;
    assert_pages_read_little(&mut db).await;

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
