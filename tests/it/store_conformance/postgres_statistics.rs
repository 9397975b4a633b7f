//! The tables that PostgreSQL keeps beside the minutes and hours of statistics, so that a week is read from few rows.

use std::sync::Arc;

use webhook_dispatcher::domain::stats::StatsWindow;
use webhook_dispatcher::store::records::Scope;

use super::postgres_database::PostgresDatabase;
use super::stats::{NOW, attempts_about_midnights, expired, stats_of, webhook};
use super::world::{World, at};

/// A world with some attempts, and its database.
async fn counted() -> (World, Arc<PostgresDatabase>) {
    let database = Arc::new(PostgresDatabase::fresh());
    let world = World::on(Arc::clone(&database)).await;
    for _ in 0..2 {
        attempts_about_midnights(&world, webhook(&world).await).await;
    }
    (world, database)
}

/// How many rows there are of minutes, hours, days and scopes.
fn rows(database: &PostgresDatabase) -> String {
    let tables = ["delivery_stat", "delivery_stat_hour", "delivery_stat_day", "delivery_stat_scope_hour"];
    let counts = tables.map(|table| format!("(select count(*) from {table})")).join(", ");
    database.sql(&format!("select concat_ws(' ', {counts})")).unwrap()
}

/// Removes at most three rows of each table at a time.
async fn remove_all(world: &World) -> u64 {
    let mut removed = 0;
    loop {
        let step = world.store.remove_expired(expired(at(NOW + 48 * 3_600), 3)).await.unwrap();
        assert!(step.statistics <= 4 * 3);
        if step.is_nothing() {
            return removed;
        }
        removed += step.statistics;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn a_schema_of_hours_alone_is_brought_up_to_days_and_scopes() {
    let (mut world, database) = counted().await;
    let (before, rows_before) = (stats_of(&world, Scope::All, StatsWindow::Week, None, at(NOW)).await, rows(&database));
    database.sql("drop table delivery_stat_day, delivery_stat_scope_hour; delete from _sqlx_migrations where version >= 22").unwrap();

    world.reopen().await;

    assert_eq!(stats_of(&world, Scope::All, StatsWindow::Week, None, at(NOW)).await, before);
    assert_eq!(rows(&database), rows_before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn retention_leaves_no_row_of_any_table() {
    let (world, database) = counted().await;
    assert_eq!(rows(&database), "20 20 8 30");

    let removed = remove_all(&world).await;

    assert_eq!((removed, rows(&database).as_str()), (78, "0 0 0 0"));
}

/// The rows of a scope are the shards' together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn what_several_nodes_counted_is_added_up_and_removed() {
    let (world, database) = counted().await;
    let before = stats_of(&world, Scope::All, StatsWindow::Week, None, at(NOW)).await;

    database
        .sql("insert into delivery_stat_scope_hour (scope, hour, shard, delivered) select scope, hour, -1, 1 from delivery_stat_scope_hour")
        .unwrap();
    let after = stats_of(&world, Scope::All, StatsWindow::Week, None, at(NOW)).await;
    remove_all(&world).await;

    assert_eq!((before.total.delivered, after.total.delivered), (16, 16 + 8));
    assert_eq!(rows(&database), "0 0 0 0");
}
