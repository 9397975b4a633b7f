//! What maintenance asks of the store: old rows removed, failing webhooks found and disabled.

use async_trait::async_trait;
use sqlx::PgConnection;

use super::PostgresStore;
use super::audit;
use super::client_catalogs;
use super::left_over;
use super::record::disable_webhook;
use super::value::At;
use crate::domain::ids::WebhookId;
use crate::domain::time::Timestamp;
use crate::domain::webhook::DisableReason;
use crate::store::contract::Upkeep;
use crate::store::error::StoreError;
use crate::store::records::{Fill, Removed, RetentionStep};
use crate::store::rows::Fields;

/// Removes the deliveries that finished first, with their attempts, and marks the events that nothing speaks of any more.
/// Each arm is a range of the index `delivery_finished`. What another changes at the moment is left for the next step.
pub(super) const REMOVE_DELIVERIES: &str = "
    with expired as materialized (
        select id, event_id from (
            select * from (select id, event_id, finished_at from delivery
                where state = 'delivered' and finished_at < $1 order by finished_at limit $3 for update skip locked) d
            union all
            select * from (select id, event_id, finished_at from delivery
                where state = 'cancelled' and finished_at < $1 order by finished_at limit $3 for update skip locked) c
            union all
            select * from (select id, event_id, finished_at from delivery
                where state = 'dead_lettered' and finished_at < $2 order by finished_at limit $3 for update skip locked) l) e
        order by finished_at, id limit $3),
    tried as (delete from attempt where delivery_id in (select id from expired)),
    removed as (delete from delivery where id in (select id from expired) returning id),
    bared as (
        update event set bare = true
        where id in (select event_id from expired)
            and not exists (select from delivery d where d.event_id = event.id and d.id not in (select id from expired)))
    select count(*) from removed";

/// Oldest first, along the index `event_bare`.
pub(super) const REMOVE_EVENTS: &str = "
    delete from event where id = any(array(select id from event where bare and created_at < $1 order by created_at limit $2))";

/// Oldest first, along the index `event_idempotency_age`.
pub(super) const FORGET_KEYS: &str = "
    update event set idempotency_key = null where id = any(array(
        select id from event where idempotency_key is not null and created_at < $1 order by created_at limit $2))";

/// Webhook by webhook, or scope by scope, along the primary key, whose columns are named.
macro_rules! remove_statistics {
    ($table:literal, $owners:literal, $owner:literal, $unit:literal $(, $shard:literal)?) => {
        concat!(
            "delete from ", $table, " s using (
                select old.", $owner, ", old.", $unit $(, ", old.", $shard)?, "
                from ", $owners, " w join ", $table, " old on old.", $owner, " = w.id
                where old.", $unit, " < $1 limit $2) old
            where s.", $owner, " = old.", $owner, " and s.", $unit, " = old.", $unit $(, " and s.", $shard, " = old.", $shard)?
        )
    };
}

pub(super) const REMOVE_MINUTES: &str = remove_statistics!("delivery_stat", "webhook", "webhook_id", "minute");

pub(super) const REMOVE_HOURS: &str = remove_statistics!("delivery_stat_hour", "webhook", "webhook_id", "hour");

pub(super) const REMOVE_DAYS: &str = remove_statistics!("delivery_stat_day", "webhook", "webhook_id", "day");

/// The nil id is the scope of everybody.
pub(super) const REMOVE_HOURS_OF_SCOPES: &str = remove_statistics!(
    "delivery_stat_scope_hour",
    "(select id from client union all values ('00000000-0000-0000-0000-000000000000'::uuid))",
    "scope",
    "hour",
    "shard"
);

/// Oldest first, along the index `redelivery_job_finished`.
pub(super) const REMOVE_JOBS: &str = "
    delete from redelivery_job where id = any(array(
        select id from redelivery_job where finished_at is not null and finished_at < $1 order by finished_at limit $2))";

/// A minute counts only if it lies wholly on its side of `$1`, and wholly after the webhook's state last changed: better
/// to find a webhook a minute late than to disable one that works. Where a webhook's bad minutes begin is found once for
/// it (`offset 0` keeps the planner from asking it of every minute).
pub(super) const FAILING: &str = "
    select w.id from webhook w
    cross join lateral (
        select greatest(
            floor(extract(epoch from w.state_changed_at) / 60),
            (select g.minute from delivery_stat g where g.webhook_id = w.id and g.delivered > 0 order by g.minute desc limit 1)) as minute
        offset 0) good
    where w.state = 'active' and w.deleted_at is null
        and exists (select from delivery_stat s where s.webhook_id = w.id and s.minute > $1 and s.failed > 0)
        and exists (select from delivery_stat s where s.webhook_id = w.id and s.minute < $1 and s.minute > good.minute and s.failed > 0)";

/// Along the index `delivery_due`, no further than is asked.
pub(super) const PENDING: &str = "select count(*) from (select 1 from delivery where state = 'pending' limit $1) p";

#[async_trait]
impl Upkeep for PostgresStore {
    async fn remove_expired(&self, step: RetentionStep) -> Result<Removed, StoreError> {
        self.connections.write_long(move |call| Box::pin(remove_expired(call.db, step))).await
    }

    async fn failing_webhooks(&self, since: Timestamp) -> Result<Vec<WebhookId>, StoreError> {
        self.connections.call(move |call| Box::pin(failing(call.db, since))).await
    }

    async fn disable_webhook(&self, id: WebhookId, reason: DisableReason, now: Timestamp) -> Result<bool, StoreError> {
        self.connections.call(move |call| Box::pin(disable_webhook(call, id, None, reason, now))).await
    }

    async fn cancel_left_over(&self, limit: u32) -> Result<u64, StoreError> {
        // Nearly always there is nothing: that needs no transaction.
        if !self.connections.call(|call| Box::pin(left_over::is_any(call.db))).await? {
            return Ok(0);
        }
        self.connections.write(move |call| Box::pin(left_over::cancel_left_over(call.db, limit))).await
    }

    /// The server's disk is not seen from here.
    async fn fill(&self, most_pending: u64) -> Result<Fill, StoreError> {
        let pending = self.connections.call(move |call| Box::pin(pending(call.db, most_pending))).await?;
        Ok(Fill { pending, free_bytes: None })
    }

    /// The server tidies up by itself, as the migrations tell it to.
    async fn tidy(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

async fn failing(db: &mut PgConnection, since: Timestamp) -> Result<Vec<WebhookId>, StoreError> {
    let rows = sqlx::query(FAILING).bind(since.as_minutes()).fetch_all(db).await?;
    rows.iter().map(|row| Fields::of(row, "webhook").id("id")).collect()
}

async fn pending(db: &mut PgConnection, most: u64) -> Result<u64, StoreError> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let pending: i64 = sqlx::query_scalar(PENDING).bind(most).fetch_one(db).await?;
    Ok(pending.unsigned_abs())
}

async fn remove_expired(db: &mut PgConnection, step: RetentionStep) -> Result<Removed, StoreError> {
    let limit = i64::from(step.limit);
    let query = sqlx::query_scalar(REMOVE_DELIVERIES).bind(At(step.finished_before)).bind(At(step.dead_letters_before)).bind(limit);
    let deliveries: i64 = query.fetch_one(&mut *db).await?;
    let query = sqlx::query(REMOVE_EVENTS).bind(At(step.finished_before)).bind(limit);
    let events = query.execute(&mut *db).await?.rows_affected();
    let query = sqlx::query(FORGET_KEYS).bind(At(step.idempotency_before)).bind(limit);
    let idempotency_keys = query.execute(&mut *db).await?.rows_affected();
    let statistics = remove_statistics(&mut *db, step).await?;
    sqlx::query(audit::MOVE_ON).bind(At(step.audit_before)).execute(&mut *db).await?;
    let query = sqlx::query(audit::REMOVE).bind(At(step.audit_before)).bind(limit);
    let audit_entries = query.execute(&mut *db).await?.rows_affected();
    client_catalogs::drop_secrets(db, limit).await?;
    let redelivery_jobs = sqlx::query(REMOVE_JOBS).bind(At(step.finished_before)).bind(limit).execute(db).await?.rows_affected();
    Ok(Removed { deliveries: deliveries.unsigned_abs(), events, idempotency_keys, statistics, audit_entries, redelivery_jobs })
}

async fn remove_statistics(db: &mut PgConnection, step: RetentionStep) -> Result<u64, StoreError> {
    let minute = step.statistics_before.as_minutes();
    // Hours go with their day, so that what they add up to is never more than they are.
    let day = minute.div_euclid(24 * 60);
    let mut removed = 0;
    for (text, before) in [(REMOVE_MINUTES, minute), (REMOVE_HOURS, day * 24), (REMOVE_DAYS, day), (REMOVE_HOURS_OF_SCOPES, day * 24)] {
        removed += sqlx::query(text).bind(before).bind(i64::from(step.limit)).execute(&mut *db).await?.rows_affected();
    }
    Ok(removed)
}
