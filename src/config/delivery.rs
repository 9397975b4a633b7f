//! `[delivery]`: how many deliveries run at once, for how long, and what is kept of them.

use std::time::Duration;

use http::HeaderValue;
use serde::{Deserialize, Serialize};

use super::check::Check;

/// How many deliveries run at once, for how long, and what is kept of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveryConfig {
    /// Deliveries in flight at once, over all webhooks.
    pub max_in_flight: usize,
    /// Deliveries in flight at once for one webhook that has no limit of its own.
    pub max_in_flight_per_webhook: usize,
    /// Milliseconds that an attempt may take, from login to the end of the answer, unless its webhook says otherwise.
    pub timeout_ms: u32,
    /// Milliseconds between two looks for due deliveries when nothing wakes the node earlier.
    pub poll_interval_ms: u32,
    /// Deliveries that one claim takes.
    pub claim_batch: usize,
    /// Attempts that one commit records together.
    pub record_batch: usize,
    /// Bytes of a receiver's answer that are kept.
    pub kept_body_bytes: usize,
    /// The `User-Agent` header of every request; a valid header value.
    pub user_agent: String,
}

impl Default for DeliveryConfig {
    fn default() -> Self {
        Self {
            max_in_flight: 1024,
            max_in_flight_per_webhook: 16,
            timeout_ms: 15_000,
            poll_interval_ms: 1000,
            claim_batch: 512,
            record_batch: 512,
            kept_body_bytes: 8192,
            user_agent: "webhook-dispatcher".to_owned(),
        }
    }
}

impl DeliveryConfig {
    /// How long an attempt may take, from login to the end of the answer, unless its webhook says otherwise.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms.into())
    }

    /// The time between two looks for due deliveries when nothing wakes the node earlier.
    #[must_use]
    pub fn poll_interval(&self) -> Duration {
        Duration::from_millis(self.poll_interval_ms.into())
    }

    pub(super) fn validate(check: &mut Check<'_>) {
        check.integer("max_in_flight", 1..=65_536);
        check.integer("max_in_flight_per_webhook", 1..=1024);
        check.integer("timeout_ms", 100..=300_000);
        check.integer("poll_interval_ms", 50..=60_000);
        check.integer("claim_batch", 1..=4096);
        check.integer("record_batch", 1..=4096);
        check.integer("kept_body_bytes", 0..=65_536);
        check.text("user_agent", "a header value that is not empty", |text| !text.trim().is_empty() && HeaderValue::from_str(text).is_ok());
    }
}
