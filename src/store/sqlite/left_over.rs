//! What deleted webhooks leave over: deliveries that still wait. They are cancelled some at a time, as of the deletion, so
//! that no write takes long.

use rusqlite::Row;

use super::held::Held;
use super::statements::Statements;
use super::writer::Transaction;
use crate::domain::ids::{DeliveryId, WebhookId};
use crate::domain::time::Timestamp;
use crate::store::error::StoreError;
use crate::store::rows::Fields;

/// Along the index `webhook_left_over`, which is nearly always empty.
pub(super) const IS_ANY: &str = "select exists (select 1 from webhook where has_left_over = 1)";

/// As [`IS_ANY`].
pub(super) const DELETED: &str = "select id, deleted_at from webhook where has_left_over = 1 order by id";

const NOTHING_LEFT: &str = "update webhook set has_left_over = 0 where id = ?";

/// The pending ones alone, not all that the webhook ever got.
pub(super) const PENDING_OF: &str = "
    select d.id from delivery d indexed by delivery_due where d.webhook_id = ? and d.state = 'pending' limit ?";

const CANCEL: &str = "update delivery set state = 'cancelled', finished_at = ?2 where id = ?1";

/// Does what `Upkeep::cancel_left_over` promises.
pub(super) fn cancel_left_over(tx: &Transaction<'_>, limit: u32, held: &Held) -> Result<u64, StoreError> {
    let read = |row: &Row<'_>| {
        let mut fields = Fields::of(row, "webhook");
        Ok((fields.id("id")?, Timestamp::from_micros(fields.number("deleted_at")?)))
    };
    let mut room = limit;
    for deleted in tx.db.rows(DELETED, (), read)? {
        if room == 0 {
            break;
        }
        room -= cancel_of(tx, deleted, room, held)?;
    }
    Ok(u64::from(limit - room))
}

/// Cancels at most `limit` deliveries of one deleted webhook; answers how many. What is in flight is left to whoever has it.
pub(super) fn cancel_of(
    tx: &Transaction<'_>,
    (id, deleted_at): (WebhookId, Timestamp),
    limit: u32,
    held: &Held,
) -> Result<u32, StoreError> {
    let held = held.in_lanes(std::iter::once(id)).remove(&id).unwrap_or_default();
    let most = i64::from(limit).saturating_add_unsigned(held.len() as u64);
    let pending: Vec<DeliveryId> = tx.db.rows(PENDING_OF, (id.as_uuid(), most), |row| Fields::of(row, "delivery").id("id"))?;
    if pending.is_empty() {
        tx.db.change(NOTHING_LEFT, (id.as_uuid(),))?;
    }
    let mut cancelled = 0;
    for delivery in pending.into_iter().filter(|id| !held.contains(id)).take(limit as usize) {
        tx.db.change(CANCEL, (delivery.as_uuid(), deleted_at.as_micros()))?;
        cancelled += 1;
    }
    Ok(cancelled)
}
