//! `[node]`: this process among others on the same database.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml::Value;

use super::as_text;
use super::check::Check;
use crate::domain::node::NodeRole;

/// This process among others on the same database.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// What people call it.
    pub name: String,
    /// What it does.
    #[serde(with = "as_text")]
    pub role: NodeRole,
    /// Milliseconds between two heartbeats.
    pub heartbeat_ms: u32,
    /// Milliseconds of silence after which a node is taken for dead.
    pub limit_ms: u32,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self { name: "node".to_owned(), role: NodeRole::All, heartbeat_ms: 2_000, limit_ms: 8_000 }
    }
}

impl NodeConfig {
    /// From one heartbeat to the next.
    #[must_use]
    pub fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.heartbeat_ms.into())
    }

    /// How long a node may be silent.
    #[must_use]
    pub fn limit(&self) -> Duration {
        Duration::from_millis(self.limit_ms.into())
    }

    pub(super) fn validate(check: &mut Check<'_>) {
        check.text("name", "1 to 100 characters", |text| (1..=100).contains(&text.chars().count()));
        check.text("role", "all, api or worker", |text| text.parse::<NodeRole>().is_ok());
        let heartbeat = check.integer("heartbeat_ms", 100..=60_000);
        let limit = check.integer("limit_ms", 400..=600_000);
        // Two heartbeats may be lost or late before a node is taken for dead.
        if let (Some(heartbeat), Some(limit)) = (heartbeat, limit)
            && limit <= 3 * heartbeat
        {
            let allowed = format!("more than three times node.heartbeat_ms, which is {heartbeat}");
            check.refuse("limit_ms", &Value::from(limit), allowed);
        }
    }
}
