//! What is compared: after every call all deliveries, after every step the other lists, at the end every single thing.

use std::collections::BTreeSet;

use webhook_dispatcher::domain::delivery::DeliveryState;
use webhook_dispatcher::domain::ids::DeliveryId;
use webhook_dispatcher::store::records::{DeliveryFilter, EventFilter, Page, Scope};

use super::difference::{Difference, agree, agree_on_all, shown};
use super::driver::{Driver, event_type, newest, seconds};
use super::history::Call;
use super::steps::{Filter, Same};

/// More than a sequence can make.
const MOST: u32 = 10_000;

const fn everything<Id>() -> Page<Id> {
    Page { limit: MOST, before: None }
}

impl Driver {
    /// After a call: every delivery stands as it must, and came there on an allowed way.
    pub(super) async fn settle(&mut self, call: Call) -> Result<(), Difference> {
        let all = DeliveryFilter::all(Scope::All);
        let deliveries = self.store().deliveries(all.clone(), everything()).await?;
        agree_on_all("the list of all deliveries", &self.reference.deliveries(&all, everything()), &deliveries)?;
        self.history.settle(call, &deliveries)
    }

    /// The deliveries that the reference has and the store has no more.
    pub(super) async fn gone(&mut self) -> Result<BTreeSet<DeliveryId>, Difference> {
        let all = DeliveryFilter::all(Scope::All);
        let stored = self.store().deliveries(all.clone(), everything()).await?;
        let stored: BTreeSet<_> = stored.into_iter().map(|summary| summary.delivery.id).collect();
        let known = self.reference.deliveries(&all, everything()).into_iter().map(|summary| summary.delivery.id);
        Ok(known.filter(|id| !stored.contains(id)).collect())
    }

    /// After a step: the other lists.
    pub(super) async fn compare_the_rest(&mut self) -> Result<(), Difference> {
        let webhooks = self.store().webhooks(Scope::All, everything()).await?;
        agree_on_all("the list of all webhooks", &shown(&self.reference.webhooks(Scope::All, everything())), &shown(&webhooks))?;

        let all = EventFilter { scope: Scope::All, event_type: None, subject: None };
        let events = self.store().events(all.clone(), everything()).await?;
        agree_on_all("the list of all events", &self.reference.events(&all, everything()), &events)?;

        let now = self.now();
        let mut lanes = self.store().lanes_due(now).await?;
        lanes.sort_unstable();
        agree_on_all("the lanes that are due", &self.reference.lanes_due(now), &lanes)?;

        let nodes = self.store().nodes().await?;
        let nodes: Vec<_> = nodes.into_iter().map(|known| (known.node.id, known.claims)).collect();
        agree_on_all("the nodes and how many claims they hold", &self.reference.nodes(), &nodes)?;

        let fill = self.store().fill(3).await?;
        agree("how many are pending, counted up to three", &self.reference.pending().min(3), &fill.pending)
    }

    /// At the end: each state's deliveries, and every delivery and event with all that is kept of it.
    pub(super) async fn compare_everything(&mut self) -> Result<(), Difference> {
        for state in DeliveryState::ALL {
            let filter = DeliveryFilter { state: Some(state), ..DeliveryFilter::all(Scope::All) };
            let deliveries = self.store().deliveries(filter.clone(), everything()).await?;
            agree_on_all("the deliveries in a state", &self.reference.deliveries(&filter, everything()), &deliveries)?;
        }
        for id in self.deliveries.clone() {
            self.compare_delivery(Scope::All, id).await?;
        }
        let all = EventFilter { scope: Scope::All, event_type: None, subject: None };
        for event in self.reference.events(&all, everything()) {
            let stored = self.store().event(Scope::All, event.id).await?;
            agree_on_all("an event", &shown(&self.reference.event(Scope::All, event.id)), &shown(&stored))?;
        }
        Ok(())
    }

    async fn compare_delivery(&mut self, scope: Scope, id: DeliveryId) -> Result<(), Difference> {
        let stored = self.store().delivery(scope, id).await?;
        agree_on_all("a delivery", &shown(&self.reference.delivery(scope, id)), &shown(&stored))
    }

    /// A page of every list, around a delivery, and that delivery itself.
    pub(super) async fn look(&mut self, look: &Filter) -> Result<(), Difference> {
        let found = newest(&self.deliveries, look.delivery).and_then(|id| self.reference.delivery(Scope::All, *id));
        let Some(found) = found else { return Ok(()) };
        let (delivery, subject) = (found.summary.delivery, found.summary.subject);
        let scope = self.scope(look.by, delivery.client_id);
        let same = |part| look.same.iter().any(|same| *same == part);
        let (event_type, subject) = (look.event_type.map(event_type), same(Same::Subject).then_some(subject));
        let is_next = look.is_next_page;

        let filter = DeliveryFilter {
            scope,
            webhook_id: same(Same::Webhook).then_some(delivery.webhook_id),
            event_id: same(Same::Event).then_some(delivery.event_id),
            state: look.state,
            reason: None,
            event_type: event_type.clone(),
            subject: subject.clone(),
            from: look.from.map(|from| delivery.created_at - seconds(from)),
            to: look.to.map(|to| delivery.created_at + seconds(to)),
            finished_from: None,
        };
        let page = Page { limit: look.limit, before: is_next.then_some(delivery.id) };
        let deliveries = self.store().deliveries(filter.clone(), page).await?;
        agree_on_all("a page of deliveries", &self.reference.deliveries(&filter, page), &deliveries)?;

        let filter = EventFilter { scope, event_type, subject };
        let page = Page { limit: look.limit, before: is_next.then_some(delivery.event_id) };
        let events = self.store().events(filter.clone(), page).await?;
        agree_on_all("a page of events", &self.reference.events(&filter, page), &events)?;

        let page = Page { limit: look.limit, before: is_next.then_some(delivery.webhook_id) };
        let webhooks = self.store().webhooks(scope, page).await?;
        agree_on_all("a page of webhooks", &shown(&self.reference.webhooks(scope, page)), &shown(&webhooks))?;

        let event = self.store().event(scope, delivery.event_id).await?;
        agree_on_all("an event", &shown(&self.reference.event(scope, delivery.event_id)), &shown(&event))?;
        let webhook = self.store().webhook(scope, delivery.webhook_id).await?;
        agree_on_all("a webhook", &shown(&self.reference.webhook(scope, delivery.webhook_id)), &shown(&webhook))?;
        self.compare_delivery(scope, delivery.id).await
    }
}
