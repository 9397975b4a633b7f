//! What people change: webhooks, and what becomes of deliveries.

use webhook_dispatcher::domain::delivery::DeliveryState;
use webhook_dispatcher::domain::ids::{DeliveryId, WebhookId};
use webhook_dispatcher::domain::time::Timestamp;
use webhook_dispatcher::domain::webhook::{DisableReason, Webhook, WebhookState};
use webhook_dispatcher::store::records::{DeliveryChange, Scope, WebhookWrite};

use super::{KeptWebhook, Reference};

impl Reference {
    pub(in super::super) fn insert_webhook(&mut self, webhook: &Webhook) -> WebhookWrite {
        if self.type_is_taken(webhook) {
            return WebhookWrite::TypeTaken;
        }
        self.webhooks.insert(webhook.id, KeptWebhook { webhook: webhook.clone(), deleted_at: None });
        WebhookWrite::Stored
    }

    pub(in super::super) fn update_webhook(&mut self, webhook: &Webhook) -> WebhookWrite {
        let type_is_taken = self.type_is_taken(webhook);
        match self.changeable(Scope::Client(webhook.client_id), webhook.id) {
            None => WebhookWrite::NotFound,
            Some(stored) if stored.version != webhook.version => WebhookWrite::Stale,
            Some(_) if type_is_taken => WebhookWrite::TypeTaken,
            Some(stored) => {
                stored.definition = webhook.definition.clone();
                mark(stored, webhook.updated_at);
                WebhookWrite::Stored
            }
        }
    }

    /// Whether another webhook of the client has its type code.
    fn type_is_taken(&self, webhook: &Webhook) -> bool {
        let code = webhook.definition.type_code;
        let is_rival = |other: &Webhook| other.client_id == webhook.client_id && other.id != webhook.id;
        code.is_some() && self.standing_webhooks().any(|other| is_rival(other) && other.definition.type_code == code)
    }

    /// A webhook of that scope that is not deleted.
    fn changeable(&mut self, scope: Scope, id: WebhookId) -> Option<&mut Webhook> {
        let kept = self.webhooks.get_mut(&id).filter(|kept| kept.deleted_at.is_none())?;
        scope.client_id().is_none_or(|client| client == kept.webhook.client_id).then_some(&mut kept.webhook)
    }

    pub(in super::super) fn set_webhook_state(&mut self, scope: Scope, id: WebhookId, state: WebhookState, now: Timestamp) -> bool {
        let Some(webhook) = self.changeable(scope, id) else { return false };
        webhook.state = state;
        mark(webhook, now);
        true
    }

    /// Only an active webhook is disabled.
    pub(in super::super) fn disable_webhook(&mut self, id: WebhookId, reason: DisableReason, now: Timestamp) -> bool {
        self.is_active(id) && self.set_webhook_state(Scope::All, id, WebhookState::Disabled(reason), now)
    }

    pub(in super::super) fn delete_webhook(&mut self, scope: Scope, id: WebhookId, now: Timestamp) -> bool {
        let Some(webhook) = self.changeable(scope, id) else { return false };
        mark(webhook, now);
        if let Some(kept) = self.webhooks.get_mut(&id) {
            kept.deleted_at = Some(now);
        }
        let of_webhook = self.deliveries.values_mut().filter(|kept| kept.delivery.webhook_id == id);
        for pending in of_webhook.filter(|kept| kept.delivery.state == DeliveryState::Pending) {
            pending.end(DeliveryState::Cancelled, now);
        }
        true
    }

    pub(in super::super) fn redeliver(&mut self, scope: Scope, id: DeliveryId, now: Timestamp) -> DeliveryChange {
        let Some(delivery) = self.visible(scope, id) else { return DeliveryChange::NotFound };
        let (webhook_id, state) = (delivery.webhook_id, delivery.state);
        if self.is_deleted(webhook_id) {
            return DeliveryChange::WebhookDeleted;
        }
        match self.deliveries.get_mut(&id) {
            Some(kept) if state != DeliveryState::InFlight => {
                kept.wait(now);
                kept.delivery.attempts_before_series = kept.delivery.attempts;
                kept.delivery.dead_letter_reason = None;
                DeliveryChange::Changed
            }
            _ => DeliveryChange::NotAllowedIn(state),
        }
    }

    pub(in super::super) fn cancel(&mut self, scope: Scope, id: DeliveryId, now: Timestamp) -> DeliveryChange {
        let Some(state) = self.visible(scope, id).map(|delivery| delivery.state) else { return DeliveryChange::NotFound };
        match self.deliveries.get_mut(&id) {
            Some(kept) if state == DeliveryState::Pending => {
                kept.end(DeliveryState::Cancelled, now);
                DeliveryChange::Changed
            }
            _ => DeliveryChange::NotAllowedIn(state),
        }
    }
}

/// Every change makes a new edition.
fn mark(webhook: &mut Webhook, now: Timestamp) {
    webhook.version += 1;
    webhook.updated_at = now;
}
