//! Which index each statement reads, as SQLite plans it: what makes a store fast with millions of rows.

use sqlx::{AssertSqlSafe, Row, SqliteConnection};
use uuid::Uuid;

use super::connect::{open_writer, options};
use super::delivery_list::tests::text as list_text;
use super::{claim, enqueue, nodes, queue, record, upkeep, webhooks};
use crate::domain::delivery::DeliveryState;
use crate::store::records::{DeliveryFilter, Scope};

/// An empty database. Without statistics a plan does not depend on what a table holds.
async fn database() -> SqliteConnection {
    let folder = tempfile::tempdir().unwrap();
    open_writer(&options(&folder.path().join("test.db"))).await.unwrap()
}

/// What the plan of a statement reads, without how its parts nest.
async fn plan(db: &mut SqliteConnection, sql: &str) -> Vec<String> {
    let rows = sqlx::raw_sql(AssertSqlSafe(format!("explain query plan {sql}"))).fetch_all(db).await.unwrap();
    let lines = rows.iter().map(|row| row.get::<String, _>("detail").replace("COVERING ", ""));
    let reads = |line: &String| line.starts_with("SEARCH ") || line.starts_with("SCAN ") && !line.contains("CONSTANT ROW");
    let mut lines: Vec<String> = lines.filter(reads).filter(|line| !line.contains("(subquery-")).collect();
    lines.sort();
    lines.dedup();
    lines
}

/// Asserts what a statement reads.
async fn assert_reads(sql: &str, expected: &[&str]) {
    let plan = plan(&mut database().await, sql).await;
    let is_as_expected = plan.len() == expected.len() && plan.iter().zip(expected).all(|(line, start)| line.starts_with(start));
    assert!(is_as_expected, "{plan:#?}\nis the plan of\n{sql}\nbut expected is\n{expected:#?}");
}

#[tokio::test]
async fn enqueue_looks_up_keys_and_wanted_types() {
    let by_key = "SEARCH e USING INDEX event_idempotency (client_id=? AND idempotency_key=?)";
    assert_reads(enqueue::KEYS_TAKEN.sample(), &["SCAN asked", by_key]).await;
    let by_type = "SEARCH w USING PRIMARY KEY (client_id=? AND event_type=?)";
    assert_reads(enqueue::WANTED_BY.sample(), &["SCAN asked", by_type]).await;
    let by_event = "SEARCH d USING INDEX delivery_event (event_id=?)";
    assert_reads(enqueue::DELIVERIES_OF.sample(), &["SCAN asked", by_event]).await;
}

#[tokio::test]
async fn a_claim_reads_the_due_ends_of_its_lanes() {
    let steps = [
        "SCAN due",
        "SEARCH d USING INDEX delivery_due (webhook_id=? AND due_at<?)",
        "SEARCH d USING PRIMARY KEY (id=?)",
        "SEARCH e USING INDEX sqlite_autoindex_event_1 (id=?)",
        "SEARCH w USING PRIMARY KEY (id=?)",
    ];
    assert_reads(claim::DUE.sample(), &steps).await;
    assert_reads(claim::MARK.sample(), &["SEARCH delivery USING PRIMARY KEY (id=?)"]).await;
}

#[tokio::test]
async fn records_and_releases_look_up_their_claims() {
    let by_id = "SEARCH delivery USING PRIMARY KEY (id=?)";
    assert_reads(record::MOVE_ON.sample(), &["SCAN moved", by_id]).await;
    assert_reads(queue::RELEASE.sample(), &["SCAN held", by_id, "SEARCH w USING PRIMARY KEY (id=?)"]).await;
}

#[tokio::test]
async fn a_start_reads_only_what_is_in_flight() {
    assert_reads(nodes::TAKE_BACK, &["SCAN delivery USING INDEX delivery_in_flight", "SEARCH w USING PRIMARY KEY (id=?)"]).await;
}

#[tokio::test]
async fn lanes_are_found_by_steps_along_the_due_index() {
    let steps = [
        "SCAN lane",
        "SEARCH d EXISTS USING INDEX delivery_due (webhook_id=? AND due_at<?)",
        "SEARCH d USING INDEX delivery_due (webhook_id>?)",
        "SEARCH delivery USING INDEX delivery_due",
        "SEARCH w USING PRIMARY KEY (id=?)",
    ];
    assert_reads(queue::LANES_DUE, &steps).await;
}

#[tokio::test]
async fn retention_reads_what_has_expired() {
    let expired = "SEARCH delivery USING INDEX delivery_finished (state=? AND finished_at<?)";
    let by_id = "SEARCH delivery USING PRIMARY KEY (id=?)";
    // The second step is the schema's own question whether an attempt still needs the delivery.
    assert_reads(upkeep::REMOVE_DELIVERIES, &["SEARCH attempt USING PRIMARY KEY (delivery_id=?)", expired, by_id]).await;
    assert_reads(upkeep::REMOVE_ATTEMPTS, &["SEARCH attempt USING PRIMARY KEY (delivery_id=?)", expired]).await;
    let steps = [
        "SCAN expired",
        "SEARCH d USING INDEX delivery_event (event_id=?)",
        "SEARCH d USING PRIMARY KEY (id=?)",
        expired,
        "SEARCH event USING",
    ];
    assert_reads(upkeep::MARK_BARE, &steps).await;
    let steps = [
        "SEARCH delivery USING INDEX delivery_event (event_id=?)",
        "SEARCH event USING INDEX event_bare (created_at<?)",
        "SEARCH event USING INTEGER PRIMARY KEY (rowid=?)",
    ];
    assert_reads(upkeep::REMOVE_EVENTS, &steps).await;
    let steps = ["SEARCH event USING INDEX event_idempotency_age (created_at<?)", "SEARCH event USING INTEGER PRIMARY KEY (rowid=?)"];
    assert_reads(upkeep::FORGET_KEYS, &steps).await;
}

#[tokio::test]
async fn deleting_a_webhook_reads_its_pending_deliveries_alone() {
    let steps = ["SEARCH d USING INDEX delivery_due (webhook_id=?)", "SEARCH delivery USING PRIMARY KEY (id=?)"];
    assert_reads(webhooks::CANCEL_PENDING, &steps).await;
}

#[tokio::test]
async fn lists_read_an_index_in_their_order_or_a_narrow_one() {
    let all = DeliveryFilter::all(Scope::All);
    let own = DeliveryFilter::all(Scope::Client(Uuid::from_u128(1).into()));
    let webhook = DeliveryFilter { webhook_id: Some(Uuid::from_u128(1).into()), ..all.clone() };
    let state = |filter: &DeliveryFilter, state| DeliveryFilter { state: Some(state), ..filter.clone() };
    let subject = DeliveryFilter { subject: Some(String::new()), ..own.clone() };
    let expected = [
        (all.clone(), "SEARCH d USING PRIMARY KEY (id<?)"),
        (own.clone(), "SEARCH d USING INDEX delivery_client (client_id=? AND id<?)"),
        (webhook.clone(), "SEARCH d USING INDEX delivery_webhook (webhook_id=? AND id<?)"),
        (state(&webhook, DeliveryState::Pending), "SEARCH d USING INDEX delivery_due (webhook_id=?)"),
        (state(&all, DeliveryState::InFlight), "SCAN d USING INDEX delivery_in_flight"),
        (state(&all, DeliveryState::Cancelled), "SEARCH d USING INDEX delivery_finished (state=?"),
        (state(&own, DeliveryState::DeadLettered), "SEARCH d USING INDEX delivery_dead_letter (client_id=? AND id<?)"),
        (subject, "SEARCH e USING INDEX event_client (client_id=?)"),
    ];
    let mut db = database().await;
    for (filter, step) in expected {
        let sql = list_text(&mut db, &filter).await;

        let plan = plan(&mut db, &sql).await;

        assert!(plan.iter().any(|line| line.starts_with(step)), "{step} is not in {plan:#?} of {sql}");
    }
}
