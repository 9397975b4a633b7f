//! `[token]`: how long access tokens are kept, and what follows a failed login.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml::Value;

use super::check::Check;

/// How long access tokens are kept, and what follows a failed login.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenConfig {
    /// Seconds that an access token is kept when its answer states no lifetime; 0 logs in at every attempt.
    pub default_ttl_seconds: u32,
    /// Seconds taken off a stated lifetime.
    pub margin_seconds: u32,
    /// Seconds that an access token is kept at most, whatever its answer states.
    pub max_ttl_seconds: u32,
    /// Seconds that a webhook pauses after a failed login; doubles with every further one.
    pub failure_backoff_seconds: u32,
    /// Seconds beyond which that pause does not grow.
    pub failure_backoff_max_seconds: u32,
    /// Bytes that the answer to a login may have.
    pub max_answer_bytes: usize,
}

impl Default for TokenConfig {
    fn default() -> Self {
        Self {
            default_ttl_seconds: 60,
            margin_seconds: 10,
            max_ttl_seconds: 86_400,
            failure_backoff_seconds: 5,
            failure_backoff_max_seconds: 300,
            max_answer_bytes: 65_536,
        }
    }
}

impl TokenConfig {
    /// How long an access token is kept when its answer states no lifetime; zero logs in at every attempt.
    #[must_use]
    pub fn default_ttl(&self) -> Duration {
        Duration::from_secs(self.default_ttl_seconds.into())
    }

    /// What is taken off a stated lifetime.
    #[must_use]
    pub fn margin(&self) -> Duration {
        Duration::from_secs(self.margin_seconds.into())
    }

    /// How long an access token is kept at most, whatever its answer states.
    #[must_use]
    pub fn max_ttl(&self) -> Duration {
        Duration::from_secs(self.max_ttl_seconds.into())
    }

    /// How long a webhook pauses after a first failed login.
    #[must_use]
    pub fn failure_backoff(&self) -> Duration {
        Duration::from_secs(self.failure_backoff_seconds.into())
    }

    /// The pause that does not grow any further.
    #[must_use]
    pub fn failure_backoff_max(&self) -> Duration {
        Duration::from_secs(self.failure_backoff_max_seconds.into())
    }

    pub(super) fn validate(check: &mut Check<'_>) {
        check.integer("default_ttl_seconds", 0..=86_400);
        check.integer("margin_seconds", 0..=3600);
        check.integer("max_ttl_seconds", 1..=2_592_000);
        let first = check.integer("failure_backoff_seconds", 1..=3600);
        let last = check.integer("failure_backoff_max_seconds", 1..=86_400);
        if let (Some(first), Some(last)) = (first, last)
            && last < first
        {
            let allowed = format!("at least token.failure_backoff_seconds, which is {first}");
            check.refuse("failure_backoff_max_seconds", &Value::from(last), allowed);
        }
        check.integer("max_answer_bytes", 1024..=1_048_576);
    }
}
