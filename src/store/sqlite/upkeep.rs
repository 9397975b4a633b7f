//! What maintenance asks of the store: old rows removed, failing webhooks found and disabled, files tidied.

use async_trait::async_trait;
use sqlx::SqliteConnection;

use super::SqliteStore;
use super::record::disable_webhook;
use super::writer::Transaction;
use crate::domain::ids::WebhookId;
use crate::domain::time::Timestamp;
use crate::domain::webhook::DisableReason;
use crate::store::contract::Upkeep;
use crate::store::error::StoreError;
use crate::store::records::{Fill, Removed, RetentionStep};
use crate::store::rows::Fields;

/// The deliveries that a step removes, oldest first: each arm a range of the index `delivery_finished`.
macro_rules! expired_deliveries {
    () => {
        "select id from (
             select * from (select id, finished_at from delivery
                 where state = 'delivered' and finished_at < ?1 order by finished_at limit ?3)
             union all
             select * from (select id, finished_at from delivery
                 where state = 'cancelled' and finished_at < ?1 order by finished_at limit ?3)
             union all
             select * from (select id, finished_at from delivery
                 where state = 'dead_lettered' and finished_at < ?2 order by finished_at limit ?3))
         order by finished_at, id limit ?3"
    };
}

/// Marks the events of which every delivery is about to go. Runs before the deliveries do, while they still say so.
pub(super) const MARK_BARE: &str = concat!(
    "with expired(id) as materialized (",
    expired_deliveries!(),
    ")
     update event set bare = 1
     where id in (select d.event_id from expired cross join delivery d on d.id = expired.id)
         and not exists (select 1 from delivery d where d.event_id = event.id and d.id not in (select id from expired))"
);

pub(super) const REMOVE_ATTEMPTS: &str = concat!("delete from attempt where delivery_id in (", expired_deliveries!(), ")");

pub(super) const REMOVE_DELIVERIES: &str = concat!("delete from delivery where id in (", expired_deliveries!(), ")");

/// Oldest first, along the index `event_bare`.
pub(super) const REMOVE_EVENTS: &str = "
    delete from event where rowid in (
        select rowid from event where bare = 1 and created_at < ?1 order by created_at limit ?2)";

/// Oldest first, along the index `event_idempotency_age`.
pub(super) const FORGET_KEYS: &str = "
    update event set idempotency_key = null where rowid in (
        select rowid from event where idempotency_key is not null and created_at < ?1 order by created_at limit ?2)";

/// Webhook by webhook, along the primary key.
pub(super) const REMOVE_STATISTICS: &str = "
    delete from delivery_stat where (webhook_id, minute) in (
        select s.webhook_id, s.minute from webhook w cross join delivery_stat s on s.webhook_id = w.id
        where s.minute < ?1 limit ?2)";

/// A minute counts only if it lies wholly on its side of `?1`, and wholly after the webhook's state last changed: better
/// to find a webhook a minute late than to disable one that works.
const FAILING: &str = "
    select w.id from webhook w
    where w.state = 'active' and w.deleted_at is null
        and exists (select 1 from delivery_stat s where s.webhook_id = w.id and s.minute > ?1 and s.failed > 0)
        and exists (
            select 1 from delivery_stat s
            where s.webhook_id = w.id and s.minute < ?1 and s.failed > 0 and s.minute > w.state_changed_at / 60000000
                and s.minute > coalesce(
                    (select g.minute from delivery_stat g where g.webhook_id = w.id and g.delivered > 0 order by g.minute desc limit 1),
                    -9223372036854775808))";

/// How many free pages a step gives back to the file system, and how many steps a call makes. Each step holds up other
/// writes for some milliseconds.
const VACUUM_STEP: &str = "PRAGMA incremental_vacuum(256)";
const VACUUM_STEPS: usize = 16;

/// Along the index `delivery_due`, no further than is asked.
const PENDING: &str = "select count(*) from (select 1 from delivery where state = 'pending' limit ?)";

#[async_trait]
impl Upkeep for SqliteStore {
    async fn remove_expired(&self, step: RetentionStep) -> Result<Removed, StoreError> {
        self.writer.write(move |tx| Box::pin(remove_expired(tx, step))).await
    }

    async fn failing_webhooks(&self, since: Timestamp) -> Result<Vec<WebhookId>, StoreError> {
        let rows = sqlx::query(FAILING).bind(since.as_minutes()).fetch_all(&self.readers).await?;
        rows.iter().map(|row| Fields::of(row, "webhook").id("id")).collect()
    }

    async fn disable_webhook(&self, id: WebhookId, reason: DisableReason, now: Timestamp) -> Result<bool, StoreError> {
        self.writer.write(move |tx| Box::pin(disable_webhook(tx, id, None, reason, now))).await
    }

    async fn fill(&self, most_pending: u64) -> Result<Fill, StoreError> {
        let most = i64::try_from(most_pending).unwrap_or(i64::MAX);
        let pending: i64 = sqlx::query_scalar(PENDING).bind(most).fetch_one(&self.readers).await?;
        let free_bytes = rustix::fs::statvfs(&self.path).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        Ok(Fill { pending: pending.unsigned_abs(), free_bytes })
    }

    async fn tidy(&self) -> Result<(), StoreError> {
        for _ in 0..VACUUM_STEPS {
            self.writer.maintain(|db| Box::pin(run(db, VACUUM_STEP))).await?;
        }
        // Passive waits for nobody: what a reader still needs stays for the next time.
        self.writer.maintain(|db| Box::pin(run(db, "PRAGMA wal_checkpoint(PASSIVE)"))).await
    }
}

async fn run(db: &mut SqliteConnection, pragma: &'static str) -> Result<(), StoreError> {
    sqlx::raw_sql(pragma).execute(db).await?;
    Ok(())
}

/// The choice of what has expired is made anew by each statement; within the transaction it comes out the same.
async fn remove_expired(tx: &mut Transaction<'_>, step: RetentionStep) -> Result<Removed, StoreError> {
    let (finished_before, dead_letters_before) = (step.finished_before.as_micros(), step.dead_letters_before.as_micros());
    let mut deliveries = 0;
    for statement in [MARK_BARE, REMOVE_ATTEMPTS, REMOVE_DELIVERIES] {
        let query = sqlx::query(statement).bind(finished_before).bind(dead_letters_before).bind(step.limit);
        deliveries = query.execute(&mut *tx.db).await?.rows_affected();
    }
    let query = sqlx::query(REMOVE_EVENTS).bind(finished_before).bind(step.limit);
    let events = query.execute(&mut *tx.db).await?.rows_affected();
    let query = sqlx::query(FORGET_KEYS).bind(step.idempotency_before.as_micros()).bind(step.limit);
    let idempotency_keys = query.execute(&mut *tx.db).await?.rows_affected();
    let query = sqlx::query(REMOVE_STATISTICS).bind(step.statistics_before.as_minutes()).bind(step.limit);
    let statistics = query.execute(&mut *tx.db).await?.rows_affected();
    Ok(Removed { deliveries, events, idempotency_keys, statistics })
}
