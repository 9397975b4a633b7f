//! The data that goes in and out of a store.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use crate::domain::attempt::{Attempt, AttemptOutcome};
use crate::domain::audit::EventSentAgain;
use crate::domain::delivery::{DeadLetterReason, Delivery, DeliveryState, Transition};
use crate::domain::event::{Event, EventType, PayloadState};
use crate::domain::ids::{ClaimToken, ClientId, DeliveryId, EventId, NodeId, RedeliveryJobId, SigningKeyId, WebhookId};
use crate::domain::node::Node;
use crate::domain::redelivery::RedeliveryJobState;
use crate::domain::time::Timestamp;
use crate::domain::trace::TraceContext;
use crate::domain::webhook::{DisableReason, Webhook};
use crate::secrets::KeyId;

pub use super::retention::{Removed, RetentionStep};

/// An event to be stored with a delivery for every webhook of its client that wants its type.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// The event.
    pub event: Event,
    /// A second event with the same client and key is not stored: its caller gets the first one's ids.
    pub idempotency_key: Option<String>,
    /// From when on its deliveries may be claimed.
    pub due_at: Timestamp,
    /// The payload with its secrets, when that of the event is masked.
    pub whole_payload: Option<Bytes>,
    /// Whether it is kept when no webhook wants it.
    pub kept_unwanted: bool,
    /// Where in a trace its producer was, if that is to be kept.
    pub trace: Option<TraceContext>,
}

impl NewEvent {
    /// What rests as the event's payload once it is stored.
    #[must_use]
    pub const fn payload_state(&self) -> PayloadState {
        if self.whole_payload.is_some() { PayloadState::Masked } else { PayloadState::Whole }
    }

    /// How large its payload is, whole and masked together.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        self.event.payload.len() + self.whole_payload.as_ref().map_or(0, Bytes::len)
    }
}

/// What became of a [`NewEvent`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enqueued {
    /// The event's id: the new one, or the first one's when this is a repeat.
    pub event_id: EventId,
    /// The ids of that event's deliveries, in the order they were made.
    pub delivery_ids: Vec<DeliveryId>,
    /// Whether the event was there already.
    pub duplicate: bool,
}

/// A request for due deliveries.
#[derive(Clone, Debug)]
pub struct ClaimRequest {
    /// Who will hold the claims.
    pub node: NodeId,
    /// What is due at this time.
    pub now: Timestamp,
    /// From which webhooks, and how many of each at most.
    pub lanes: Vec<LaneQuota>,
}

impl ClaimRequest {
    /// The limit of every webhook that is named, in the order of their ids; one named twice gets both its limits.
    pub(super) fn quotas(&self) -> Vec<(WebhookId, u32)> {
        let mut quotas = BTreeMap::<WebhookId, u32>::new();
        for lane in self.lanes.iter().filter(|lane| lane.limit > 0) {
            let quota = quotas.entry(lane.webhook_id).or_default();
            *quota = quota.saturating_add(lane.limit);
        }
        quotas.into_iter().collect()
    }
}

/// How many deliveries of one webhook a claim may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneQuota {
    /// The webhook.
    pub webhook_id: WebhookId,
    /// The most that may be claimed of it.
    pub limit: u32,
}

/// A node's hold on a delivery in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The delivery.
    pub delivery_id: DeliveryId,
    /// The fence: writes with another token change nothing.
    pub token: ClaimToken,
}

/// A delivery that was claimed, with all that is needed to attempt it but its webhook's definition.
#[derive(Clone, Debug)]
pub struct ClaimedDelivery {
    /// The hold on it.
    pub claim: Claim,
    /// For which webhook.
    pub webhook_id: WebhookId,
    /// The edition of the webhook at the time of the claim.
    pub webhook_version: i64,
    /// How many attempts were recorded before.
    pub attempts: u32,
    /// How many of those were made before the present series.
    pub attempts_before_series: u32,
    /// Since when it was due.
    pub due_at: Timestamp,
    /// What is delivered.
    pub event: Event,
    /// What of its payload the event holds.
    pub payload_state: PayloadState,
    /// Where in a trace the event's producer was, if that was kept.
    pub trace: Option<TraceContext>,
}

impl ClaimedDelivery {
    /// The number of the attempt that this claim is for.
    #[must_use]
    pub const fn attempt_number(&self) -> u32 {
        self.attempts + 1
    }

    /// Which attempt of the present series that is, from 1.
    #[must_use]
    pub const fn attempt_in_series(&self) -> u32 {
        self.attempt_number() - self.attempts_before_series
    }
}

/// An attempt that ended, and what follows from it.
#[derive(Clone, Debug)]
pub struct AttemptRecord {
    /// The hold under which it was made.
    pub claim: Claim,
    /// The delivery's webhook.
    pub webhook_id: WebhookId,
    /// The edition of the webhook that the attempt went by.
    pub webhook_version: i64,
    /// What happened.
    pub attempt: Attempt,
    /// What it does to the delivery.
    pub transition: Transition,
    /// Whether, and why, the webhook is not to be called any more.
    pub disable_webhook: Option<DisableReason>,
}

/// Whether an attempt was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordOutcome {
    /// The attempt is stored and the delivery moved on.
    Recorded,
    /// The claim was no longer held: nothing was stored or changed.
    ClaimLost,
}

/// Whose things a caller may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One client's.
    Client(ClientId),
    /// Everybody's; for root keys.
    All,
}

impl Scope {
    /// The one client, if it is one.
    #[must_use]
    pub const fn client_id(self) -> Option<ClientId> {
        match self {
            Self::Client(id) => Some(id),
            Self::All => None,
        }
    }
}

/// Which part of a list is wanted. Lists run from the newest id to the oldest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page<Id> {
    /// The most entries.
    pub limit: u32,
    /// Entries older than this one; `None` from the newest on.
    pub before: Option<Id>,
}

/// Which deliveries are wanted: those that fit every part that is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Whose.
    pub scope: Scope,
    /// Of this webhook.
    pub webhook_id: Option<WebhookId>,
    /// Of this event.
    pub event_id: Option<EventId>,
    /// In this state.
    pub state: Option<DeliveryState>,
    /// Given up for this reason.
    pub reason: Option<DeadLetterReason>,
    /// Of events of this type.
    pub event_type: Option<EventType>,
    /// Of events with exactly this subject.
    pub subject: Option<String>,
    /// Made at this time or later.
    pub from: Option<Timestamp>,
    /// Made before this time.
    pub to: Option<Timestamp>,
    /// Ended at this time or later.
    pub finished_from: Option<Timestamp>,
}

impl DeliveryFilter {
    /// All deliveries in `scope`.
    #[must_use]
    pub const fn all(scope: Scope) -> Self {
        Self {
            scope,
            webhook_id: None,
            event_id: None,
            state: None,
            reason: None,
            event_type: None,
            subject: None,
            from: None,
            to: None,
            finished_from: None,
        }
    }

    /// Of these, if a reason is given, what was given up for it: dead letters, whatever state was wanted before.
    #[must_use]
    pub fn given_up_for(self, reason: Option<DeadLetterReason>) -> Self {
        let state = reason.as_ref().map(|_| DeliveryState::DeadLettered).or(self.state);
        Self { state, reason, ..self }
    }
}

/// A delivery as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliverySummary {
    /// The delivery.
    pub delivery: Delivery,
    /// The event's type.
    pub event_type: EventType,
    /// The event's subject.
    pub subject: String,
    /// The last attempt, if one was recorded and is still kept.
    pub last_attempt: Option<LastAttempt>,
}

/// What lists show of a delivery's last attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastAttempt {
    /// When its outcome was known.
    pub finished_at: Timestamp,
    /// What it meant.
    pub outcome: AttemptOutcome,
    /// The answer's status, if one came.
    pub status: Option<u16>,
    /// Words beyond the outcome.
    pub detail: Option<String>,
}

/// A delivery with all that is kept of it.
#[derive(Clone, Debug)]
pub struct DeliveryDetail {
    /// As lists show it.
    pub summary: DeliverySummary,
    /// Its webhook; also when that is deleted.
    pub webhook: Webhook,
    /// Its attempts, in the order they were made.
    pub attempts: Vec<Attempt>,
}

/// Dead letters of one webhook that were given up for the same reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterGroup {
    /// The webhook.
    pub webhook_id: WebhookId,
    /// Why they were given up.
    pub reason: DeadLetterReason,
    /// How many.
    pub count: u64,
    /// When the latest of them was given up.
    pub latest_at: Timestamp,
}

/// Which events are wanted: those that fit every part that is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFilter {
    /// Whose.
    pub scope: Scope,
    /// Of this type.
    pub event_type: Option<EventType>,
    /// With exactly this subject.
    pub subject: Option<String>,
}

/// Which audit entries are wanted: those that fit every part that is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditFilter {
    /// About whose things.
    pub scope: Scope,
    /// About this thing.
    pub object_id: Option<Uuid>,
    /// Of this time or later.
    pub from: Option<Timestamp>,
    /// From before this time.
    pub to: Option<Timestamp>,
}

impl AuditFilter {
    /// All entries about things in `scope`.
    #[must_use]
    pub const fn all(scope: Scope) -> Self {
        Self { scope, object_id: None, from: None, to: None }
    }
}

/// An event with its deliveries.
#[derive(Clone, Debug)]
pub struct EventDetail {
    /// The event.
    pub event: Event,
    /// Its deliveries, in the order they were made.
    pub deliveries: Vec<Delivery>,
}

/// Whether a person's change of a delivery took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryChange {
    /// It did.
    Changed,
    /// There is no such delivery in that scope.
    NotFound,
    /// The delivery is in a state that does not allow it; it stays as it was.
    NotAllowedIn(DeliveryState),
    /// The delivery's webhook is deleted: it will never be sent again.
    WebhookDeleted,
}

/// What became of an event that a person sends again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventRedelivery {
    /// It is sent again; to nobody, if nobody wants it.
    Redelivered(Redelivered),
    /// There is no such event in that scope.
    NotFound,
    /// The event's client has no such webhook.
    WebhookNotFound,
}

/// The deliveries of an event that is sent again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redelivered {
    /// Those that were there.
    pub again: Vec<DeliveryId>,
    /// Those that were made.
    pub made: Vec<DeliveryId>,
    /// Those that are in flight, and so left alone.
    pub in_flight: Vec<DeliveryId>,
    /// The webhooks of those that are pending now.
    pub(super) webhooks: Vec<WebhookId>,
}

impl Redelivered {
    /// What an audit entry tells of it.
    pub(super) const fn audited(&self) -> EventSentAgain {
        EventSentAgain { again: self.again.len(), made: self.made.len() }
    }
}

/// Whether a person's change of a redelivery of many took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobChange {
    /// It did.
    Changed,
    /// There is no such job in that scope.
    NotFound,
    /// It has ended already.
    NotAllowedIn(RedeliveryJobState),
}

/// A step of a redelivery of many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobStep {
    /// Of which.
    pub job_id: RedeliveryJobId,
    /// How many it sent again.
    pub redelivered: u64,
    /// Whether the job goes on.
    pub state: RedeliveryJobState,
}

/// Whether a webhook could be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookWrite {
    /// It is stored.
    Stored,
    /// There is no such webhook (or, for a new one, no such client).
    NotFound,
    /// Its client has another webhook of the same type code.
    TypeTaken,
    /// It was changed by somebody else since it was read.
    Stale,
    /// Its client has as many other webhooks in the way of its catalogue as are allowed for these of its events.
    Full(Vec<EventType>),
}

/// Whether something could be settled for a catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatalogWrite {
    /// It is settled.
    Stored,
    /// There is no such client.
    NotFound,
    /// Somebody else settled something since it was read.
    Stale,
}

/// Whether an API key could be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyDeletion {
    /// It is gone, and opens nothing any more.
    Deleted,
    /// There is no such key in that scope.
    NotFound,
    /// It is the only root key left: without it nobody could manage clients.
    LastRootKey,
}

/// A node as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownNode {
    /// The node.
    pub node: Node,
    /// How long ago it last said that it lives.
    pub silent_for: Duration,
    /// How many claims it holds.
    pub claims: u64,
}

/// How full a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Pending deliveries, as far as was counted.
    pub pending: u64,
    /// Bytes that are free where it lies; `None` where it does not know.
    pub free_bytes: Option<u64>,
}

/// How many rows hold secrets under one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// The key.
    pub key: KeyId,
    /// The rows.
    pub rows: u64,
}

/// What became of a new signing key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningRotation {
    /// It signs from now on, and the keys before it until then; `None` if none of them does any more.
    Rotated {
        /// When the last of the keys before it ends.
        previous_valid_until: Option<Timestamp>,
    },
    /// There is no such webhook in that scope.
    NotFound,
    /// As many keys as may be are valid already.
    TooManyKeys,
}

/// The public half of a signing key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// What it is found by.
    pub id: SigningKeyId,
    /// The Ed25519 key.
    pub ed25519: [u8; 32],
}
