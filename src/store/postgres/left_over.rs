//! What deleted webhooks leave over: deliveries that still wait. They are cancelled some at a time, as of the deletion, so
//! that no transaction takes long.

use sqlx::PgConnection;

use super::value::At;
use crate::domain::ids::WebhookId;
use crate::domain::time::Timestamp;
use crate::store::error::StoreError;

/// Along the index `webhook_left_over`, which is nearly always empty.
pub(super) const IS_ANY: &str = "select exists (select from webhook where has_left_over)";

/// What another node is about to claim or cancel is passed over.
pub(super) const CANCEL: &str = "
    with waiting as materialized (
        select d.id, w.deleted_at
        from webhook w cross join lateral (
            select id from delivery where webhook_id = w.id and state = 'pending' order by due_at, id limit $1 for update skip locked) d
        where w.has_left_over limit $1)
    update delivery set state = 'cancelled', finished_at = waiting.deleted_at from waiting where delivery.id = waiting.id";

/// What a claim holds at the moment is seen as pending until it is in flight, and then is no business of ours.
pub(super) const NOTHING_LEFT: &str = "
    update webhook set has_left_over = false
    where has_left_over and not exists (select from delivery d where d.webhook_id = webhook.id and d.state = 'pending')";

/// Reads the pending ones alone, not all that the webhook ever got. What a claim holds at the moment is waited for, and what
/// is locked is pending still. (To say so once more would offer the planner an index that is worse than the primary key.)
pub(super) const CANCEL_OF: &str = "
    update delivery set state = 'cancelled', finished_at = $2
    where id = any(array(
        select d.id from delivery d where d.webhook_id = $1 and d.state = 'pending' order by d.due_at, d.id limit $3 for update))";

/// Whether there may be anything.
pub(super) async fn is_any(db: &mut PgConnection) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(IS_ANY).fetch_one(db).await?)
}

/// Does what `Upkeep::cancel_left_over` promises, within a transaction.
pub(super) async fn cancel_left_over(db: &mut PgConnection, limit: u32) -> Result<u64, StoreError> {
    let cancelled = sqlx::query(CANCEL).bind(i64::from(limit)).execute(&mut *db).await?.rows_affected();
    sqlx::query(NOTHING_LEFT).execute(db).await?;
    Ok(cancelled)
}

/// Cancels at most `limit` deliveries of one deleted webhook. What is in flight is left to whoever has it.
pub(super) async fn cancel_of(db: &mut PgConnection, (id, deleted_at): (WebhookId, Timestamp), limit: u32) -> Result<(), StoreError> {
    let query = sqlx::query(CANCEL_OF).bind(id.as_uuid()).bind(At(deleted_at)).bind(i64::from(limit));
    query.execute(db).await?;
    Ok(())
}
