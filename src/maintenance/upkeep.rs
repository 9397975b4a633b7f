//! Keeps the store's files and statistics in order.

use std::sync::Arc;

use async_trait::async_trait;

use super::Duty;
use crate::domain::time::Timestamp;
use crate::store::{Store, StoreError};

/// Tidies the store.
pub struct TidyStore {
    store: Arc<dyn Store>,
}

impl TidyStore {
    /// Tidies `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }
}

#[async_trait]
impl Duty for TidyStore {
    fn name(&self) -> &'static str {
        "database upkeep"
    }

    async fn run_once(&self, _now: Timestamp) -> Result<u64, StoreError> {
        self.store.tidy().await.map(|()| 0)
    }
}
