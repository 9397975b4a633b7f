//! Removes deliveries, attempts, events, idempotency keys and audit entries that were kept long enough.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::Duty;
use crate::domain::time::Timestamp;
use crate::store::records::RetentionStep;
use crate::store::{Store, StoreError};

/// How long things are kept.
#[derive(Clone, Copy, Debug)]
pub struct RetentionAges {
    /// Delivered and cancelled deliveries, from when they finished.
    pub finished: Duration,
    /// Dead letters, from when they were given up.
    pub dead_letters: Duration,
    /// Idempotency keys, from when their event was accepted.
    pub idempotency_keys: Duration,
    /// Statistics of a minute.
    pub statistics: Duration,
    /// Audit entries, from when their change was made.
    pub audit_entries: Duration,
}

/// Removes what is older than its age, in steps that each hold the store up only briefly.
pub struct Retention {
    store: Arc<dyn Store>,
    ages: RetentionAges,
    rows_per_step: u32,
}

impl Retention {
    /// Retention by `ages`, at most `rows_per_step` rows of a kind at once.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, ages: RetentionAges, rows_per_step: u32) -> Self {
        Self { store, ages, rows_per_step }
    }
}

#[async_trait]
impl Duty for Retention {
    fn name(&self) -> &'static str {
        "retention"
    }

    async fn run_once(&self, now: Timestamp) -> Result<u64, StoreError> {
        let step = RetentionStep {
            finished_before: now - self.ages.finished,
            dead_letters_before: now - self.ages.dead_letters,
            idempotency_before: now - self.ages.idempotency_keys,
            statistics_before: now - self.ages.statistics,
            audit_before: now - self.ages.audit_entries,
            limit: self.rows_per_step,
        };
        let mut rows = 0;
        loop {
            let removed = self.store.remove_expired(step).await?;
            if removed.is_nothing() {
                return Ok(rows);
            }
            rows += removed.rows();
        }
    }
}
