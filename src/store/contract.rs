//! What every store guarantees. Read this before a back end; rely on this, never on a back end.
//!
//! Four rules hold for every call:
//! - **All or nothing.** A call that answers `Ok` is on stable storage whole; one that answers `Err` left nothing, but for
//!   [`StoreError::Unanswered`], of which nobody knows.
//! - **Not undone by impatience.** A write that has begun is finished even when its caller stops waiting.
//! - **The caller tells the time.** No call asks a clock; every time that is stored or compared is an argument. Only
//!   whether nodes live ([`Nodes`]) is judged by the store's clock.
//! - **Nobody changes things unseen.** A call that somebody makes says who (`by`), and what it changes stands in an entry of
//!   the same commit ([`Audit`]); `None` is the dispatcher itself. What changes nothing leaves no entry.
//!
//! The exception to the first rule is [`Queue::claim_due`]: a claim ends with the process that holds it, if not at once
//! then when it is taken back.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::broadcast;

use super::error::StoreError;
use super::records::{
    AttemptRecord, AuditFilter, CatalogWrite, Claim, ClaimRequest, ClaimedDelivery, DeadLetterGroup, DeliveryChange, DeliveryDetail,
    DeliveryFilter, DeliverySummary, Enqueued, EventDetail, EventFilter, EventRedelivery, Fill, JobChange, JobStep, KeyDeletion, KeyUse,
    KnownNode, NewEvent, Page, PublicKey, RecordOutcome, Removed, RetentionStep, Scope, SigningRotation, WebhookWrite,
};
use super::signal::Signal;
use crate::domain::audit::{Actor, AuditEntry};
use crate::domain::catalog::{CatalogName, ClientCatalog, KnownEvent};
use crate::domain::client::{ApiKey, Client, KeyHash};
use crate::domain::event::Event;
use crate::domain::ids::{ApiKeyId, AuditEntryId, ClientId, DeliveryId, EventId, NodeId, RedeliveryJobId, SigningKeyId, WebhookId};
use crate::domain::lane::LaneView;
use crate::domain::node::Node;
use crate::domain::redelivery::{RedeliveryJob, RedeliveryWanted};
use crate::domain::session::{Session, SessionHash};
use crate::domain::signature::SigningKey;
#[cfg(doc)]
use crate::domain::signature::SigningKeys;
use crate::domain::stats::{Counted, Stats, StatsQuery};
use crate::domain::time::Timestamp;
use crate::domain::webhook::{DisableReason, Webhook, WebhookState};

/// How many pending deliveries the deletion of a webhook, or of a client, cancels by itself.
pub const CANCELLED_AT_ONCE: u32 = 1000;

/// A whole store.
#[async_trait]
pub trait Store:
    Queue + Nodes + Deliveries + Redeliveries + Statistics + Webhooks + Signing + Clients + ClientCatalogs + Sessions + Audit + Secrets + Upkeep
{
    /// Hints about what this store wrote from now on.
    fn signals(&self) -> broadcast::Receiver<Signal>;

    /// How many of its connections this process uses, and how many there may be.
    fn connections(&self) -> (u64, u64);

    /// Succeeds while the store can be read and its schema is the one this program needs.
    async fn check(&self) -> Result<(), StoreError>;

    /// Finishes what was begun and lets go of the store. Calls after it fail.
    async fn close(&self);
}

/// The way of a delivery through the store: in, claimed, recorded.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Stores events, each with one pending delivery for every webhook of its client that wants its type (paused and
    /// disabled ones too; deleted ones not), all in one commit.
    ///
    /// Answers in the order given. An event that is not to be kept unwanted and that no webhook wants is answered like any
    /// other and not stored. An event whose client and idempotency key are stored already, or come twice in
    /// `events`, is not stored again: the first one's ids come back with `duplicate` set.
    async fn enqueue(&self, events: Vec<NewEvent>) -> Result<Vec<Enqueued>, StoreError>;

    /// Webhooks that are active and have a delivery due at `now`. A snapshot: it may be outdated when it arrives.
    async fn lanes_due(&self, now: Timestamp) -> Result<Vec<WebhookId>, StoreError>;

    /// Claims due deliveries of the named webhooks, earliest `due_at` first within a webhook, and makes them in flight.
    ///
    /// Of all concurrent callers at most one receives a given delivery while its claim lives. Of a webhook that is not
    /// active, nothing is claimed, and in a store that nodes share nothing of one of which another node holds a claim.
    /// Else fewer than a lane's limit come back only if no more were due. What a call claims that fails is pending again
    /// soon after the next call.
    async fn claim_due(&self, request: ClaimRequest) -> Result<Vec<ClaimedDelivery>, StoreError>;

    /// Stores attempts and moves their deliveries on, each only if its claim is still held; answers in the order given.
    ///
    /// A delivery that would wait again but whose webhook is deleted becomes cancelled instead. With
    /// `disable_webhook` an active webhook becomes disabled in the same commit, unless it was changed since the attempt
    /// began: what an old edition was told says nothing of the new one.
    async fn record(&self, records: Vec<AttemptRecord>) -> Result<Vec<RecordOutcome>, StoreError>;

    /// Gives claims back: their deliveries are pending again, due as before, no attempt counted (cancelled as of its
    /// deletion if their webhook is deleted). Claims no longer held are passed over. Answers how many were given back.
    async fn release(&self, claims: Vec<Claim>) -> Result<u64, StoreError>;
}

/// The nodes that share a store, and what only one of them may do.
///
/// Whether a node lives is judged by the store's own clock, the one that all of them share. A store that one process owns
/// knows no other living node.
#[async_trait]
pub trait Nodes: Send + Sync {
    /// Says that `node` lives now. Answers how long before it last said so; `None` the first time, and after it was
    /// forgotten.
    async fn beat(&self, node: Node) -> Result<Option<Duration>, StoreError>;

    /// The nodes that are known, oldest first.
    async fn nodes(&self) -> Result<Vec<KnownNode>, StoreError>;

    /// Says that a node lives no more. Its claims can be taken back at once.
    async fn leave(&self, node: NodeId) -> Result<(), StoreError>;

    /// Gives back, as [`Queue::release`] does, every claim of a node that is not known or has not said for `silent_for`
    /// that it lives; `node` is the caller, whose claims stay. Answers how many were given back.
    async fn take_back_claims(&self, node: NodeId, silent_for: Duration) -> Result<u64, StoreError>;

    /// Whether `node` is to do the duty that is due at `due_at`: of all that ask for a time one gets it, none gets an
    /// earlier one, and none while another living node (as for [`Nodes::take_back_claims`]) has not ended its turn.
    async fn take_turn(&self, duty: &'static str, node: NodeId, due_at: Timestamp, silent_for: Duration) -> Result<bool, StoreError>;

    /// Ends a turn.
    async fn end_turn(&self, duty: &'static str, node: NodeId) -> Result<(), StoreError>;

    /// Says how the lanes stand that `node` serves: those in `changed` so, those in `unchanged` as it said before, and of
    /// no other there is anything to say. Answers of how many in `unchanged` the store does not know what was said: what a
    /// node says lasts no longer than the node is known, and a server that crashes may forget it. A store that one process
    /// owns keeps nothing of it.
    async fn tell_lanes(&self, node: NodeId, changed: Vec<(WebhookId, LaneView)>, unchanged: Vec<WebhookId>) -> Result<u64, StoreError>;

    /// What was said last of these webhooks' lanes, each by the node that is named with it; in no order, and without those
    /// of which that node says nothing.
    async fn told_lanes(&self, served: Vec<(WebhookId, NodeId)>) -> Result<Vec<(WebhookId, LaneView)>, StoreError>;
}

/// Events and deliveries as people see and change them.
#[async_trait]
pub trait Deliveries: Send + Sync {
    /// Deliveries that fit `filter`, newest first.
    async fn deliveries(&self, filter: DeliveryFilter, page: Page<DeliveryId>) -> Result<Vec<DeliverySummary>, StoreError>;

    /// One delivery with its attempts.
    async fn delivery(&self, scope: Scope, id: DeliveryId) -> Result<Option<DeliveryDetail>, StoreError>;

    /// Events that fit `filter`, newest first.
    async fn events(&self, filter: EventFilter, page: Page<EventId>) -> Result<Vec<Event>, StoreError>;

    /// One event with its deliveries.
    async fn event(&self, scope: Scope, id: EventId) -> Result<Option<EventDetail>, StoreError>;

    /// The newest `most` dead letters, counted by webhook and reason, the greatest groups first.
    async fn dead_letter_groups(&self, scope: Scope, most: u32) -> Result<Vec<DeadLetterGroup>, StoreError>;

    /// Makes a delivery pending and due at `now` with a new series of attempts, whatever state it is in but in flight.
    async fn redeliver(&self, scope: Scope, id: DeliveryId, now: Timestamp, by: Option<Actor>) -> Result<DeliveryChange, StoreError>;

    /// Sends an event again, as [`Self::redeliver`] does: to the webhook that is named, whatever types it wants, or else to
    /// every webhook that has a delivery of it or wants its type by now. One without a delivery gets one. What is in flight
    /// stays as it is.
    async fn redeliver_event(
        &self,
        scope: Scope,
        id: EventId,
        to: Option<WebhookId>,
        now: Timestamp,
        by: Option<Actor>,
    ) -> Result<EventRedelivery, StoreError>;

    /// Calls a pending delivery off.
    async fn cancel(&self, scope: Scope, id: DeliveryId, now: Timestamp, by: Option<Actor>) -> Result<DeliveryChange, StoreError>;
}

/// Redeliveries of many at once.
#[async_trait]
pub trait Redeliveries: Send + Sync {
    /// How many deliveries of a client a job would send again that began now; counted as far as is quick.
    async fn count_wanted(&self, client_id: ClientId, wanted: RedeliveryWanted, now: Timestamp) -> Result<Counted, StoreError>;

    /// Stores a job. `false`: its client has no webhook like the one that it names.
    async fn insert_redelivery_job(&self, job: RedeliveryJob, by: Option<Actor>) -> Result<bool, StoreError>;

    /// One job.
    async fn redelivery_job(&self, scope: Scope, id: RedeliveryJobId) -> Result<Option<RedeliveryJob>, StoreError>;

    /// Jobs of a scope, newest first.
    async fn redelivery_jobs(&self, scope: Scope, page: Page<RedeliveryJobId>) -> Result<Vec<RedeliveryJob>, StoreError>;

    /// Ends a running job; what it sent again stays so.
    async fn cancel_redelivery_job(
        &self,
        scope: Scope,
        id: RedeliveryJobId,
        now: Timestamp,
        by: Option<Actor>,
    ) -> Result<JobChange, StoreError>;

    /// Takes the step that is due the longest, of any running job: what it sends again and how far the job came are one
    /// commit. `None`: no step is due, or another node takes it.
    async fn redelivery_step(&self, now: Timestamp) -> Result<Option<JobStep>, StoreError>;
}

/// What became of attempts, as it was counted while they were recorded.
#[async_trait]
pub trait Statistics: Send + Sync {
    /// What became of the attempts that ended in a window, and what waits or was given up at the moment, of the webhooks in
    /// a scope. Counts are kept for as long as [`RetentionStep::statistics_before`] lets them be; how long it takes to read
    /// them does not depend on how many attempts there were.
    async fn stats(&self, scope: Scope, query: StatsQuery) -> Result<Stats, StoreError>;
}

/// Webhook definitions.
#[async_trait]
pub trait Webhooks: Send + Sync {
    /// Stores a new webhook. With `most_per_event` its client has at most so many webhooks in the way of its catalogue for
    /// each of its events, however many are stored at the same time.
    async fn insert_webhook(&self, webhook: Webhook, most_per_event: Option<u32>, by: Option<Actor>) -> Result<WebhookWrite, StoreError>;

    /// Replaces the definition of the webhook with this id and client and sets `updated_at`, if its version is still
    /// `webhook.version`; the stored version becomes one higher. Its state stays as it is. `most_per_event` as for
    /// [`Self::insert_webhook`].
    async fn update_webhook(&self, webhook: Webhook, most_per_event: Option<u32>, by: Option<Actor>) -> Result<WebhookWrite, StoreError>;

    /// Sets the state of a webhook and `updated_at`; the version becomes one higher. `false`: there is no such webhook in
    /// that scope.
    async fn set_webhook_state(
        &self,
        scope: Scope,
        id: WebhookId,
        state: WebhookState,
        now: Timestamp,
        by: Option<Actor>,
    ) -> Result<bool, StoreError>;

    /// Deletes a webhook: it is found no more, its secrets are gone, nothing of it is claimed any more. Of its pending
    /// deliveries [`CANCELLED_AT_ONCE`] are cancelled in the same commit, the rest by [`Upkeep::cancel_left_over`].
    /// `false`: there is no such webhook in that scope.
    async fn delete_webhook(&self, scope: Scope, id: WebhookId, now: Timestamp, by: Option<Actor>) -> Result<bool, StoreError>;

    /// The webhooks that live among `ids`, in no order.
    async fn webhooks_named(&self, ids: Vec<WebhookId>) -> Result<Vec<Webhook>, StoreError>;

    /// One webhook.
    async fn webhook(&self, scope: Scope, id: WebhookId) -> Result<Option<Webhook>, StoreError>;

    /// Webhooks of a scope, newest first.
    async fn webhooks(&self, scope: Scope, page: Page<WebhookId>) -> Result<Vec<Webhook>, StoreError>;
}

/// The keys that sign the requests of webhooks.
#[async_trait]
pub trait Signing: Send + Sync {
    /// Makes `key` the current one of a webhook, as [`SigningKeys::rotated`] says; the webhook's version becomes one higher.
    async fn rotate_signing_key(
        &self,
        scope: Scope,
        id: WebhookId,
        key: SigningKey,
        overlap: Duration,
        now: Timestamp,
        by: Option<Actor>,
    ) -> Result<SigningRotation, StoreError>;

    /// The public keys that sign at `now`, of webhooks of every client that are not deleted: the one with this id, or the
    /// newest `limit`, newest first.
    async fn public_keys(&self, id: Option<SigningKeyId>, now: Timestamp, limit: u32) -> Result<Vec<PublicKey>, StoreError>;
}

/// Clients and their API keys.
#[async_trait]
pub trait Clients: Send + Sync {
    /// Stores a new client.
    async fn insert_client(&self, client: Client, by: Option<Actor>) -> Result<(), StoreError>;

    /// Deletes a client: its keys open nothing any more, what it settled for catalogues is gone, its webhooks are deleted as by [`Webhooks::delete_webhook`], with [`CANCELLED_AT_ONCE`] for all of them together.
    /// `false`: there is no such client.
    async fn delete_client(&self, id: ClientId, now: Timestamp, by: Option<Actor>) -> Result<bool, StoreError>;

    /// One client that is not deleted.
    async fn client(&self, id: ClientId) -> Result<Option<Client>, StoreError>;

    /// Clients that are not deleted, newest first.
    async fn clients(&self, page: Page<ClientId>) -> Result<Vec<Client>, StoreError>;

    /// Stores a new API key. `false`: its client does not exist.
    async fn insert_api_key(&self, key: ApiKey, by: Option<Actor>) -> Result<bool, StoreError>;

    /// Deletes an API key. In [`Scope::All`] any key, in a client's scope only that client's. Of the root keys that do not
    /// expire one stays.
    async fn delete_api_key(&self, scope: Scope, id: ApiKeyId, by: Option<Actor>) -> Result<KeyDeletion, StoreError>;

    /// The key with this hash.
    async fn api_key(&self, hash: KeyHash) -> Result<Option<ApiKey>, StoreError>;

    /// API keys of a scope, newest first; root keys are in [`Scope::All`] alone.
    async fn api_keys(&self, scope: Scope, page: Page<ApiKeyId>) -> Result<Vec<ApiKey>, StoreError>;

    /// Notes when keys were used last, each only if that is later than what is noted of it. Keys that are gone are passed
    /// over, and so may be one that is noted by others at the same moment. Leaves no entry in the audit.
    async fn note_key_uses(&self, uses: Vec<(ApiKeyId, Timestamp)>) -> Result<(), StoreError>;

    /// Stores `key`, which must be a root key that does not expire, if there is no such key. Answers whether it was stored.
    async fn insert_first_root_key(&self, key: ApiKey) -> Result<bool, StoreError>;
}

/// Who is signed in to the dashboard.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Stores a new session. `false`: its key does not exist (any more). Sessions that had ended when it began are removed.
    async fn insert_session(&self, session: Session) -> Result<bool, StoreError>;

    /// The key of the session with this hash; `None` once the session has ended by `now` or its key is deleted.
    async fn session_key(&self, hash: SessionHash, now: Timestamp) -> Result<Option<ApiKey>, StoreError>;

    /// Ends a session; one that is not there has ended already.
    async fn end_session(&self, hash: SessionHash) -> Result<(), StoreError>;
}

/// What clients have settled for catalogues, and what of events is kept apart because it is secret.
#[async_trait]
pub trait ClientCatalogs: Send + Sync {
    /// What a client has settled for a catalogue.
    async fn client_catalog(&self, client_id: ClientId, catalog: CatalogName) -> Result<Option<ClientCatalog>, StoreError>;

    /// Replaces what a client has settled for a catalogue, if its version is still `settled.version` (0: nothing settled
    /// yet); the stored version becomes one higher, and so do those of the client's webhooks that are called in that
    /// catalogue's way.
    async fn settle_catalog(&self, settled: ClientCatalog, by: Option<Actor>) -> Result<CatalogWrite, StoreError>;

    /// Says which events catalogues know, in the place of all that was said before, for those who hand events in past this
    /// program. A store that nobody else writes to does not keep it.
    async fn know_events(&self, events: Vec<KnownEvent>) -> Result<(), StoreError>;

    /// The whole payload of an event of which a masked one is shown. Kept while a delivery of the event waits or is in
    /// flight, and until [`Upkeep::remove_expired`] after that.
    async fn secret_payload(&self, event_id: EventId) -> Result<Option<Bytes>, StoreError>;
}

/// Who changed what. Entries are written with the changes they tell of, never changed, and removed by their age alone
/// ([`Upkeep::remove_expired`]); the database itself refuses everything else.
#[async_trait]
pub trait Audit: Send + Sync {
    /// Entries that fit `filter`, newest first. Those of a client tell of its things, whoever changed them.
    async fn audit_entries(&self, filter: AuditFilter, page: Page<AuditEntryId>) -> Result<Vec<AuditEntry>, StoreError>;
}

/// Under which keys secrets are kept.
///
/// Whoever opens a store hands in the keys. What is written is encrypted under the newest of them, and a store that holds
/// anything under a key that is not among them refuses to be opened.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// How many rows hold secrets under each key, in no order; keys that nothing needs are not in it.
    async fn keys_in_use(&self) -> Result<Vec<KeyUse>, StoreError>;

    /// Encrypts anew, under the newest key, what is kept under another, of at most `limit` rows; answers of how many, which
    /// is 0 once nothing is left. Nobody else sees a difference.
    async fn reseal(&self, limit: u32) -> Result<u64, StoreError>;
}

/// What maintenance asks of a store.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Removes what has been kept long enough, and whole payloads of which no delivery waits, at most `step.limit` rows of each kind. Pending and in-flight deliveries
    /// and their events are never removed.
    async fn remove_expired(&self, step: RetentionStep) -> Result<Removed, StoreError>;

    /// Active webhooks of which every attempt failed from some time at or before `since` until now, with failures before
    /// and after `since`. What happened before a webhook's state last changed does not count.
    async fn failing_webhooks(&self, since: Timestamp) -> Result<Vec<WebhookId>, StoreError>;

    /// Disables an active webhook, as [`Webhooks::set_webhook_state`] sets a state; `false` if it is not active (any more).
    async fn disable_webhook(&self, id: WebhookId, reason: DisableReason, now: Timestamp) -> Result<bool, StoreError>;

    /// Cancels at most `limit` pending deliveries of deleted webhooks, as of their deletion; answers how many. What is in
    /// flight is not pending: it ends by [`Queue::record`] or [`Queue::release`].
    async fn cancel_left_over(&self, limit: u32) -> Result<u64, StoreError>;

    /// How full the store is; pending deliveries are counted up to `most_pending`.
    async fn fill(&self, most_pending: u64) -> Result<Fill, StoreError>;

    /// Tidies the store's files and statistics, in a time that does not hold others up.
    async fn tidy(&self) -> Result<(), StoreError>;
}
