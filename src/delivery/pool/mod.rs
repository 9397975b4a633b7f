//! Claims what is due and has room, and sees each claimed delivery through: one task per delivery in flight.
//!
//! ```text
//!   signals, timers, poll ─► lanes.plan ─► store.claim_due ─► lanes.admit ─► worker ─► recorder
//!   `rounds`                     ▲                                        `attempts`      │
//!                                └────────────── room, retries ◄───────────────┴──────────┘
//! ```
//!
//! `rounds` says when and what is claimed, `attempts` what becomes of each claim; here is what both share: the lanes, and
//! the claims that go back. The production loops and the tests take the same steps: [`Pool::look_for_due`] and
//! [`Pool::run_once`].

mod attempts;
mod rounds;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::PoolSettings;
use super::definitions::Definitions;
use super::lanes::{LaneTable, Notice};
use super::recorder::Recorder;
use super::worker::{Ready, Worker};
use crate::domain::ids::WebhookId;
use crate::domain::lane::{LaneCounts, LaneView};
use crate::domain::time::Clock;
use crate::domain::webhook::Webhook;
use crate::node::Membership;
use crate::store::records::Claim;
use crate::store::{Store, StoreError};
use crate::telemetry::metrics::DeliveryMetrics;

/// The worker pool of this node.
pub struct Pool {
    membership: Arc<Membership>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    worker: Arc<Worker>,
    definitions: Definitions,
    recorder: Recorder,
    metrics: DeliveryMetrics,
    settings: PoolSettings,
    lanes: Mutex<LaneTable<Ready>>,
    /// Claims that are to be given back to the store as soon as it takes them.
    owed: Mutex<Vec<Claim>>,
    /// Rings when there may be something to claim.
    wake: Notify,
    /// Rings when to look for what is due without waiting for the next time.
    look: Notify,
    /// Rings when a claim was let go.
    let_go: Notify,
    tasks: TaskTracker,
    abort: CancellationToken,
}

impl Pool {
    /// A pool that claims for this node. It does nothing until [`Self::run`] or [`Self::run_once`].
    #[must_use]
    pub fn new(
        membership: Arc<Membership>,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        worker: impl Into<Arc<Worker>>,
        settings: PoolSettings,
    ) -> Arc<Self> {
        let (abort, metrics) = (CancellationToken::new(), DeliveryMetrics::default());
        Arc::new(Self {
            membership,
            definitions: Definitions::new(Arc::clone(&store), Arc::clone(&settings.catalogs)),
            recorder: Recorder::new(Arc::clone(&store), settings.record_batch, abort.clone(), metrics.clone()),
            metrics,
            lanes: Mutex::new(LaneTable::new(settings.lanes)),
            owed: Mutex::default(),
            store,
            clock,
            worker: worker.into(),
            settings,
            wake: Notify::new(),
            look: Notify::new(),
            let_go: Notify::new(),
            tasks: TaskTracker::new(),
            abort,
        })
    }

    /// What went out.
    #[must_use]
    pub const fn metrics(&self) -> &DeliveryMetrics {
        &self.metrics
    }

    /// How many of the lanes in memory stand how.
    #[must_use]
    pub fn counts(&self) -> LaneCounts {
        self.lanes().counts(self.clock.now())
    }

    /// How the lane of a webhook stands that this node serves.
    #[must_use]
    pub fn view(&self, webhook: &Webhook) -> LaneView {
        self.lanes().view(webhook.id, &webhook.definition.delivery, self.clock.now())
    }

    /// The lanes in memory that do not just stand idle, in no order.
    #[must_use]
    pub fn notices(&self) -> Vec<(WebhookId, Notice)> {
        self.lanes().notices(self.clock.now())
    }

    /// How a webhook's lane stands of which nothing is known.
    #[must_use]
    pub fn idle_view(&self, webhook: &Webhook) -> LaneView {
        LaneView::idle(webhook.definition.delivery.max_in_flight.unwrap_or(self.settings.lanes.limit))
    }

    /// How many claims are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.lanes().held()
    }

    /// Comes back when no claim is held.
    pub async fn idle(&self) {
        loop {
            let let_go = self.let_go.notified();
            if self.held() == 0 {
                return;
            }
            let_go.await;
        }
    }

    /// Lets what is in flight finish, gives back what waits, and after `limit` what is still in flight; then closes the
    /// recorder. Call it when [`Self::run`] has ended.
    pub async fn drain(&self, limit: Duration) {
        let waiting = self.lanes().empty_all();
        self.give_back_or_owe(waiting).await;
        self.tasks.close();
        if timeout(limit, self.tasks.wait()).await.is_err() {
            info!(in_flight = self.held(), "the drain limit has passed; what is in flight is given back");
            self.abort.cancel();
            self.tasks.wait().await;
        }
        self.recorder.close().await;
        if let Err(failure) = self.give_back_owed().await {
            warn!(error = %failure, "claims could not be given back; the next start takes them back");
        }
    }

    async fn give_back_or_owe(&self, waiting: Vec<Ready>) {
        if let Err(failure) = self.give_back(waiting).await {
            warn!(error = %failure, "claims could not be given back yet");
        }
    }

    /// Gives claims back that were not sent, and lets go of them.
    async fn give_back(&self, waiting: Vec<Ready>) -> Result<(), StoreError> {
        if waiting.is_empty() {
            return Ok(());
        }
        self.owed().extend(waiting.iter().map(|ready| ready.claimed.claim));
        let released = self.give_back_owed().await;
        let mut lanes = self.lanes();
        for ready in &waiting {
            lanes.let_go(ready.claimed.webhook_id);
        }
        drop(lanes);
        self.let_go.notify_waiters();
        released
    }

    async fn give_back_owed(&self) -> Result<(), StoreError> {
        let owed = std::mem::take(&mut *self.owed());
        if owed.is_empty() {
            return Ok(());
        }
        let released = self.store.release(owed.clone()).await;
        if released.is_err() {
            self.owed().extend(owed);
        }
        released.map(drop)
    }

    fn may_plan(&self) -> bool {
        self.lanes().may_plan(self.clock.now())
    }

    fn owed(&self) -> MutexGuard<'_, Vec<Claim>> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lanes(&self) -> MutexGuard<'_, LaneTable<Ready>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
