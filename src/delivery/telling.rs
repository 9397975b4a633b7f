//! Tells the other nodes how the lanes stand that this one serves, since people may ask any of them.
//!
//! Nothing is told where nobody else answers, and nothing waits for it: what is told is written beside deliveries, at the pace
//! of heartbeats.

use std::collections::HashMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::lanes::Notice;
use super::pool::Pool;
use crate::domain::ids::WebhookId;
use crate::domain::lane::LaneView;
use crate::node::{Beats, Membership};
use crate::store::{Store, StoreError};

/// The most lanes that are told of: those in trouble before those that are only busy.
const MOST: usize = 1_000;

/// Tells how lanes stand.
pub struct LaneTeller {
    pool: Arc<Pool>,
    membership: Arc<Membership>,
    store: Arc<dyn Store>,
    /// What the others know; `None` when that is in doubt.
    told: Option<HashMap<WebhookId, LaneView>>,
}

impl LaneTeller {
    /// Tells of the lanes in `pool`.
    #[must_use]
    pub const fn new(pool: Arc<Pool>, membership: Arc<Membership>, store: Arc<dyn Store>) -> Self {
        Self { pool, membership, store, told: None }
    }

    /// Tells once per heartbeat until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let failed = "other nodes could not be told how lanes stand; it is tried again";
        let mut beats = Beats::new(self.membership.beat_interval(), stop, failed);
        while beats.next().await {
            beats.ended(&self.run_once().await);
        }
    }

    /// Tells what changed since the last time, and everything if it is in doubt what the others know.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn run_once(&mut self) -> Result<(), StoreError> {
        let lanes = self.to_tell();
        if lanes.is_empty() && self.told.as_ref().is_some_and(HashMap::is_empty) {
            return Ok(());
        }
        // Until the store answers nobody knows what it heard.
        let told = self.told.take().unwrap_or_default();
        let (unchanged, changed): (Vec<_>, Vec<_>) = lanes.iter().partition(|(id, lane)| told.get(*id) == Some(*lane));
        let changed = changed.into_iter().map(|(id, lane)| (*id, *lane)).collect();
        let unchanged = unchanged.into_iter().map(|(id, _)| *id).collect();
        let forgotten = self.store.tell_lanes(self.membership.id(), changed, unchanged).await?;
        self.told = (forgotten == 0).then_some(lanes);
        Ok(())
    }

    /// The lanes that others are to know of.
    fn to_tell(&self) -> HashMap<WebhookId, LaneView> {
        if !self.membership.is_asked_elsewhere() {
            return HashMap::new();
        }
        let mut lanes = self.pool.notices();
        lanes.retain(|(id, _)| self.membership.serves(*id));
        foremost(lanes, MOST)
    }
}

/// The `most` lanes of which it matters the most to tell.
fn foremost(mut lanes: Vec<(WebhookId, Notice)>, most: usize) -> HashMap<WebhookId, LaneView> {
    lanes.sort_unstable_by_key(|(id, notice)| (notice.weight, *id));
    lanes.into_iter().take(most).map(|(id, notice)| (id, notice.lane)).collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::delivery::lanes::Weight;

    #[test]
    fn lanes_in_trouble_are_told_before_others() {
        let weights = [Weight::Busy, Weight::Limited, Weight::Open, Weight::Busy, Weight::HeldBack];
        let lanes = weights.into_iter().zip(1..).map(|(weight, n)| {
            let notice = Notice { weight, lane: LaneView::idle(n) };
            (Uuid::from_u128(n.into()).into(), notice)
        });

        let mut told: Vec<u32> = foremost(lanes.collect(), 4).into_values().map(|lane| lane.limit).collect();

        told.sort_unstable();
        assert_eq!(told, [1, 2, 3, 5]);
    }
}
