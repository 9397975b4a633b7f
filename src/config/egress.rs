//! `[egress]`: which addresses may be called, and how connections are made.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::as_text;
use super::check::Check;
use crate::domain::allowed_network::AllowedNetwork;

/// Which addresses may be called, and how connections are made.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EgressConfig {
    /// Networks that may be called although their addresses are not public.
    #[serde(with = "as_text::list")]
    pub allow: Vec<AllowedNetwork>,
    /// Milliseconds that making a connection may take.
    pub connect_timeout_ms: u32,
    /// Idle connections that are kept for one host.
    pub idle_connections_per_host: usize,
    /// Whether `http://` urls may be called.
    pub allow_http: bool,
}

impl Default for EgressConfig {
    fn default() -> Self {
        Self { allow: Vec::new(), connect_timeout_ms: 5000, idle_connections_per_host: 1024, allow_http: true }
    }
}

impl EgressConfig {
    /// How long making a connection may take.
    #[must_use]
    pub fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms.into())
    }

    pub(super) fn validate(check: &mut Check<'_>) {
        let networks = "a list of networks such as \"127.0.0.0/8\", \"10.0.0.5:8443\", \"[::1]:5000\" or \"fd00::/8\"";
        check.texts("allow", networks, |text| text.parse::<AllowedNetwork>().is_ok());
        check.integer("connect_timeout_ms", 100..=60_000);
        check.integer("idle_connections_per_host", 0..=4096);
    }
}
