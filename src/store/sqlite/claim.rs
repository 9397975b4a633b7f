//! How due deliveries are claimed: those that are due and not held, with all that an attempt needs.
//!
//! It only reads: claims are kept by `held`, whose turn the caller has.

use std::collections::{HashMap, HashSet};

use rusqlite::Connection;

use super::statements::Statements;
use crate::domain::ids::{ClaimToken, DeliveryId, WebhookId};
use crate::domain::time::Timestamp;
use crate::store::error::StoreError;
use crate::store::records::ClaimedDelivery;
use crate::store::rows::{Fields, claimed, event_columns};

/// What is due of an active webhook, earliest first: a range of the index `delivery_due`, in its order.
pub(super) const DUE: &str = "
    select d.id from webhook w cross join delivery d on d.webhook_id = w.id
    where w.id = ? and w.state = 'active' and w.deleted_at is null and d.state = 'pending' and d.due_at <= ?
    order by d.due_at, d.id limit ?";

/// What an attempt of a delivery needs.
pub(super) const CLAIMED: &str = concat!(
    "select d.id, d.webhook_id, w.version, d.attempts, d.attempts_before_series, d.due_at, ",
    event_columns!(),
    ", e.payload_state, e.trace from delivery d cross join webhook w on w.id = d.webhook_id cross join event e on e.id = d.event_id where d.id = ?"
);

/// What is asked of a claim, and what is held already.
pub(super) struct Choice {
    pub(super) now: Timestamp,
    pub(super) quotas: Vec<(WebhookId, u32)>,
    pub(super) held: HashMap<WebhookId, HashSet<DeliveryId>>,
    /// One for the whole claim: it fences together with a delivery's id.
    pub(super) token: ClaimToken,
}

impl Choice {
    /// Chooses for each webhook as much as it may have, of one moment.
    pub(super) fn of(&self, db: &Connection) -> Result<Vec<ClaimedDelivery>, StoreError> {
        let moment = db.unchecked_transaction()?;
        let mut chosen = Vec::new();
        let mut look_up = moment.prepare_cached(CLAIMED)?;
        for &(webhook_id, limit) in &self.quotas {
            for id in self.free(&moment, webhook_id, limit)? {
                let mut rows = look_up.query((id.as_uuid(),))?;
                chosen.extend(rows.next()?.map(|row| claimed(row, self.token)).transpose()?);
            }
        }
        chosen.sort_by_key(|claimed| (claimed.due_at, claimed.claim.delivery_id));
        Ok(chosen)
    }

    /// The first due deliveries of a webhook that are not held: at most the held ones stand before them.
    fn free(&self, db: &Connection, webhook_id: WebhookId, limit: u32) -> Result<Vec<DeliveryId>, StoreError> {
        let held = self.held.get(&webhook_id);
        let most = i64::from(limit).saturating_add_unsigned(held.map_or(0, HashSet::len) as u64);
        let values = (webhook_id.as_uuid(), self.now.as_micros(), most);
        let mut free = db.rows(DUE, values, |row| Fields::of(row, "delivery").id("id"))?;
        free.retain(|id| !held.is_some_and(|held| held.contains(id)));
        free.truncate(limit as usize);
        Ok(free)
    }
}
