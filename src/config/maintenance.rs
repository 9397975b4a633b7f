//! `[maintenance]`: when recurring duties are due, and how long things are kept.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml::Value;

use super::check::Check;
use super::schedule::Schedule;

/// When recurring duties are due, and how long things are kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaintenanceConfig {
    /// When rows that are too old are deleted: text of a [`Schedule`].
    pub retention_schedule: String,
    /// When webhooks that only fail are disabled: text of a [`Schedule`].
    pub disable_schedule: String,
    /// When the store is tidied up: text of a [`Schedule`].
    pub upkeep_schedule: String,
    /// Days that delivered and cancelled deliveries are kept, with their events and attempts.
    pub finished_days: u32,
    /// Days that dead letters are kept.
    pub dead_letter_days: u32,
    /// Days that an idempotency key is known.
    pub idempotency_days: u32,
    /// Days that audit entries are kept.
    pub audit_days: u32,
    /// Rows that one transaction deletes.
    pub batch_rows: u32,
    /// Days of nothing but failures after which a webhook is disabled.
    pub failing_days: u32,
}

impl Default for MaintenanceConfig {
    fn default() -> Self {
        Self {
            retention_schedule: "17 * * * *".to_owned(),
            disable_schedule: "*/10 * * * *".to_owned(),
            upkeep_schedule: "43 3 * * *".to_owned(),
            finished_days: 30,
            dead_letter_days: 90,
            idempotency_days: 7,
            audit_days: 365,
            batch_rows: 1000,
            failing_days: 5,
        }
    }
}

impl MaintenanceConfig {
    /// How long delivered and cancelled deliveries are kept.
    #[must_use]
    pub fn finished_age(&self) -> Duration {
        days(self.finished_days)
    }

    /// How long dead letters are kept.
    #[must_use]
    pub fn dead_letter_age(&self) -> Duration {
        days(self.dead_letter_days)
    }

    /// How long an idempotency key is known.
    #[must_use]
    pub fn idempotency_age(&self) -> Duration {
        days(self.idempotency_days)
    }

    /// How long audit entries are kept.
    #[must_use]
    pub fn audit_age(&self) -> Duration {
        days(self.audit_days)
    }

    /// How long a webhook may do nothing but fail before it is disabled.
    #[must_use]
    pub fn failing_age(&self) -> Duration {
        days(self.failing_days)
    }

    pub(super) fn validate(check: &mut Check<'_>) {
        for key in ["retention_schedule", "disable_schedule", "upkeep_schedule"] {
            check.read(key, read_schedule);
        }
        let finished = check.integer("finished_days", 1..=3650);
        check.integer("dead_letter_days", 1..=3650);
        let idempotency = check.integer("idempotency_days", 1..=3650);
        // The key goes with its event: a longer memory than that would be a promise that is not kept.
        if let (Some(finished), Some(idempotency)) = (finished, idempotency)
            && idempotency > finished
        {
            let allowed = format!("at most maintenance.finished_days, which is {finished}");
            check.refuse("idempotency_days", &Value::from(idempotency), allowed);
        }
        check.integer("audit_days", 1..=3650);
        check.integer("batch_rows", 1..=100_000);
        check.integer("failing_days", 1..=365);
    }
}

fn read_schedule(text: &str) -> Result<(), String> {
    let read = text.parse::<Schedule>();
    read.map(drop).map_err(|reason| format!("a crontab line such as \"17 * * * *\" (of this one: {reason})"))
}

fn days(days: u32) -> Duration {
    Duration::from_hours(u64::from(days) * 24)
}
