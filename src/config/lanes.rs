//! `[lanes]`: what is borne from receivers that hang or are not there.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml::Value;

use super::check::Check;

/// What is borne from receivers that hang or are not there.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LanesConfig {
    /// Requests that may be under way beyond `delivery.max_in_flight`, to webhooks of which nothing was heard for a second.
    pub max_stalled: usize,
    /// Failures in a row after which a webhook gets nothing but probes.
    pub breaker_failures: u32,
    /// Seconds before the first probe; doubles with every probe that fails.
    pub breaker_pause_seconds: u32,
    /// Seconds beyond which that pause does not grow.
    pub breaker_pause_max_seconds: u32,
}

impl Default for LanesConfig {
    fn default() -> Self {
        Self { max_stalled: 8192, breaker_failures: 5, breaker_pause_seconds: 5, breaker_pause_max_seconds: 300 }
    }
}

impl LanesConfig {
    /// How long a webhook gets nothing before its first probe.
    #[must_use]
    pub fn breaker_pause(&self) -> Duration {
        Duration::from_secs(self.breaker_pause_seconds.into())
    }

    /// The pause that does not grow any further.
    #[must_use]
    pub fn breaker_pause_max(&self) -> Duration {
        Duration::from_secs(self.breaker_pause_max_seconds.into())
    }

    pub(super) fn validate(check: &mut Check<'_>) {
        check.integer("max_stalled", 0..=65_536);
        check.integer("breaker_failures", 1..=1000);
        let first = check.integer("breaker_pause_seconds", 1..=3600);
        let last = check.integer("breaker_pause_max_seconds", 1..=86_400);
        if let (Some(first), Some(last)) = (first, last)
            && last < first
        {
            let allowed = format!("at least lanes.breaker_pause_seconds, which is {first}");
            check.refuse("breaker_pause_max_seconds", &Value::from(last), allowed);
        }
    }
}
