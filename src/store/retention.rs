//! What retention may remove, and what it removed.

use crate::domain::time::Timestamp;

/// What retention may remove, and how much of it in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionStep {
    /// Delivered and cancelled deliveries and redeliveries of many that finished before this time, and events without
    /// deliveries from before it.
    pub finished_before: Timestamp,
    /// Dead letters given up before this time.
    pub dead_letters_before: Timestamp,
    /// Idempotency keys of events accepted before this time.
    pub idempotency_before: Timestamp,
    /// Statistics of minutes before this time; a store may keep hours and days of them until their day is over.
    pub statistics_before: Timestamp,
    /// Audit entries of changes made before this time.
    pub audit_before: Timestamp,
    /// The most rows of a kind to remove.
    pub limit: u32,
}

/// What a retention step removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Deliveries, with their attempts.
    pub deliveries: u64,
    /// Events that no delivery needs any more.
    pub events: u64,
    /// Idempotency keys forgotten; their events stay.
    pub idempotency_keys: u64,
    /// Minutes and hours of a webhook's statistics, and what a store adds up of them.
    pub statistics: u64,
    /// Audit entries.
    pub audit_entries: u64,
    /// Redeliveries of many that ended.
    pub redelivery_jobs: u64,
}

impl Removed {
    /// How many rows of all kinds.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.deliveries + self.events + self.idempotency_keys + self.statistics + self.audit_entries + self.redelivery_jobs
    }

    /// Whether there was nothing to remove.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.rows() == 0
    }
}
