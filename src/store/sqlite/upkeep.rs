//! What maintenance asks of the store: old rows removed, failing webhooks found and disabled, files tidied.

use async_trait::async_trait;
use rusqlite::Row;

use super::SqliteStore;
use super::audit;
use super::client_catalogs;
use super::left_over;
use super::record::disable_webhook;
use super::statements::Statements;
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

/// What is noted of blocks that have no events any more.
pub(super) const FORGET_TYPES: &str = "
    delete from event_type_block where block < (select coalesce(min(block), 0) from event indexed by event_search)";

/// Oldest first, along the index `event_idempotency_age`.
pub(super) const FORGET_KEYS: &str = "
    update event set idempotency_key = null where rowid in (
        select rowid from event where idempotency_key is not null and created_at < ?1 order by created_at limit ?2)";

/// Webhook by webhook, along the primary key.
pub(super) const REMOVE_STATISTICS: &str = "
    delete from delivery_stat where (webhook_id, minute) in (
        select s.webhook_id, s.minute from webhook w cross join delivery_stat s on s.webhook_id = w.id
        where s.minute < ?1 limit ?2)";

/// As [`REMOVE_STATISTICS`].
pub(super) const REMOVE_HOURLY_STATISTICS: &str = "
    delete from delivery_stat_hour where (webhook_id, hour) in (
        select s.webhook_id, s.hour from webhook w cross join delivery_stat_hour s on s.webhook_id = w.id
        where s.hour < ?1 limit ?2)";

/// Oldest first, along the index `redelivery_job_finished`.
pub(super) const REMOVE_JOBS: &str = "
    delete from redelivery_job where id in (
        select id from redelivery_job where finished_at is not null and finished_at < ?1 order by finished_at limit ?2)";

/// A minute counts only if it lies wholly on its side of `?1`, and wholly after the webhook's state last changed: better
/// to find a webhook a minute late than to disable one that works. Where a webhook's bad minutes begin is found once for
/// it, and not asked of every minute.
pub(super) const FAILING: &str = "
    with good(webhook_id, minute) as materialized (
        select w.id, max(
            w.state_changed_at / 60000000,
            coalesce(
                (select s.minute from delivery_stat s where s.webhook_id = w.id and s.delivered > 0 order by s.minute desc limit 1),
                -9223372036854775808))
        from webhook w where w.state = 'active' and w.deleted_at is null)
    select good.webhook_id from good
    where exists (select 1 from delivery_stat s where s.webhook_id = good.webhook_id and s.minute > ?1 and s.failed > 0)
        and exists (
            select 1 from delivery_stat s
            where s.webhook_id = good.webhook_id and s.minute < ?1 and s.minute > good.minute and s.failed > 0)";

/// How many free pages a step gives back to the file system, and how many steps a call makes. Each step holds up other
/// writes for some milliseconds.
const VACUUM_STEP: &str = "PRAGMA incremental_vacuum(256)";
const VACUUM_STEPS: usize = 16;

/// Along the index `delivery_due`, no further than is asked.
const PENDING: &str = "select count(*) from (select 1 from delivery where state = 'pending' limit ?)";

#[async_trait]
impl Upkeep for SqliteStore {
    async fn remove_expired(&self, step: RetentionStep) -> Result<Removed, StoreError> {
        self.writer.write(move |tx| remove_expired(tx, step)).await
    }

    async fn failing_webhooks(&self, since: Timestamp) -> Result<Vec<WebhookId>, StoreError> {
        let read = |row: &Row<'_>| Fields::of(row, "webhook").id("id");
        self.readers.read(move |db| db.rows(FAILING, (since.as_minutes(),), read)).await
    }

    async fn disable_webhook(&self, id: WebhookId, reason: DisableReason, now: Timestamp) -> Result<bool, StoreError> {
        self.writer.write(move |tx| disable_webhook(tx, id, None, reason, now)).await
    }

    async fn cancel_left_over(&self, limit: u32) -> Result<u64, StoreError> {
        // Nearly always there is nothing: that is found out beside the writer.
        if self.readers.read(|db| db.number(left_over::IS_ANY, ())).await? == 0 {
            return Ok(0);
        }
        self.change_pending(None, move |tx, held, _| left_over::cancel_left_over(tx, limit, held)).await
    }

    async fn fill(&self, most_pending: u64) -> Result<Fill, StoreError> {
        let most = i64::try_from(most_pending).unwrap_or(i64::MAX);
        let held = self.held.count() as u64;
        let pending = self.readers.read(move |db| db.number(PENDING, (most.saturating_add_unsigned(held),))).await?;
        let free_bytes = rustix::fs::statvfs(&self.path).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        Ok(Fill { pending: pending.unsigned_abs().saturating_sub(held), free_bytes })
    }

    async fn tidy(&self) -> Result<(), StoreError> {
        for _ in 0..VACUUM_STEPS {
            self.writer.maintain(|db| Ok(db.execute_batch(VACUUM_STEP)?)).await?;
        }
        // Passive waits for nobody: what a reader still needs stays for the next time.
        self.writer.maintain(|db| Ok(db.execute_batch("PRAGMA wal_checkpoint(PASSIVE)")?)).await
    }
}

fn remove_audit_entries(tx: &Transaction<'_>, step: RetentionStep) -> Result<u64, StoreError> {
    let before = step.audit_before.as_micros();
    tx.db.change(audit::MOVE_ON, (before,))?;
    Ok(tx.db.change(audit::REMOVE, (before, step.limit))? as u64)
}

fn remove_statistics(tx: &Transaction<'_>, step: RetentionStep) -> Result<u64, StoreError> {
    let minute = step.statistics_before.as_minutes();
    let minutes = tx.db.change(REMOVE_STATISTICS, (minute, step.limit))?;
    let hours = tx.db.change(REMOVE_HOURLY_STATISTICS, (minute.div_euclid(60), step.limit))?;
    Ok((minutes + hours) as u64)
}

/// The choice of what has expired is made anew by each statement; within the transaction it comes out the same.
fn remove_expired(tx: &mut Transaction<'_>, step: RetentionStep) -> Result<Removed, StoreError> {
    let (finished_before, dead_letters_before) = (step.finished_before.as_micros(), step.dead_letters_before.as_micros());
    let change = |sql, values: (i64, u32)| tx.db.change(sql, values).map(|rows| rows as u64);
    let mut deliveries = 0;
    for statement in [MARK_BARE, REMOVE_ATTEMPTS, REMOVE_DELIVERIES] {
        deliveries = tx.db.change(statement, (finished_before, dead_letters_before, step.limit))? as u64;
    }
    client_catalogs::drop_secrets(tx.db, step.limit)?;
    let events = change(REMOVE_EVENTS, (finished_before, step.limit))?;
    tx.db.change(FORGET_TYPES, ())?;
    Ok(Removed {
        deliveries,
        events,
        idempotency_keys: change(FORGET_KEYS, (step.idempotency_before.as_micros(), step.limit))?,
        statistics: remove_statistics(tx, step)?,
        audit_entries: remove_audit_entries(tx, step)?,
        redelivery_jobs: change(REMOVE_JOBS, (finished_before, step.limit))?,
    })
}
