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

impl RetentionAges {
    /// Removes what has its age at `now`, at most `limit` rows of a kind.
    fn step(&self, now: Timestamp, limit: u32) -> RetentionStep {
        RetentionStep {
            finished_before: now - self.finished,
            dead_letters_before: now - self.dead_letters,
            idempotency_before: now - self.idempotency_keys,
            statistics_before: now - self.statistics,
            audit_before: now - self.audit_entries,
            limit,
        }
    }
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
        let step = self.ages.step(now, self.rows_per_step);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_goes_by_its_own_age() {
        let seconds = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let ages = RetentionAges {
            finished: Duration::from_secs(1),
            dead_letters: Duration::from_secs(2),
            idempotency_keys: Duration::from_secs(3),
            statistics: Duration::from_secs(4),
            audit_entries: Duration::from_secs(5),
        };

        let step = ages.step(seconds(100), 7);

        assert_eq!((step.finished_before, step.dead_letters_before), (seconds(99), seconds(98)));
        assert_eq!((step.idempotency_before, step.statistics_before), (seconds(97), seconds(96)));
        assert_eq!((step.audit_before, step.limit), (seconds(95), 7));
    }
}
