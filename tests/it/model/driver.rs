//! Takes a back end and the reference through the same steps, and compares all that both say and hold after every call.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use webhook_dispatcher::domain::client::Client;
use webhook_dispatcher::domain::event::{Event, EventType};
use webhook_dispatcher::domain::ids::{ClientId, DeliveryId, IdSource, NodeId, WebhookId};
use webhook_dispatcher::domain::method::Method;
use webhook_dispatcher::domain::node::{Node, NodeRole};
use webhook_dispatcher::domain::signature::SigningKeys;
use webhook_dispatcher::domain::target_url::{IdInUrl, TargetUrl};
use webhook_dispatcher::domain::time::Timestamp;
use webhook_dispatcher::domain::webhook::{
    AuthorizationFields, DOCUMENT_FINISHED, DeliverySettings, DisableReason, Webhook, WebhookDefinition, WebhookState,
};
use webhook_dispatcher::store::Store;
use webhook_dispatcher::store::records::{
    AttemptRecord, Claim, ClaimRequest, ClaimedDelivery, LaneQuota, NewEvent, RetentionStep, Scope, WebhookWrite,
};

use super::attempts;
use super::backend::Backend;
use super::difference::{Difference, agree, agree_on_all, shown};
use super::history::{Call, History};
use super::reference::Reference;
use super::steps::{Answer, By, CLIENTS, Lane, New, Step, Types};

/// How long a node is silent that is taken for dead; longer than a sequence takes.
const SILENT: Duration = Duration::from_mins(5);

/// A back end, the reference, and what the steps count.
pub(super) struct Driver {
    backend: Backend,
    nodes: Vec<RunningNode>,
    pub(super) reference: Reference,
    pub(super) history: History,
    ids: IdSource,
    clock: Ticker,
    /// How many calls were made: they go to each node in turn.
    calls: usize,
    pub(super) clients: Vec<ClientId>,
    /// All that were ever made, as they were then, oldest first; so for deliveries and claims.
    webhooks: Vec<Webhook>,
    pub(super) deliveries: Vec<DeliveryId>,
    claims: Vec<ClaimedDelivery>,
    receivers: HashMap<WebhookId, Answer>,
}

struct RunningNode {
    id: NodeId,
    store: Arc<dyn Store>,
}

/// The time as the steps tell it; never the same twice, however it is set, so that no time can be taken for another.
struct Ticker(i64);

impl Ticker {
    fn next(&mut self) -> Timestamp {
        self.0 += 7;
        Timestamp::from_micros(self.0)
    }

    const fn set(&mut self, seconds: i64) {
        self.0 += seconds * 1_000_000;
    }
}

impl Driver {
    /// Two clients with three webhooks; one node, or two where they share the store.
    pub(super) async fn on(backend: Backend) -> Result<Self, Difference> {
        let reference = Reference::new(backend.is_shared());
        let nodes = if backend.is_shared() { 2 } else { 1 };
        let mut driver = Self {
            backend,
            nodes: Vec::new(),
            reference,
            history: History::default(),
            ids: IdSource::seeded([0; 32]),
            clock: Ticker(1_712_855_553_741_194),
            calls: 0,
            clients: Vec::new(),
            webhooks: Vec::new(),
            deliveries: Vec::new(),
            claims: Vec::new(),
            receivers: HashMap::new(),
        };
        for _ in 0..nodes {
            driver.start_node().await?;
        }
        for number in 0..CLIENTS {
            driver.new_client(number).await?;
        }
        for (client, types) in [(0, Types(0b011)), (0, Types(0b110)), (1, Types(0b111))] {
            driver.new_webhook(client, types).await?;
        }
        driver.receivers.insert(driver.webhook(0).id, Answer::Fails);
        driver.receivers.insert(driver.webhook(1).id, Answer::IsBlocked);
        Ok(driver)
    }

    pub(super) async fn close(self) {
        for node in &self.nodes {
            node.store.close().await;
        }
    }

    pub(super) async fn take(&mut self, step: &Step) -> Result<(), Difference> {
        match step {
            Step::Enqueue(events) => self.enqueue(events.iter()).await?,
            Step::Tick { node, lanes, recorded } => self.tick(*node, lanes.iter(), *recorded).await?,
            Step::Record(claims) => self.record_again(claims.iter()).await?,
            Step::Release(claims) => self.release(claims.iter()).await?,
            Step::Receiver { webhook, answers } => {
                self.receivers.insert(self.webhook(*webhook).id, *answers);
            }
            Step::Clock { seconds } => self.clock.set(*seconds),
            Step::NewWebhook { client, types } => self.new_webhook(*client, *types).await?,
            Step::Edit { webhook, types, is_stale } => self.edit(*webhook, *types, *is_stale).await?,
            Step::SetState { webhook, state, by } => self.set_state(*webhook, (*state).into(), *by).await?,
            Step::Disable { webhook } => self.disable(*webhook).await?,
            Step::Delete { webhook, by } => self.delete(*webhook, *by).await?,
            Step::Cancel { delivery, by } => self.cancel(*delivery, *by).await?,
            Step::Redeliver { delivery, by } => self.redeliver(*delivery, *by).await?,
            Step::Retention { finished, dead_letters, keys, limit } => {
                let now = self.now();
                let before = [*finished, *dead_letters, *keys].map(|age| now - seconds(age));
                self.remove_expired(before, *limit).await?;
            }
            Step::Look(filter) => self.look(filter).await?,
            Step::Crash { .. } | Step::Leave { .. } | Step::TakeBack { .. } => self.change_nodes(step).await?,
        }
        self.compare_the_rest().await
    }

    async fn change_nodes(&mut self, step: &Step) -> Result<(), Difference> {
        match step {
            Step::Crash { node, is_noticed } => {
                let index = self.node(*node);
                drop(self.nodes.remove(index));
                self.reference.end_process();
                self.start_node().await?;
                self.settle(Call::GiveBack).await?;
                if *is_noticed { self.take_back(self.nodes.len() - 1, true).await } else { Ok(()) }
            }
            Step::Leave { node } => {
                let RunningNode { id, store } = &self.nodes[self.node(*node)];
                store.leave(*id).await?;
                self.reference.leave(*id);
                Ok(())
            }
            Step::TakeBack { node, all_are_silent } => self.take_back(self.node(*node), *all_are_silent).await,
            _ => Ok(()),
        }
    }
}

/// Producers, and the way of a delivery.
impl Driver {
    async fn enqueue(&mut self, events: impl Iterator<Item = &New>) -> Result<(), Difference> {
        let now = self.now();
        let events: Vec<NewEvent> = events.map(|new| self.new_event(new, now)).collect();
        let enqueued = self.store().enqueue(events.clone()).await?;

        let made = enqueued.iter().filter(|answer| !answer.duplicate).flat_map(|answer| answer.delivery_ids.clone());
        agree_on_all("what became of an event", &self.reference.enqueue(&events, made.clone()), &enqueued)?;
        self.history.enqueued(&enqueued);
        self.deliveries.extend(made);
        self.settle(Call::Enqueue).await
    }

    fn new_event(&mut self, new: &New, now: Timestamp) -> NewEvent {
        let created_at = self.now();
        let id = self.ids.next(created_at);
        let event = Event {
            id,
            client_id: self.clients[usize::from(new.client)],
            event_type: event_type(new.event_type),
            subject: format!("subject {}", created_at.as_micros() % 5),
            payload: Bytes::from(format!("{{\"event\":\"{id}\"}}")),
            created_at,
        };
        NewEvent {
            event,
            idempotency_key: new.key.map(|key| format!("key {key}")),
            due_at: now + seconds(new.wait),
            whole_payload: None,
            kept_unwanted: true,
            trace: None,
        }
    }

    /// Claims, attempts, and records the first of what it claimed.
    async fn tick(&mut self, node: u8, lanes: impl Iterator<Item = &Lane>, recorded: u8) -> Result<(), Difference> {
        let RunningNode { id: node, store } = &self.nodes[self.node(node)];
        let (node, store) = (*node, Arc::clone(store));
        let lanes = lanes.map(|lane| LaneQuota { webhook_id: self.webhook(lane.webhook).id, limit: lane.limit }).collect();
        let request = ClaimRequest { node, now: self.now(), lanes };
        let mut claimed = store.claim_due(request.clone()).await?;

        // The contract says nothing of the order of one webhook's deliveries among another's.
        claimed.sort_by_key(|claimed| claimed.webhook_id);
        let ids: Vec<_> = claimed.iter().map(|claimed| claimed.claim.delivery_id).collect();
        agree_on_all("what is claimed", &self.reference.claimable(&request), &ids)?;
        let expected: Vec<_> = claimed.iter().filter_map(|claimed| self.reference.claim(claimed.claim, node)).collect();
        agree_on_all("a claim", &shown(&expected), &shown(&claimed))?;
        self.history.claimed(&claimed)?;
        self.settle(Call::Claim).await?;

        let now = claimed.iter().take(usize::from(recorded)).cloned().collect();
        self.claims.append(&mut claimed);
        self.record(now).await
    }

    async fn record_again(&mut self, claims: impl Iterator<Item = &u8>) -> Result<(), Difference> {
        let claimed = claims.filter_map(|&claim| newest(&self.claims, claim).cloned()).collect();
        self.record(claimed).await
    }

    async fn record(&mut self, claimed: Vec<ClaimedDelivery>) -> Result<(), Difference> {
        let records: Vec<AttemptRecord> = claimed.iter().map(|claimed| self.attempt(claimed)).collect();
        let outcomes = self.store().record(records.clone()).await?;

        agree_on_all("whether a record counts", &self.reference.record(&records), &outcomes)?;
        self.history.recorded(&records, &outcomes)?;
        self.settle(Call::Record).await
    }

    fn attempt(&mut self, claimed: &ClaimedDelivery) -> AttemptRecord {
        let answer = self.receivers.get(&claimed.webhook_id).copied().unwrap_or(Answer::Takes);
        attempts::record(claimed, answer, self.now(), self.now())
    }

    async fn release(&mut self, claims: impl Iterator<Item = &u8>) -> Result<(), Difference> {
        let claims: Vec<Claim> = claims.filter_map(|&claim| newest(&self.claims, claim)).map(|claimed| claimed.claim).collect();
        let released = self.store().release(claims.clone()).await?;

        agree("how many claims are released", &self.reference.release(&claims), &released)?;
        self.settle(Call::GiveBack).await
    }
}

/// Nodes.
impl Driver {
    async fn start_node(&mut self) -> Result<(), Difference> {
        let started_at = self.now();
        let id = self.ids.next(started_at);
        let store = self.backend.open().await?;
        store.beat(Node { id, name: "node".to_owned(), role: NodeRole::All, version: "1".to_owned(), started_at }).await?;
        self.reference.beat(id);
        self.nodes.push(RunningNode { id, store });
        Ok(())
    }

    async fn take_back(&mut self, node: usize, all_are_silent: bool) -> Result<(), Difference> {
        let RunningNode { id, store } = &self.nodes[node];
        let silent_for = if all_are_silent { Duration::ZERO } else { SILENT };
        let taken_back = store.take_back_claims(*id, silent_for).await?;

        agree("how many claims are taken back", &self.reference.take_back_claims(*id, all_are_silent), &taken_back)?;
        self.settle(Call::GiveBack).await
    }
}

/// People and maintenance.
impl Driver {
    async fn new_client(&mut self, number: u8) -> Result<(), Difference> {
        let created_at = self.now();
        let client = Client { id: self.ids.next(created_at), name: format!("client {number}"), created_at };
        self.clients.push(client.id);
        Ok(self.store().insert_client(client, None).await?)
    }

    async fn new_webhook(&mut self, client: u8, types: Types) -> Result<(), Difference> {
        let created_at = self.now();
        let id = self.ids.next(created_at);
        let (client_id, definition) = (self.clients[usize::from(client)], definition(types, created_at));
        let (version, state) = (1, WebhookState::Active);
        let signing_keys = SigningKeys::default();
        let webhook = Webhook { id, client_id, version, definition, signing_keys, state, created_at, updated_at: created_at };
        let written = self.store().insert_webhook(webhook.clone(), None, None).await?;

        agree("whether a webhook is stored", &self.reference.insert_webhook(&webhook), &written)?;
        if written == WebhookWrite::Stored {
            self.webhooks.push(webhook);
        }
        Ok(())
    }

    async fn edit(&mut self, webhook: u8, types: Types, is_stale: bool) -> Result<(), Difference> {
        let updated_at = self.now();
        let made = self.webhook(webhook).clone();
        let version = self.reference.webhook(Scope::All, made.id).map_or(1, |webhook| webhook.version) - i64::from(is_stale);
        let webhook = Webhook { version, updated_at, definition: definition(types, updated_at), ..made };
        let written = self.store().update_webhook(webhook.clone(), None, None).await?;

        agree("whether an edit is stored", &self.reference.update_webhook(&webhook), &written)?;
        self.settle(Call::Other).await
    }

    async fn set_state(&mut self, webhook: u8, state: WebhookState, by: By) -> Result<(), Difference> {
        let (id, scope) = (self.webhook(webhook).id, self.scope(by, self.webhook(webhook).client_id));
        let now = self.now();
        let is_set = self.store().set_webhook_state(scope, id, state.clone(), now, None).await?;

        agree("whether a state is set", &self.reference.set_webhook_state(scope, id, state, now), &is_set)?;
        self.settle(Call::Other).await
    }

    async fn disable(&mut self, webhook: u8) -> Result<(), Difference> {
        let (id, reason, now) = (self.webhook(webhook).id, DisableReason::FailingTooLong, self.now());
        let is_disabled = self.store().disable_webhook(id, reason, now).await?;

        agree("whether a webhook is disabled", &self.reference.disable_webhook(id, reason, now), &is_disabled)?;
        self.settle(Call::Other).await
    }

    async fn delete(&mut self, webhook: u8, by: By) -> Result<(), Difference> {
        let (id, scope) = (self.webhook(webhook).id, self.scope(by, self.webhook(webhook).client_id));
        let now = self.now();
        let is_deleted = self.store().delete_webhook(scope, id, now, None).await?;

        agree("whether a webhook is deleted", &self.reference.delete_webhook(scope, id, now), &is_deleted)?;
        self.settle(Call::Cancel).await
    }

    async fn cancel(&mut self, delivery: u8, by: By) -> Result<(), Difference> {
        let Some((id, scope)) = self.delivery(delivery, by) else { return Ok(()) };
        let now = self.now();
        let change = self.store().cancel(scope, id, now, None).await?;

        agree("whether a delivery is cancelled", &self.reference.cancel(scope, id, now), &change)?;
        self.settle(Call::Cancel).await
    }

    async fn redeliver(&mut self, delivery: u8, by: By) -> Result<(), Difference> {
        let Some((id, scope)) = self.delivery(delivery, by) else { return Ok(()) };
        let now = self.now();
        let change = self.store().redeliver(scope, id, now, None).await?;

        agree("whether a delivery is redelivered", &self.reference.redeliver(scope, id, now), &change)?;
        self.settle(Call::Redeliver).await
    }

    async fn remove_expired(&mut self, before: [Timestamp; 3], limit: u32) -> Result<(), Difference> {
        let [finished_before, dead_letters_before, idempotency_before] = before;
        let never = Timestamp::from_micros(0);
        let (statistics_before, audit_before) = (never, never);
        let step = RetentionStep { finished_before, dead_letters_before, idempotency_before, statistics_before, audit_before, limit };
        let removed = self.store().remove_expired(step).await?;

        let gone = self.gone().await?;
        agree("how much is removed", &self.reference.remove_expired(step, &gone), &removed)?;
        self.settle(Call::Remove).await
    }
}

/// What steps count.
impl Driver {
    /// Of any node, for they all answer alike.
    pub(super) fn store(&mut self) -> Arc<dyn Store> {
        self.calls += 1;
        Arc::clone(&self.nodes[self.calls % self.nodes.len()].store)
    }

    pub(super) fn now(&mut self) -> Timestamp {
        self.clock.next()
    }

    fn node(&self, number: u8) -> usize {
        usize::from(number) % self.nodes.len()
    }

    /// There is always one.
    fn webhook(&self, number: u8) -> &Webhook {
        &self.webhooks[self.webhooks.len() - 1 - usize::from(number) % self.webhooks.len()]
    }

    /// A delivery, also one that is removed, and the scope in which it is asked for.
    fn delivery(&self, number: u8, by: By) -> Option<(DeliveryId, Scope)> {
        let id = *newest(&self.deliveries, number)?;
        let owner = self.reference.visible(Scope::All, id).map_or(self.clients[0], |delivery| delivery.client_id);
        Some((id, self.scope(by, owner)))
    }

    pub(super) fn scope(&self, by: By, owner: ClientId) -> Scope {
        match by {
            By::Owner => Scope::Client(owner),
            By::Stranger => self.clients.iter().find(|client| **client != owner).map_or(Scope::All, |client| Scope::Client(*client)),
            By::Root => Scope::All,
        }
    }
}

/// The entry that has so many newer ones, counted round.
pub(super) fn newest<T>(list: &[T], number: u8) -> Option<&T> {
    let back = usize::from(number).checked_rem(list.len())?;
    list.get(list.len() - 1 - back)
}

pub(super) const fn seconds(number: i64) -> Duration {
    Duration::from_secs(number.unsigned_abs())
}

pub(super) fn event_type(number: u8) -> EventType {
    format!("type.{number}").parse().unwrap()
}

/// A client has one webhook of the type code, which stands for the first type.
fn definition(types: Types, edited_at: Timestamp) -> WebhookDefinition {
    let url = format!("https://receiver.example/{}/:id", edited_at.as_micros());
    WebhookDefinition {
        name: format!("edited at {edited_at}"),
        type_code: types.iter().any(|event_type| event_type == 0).then_some(DOCUMENT_FINISHED),
        events: types.iter().map(event_type).collect(),
        catalog: None,
        method: Method::Post,
        headers: None,
        url: TargetUrl::parse(&url, IdInUrl::Required).unwrap(),
        authorization: AuthorizationFields::default(),
        delivery: DeliverySettings::default(),
    }
}
