//! What maintenance removes.

use std::collections::BTreeSet;

use webhook_dispatcher::domain::delivery::DeliveryState;
use webhook_dispatcher::domain::ids::{DeliveryId, EventId};
use webhook_dispatcher::domain::time::Timestamp;
use webhook_dispatcher::store::records::{Removed, RetentionStep};

use super::{KeptEvent, Reference};

impl Reference {
    /// Removes what has been kept long enough, oldest first. Of deliveries that ended at the same time a back end may take
    /// whichever it likes: `gone` are those that it took.
    pub(in super::super) fn remove_expired(&mut self, step: RetentionStep, gone: &BTreeSet<DeliveryId>) -> Removed {
        let mut expired: Vec<_> = self
            .deliveries
            .values()
            .filter_map(|kept| {
                let ended_at = kept.delivery.finished_at.filter(|ended_at| *ended_at < keep_since(kept.delivery.state, step))?;
                Some((ended_at, !gone.contains(&kept.delivery.id), kept.delivery.id))
            })
            .collect();
        expired.sort_unstable();
        expired.truncate(step.limit as usize);
        for (_, _, id) in &expired {
            self.deliveries.remove(id);
        }
        let events =
            self.oldest_events(step.finished_before, step.limit, |reference, kept| reference.deliveries_of(kept.event.id).is_empty());
        for id in &events {
            self.events.remove(id);
        }
        let keys = self.oldest_events(step.idempotency_before, step.limit, |_, kept| kept.key.is_some());
        for id in &keys {
            self.events.entry(*id).and_modify(|kept| kept.key = None);
        }
        let count = |removed: usize| removed as u64;
        Removed { deliveries: count(expired.len()), events: count(events.len()), idempotency_keys: count(keys.len()), ..Removed::default() }
    }

    /// The oldest events from before a time of which this is true.
    fn oldest_events(&self, before: Timestamp, limit: u32, is_meant: impl Fn(&Self, &KeptEvent) -> bool) -> Vec<EventId> {
        let meant = self.events.values().filter(|kept| kept.event.created_at < before && is_meant(self, kept));
        let mut meant: Vec<_> = meant.map(|kept| (kept.event.created_at, kept.event.id)).collect();
        meant.sort_unstable();
        meant.into_iter().take(limit as usize).map(|(_, id)| id).collect()
    }
}

/// Since when a delivery that ended must have ended to stay.
fn keep_since(state: DeliveryState, step: RetentionStep) -> Timestamp {
    match state {
        DeliveryState::DeadLettered => step.dead_letters_before,
        _ => step.finished_before,
    }
}
