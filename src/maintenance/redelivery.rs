//! Works redeliveries of many, step by step as each is due. Every delivering node tries; the store lets one take a step.

use std::sync::Arc;

use async_trait::async_trait;
use tracing::info;

use super::Duty;
use crate::domain::redelivery::RedeliveryJobState;
use crate::domain::time::Timestamp;
use crate::store::{Store, StoreError};

/// Takes the steps of redeliveries.
pub struct WorkRedeliveries {
    store: Arc<dyn Store>,
}

impl WorkRedeliveries {
    /// Takes steps in `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }
}

#[async_trait]
impl Duty for WorkRedeliveries {
    fn name(&self) -> &'static str {
        "redeliver many"
    }

    /// Answers how many deliveries are sent again.
    async fn run_once(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut redelivered = 0;
        while let Some(step) = self.store.redelivery_step(now).await? {
            redelivered += step.redelivered;
            if step.state == RedeliveryJobState::Done {
                info!(job.id = %step.job_id, "everything that was wanted is sent again");
            }
        }
        Ok(redelivered)
    }
}
