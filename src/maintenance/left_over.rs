//! Cancels what deleted webhooks leave over. A webhook is gone for everybody at once; what still waits for it may be much.

use std::sync::Arc;

use async_trait::async_trait;

use super::Duty;
use crate::domain::time::Timestamp;
use crate::store::{Store, StoreError};

/// Cancels deliveries that wait for deleted webhooks, in steps that each hold the store up only briefly.
pub struct CancelLeftOver {
    store: Arc<dyn Store>,
    rows_per_step: u32,
}

impl CancelLeftOver {
    /// Cancels in `store`, at most `rows_per_step` deliveries at once.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, rows_per_step: u32) -> Self {
        Self { store, rows_per_step }
    }
}

#[async_trait]
impl Duty for CancelLeftOver {
    fn name(&self) -> &'static str {
        "cancel what deleted webhooks leave over"
    }

    async fn run_once(&self, _now: Timestamp) -> Result<u64, StoreError> {
        let mut all = 0;
        loop {
            let cancelled = self.store.cancel_left_over(self.rows_per_step).await?;
            if cancelled == 0 {
                return Ok(all);
            }
            all += cancelled;
        }
    }
}
