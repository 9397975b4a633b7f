//! The contract once more, as maps in memory: what any back end must answer, and hold afterwards.
//!
//! Written for reading, from the words of `store::contract` and not from a back end. What the contract leaves to the back
//! end comes in as an argument: ids, tokens, and which of equally old deliveries retention takes first.

mod lists;
mod people;
mod upkeep;

use std::collections::{BTreeMap, BTreeSet};

use webhook_dispatcher::domain::attempt::Attempt;
use webhook_dispatcher::domain::delivery::{Delivery, DeliveryState, Transition};
use webhook_dispatcher::domain::event::{Event, PayloadState};
use webhook_dispatcher::domain::ids::{ClaimToken, DeliveryId, EventId, NodeId, WebhookId};
use webhook_dispatcher::domain::time::Timestamp;
use webhook_dispatcher::domain::webhook::Webhook;
use webhook_dispatcher::store::records::{AttemptRecord, Claim, ClaimRequest, ClaimedDelivery, Enqueued, NewEvent, RecordOutcome};

/// A store that forgets at its end.
pub(super) struct Reference {
    /// Whether nodes share it: then a lane is claimed by one node at a time, and other nodes may live.
    is_shared: bool,
    webhooks: BTreeMap<WebhookId, KeptWebhook>,
    events: BTreeMap<EventId, KeptEvent>,
    deliveries: BTreeMap<DeliveryId, KeptDelivery>,
    living: BTreeSet<NodeId>,
}

struct KeptWebhook {
    webhook: Webhook,
    deleted_at: Option<Timestamp>,
}

struct KeptEvent {
    event: Event,
    key: Option<String>,
}

struct KeptDelivery {
    delivery: Delivery,
    attempts: Vec<Attempt>,
    /// While it is in flight.
    held: Option<Held>,
}

#[derive(Clone, Copy)]
struct Held {
    token: ClaimToken,
    by: NodeId,
}

impl KeptDelivery {
    fn end(&mut self, state: DeliveryState, at: Timestamp) {
        (self.delivery.state, self.delivery.finished_at) = (state, Some(at));
    }

    fn wait(&mut self, due_at: Timestamp) {
        (self.delivery.state, self.delivery.due_at, self.delivery.finished_at) = (DeliveryState::Pending, due_at, None);
    }
}

/// What comes in and goes out.
impl Reference {
    pub(super) fn new(is_shared: bool) -> Self {
        Self { is_shared, webhooks: BTreeMap::new(), events: BTreeMap::new(), deliveries: BTreeMap::new(), living: BTreeSet::new() }
    }

    /// `ids` are those of the deliveries that are made, in the order of events and, for each, of its webhooks.
    pub(super) fn enqueue(&mut self, events: &[NewEvent], mut ids: impl Iterator<Item = DeliveryId>) -> Vec<Enqueued> {
        events.iter().map(|new| self.enqueue_one(new, &mut ids)).collect()
    }

    fn enqueue_one(&mut self, new: &NewEvent, ids: &mut impl Iterator<Item = DeliveryId>) -> Enqueued {
        if let Some(first) = self.event_with_key_of(new) {
            return Enqueued { event_id: first, delivery_ids: self.deliveries_of(first), duplicate: true };
        }
        let event = &new.event;
        self.events.insert(event.id, KeptEvent { event: event.clone(), key: new.idempotency_key.clone() });
        for (webhook_id, id) in self.wanted_by(event).into_iter().zip(ids) {
            let delivery = Delivery {
                id,
                event_id: event.id,
                webhook_id,
                client_id: event.client_id,
                state: DeliveryState::Pending,
                due_at: new.due_at,
                attempts: 0,
                attempts_before_series: 0,
                dead_letter_reason: None,
                created_at: event.created_at,
                finished_at: None,
            };
            self.deliveries.insert(id, KeptDelivery { delivery, attempts: Vec::new(), held: None });
        }
        Enqueued { event_id: event.id, delivery_ids: self.deliveries_of(event.id), duplicate: false }
    }

    fn event_with_key_of(&self, new: &NewEvent) -> Option<EventId> {
        let is_first = |kept: &&KeptEvent| kept.event.client_id == new.event.client_id && kept.key == new.idempotency_key;
        new.idempotency_key.as_ref().and_then(|_| self.events.values().find(is_first)).map(|kept| kept.event.id)
    }

    /// Oldest first. Paused and disabled ones too; deleted ones not.
    fn wanted_by(&self, event: &Event) -> Vec<WebhookId> {
        let wants = |webhook: &&Webhook| webhook.client_id == event.client_id && webhook.definition.events.contains(&event.event_type);
        self.standing_webhooks().filter(wants).map(|webhook| webhook.id).collect()
    }

    fn standing_webhooks(&self) -> impl DoubleEndedIterator<Item = &Webhook> {
        self.webhooks.values().filter(|kept| kept.deleted_at.is_none()).map(|kept| &kept.webhook)
    }

    fn deliveries_of(&self, event: EventId) -> Vec<DeliveryId> {
        let of_event = self.deliveries.values().filter(|kept| kept.delivery.event_id == event);
        of_event.map(|kept| kept.delivery.id).collect()
    }

    /// What a claim takes: of each webhook what is due, earliest first, up to its limit.
    pub(super) fn claimable(&self, request: &ClaimRequest) -> Vec<DeliveryId> {
        let mut limits = BTreeMap::<WebhookId, usize>::new();
        for lane in &request.lanes {
            *limits.entry(lane.webhook_id).or_default() += lane.limit as usize;
        }
        let open = limits.into_iter().filter(|(webhook, _)| self.is_active(*webhook) && !self.is_claimed_elsewhere(*webhook, request.node));
        open.flat_map(|(webhook, limit)| self.due(webhook, request.now).into_iter().take(limit)).collect()
    }

    fn is_active(&self, webhook: WebhookId) -> bool {
        self.webhooks.get(&webhook).is_some_and(|kept| kept.deleted_at.is_none() && kept.webhook.state.is_active())
    }

    fn is_deleted(&self, webhook: WebhookId) -> bool {
        self.webhooks.get(&webhook).is_some_and(|kept| kept.deleted_at.is_some())
    }

    fn is_claimed_elsewhere(&self, webhook: WebhookId, node: NodeId) -> bool {
        let held_elsewhere = |kept: &KeptDelivery| kept.delivery.webhook_id == webhook && kept.held.is_some_and(|held| held.by != node);
        self.is_shared && self.deliveries.values().any(held_elsewhere)
    }

    /// The pending deliveries of a webhook that are due, earliest first.
    fn due(&self, webhook: WebhookId, now: Timestamp) -> Vec<DeliveryId> {
        let pending = self.deliveries.values().map(|kept| &kept.delivery).filter(|delivery| delivery.state == DeliveryState::Pending);
        let mut due: Vec<_> = pending.filter(|delivery| delivery.webhook_id == webhook && delivery.due_at <= now).collect();
        due.sort_by_key(|delivery| (delivery.due_at, delivery.id));
        due.into_iter().map(|delivery| delivery.id).collect()
    }

    /// Webhooks that are active and have something due.
    pub(super) fn lanes_due(&self, now: Timestamp) -> Vec<WebhookId> {
        self.webhooks.keys().copied().filter(|webhook| self.is_active(*webhook) && !self.due(*webhook, now).is_empty()).collect()
    }

    /// Makes a claimable delivery in flight under a claim.
    pub(super) fn claim(&mut self, claim: Claim, node: NodeId) -> Option<ClaimedDelivery> {
        let kept = self.deliveries.get_mut(&claim.delivery_id)?;
        kept.held = Some(Held { token: claim.token, by: node });
        kept.delivery.state = DeliveryState::InFlight;
        let delivery = &kept.delivery;
        Some(ClaimedDelivery {
            claim,
            webhook_id: delivery.webhook_id,
            webhook_version: self.webhooks.get(&delivery.webhook_id)?.webhook.version,
            attempts: delivery.attempts,
            attempts_before_series: delivery.attempts_before_series,
            due_at: delivery.due_at,
            event: self.events.get(&delivery.event_id)?.event.clone(),
            payload_state: PayloadState::Whole,
            trace: None,
        })
    }

    pub(super) fn record(&mut self, records: &[AttemptRecord]) -> Vec<RecordOutcome> {
        records.iter().map(|record| self.record_one(record)).collect()
    }

    fn record_one(&mut self, record: &AttemptRecord) -> RecordOutcome {
        let is_called_off = self.is_deleted(record.webhook_id);
        let Some(kept) = self.held_under(record.claim) else { return RecordOutcome::ClaimLost };
        let ended_at = record.attempt.finished_at;
        kept.held = None;
        kept.delivery.attempts += 1;
        kept.attempts.push(record.attempt.clone());
        match &record.transition {
            Transition::Deliver => kept.end(DeliveryState::Delivered, ended_at),
            Transition::Retry { .. } if is_called_off => kept.end(DeliveryState::Cancelled, ended_at),
            Transition::Retry { due_at } => kept.wait(*due_at),
            Transition::DeadLetter(reason) => {
                kept.end(DeliveryState::DeadLettered, ended_at);
                kept.delivery.dead_letter_reason = Some(reason.clone());
            }
        }
        if let Some(reason) = record.disable_webhook
            && self.webhooks.get(&record.webhook_id).is_some_and(|kept| kept.webhook.version == record.webhook_version)
        {
            self.disable_webhook(record.webhook_id, reason, ended_at);
        }
        RecordOutcome::Recorded
    }

    /// The delivery that is in flight under this very claim.
    fn held_under(&mut self, claim: Claim) -> Option<&mut KeptDelivery> {
        self.deliveries.get_mut(&claim.delivery_id).filter(|kept| kept.held.is_some_and(|held| held.token == claim.token))
    }

    /// Answers how many were given back.
    pub(super) fn release(&mut self, claims: &[Claim]) -> u64 {
        let released = claims.iter().filter(|claim| self.held_under(**claim).is_some() && self.give_back(claim.delivery_id));
        released.count() as u64
    }

    /// Its delivery waits as before, or was called off when its webhook was deleted.
    fn give_back(&mut self, id: DeliveryId) -> bool {
        let Some(kept) = self.deliveries.get_mut(&id) else { return false };
        kept.held = None;
        match self.webhooks.get(&kept.delivery.webhook_id).and_then(|webhook| webhook.deleted_at) {
            None => kept.wait(kept.delivery.due_at),
            Some(deleted_at) => kept.end(DeliveryState::Cancelled, deleted_at),
        }
        true
    }
}

/// Who shares it.
impl Reference {
    /// A node says that it lives. A store that is not shared knows no other.
    pub(super) fn beat(&mut self, node: NodeId) {
        if !self.is_shared {
            self.living.clear();
        }
        self.living.insert(node);
    }

    pub(super) fn leave(&mut self, node: NodeId) {
        self.living.remove(&node);
    }

    /// A process ends without a word. Its claims end with it: at once, if it had the store for itself, else when they are
    /// taken back.
    pub(super) fn end_process(&mut self) {
        if !self.is_shared {
            let held = self.deliveries.values().filter(|kept| kept.held.is_some());
            for id in held.map(|kept| kept.delivery.id).collect::<Vec<_>>() {
                self.give_back(id);
            }
        }
    }

    /// Those that live, oldest first, and how many claims each holds.
    pub(super) fn nodes(&self) -> Vec<(NodeId, u64)> {
        let holders: Vec<NodeId> = self.deliveries.values().filter_map(|kept| kept.held).map(|held| held.by).collect();
        self.living.iter().map(|node| (*node, holders.iter().filter(|holder| *holder == node).count() as u64)).collect()
    }

    /// Answers how many claims `node` took back from others that live no more, which are all if all are silent.
    pub(super) fn take_back_claims(&mut self, node: NodeId, all_are_silent: bool) -> u64 {
        let lives = |holder: &NodeId| *holder == node || (self.is_shared && !all_are_silent && self.living.contains(holder));
        let lost = self.deliveries.values().filter(|kept| kept.held.is_some_and(|held| !lives(&held.by)));
        let lost: Vec<DeliveryId> = lost.map(|kept| kept.delivery.id).collect();
        lost.into_iter().filter(|id| self.give_back(*id)).count() as u64
    }
}
