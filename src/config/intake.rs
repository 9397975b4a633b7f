//! `[intake]`: how events are taken in.

use serde::{Deserialize, Serialize};

use super::check::Check;

/// How events are taken in.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntakeConfig {
    /// Events that one commit takes together; a request with more is a commit of its own. An event counts once
    /// more for every 4 KiB of its payload.
    pub max_batch: usize,
    /// Events that may wait for a commit, counted likewise. A request that counts more is taken in while nothing else waits.
    pub queue: usize,
    /// Pending deliveries beyond which nothing is taken in; 0 for any number.
    pub max_pending: u64,
    /// Mebibytes that must be free on the disk for anything to be taken in.
    pub min_free_disk_mib: u64,
}

impl Default for IntakeConfig {
    fn default() -> Self {
        Self { max_batch: 512, queue: 8_192, max_pending: 0, min_free_disk_mib: 64 }
    }
}

impl IntakeConfig {
    pub(super) fn validate(check: &mut Check<'_>) {
        check.integer("max_batch", 1..=4096);
        check.integer("queue", 1..=1_000_000);
        check.integer("max_pending", 0..=1_000_000_000);
        check.integer("min_free_disk_mib", 0..=1_048_576);
    }
}
