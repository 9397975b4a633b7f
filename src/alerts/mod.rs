//! Operational events: looked for again and again, written to the log, and sent to whom the operator names.
//!
//! Every node looks, so that none begins anew when another ends; the oldest that lives tells. What is sent is signed like
//! any webhook and goes the one way out (`egress`), where the same addresses may be called.

mod notice;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::warn;

pub use self::notice::{Notices, Recipient};

use crate::domain::alert::{Alert, Watcher};
use crate::domain::node::Node;
use crate::domain::stats::{StatsQuery, StatsWindow};
use crate::domain::time::{Clock, Timestamp};
use crate::node::Membership;
use crate::store::records::{KnownNode, Scope};
use crate::store::{Store, StoreError};

/// How alerts are looked for.
#[derive(Clone, Copy, Debug)]
pub struct AlertSettings {
    /// How often.
    pub look_every: Duration,
    /// The same is told of the same thing once in this time.
    pub quiet: Duration,
    /// A node that was silent for longer is lost.
    pub node_limit: Duration,
}

/// Looks for operational events and tells them.
pub struct Alerts {
    store: Arc<dyn Store>,
    membership: Arc<Membership>,
    notices: Notices,
    settings: AlertSettings,
    watcher: Mutex<Watcher>,
}

impl Alerts {
    /// Looks into `store`, and tells through `notices`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, membership: Arc<Membership>, notices: Notices, settings: AlertSettings) -> Self {
        Self { store, membership, notices, settings, watcher: Mutex::new(Watcher::new(settings.quiet)) }
    }

    /// Looks again and again, until `stop`.
    pub async fn run(self, clock: Arc<dyn Clock>, stop: CancellationToken) {
        let mut ticks = interval(self.settings.look_every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let told = tokio::select! {
                () = stop.cancelled() => return,
                told = self.run_once(clock.now()) => told,
            };
            if let Err(failure) = told {
                // The heartbeat tells of a store that is away.
                tracing::debug!(error = %failure, "it could not be looked for alerts");
            }
        }
    }

    /// Looks once, and tells what is new if this node is the one that does; answers how many alerts that were.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn run_once(&self, now: Timestamp) -> Result<u64, StoreError> {
        let query = StatsQuery { window: StatsWindow::QuarterHour, webhook_id: None, now, most_webhooks: usize::MAX };
        let stats = self.store.stats(Scope::All, query).await?;
        let nodes: Vec<(Node, bool)> = self.store.nodes().await?.into_iter().map(|known| self.judge(known)).collect();
        let alerts = self.watcher.lock().await.look(&stats.webhooks, &nodes, now);
        if !self.is_the_one_that_tells(&nodes) {
            return Ok(0);
        }
        for alert in &alerts {
            log(alert);
            self.notices.tell(alert, now).await;
        }
        Ok(alerts.len() as u64)
    }

    fn judge(&self, known: KnownNode) -> (Node, bool) {
        let lives = known.silent_for <= self.settings.node_limit;
        (known.node, lives)
    }

    fn is_the_one_that_tells(&self, nodes: &[(Node, bool)]) -> bool {
        let oldest = nodes.iter().filter(|(node, lives)| *lives && node.role.delivers()).map(|(node, _)| node.id).min();
        oldest.is_none_or(|oldest| oldest == self.membership.id())
    }
}

fn log(alert: &Alert) {
    let webhook = alert.webhook().map(|webhook| webhook.id.to_string());
    let node = alert.node().map(|node| node.id.to_string());
    warn!(alert = alert.kind(), webhook.id = webhook, node.id = node, "{}", alert.words());
}
