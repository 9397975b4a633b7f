//! Which index each statement reads, as SQLite plans it: what makes a store fast with millions of rows.

use rusqlite::{Connection, StatementStatus, params_from_iter};
use uuid::Uuid;

use super::adding_up::Sums;
use super::connect::{Settings, open_writer};
use super::delivery_list::tests::text as list_text;
use super::{audit, claim, dead_letters, enqueue, event_search, left_over, queue, record, redelivery, secrets, sessions, stats, upkeep};
use crate::domain::delivery::{DeadLetterReason, DeliveryState};
use crate::domain::stats::{Period, StatsQuery, StatsWindow};
use crate::domain::time::Timestamp;
use crate::store::records::{AuditFilter, DeliveryFilter, Page, Scope};

/// An empty database. Without statistics a plan does not depend on what a table holds.
fn database() -> Connection {
    let folder = tempfile::tempdir().unwrap();
    open_writer(&Settings::new(&folder.path().join("test.db"))).unwrap()
}

/// The plan of a statement, line by line.
fn explained(db: &Connection, sql: &str) -> Vec<String> {
    let mut statement = db.prepare(&format!("explain query plan {sql}")).unwrap();
    let nulls = vec![None::<i64>; statement.parameter_count()];
    let details = statement.query_map(params_from_iter(nulls), |row| row.get::<_, String>("detail")).unwrap();
    details.map(|detail| detail.unwrap().replace("COVERING ", "")).collect()
}

/// What the plan of a statement reads, without how its parts nest.
fn plan(db: &Connection, sql: &str) -> Vec<String> {
    let lines = explained(db, sql).into_iter();
    let reads = |line: &String| line.starts_with("SEARCH ") || line.starts_with("SCAN ") && !line.contains("CONSTANT ROW");
    let mut lines: Vec<String> = lines.filter(reads).filter(|line| !line.contains("(subquery-")).collect();
    lines.sort();
    lines.dedup();
    lines
}

/// Asserts what a statement reads.
fn assert_reads(sql: &str, expected: &[&str]) {
    let plan = plan(&database(), sql);
    let is_as_expected = plan.len() == expected.len() && plan.iter().zip(expected).all(|(line, start)| line.starts_with(start));
    assert!(is_as_expected, "{plan:#?}\nis the plan of\n{sql}\nbut expected is\n{expected:#?}");
}

#[test]
fn enqueue_looks_up_keys_and_wanted_types() {
    let by_key = "SEARCH event USING INDEX event_idempotency (client_id=? AND idempotency_key=?)";
    assert_reads(enqueue::KEY_TAKEN, &[by_key]);
    let by_type = "SEARCH webhook_event USING PRIMARY KEY (client_id=? AND event_type=?)";
    assert_reads(enqueue::WANTED_BY, &[by_type]);
    let by_event = "SEARCH delivery USING INDEX delivery_event (event_id=?)";
    assert_reads(enqueue::DELIVERIES_OF, &[by_event]);
    // The last row alone.
    assert_reads(event_search::CURRENT, &["SEARCH event"]);
}

#[test]
fn a_claim_reads_the_due_end_of_a_lane() {
    let due = "SEARCH d USING INDEX delivery_due (webhook_id=? AND due_at<?)";
    assert_reads(claim::DUE, &[due, "SEARCH w USING PRIMARY KEY (id=?)"]);
    let by_id =
        ["SEARCH d USING PRIMARY KEY (id=?)", "SEARCH e USING INDEX sqlite_autoindex_event_1 (id=?)", "SEARCH w USING PRIMARY KEY (id=?)"];
    assert_reads(claim::CLAIMED, &by_id);
}

#[test]
fn records_and_releases_look_up_their_deliveries() {
    let by_id = "SEARCH delivery USING PRIMARY KEY (id=?)";
    assert_reads(record::MOVE_ON, &[by_id]);
    assert_reads(queue::CALL_OFF, &[by_id, "SEARCH w USING PRIMARY KEY (id=?)"]);
}

#[test]
fn lanes_are_found_by_steps_along_the_due_index() {
    let steps = [
        "SCAN lane",
        "SEARCH d USING INDEX delivery_due (webhook_id>?)",
        "SEARCH delivery USING INDEX delivery_due",
        "SEARCH w USING PRIMARY KEY (id=?)",
    ];
    assert_reads(queue::LANES_PENDING, &steps);
    assert_reads(queue::IS_DUE, &["SEARCH d USING INDEX delivery_due (webhook_id=? AND due_at<?)"]);
}

#[test]
fn retention_reads_what_has_expired() {
    let expired = "SEARCH delivery USING INDEX delivery_finished (state=? AND finished_at<?)";
    let by_id = "SEARCH delivery USING PRIMARY KEY (id=?)";
    // The second step is the schema's own question whether an attempt still needs the delivery.
    assert_reads(upkeep::REMOVE_DELIVERIES, &["SEARCH attempt USING PRIMARY KEY (delivery_id=?)", expired, by_id]);
    assert_reads(upkeep::REMOVE_ATTEMPTS, &["SEARCH attempt USING PRIMARY KEY (delivery_id=?)", expired]);
    let steps = [
        "SCAN expired",
        "SEARCH d USING INDEX delivery_event (event_id=?)",
        "SEARCH d USING PRIMARY KEY (id=?)",
        expired,
        "SEARCH event USING",
    ];
    assert_reads(upkeep::MARK_BARE, &steps);
    let steps = [
        "SEARCH delivery USING INDEX delivery_event (event_id=?)",
        "SEARCH event USING INDEX event_bare (created_at<?)",
        "SEARCH event USING INTEGER PRIMARY KEY (rowid=?)",
    ];
    assert_reads(upkeep::REMOVE_EVENTS, &steps);
    let steps = ["SEARCH event USING INDEX event_idempotency_age (created_at<?)", "SEARCH event USING INTEGER PRIMARY KEY (rowid=?)"];
    assert_reads(upkeep::FORGET_KEYS, &steps);
    let steps = ["SEARCH event USING INDEX event_search", "SEARCH event_type_block USING PRIMARY KEY (block<?)"];
    assert_reads(upkeep::FORGET_TYPES, &steps);
}

#[test]
fn a_redelivery_reads_what_comes_next_of_its_webhook_or_client() {
    let by_id =
        ["SEARCH d USING PRIMARY KEY (id=?)", "SEARCH e USING INDEX sqlite_autoindex_event_1 (id=?)", "SEARCH w USING PRIMARY KEY (id=?)"];
    let of_client = "SEARCH d USING INDEX delivery_dead_letter (client_id=? AND id>? AND id<?)";
    assert_reads(redelivery::DEAD_LETTERS_OF_CLIENT, &["SCAN page", of_client, by_id[0], by_id[1], by_id[2]]);
    let of_webhook = "SEARCH d USING INDEX delivery_dead_letter_webhook (webhook_id=? AND id>? AND id<?)";
    assert_reads(redelivery::DEAD_LETTERS_OF_WEBHOOK, &["SCAN page", of_webhook, by_id[0], by_id[1], by_id[2]]);
    let events = "SEARCH e USING INDEX event_client (client_id=? AND id>? AND id<?)";
    let wanted = "SEARCH x EXISTS USING INDEX webhook_event_webhook (webhook_id=? AND client_id=? AND event_type=?)";
    assert_reads(redelivery::EVENTS_WANTED, &["SCAN page", "SEARCH d USING INDEX delivery_event (event_id=?)", events, wanted]);
    assert_reads(redelivery::DUE, &["SEARCH redelivery_job USING INDEX redelivery_job_running (step_due_at<?)"]);
}

#[test]
fn statistics_step_from_webhook_to_webhook_and_count_along_an_index() {
    for (sql, index) in
        [(stats::WEBHOOKS_WITH_PENDING, "delivery_due"), (stats::WEBHOOKS_WITH_DEAD_LETTERS, "delivery_dead_letter_webhook")]
    {
        let first = format!("SEARCH delivery USING INDEX {index}");
        assert_reads(sql, &["SCAN lane", &format!("SEARCH d USING INDEX {index} (webhook_id>?)"), &first]);
    }
    let due = "SEARCH delivery USING INDEX delivery_due (webhook_id=?";
    assert_reads(stats::COUNT_PENDING, &[due]);
    assert_reads(stats::EARLIEST_DUE, &["SEARCH delivery USING INDEX delivery_due (webhook_id=? AND due_at<?)"]);
    assert_reads(stats::COUNT_DEAD_LETTERS, &["SEARCH delivery USING INDEX delivery_dead_letter_webhook (webhook_id=?)"]);
}

#[test]
fn statistics_are_added_up_by_reading_each_row_once() {
    const WEBHOOKS: i64 = 50;
    const HOURS: i64 = 168;
    let db = database();
    let now = Timestamp::from_micros((HOURS - 1) * 3_600_000_000);
    let query = StatsQuery { window: StatsWindow::Week, webhook_id: None, now, most_webhooks: 50 };
    let week = stats::adding_up(Scope::All, &query, &Period::of(query.window, now, WEBHOOKS.unsigned_abs()));
    let setup = format!(
        "insert into client (id, name, created_at) values (zeroblob(16), 'made', 0);
        with recursive made (n) as (select 1 union all select n + 1 from made where n < {WEBHOOKS})
            insert into webhook (id, client_id, version, name, events, method, url, state, state_changed_at, created_at, updated_at)
            select randomblob(16), zeroblob(16), 1, n, '[]', 'POST', 'https://example.org', 'active', 0, 0, 0 from made;
        with recursive past (hour) as (select 0 union all select hour + 1 from past where hour < {HOURS} - 1)
            insert into delivery_stat_hour (webhook_id, hour, delivered, answers_to_30_ms) select id, hour, 1, 1 from webhook, past"
    );
    db.execute_batch(&setup).unwrap();
    assert_reads(week.sql(), &["SCAN w", "SEARCH s USING PRIMARY KEY (webhook_id=? AND hour>? AND hour<?)"]);

    let mut statement = db.prepare(week.sql()).unwrap();
    let answers: Vec<Vec<u8>> = statement.query_map(week.values(), |row| row.get(0)).unwrap().map(Result::unwrap).collect();

    // What is handed out row by row costs more than what is read.
    let [answer] = &answers[..] else { panic!("{} rows are handed out", answers.len()) };
    let sums = Sums::read(answer).unwrap();
    assert_eq!((sums.by_webhook.len(), sums.by_number.len()), (50, 168));
    assert!(sums.by_webhook.iter().all(|(_, counts)| (counts.delivered, counts.answers.total()) == (168, 168)));
    let (steps, rows) = (statement.get_status(StatementStatus::VmStep), i32::try_from(WEBHOOKS * HOURS).unwrap());
    assert!(steps < 40 * rows, "{steps} steps for {rows} rows");
}

#[test]
fn deleting_a_webhook_reads_its_pending_deliveries_alone() {
    let pending = "SEARCH d USING INDEX delivery_due (webhook_id=?)";
    assert_reads(left_over::PENDING_OF, &[pending]);
    for deleted in [left_over::IS_ANY, left_over::DELETED] {
        assert_reads(deleted, &["SCAN webhook USING INDEX webhook_left_over"]);
    }
}

#[test]
fn lists_read_an_index_in_their_order_or_a_narrow_one() {
    let all = DeliveryFilter::all(Scope::All);
    let own = DeliveryFilter::all(Scope::Client(Uuid::from_u128(1).into()));
    let webhook = DeliveryFilter { webhook_id: Some(Uuid::from_u128(1).into()), ..all.clone() };
    let state = |filter: &DeliveryFilter, state| DeliveryFilter { state: Some(state), ..filter.clone() };
    let subject = DeliveryFilter { subject: Some(String::new()), ..own.clone() };
    let reason = all.clone().given_up_for(Some(DeadLetterReason::Exhausted));
    let ended = DeliveryFilter { finished_from: Some(Timestamp::from_micros(1)), ..own.clone() };
    let expected = [
        (all.clone(), "SEARCH d USING PRIMARY KEY (id<?)"),
        (own.clone(), "SEARCH d USING INDEX delivery_client (client_id=? AND id<?)"),
        (webhook.clone(), "SEARCH d USING INDEX delivery_webhook (webhook_id=? AND id<?)"),
        (state(&webhook, DeliveryState::Pending), "SEARCH d USING INDEX delivery_due (webhook_id=?)"),
        (state(&all, DeliveryState::InFlight), "SEARCH d USING PRIMARY KEY (id=?)"),
        (state(&all, DeliveryState::Cancelled), "SEARCH d USING INDEX delivery_finished (state=?"),
        (state(&own, DeliveryState::DeadLettered), "SEARCH d USING INDEX delivery_dead_letter (client_id=? AND id<?)"),
        (subject, "SEARCH e USING INDEX event_search (block=? AND subject=?)"),
        (reason, "SEARCH d USING INDEX delivery_dead_letter_reason (dead_letter_reason=? AND id<?)"),
        (state(&webhook, DeliveryState::DeadLettered), "SEARCH d USING INDEX delivery_dead_letter_webhook (webhook_id=? AND id<?)"),
        (ended, "SEARCH d USING INDEX delivery_finished (state=? AND finished_at>?)"),
    ];
    let db = database();
    for (filter, step) in expected {
        let sql = list_text(&db, &filter);

        let plan = plan(&db, &sql);

        assert!(plan.iter().any(|line| line.starts_with(step)), "{step} is not in {plan:#?} of {sql}");
    }
}

#[test]
fn lists_of_changes_read_an_index_in_their_order() {
    let (client, object) = (Scope::Client(Uuid::from_u128(1).into()), Uuid::from_u128(2));
    let (all, own) = (AuditFilter::all(Scope::All), AuditFilter::all(client));
    let timed =
        |filter: &AuditFilter| AuditFilter { from: Some(Timestamp::from_micros(1)), to: Some(Timestamp::from_micros(2)), ..filter.clone() };
    let expected = [
        (all.clone(), "SEARCH audit_entry USING PRIMARY KEY (id<?)"),
        (timed(&all), "SEARCH audit_entry USING PRIMARY KEY (id<?)"),
        (own.clone(), "SEARCH audit_entry USING INDEX audit_entry_client (client_id=? AND id<?)"),
        (timed(&own), "SEARCH audit_entry USING INDEX audit_entry_client (client_id=? AND id<?)"),
        (AuditFilter { object_id: Some(object), ..all }, "SEARCH audit_entry USING INDEX audit_entry_object (object_id=? AND id<?)"),
        (AuditFilter { object_id: Some(object), ..own }, "SEARCH audit_entry USING INDEX audit_entry_object (object_id=? AND id<?)"),
    ];
    for (filter, step) in expected {
        let page = Page { limit: 50, before: Some(Uuid::from_u128(3).into()) };
        let sql = audit::entry_list(&filter, page).sql().to_owned();

        // No step sorts: what an index gives in order ends with the page.
        assert_reads(&sql, &[step]);
        assert!(!explained(&database(), &sql).iter().any(|line| line.contains("TEMP B-TREE")), "{sql}");
    }
}

#[test]
fn secrets_are_looked_up_by_their_key() {
    let range = |column: &str, sign: &str| format!("SEARCH webhook USING INDEX webhook_{column} ({column}{sign}?)");
    let (below, above) = (range("secrets_key", "<"), range("secrets_key", ">"));
    let (signing_below, signing_above) = (range("signing_keys_key", "<"), range("signing_keys_key", ">"));
    let (catalog_keys, payloads) = (
        "SEARCH client_catalog USING INDEX client_catalog_keys_key (keys_key>?)",
        "SEARCH event_secret USING INDEX event_secret_payload_key (payload_key>?)",
    );
    assert_reads(secrets::KEYS_IN_USE, &[catalog_keys, payloads, &above, &signing_above]);
    let by_id = "SEARCH webhook USING PRIMARY KEY (id=?)";
    assert_reads(secrets::UNDER_OTHER_KEYS, &[&below, &above, &signing_below, &signing_above, by_id]);
}

#[test]
fn dead_letters_are_counted_from_the_newest_and_sessions_are_looked_up() {
    let newest = "SEARCH delivery USING INDEX delivery_finished (state=?";
    assert_reads(&dead_letters::tests::text(Scope::All), &[newest]);
    let own = "SEARCH delivery USING INDEX delivery_dead_letter (client_id=?)";
    assert_reads(&dead_letters::tests::text(Scope::Client(Uuid::from_u128(1).into())), &[own]);
    let by_hash = ["SEARCH api_key USING PRIMARY KEY (id=?)", "SEARCH dashboard_session USING PRIMARY KEY (hash=?)"];
    assert_reads(sessions::KEY_OF, &by_hash);
    assert_reads(sessions::REMOVE_ENDED, &["SEARCH dashboard_session USING INDEX dashboard_session_age (expires_at<?)"]);
}

#[test]
fn a_failing_webhook_is_found_by_reading_its_minutes_once() {
    const MINUTES: u64 = 4_000;
    let db = database();
    let setup = "
        insert into client (id, name, created_at) values (zeroblob(16), 'made', 0);
        insert into webhook (id, client_id, version, name, events, method, url, state, state_changed_at, created_at, updated_at)
            values (zeroblob(16), zeroblob(16), 1, 'hook', '[]', 'POST', 'https://example.org', 'active', 0, 0, 0);
        with recursive past (minute) as (select 1 union all select minute + 1 from past where minute < 4000)
            insert into delivery_stat (webhook_id, minute, delivered, failed) select zeroblob(16), minute, minute <= 2000, 1 from past";
    db.execute_batch(setup).unwrap();
    let mut failing = db.prepare(upkeep::FAILING).unwrap();
    // Before the first minute that only failed: nothing is found, and everything is read.
    let found = failing.query_map([2_000], |row| row.get::<_, Vec<u8>>(0)).unwrap().count();
    let steps = failing.get_status(StatementStatus::VmStep).unsigned_abs();
    assert_eq!(found, 0);
    assert!(u64::from(steps) < 20 * MINUTES, "{steps} steps for {MINUTES} minutes");
}
