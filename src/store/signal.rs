//! Hints from a store to whoever works with it: something may be due now, a webhook changed.
//!
//! A hint follows the commit it speaks of. It may be late or lost (a slow listener learns that it lagged): whoever
//! listens also polls.

use std::sync::Arc;

use crate::domain::ids::WebhookId;

/// What a store wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Deliveries of these webhooks became due, or will.
    Due(Arc<[WebhookId]>),
    /// This webhook's definition or state changed.
    WebhookChanged(WebhookId),
}
