//! What must hold of everything that a back end ever answered, whatever the reference says.
//!
//! - Nothing that was accepted is lost: it is in exactly one state, or was removed after it had ended.
//! - A delivery moves from state to state only as the call that was made allows.
//! - It is held by one claim at a time; no two have the same token; a record counts under the claim that is held, and no other.
//! - A claim is good for one attempt: as many were made as were claimed, less those given back. Attempts are numbered one by
//!   one, and no series has more than were planned.

use std::collections::{BTreeMap, HashMap, HashSet};

use webhook_dispatcher::domain::delivery::{Delivery, DeliveryState};
use webhook_dispatcher::domain::ids::{ClaimToken, DeliveryId};
use webhook_dispatcher::store::records::{AttemptRecord, Claim, ClaimedDelivery, DeliverySummary, Enqueued, RecordOutcome};

use super::attempts::PLANNED;
use super::difference::Difference;

/// A kind of call, by what it may do to deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Enqueue,
    Claim,
    Record,
    GiveBack,
    Cancel,
    Redeliver,
    Remove,
    /// Leaves every delivery as it is.
    Other,
}

impl Call {
    /// Whether it may move a delivery so; `None` is not there.
    fn allows(self, before: Option<DeliveryState>, after: Option<DeliveryState>) -> bool {
        use DeliveryState::{Cancelled, DeadLettered, Delivered, InFlight, Pending};
        match self {
            Self::Enqueue => (before, after) == (None, Some(Pending)),
            Self::Claim => (before, after) == (Some(Pending), Some(InFlight)),
            Self::Record => before == Some(InFlight) && after.is_some(),
            Self::GiveBack => before == Some(InFlight) && matches!(after, Some(Pending | Cancelled)),
            Self::Cancel => (before, after) == (Some(Pending), Some(Cancelled)),
            Self::Redeliver => matches!(before, Some(Delivered | DeadLettered | Cancelled)) && after == Some(Pending),
            Self::Remove => matches!(before, Some(Delivered | DeadLettered | Cancelled)) && after.is_none(),
            Self::Other => false,
        }
    }
}

/// What was seen until now.
#[derive(Default)]
pub(super) struct History {
    standing: BTreeMap<DeliveryId, Delivery>,
    /// The claims that are held.
    held: HashMap<DeliveryId, ClaimToken>,
    tokens: HashSet<Claim>,
    claimed: HashMap<DeliveryId, u32>,
    given_back: HashMap<DeliveryId, u32>,
    recorded: HashMap<DeliveryId, u32>,
    /// What was acknowledged and is not seen in a list yet.
    acknowledged: HashSet<DeliveryId>,
}

impl History {
    pub(super) fn enqueued(&mut self, answers: &[Enqueued]) {
        let new = answers.iter().filter(|answer| !answer.duplicate);
        self.acknowledged.extend(new.flat_map(|answer| &answer.delivery_ids));
    }

    pub(super) fn claimed(&mut self, claimed: &[ClaimedDelivery]) -> Result<(), Difference> {
        for claim in claimed.iter().map(|claimed| claimed.claim) {
            hold(self.tokens.insert(claim), || format!("{claim:?} was had before"))?;
            let other = self.held.insert(claim.delivery_id, claim.token);
            hold(other.is_none(), || format!("{claim:?} is held beside {other:?}"))?;
            *self.claimed.entry(claim.delivery_id).or_default() += 1;
        }
        Ok(())
    }

    pub(super) fn recorded(&mut self, records: &[AttemptRecord], outcomes: &[RecordOutcome]) -> Result<(), Difference> {
        hold(records.len() == outcomes.len(), || format!("{} records have {} answers", records.len(), outcomes.len()))?;
        for (record, outcome) in records.iter().zip(outcomes) {
            let Claim { delivery_id, token } = record.claim;
            let is_held = self.held.get(&delivery_id) == Some(&token);
            hold(is_held == (*outcome == RecordOutcome::Recorded), || format!("a record under {:?} is {outcome:?}", record.claim))?;
            if is_held {
                self.held.remove(&delivery_id);
                let number = self.recorded.entry(delivery_id).or_default();
                *number += 1;
                hold(record.attempt.number == *number, || {
                    format!("attempt {} of {delivery_id} is its number {number}", record.attempt.number)
                })?;
            }
        }
        Ok(())
    }

    /// Takes in what all deliveries are after a call.
    pub(super) fn settle(&mut self, call: Call, deliveries: &[DeliverySummary]) -> Result<(), Difference> {
        let now: BTreeMap<_, _> = deliveries.iter().map(|summary| (summary.delivery.id, summary.delivery.clone())).collect();
        hold(now.len() == deliveries.len(), || "a delivery is listed twice".to_owned())?;
        let before = std::mem::replace(&mut self.standing, now);
        let ids: HashSet<_> = before.keys().chain(self.standing.keys()).copied().collect();
        for id in ids {
            self.moved(call, before.get(&id), self.standing.get(&id).cloned().as_ref())?;
        }
        self.acknowledged.retain(|id| !self.standing.contains_key(id));
        hold(self.acknowledged.is_empty(), || format!("acknowledged and lost: {:?}", self.acknowledged))
    }

    fn moved(&mut self, call: Call, before: Option<&Delivery>, after: Option<&Delivery>) -> Result<(), Difference> {
        let state = |delivery: Option<&Delivery>| delivery.map(|delivery| delivery.state);
        let (from, to) = (state(before), state(after));
        hold(from == to || call.allows(from, to), || format!("{call:?} moved {before:?} to {after:?}"))?;
        let Some(delivery) = after else { return Ok(()) };
        if call == Call::GiveBack && from == Some(DeliveryState::InFlight) && to != from {
            self.held.remove(&delivery.id);
            *self.given_back.entry(delivery.id).or_default() += 1;
        }
        self.adds_up(delivery)
    }

    fn adds_up(&self, delivery: &Delivery) -> Result<(), Difference> {
        let is_held = self.held.contains_key(&delivery.id);
        hold(is_held == (delivery.state == DeliveryState::InFlight), || format!("held: {is_held}, but {delivery:?}"))?;
        let count = |counts: &HashMap<DeliveryId, u32>| counts.get(&delivery.id).copied().unwrap_or_default();
        hold(delivery.attempts == count(&self.recorded), || format!("{} were recorded of {delivery:?}", count(&self.recorded)))?;
        let accounted = delivery.attempts + count(&self.given_back) + u32::from(is_held);
        hold(count(&self.claimed) == accounted, || format!("{} times claimed: {delivery:?}", count(&self.claimed)))?;
        let in_series = delivery.attempts.checked_sub(delivery.attempts_before_series);
        hold(in_series.is_some_and(|attempts| attempts <= PLANNED), || format!("{PLANNED} are planned in a series of {delivery:?}"))
    }
}

/// The rule holds, or `words` say how it is broken.
fn hold(rule: bool, words: impl FnOnce() -> String) -> Result<(), Difference> {
    if rule { Ok(()) } else { Err(Difference::new(words())) }
}
