//! Works redeliveries of many, step by step as each is due. Every delivering node tries; the store lets one take a step.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Duty;
use crate::domain::redelivery::RedeliveryJobState;
use crate::domain::time::{Clock, Timestamp};
use crate::store::{Store, StoreError};

/// How often steps are looked for. Within it those are taken that became due.
const LOOK_EVERY: Duration = Duration::from_secs(1);

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

    /// Takes steps as they become due, until `stop`.
    pub async fn run(self, clock: Arc<dyn Clock>, stop: CancellationToken) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut fails = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            match self.run_once(clock.now()).await {
                Ok(_) => fails = false,
                // Once for as long as it fails.
                Err(failure) if !std::mem::replace(&mut fails, true) => {
                    warn!(error = %failure, source = ?std::error::Error::source(&failure), "a redelivery does not go on; it is tried again");
                }
                Err(_) => {}
            }
        }
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
