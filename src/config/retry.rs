//! `[retry]`: when a failed attempt is repeated, for webhooks that have no schedule of their own.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::check::Check;

/// When a failed attempt is repeated, for webhooks that have no schedule of their own.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryConfig {
    /// Seconds to wait after the first failed attempt, after the second and so on.
    pub delays_seconds: Vec<u32>,
    /// Share of a delay by which chance makes it shorter or longer.
    pub jitter: f64,
    /// Seconds beyond which a receiver's `Retry-After` is cut.
    pub retry_after_max_seconds: u32,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            delays_seconds: vec![5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400],
            jitter: 0.2,
            retry_after_max_seconds: 86_400,
        }
    }
}

impl RetryConfig {
    /// How long to wait after the first failed attempt, after the second and so on.
    #[must_use]
    pub fn delays(&self) -> Vec<Duration> {
        self.delays_seconds.iter().map(|&seconds| Duration::from_secs(seconds.into())).collect()
    }

    /// The time beyond which a receiver's `Retry-After` is cut.
    #[must_use]
    pub fn retry_after_max(&self) -> Duration {
        Duration::from_secs(self.retry_after_max_seconds.into())
    }

    pub(super) fn validate(check: &mut Check<'_>) {
        check.integers("delays_seconds", 50, &(1..=2_592_000));
        check.number("jitter", &(0.0..=0.5));
        check.integer("retry_after_max_seconds", 1..=604_800);
    }
}
