//! Encrypts anew, under the newest key, the secrets that are kept under another.

use std::sync::Arc;

use async_trait::async_trait;

use super::Duty;
use crate::domain::time::Timestamp;
use crate::store::{Store, StoreError};

/// Brings every secret under the newest key, in steps that each hold the store up only briefly.
pub struct Reencrypt {
    store: Arc<dyn Store>,
    rows_per_step: u32,
}

impl Reencrypt {
    /// Encrypts the secrets of `store` anew, at most `rows_per_step` rows at once.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, rows_per_step: u32) -> Self {
        Self { store, rows_per_step }
    }
}

#[async_trait]
impl Duty for Reencrypt {
    fn name(&self) -> &'static str {
        "re-encrypt secrets"
    }

    async fn run_once(&self, _now: Timestamp) -> Result<u64, StoreError> {
        let mut rows = 0;
        loop {
            match self.store.reseal(self.rows_per_step).await? {
                0 => return Ok(rows),
                resealed => rows += resealed,
            }
        }
    }
}
