//! `[api]`: how often callers may come.

use serde::{Deserialize, Serialize};

use super::check::Check;

/// How often callers may come.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiConfig {
    /// Requests per second of one API key in the long run; 0 for any number.
    pub requests_per_second: u32,
    /// Requests of one API key at once, where their number is limited.
    pub request_burst: u32,
    /// Unknown API keys per minute from one remote address; 0 for any number.
    pub unknown_keys_per_minute: u32,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self { requests_per_second: 0, request_burst: 100, unknown_keys_per_minute: 60 }
    }
}

impl ApiConfig {
    pub(super) fn validate(check: &mut Check<'_>) {
        check.integer("requests_per_second", 0..=1_000_000);
        check.integer("request_burst", 1..=1_000_000);
        check.integer("unknown_keys_per_minute", 0..=1_000_000);
    }
}
