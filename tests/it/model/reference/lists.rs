//! What people see: lists from the newest to the oldest, page by page, and single things.

use webhook_dispatcher::domain::delivery::{Delivery, DeliveryState};
use webhook_dispatcher::domain::event::Event;
use webhook_dispatcher::domain::ids::{ClientId, DeliveryId, EventId, WebhookId};
use webhook_dispatcher::domain::webhook::Webhook;
use webhook_dispatcher::store::records::{
    DeliveryDetail, DeliveryFilter, DeliverySummary, EventDetail, EventFilter, LastAttempt, Page, Scope,
};

use super::{KeptDelivery, Reference};

impl Reference {
    pub(in super::super) fn deliveries(&self, filter: &DeliveryFilter, page: Page<DeliveryId>) -> Vec<DeliverySummary> {
        let summaries = self.deliveries.values().rev().filter_map(|kept| self.summary(kept));
        let fitting = summaries.filter(|summary| fits(summary, filter));
        page_of(fitting, page, |summary| summary.delivery.id)
    }

    pub(in super::super) fn delivery(&self, scope: Scope, id: DeliveryId) -> Option<DeliveryDetail> {
        let kept = self.deliveries.get(&id).filter(|kept| is_in(scope, kept.delivery.client_id))?;
        let webhook = self.webhooks.get(&kept.delivery.webhook_id)?.webhook.clone();
        Some(DeliveryDetail { summary: self.summary(kept)?, webhook, attempts: kept.attempts.clone() })
    }

    pub(in super::super) fn visible(&self, scope: Scope, id: DeliveryId) -> Option<&Delivery> {
        self.deliveries.get(&id).map(|kept| &kept.delivery).filter(|delivery| is_in(scope, delivery.client_id))
    }

    fn summary(&self, kept: &KeptDelivery) -> Option<DeliverySummary> {
        let event = &self.events.get(&kept.delivery.event_id)?.event;
        let last_attempt = kept.attempts.last().map(|attempt| LastAttempt {
            finished_at: attempt.finished_at,
            outcome: attempt.outcome.clone(),
            status: attempt.exchange.status,
            detail: attempt.exchange.detail.clone(),
        });
        let (event_type, subject) = (event.event_type.clone(), event.subject.clone());
        Some(DeliverySummary { delivery: kept.delivery.clone(), event_type, subject, last_attempt })
    }

    pub(in super::super) fn events(&self, filter: &EventFilter, page: Page<EventId>) -> Vec<Event> {
        let fits = |event: &Event| {
            is_in(filter.scope, event.client_id)
                && is_asked(filter.event_type.as_ref(), &event.event_type)
                && is_asked(filter.subject.as_ref(), &event.subject)
        };
        let fitting = self.events.values().rev().map(|kept| kept.event.clone()).filter(fits);
        page_of(fitting, page, |event| event.id)
    }

    pub(in super::super) fn event(&self, scope: Scope, id: EventId) -> Option<EventDetail> {
        let event = self.events.get(&id).map(|kept| kept.event.clone()).filter(|event| is_in(scope, event.client_id))?;
        let of_event = self.deliveries.values().map(|kept| &kept.delivery).filter(|delivery| delivery.event_id == id);
        Some(EventDetail { event, deliveries: of_event.cloned().collect() })
    }

    pub(in super::super) fn webhooks(&self, scope: Scope, page: Page<WebhookId>) -> Vec<Webhook> {
        let fitting = self.standing_webhooks().rev().filter(|webhook| is_in(scope, webhook.client_id)).cloned();
        page_of(fitting, page, |webhook| webhook.id)
    }

    pub(in super::super) fn webhook(&self, scope: Scope, id: WebhookId) -> Option<Webhook> {
        self.standing_webhooks().find(|webhook| webhook.id == id && is_in(scope, webhook.client_id)).cloned()
    }

    /// How many deliveries are pending.
    pub(in super::super) fn pending(&self) -> u64 {
        self.deliveries.values().filter(|kept| kept.delivery.state == DeliveryState::Pending).count() as u64
    }
}

fn is_in(scope: Scope, client: ClientId) -> bool {
    scope.client_id().is_none_or(|asked| asked == client)
}

/// What is not asked for fits.
fn is_asked<T: PartialEq>(asked: Option<&T>, value: &T) -> bool {
    asked.is_none_or(|asked| asked == value)
}

fn fits(summary: &DeliverySummary, filter: &DeliveryFilter) -> bool {
    let delivery = &summary.delivery;
    is_in(filter.scope, delivery.client_id)
        && is_asked(filter.webhook_id.as_ref(), &delivery.webhook_id)
        && is_asked(filter.event_id.as_ref(), &delivery.event_id)
        && is_asked(filter.state.as_ref(), &delivery.state)
        && is_asked(filter.event_type.as_ref(), &summary.event_type)
        && is_asked(filter.subject.as_ref(), &summary.subject)
        && filter.from.is_none_or(|from| from <= delivery.created_at)
        && filter.to.is_none_or(|to| delivery.created_at < to)
}

/// A page of what comes newest first.
fn page_of<T, Id: PartialOrd + Copy>(list: impl Iterator<Item = T>, page: Page<Id>, id_of: impl Fn(&T) -> Id) -> Vec<T> {
    let older = list.filter(|entry| page.before.is_none_or(|before| id_of(entry) < before));
    older.take(page.limit as usize).collect()
}
