//! The claims of the one process that owns the file. They live in memory, for they end with the process.
//!
//! A delivery that is held is pending in the file. So that none is claimed twice, or changed by a person while it is in
//! flight, three things hold:
//! - Who claims has the turn: first it notes what is held, then it reads what is pending, then it holds what it chose. What
//!   is let go meanwhile is still in its note, so it cannot take an outdated row for a free one.
//! - Whoever changes pending deliveries has the turn until that is committed.
//! - A claim is let go only after what became of its delivery is committed.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedMutexGuard;

use crate::domain::delivery::{Delivery, DeliveryState};
use crate::domain::ids::{ClaimToken, DeliveryId, NodeId, WebhookId};
use crate::domain::time::Timestamp;
use crate::store::records::{Claim, ClaimedDelivery, DeliverySummary};

/// While it lives, nobody else claims or changes pending deliveries.
pub(super) type Turn = OwnedMutexGuard<()>;

/// All claims.
#[derive(Default)]
pub(super) struct Held {
    holds: Mutex<Holds>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Holds {
    claims: HashMap<DeliveryId, Hold>,
    lanes: HashMap<WebhookId, HashSet<DeliveryId>>,
}

/// Who has a claim, by which fence, in which lane, and since when its delivery is due.
#[derive(Clone, Copy, Debug)]
struct Hold {
    token: ClaimToken,
    node: NodeId,
    webhook_id: WebhookId,
    due_at: Timestamp,
}

impl Held {
    /// Waits for the turn to claim.
    pub(super) async fn turn(&self) -> Turn {
        Arc::clone(&self.turn).lock_owned().await
    }

    /// Waits for the turn on the writer's thread. Whoever claims does not need that thread, so it comes soon.
    pub(super) fn turn_of_writer(&self) -> Turn {
        Arc::clone(&self.turn).blocking_lock_owned()
    }

    /// Which deliveries of these webhooks are held.
    pub(super) fn in_lanes(&self, webhooks: impl Iterator<Item = WebhookId>) -> HashMap<WebhookId, HashSet<DeliveryId>> {
        let holds = self.lock();
        webhooks.filter_map(|id| Some((id, holds.lanes.get(&id)?.clone()))).collect()
    }

    /// How many deliveries of each webhook are held that are due at `now`, of those that have any. A clock that was set back
    /// leaves others.
    pub(super) fn due_in_lanes(&self, now: Timestamp) -> HashMap<WebhookId, usize> {
        let mut lanes = HashMap::new();
        for hold in self.lock().claims.values().filter(|hold| hold.due_at <= now) {
            *lanes.entry(hold.webhook_id).or_default() += 1;
        }
        lanes
    }

    /// How many deliveries of each webhook are held, of those that have any.
    pub(super) fn by_lane(&self) -> HashMap<WebhookId, usize> {
        self.lock().lanes.iter().map(|(id, deliveries)| (*id, deliveries.len())).collect()
    }

    /// Which deliveries are held.
    pub(super) fn all(&self) -> HashSet<DeliveryId> {
        self.lock().claims.keys().copied().collect()
    }

    /// How many deliveries are held.
    pub(super) fn count(&self) -> usize {
        self.lock().claims.len()
    }

    /// How many claims a node holds.
    pub(super) fn count_of(&self, node: NodeId) -> usize {
        self.lock().claims.values().filter(|hold| hold.node == node).count()
    }

    /// The claims that are not this node's.
    pub(super) fn of_others(&self, node: NodeId) -> Vec<Claim> {
        let holds = self.lock();
        let others = holds.claims.iter().filter(|(_, hold)| hold.node != node);
        others.map(|(&delivery_id, hold)| Claim { delivery_id, token: hold.token }).collect()
    }

    /// Whether a delivery is held.
    pub(super) fn contains(&self, id: DeliveryId) -> bool {
        self.lock().claims.contains_key(&id)
    }

    /// The webhook of the delivery, if this claim of it is held.
    pub(super) fn webhook_of(&self, claim: Claim) -> Option<WebhookId> {
        let holds = self.lock();
        holds.claims.get(&claim.delivery_id).filter(|hold| hold.token == claim.token).map(|hold| hold.webhook_id)
    }

    /// Holds what a node claimed. The caller has the turn.
    pub(super) fn take(&self, claimed: &[ClaimedDelivery], node: NodeId) {
        let mut holds = self.lock();
        for &ClaimedDelivery { claim: Claim { delivery_id, token }, webhook_id, due_at, .. } in claimed {
            holds.claims.insert(delivery_id, Hold { token, node, webhook_id, due_at });
            holds.lanes.entry(webhook_id).or_default().insert(delivery_id);
        }
    }

    /// Lets deliveries go. What became of them is committed.
    pub(super) fn let_go(&self, deliveries: impl IntoIterator<Item = DeliveryId>) {
        let mut holds = self.lock();
        for id in deliveries {
            holds.let_go(id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Holds> {
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Holds {
    fn let_go(&mut self, id: DeliveryId) {
        let Some(hold) = self.claims.remove(&id) else {
            return;
        };
        if let Some(lane) = self.lanes.get_mut(&hold.webhook_id) {
            lane.remove(&id);
            if lane.is_empty() {
                self.lanes.remove(&hold.webhook_id);
            }
        }
    }
}

/// A delivery as people see it: what is held is in flight.
pub(super) fn as_seen(mut delivery: Delivery, held: &HashSet<DeliveryId>) -> Delivery {
    if delivery.state == DeliveryState::Pending && held.contains(&delivery.id) {
        delivery.state = DeliveryState::InFlight;
    }
    delivery
}

/// As [`as_seen`], of a summary.
pub(super) fn summary_as_seen(summary: DeliverySummary, held: &HashSet<DeliveryId>) -> DeliverySummary {
    DeliverySummary { delivery: as_seen(summary.delivery, held), ..summary }
}
