//! Disables webhooks of which every attempt has failed for too long. Their deliveries wait; a person may resume them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tracing::warn;

use super::Duty;
use crate::domain::time::Timestamp;
use crate::domain::webhook::DisableReason;
use crate::store::{Store, StoreError};

/// Gives up on webhooks that only failed.
pub struct DisableFailing {
    store: Arc<dyn Store>,
    patience: Duration,
}

impl DisableFailing {
    /// Disables webhooks that only failed for as long as `patience`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, patience: Duration) -> Self {
        Self { store, patience }
    }
}

#[async_trait]
impl Duty for DisableFailing {
    fn name(&self) -> &'static str {
        "disable failing webhooks"
    }

    async fn run_once(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut disabled = 0;
        for id in self.store.failing_webhooks(now - self.patience).await? {
            if self.store.disable_webhook(id, DisableReason::FailingTooLong, now).await? {
                warn!(webhook.id = %id, "the webhook only failed for {:?} and is disabled", self.patience);
                disabled += 1;
            }
        }
        Ok(disabled)
    }
}
