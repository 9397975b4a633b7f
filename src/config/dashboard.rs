//! `[dashboard]`: the operator's pages.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::check::Check;

/// The operator's pages.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DashboardConfig {
    /// Whether there are any.
    pub enabled: bool,
    /// Hours after which somebody has to sign in again.
    pub session_hours: u32,
    /// Whether every browser comes through TLS.
    pub behind_tls: bool,
    /// Browsers that are told of changes at once.
    pub live_clients: usize,
}

impl Default for DashboardConfig {
    fn default() -> Self {
        Self { enabled: true, session_hours: 12, behind_tls: false, live_clients: 64 }
    }
}

impl DashboardConfig {
    /// How long somebody stays signed in.
    #[must_use]
    pub fn session_age(&self) -> Duration {
        Duration::from_hours(self.session_hours.into())
    }

    pub(super) fn validate(check: &mut Check<'_>) {
        check.integer("session_hours", 1..=720);
        check.integer("live_clients", 0..=10_000);
    }
}
