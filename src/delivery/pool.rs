//! Claims what is due and has room, and sees each claimed delivery through: one task per delivery in flight.
//!
//! ```text
//!   signals, timers, poll ─► lanes.plan ─► store.claim_due ─► lanes.admit ─► worker ─► recorder
//!                                ▲                                             │          │
//!                                └────────────── room, retries ◄───────────────┴──────────┘
//! ```
//!
//! The production loop and the tests take the same steps: [`Pool::look_for_due`] and [`Pool::run_once`].

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::Notify;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, error, info, warn};

use super::PoolSettings;
use super::definitions::Definitions;
use super::lanes::{LaneTable, Notice};
use super::outcome::Sign;
use super::ready::{group_by_lane, made_ready, newest_version};
use super::recorder::{Recorder, Unrecorded};
use super::worker::{Ended, Feedback, Ready, Worker};
use crate::domain::delivery::Transition;
use crate::domain::ids::WebhookId;
use crate::domain::lane::{LaneCounts, LaneView};
use crate::domain::time::{Clock, Timestamp};
use crate::domain::webhook::Webhook;
use crate::node::Membership;
use crate::store::records::{Claim, ClaimRequest, ClaimedDelivery, LaneQuota, RecordOutcome};
use crate::store::signal::Signal;
use crate::store::{Store, StoreError};
use crate::telemetry::metrics::DeliveryMetrics;

/// Retries due later than this are left to the poll, so that the timers in memory stay few.
const TIMER_HORIZON: Duration = Duration::from_mins(10);

/// How long a lane waits after an attempt that could not be recorded.
const PAUSE_AFTER_UNRECORDED: Duration = Duration::from_mins(1);

/// Looking for what is due makes up for lost hints. It rests for this many times as long as it took, so that it takes little
/// of the time for claims, however many lanes there are.
const REST_AFTER_LOOKING: u32 = 10;

/// How long the loop rests after the store failed.
const REST_AFTER_FAILURE: Duration = Duration::from_secs(1);

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
            let_go: Notify::new(),
            tasks: TaskTracker::new(),
            abort,
        })
    }

    /// Claims and delivers until `stop`.
    pub async fn run(self: Arc<Self>, mut signals: Receiver<Signal>, stop: CancellationToken) {
        let mut poll = interval(self.settings.poll_interval);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut fails = false;
        loop {
            let looked = tokio::select! {
                () = stop.cancelled() => return,
                signal = signals.recv() => self.heed_all(signal, &mut signals).await,
                () = self.wake.notified() => Ok(()),
                () = sleep_until(self.next_timer()) => Ok(()),
                _ = poll.tick() => {
                    let begun = Instant::now();
                    let looked = self.look_for_due().await;
                    poll.reset_after(self.settings.poll_interval.max(begun.elapsed() * REST_AFTER_LOOKING));
                    looked
                }
            };
            let claimed = match looked {
                Ok(()) => self.claim_while_there_is_room(&mut signals, &stop).await,
                failed => failed,
            };
            match claimed {
                Ok(()) => fails = false,
                Err(failure) => {
                    // Once for as long as it fails: the loop goes on every second.
                    if !std::mem::replace(&mut fails, true) {
                        error!(error = %failure, source = ?std::error::Error::source(&failure), "the store failed while looking for due deliveries");
                    }
                    sleep_until(Instant::now() + REST_AFTER_FAILURE).await;
                }
            }
        }
    }

    /// Gives every lane a turn that has something due, and gives back what stalls and what the store did not take before.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn look_for_due(&self) -> Result<(), StoreError> {
        let stalled = self.lanes().empty_stalled(self.clock.now());
        self.give_back(stalled).await?;
        self.give_back_owed().await?;
        let due = self.store.lanes_due(self.clock.now()).await?;
        let mut lanes = self.lanes();
        for id in due {
            lanes.hint(id);
        }
        Ok(())
    }

    /// Claims once what is due and has room, and starts what was claimed; answers whether any lane was asked.
    ///
    /// # Errors
    /// When the store fails; the lanes that were asked for keep their turn.
    pub async fn run_once(self: &Arc<Self>) -> Result<bool, StoreError> {
        let now = self.clock.now();
        if !self.membership.is_alive() {
            return Ok(false);
        }
        let plan = self.plan(now);
        if plan.is_empty() {
            return Ok(false);
        }
        match self.store.claim_due(ClaimRequest { node: self.membership.id(), now, lanes: plan.clone() }).await {
            Ok(claimed) => {
                self.metrics.claimed(claimed.len());
                self.take_in(&plan, claimed).await.map(|()| true)
            }
            Err(failure) => {
                let mut lanes = self.lanes();
                for quota in &plan {
                    lanes.hint(quota.webhook_id);
                }
                Err(failure)
            }
        }
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

    /// Acts on one hint from the store.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn heed(&self, signal: Signal) -> Result<(), StoreError> {
        match signal {
            Signal::Due(ids) => {
                let mut lanes = self.lanes();
                for id in ids.iter() {
                    lanes.hint(*id);
                }
                Ok(())
            }
            Signal::WebhookChanged(id) => {
                self.definitions.forget(id);
                self.worker.forget(id);
                let waiting = {
                    let mut lanes = self.lanes();
                    lanes.start_afresh(id);
                    lanes.empty(id)
                };
                self.give_back(waiting).await
            }
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

    async fn claim_while_there_is_room(
        self: &Arc<Self>,
        signals: &mut Receiver<Signal>,
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        while !stop.is_cancelled() && self.may_plan() {
            if !self.run_once().await? {
                break;
            }
            // A busy node heeds a pause or an edit as soon as an idle one.
            match signals.try_recv() {
                Ok(signal) => self.heed_all(Ok(signal), signals).await?,
                Err(TryRecvError::Lagged(missed)) => self.heed_all(Err(RecvError::Lagged(missed)), signals).await?,
                Err(TryRecvError::Empty | TryRecvError::Closed) => {}
            }
        }
        Ok(())
    }

    /// Hints were lost, and with them what changed: begins with what the store says.
    async fn start_over(&self) -> Result<(), StoreError> {
        self.definitions.forget_all();
        let waiting = self.lanes().start_all_afresh();
        self.give_back(waiting).await?;
        self.look_for_due().await
    }

    /// Acts on a hint and on all that came with it.
    async fn heed_all(&self, first: Result<Signal, RecvError>, signals: &mut Receiver<Signal>) -> Result<(), StoreError> {
        let mut next = first;
        loop {
            match next {
                Ok(signal) => self.heed(signal).await?,
                Err(RecvError::Lagged(_)) => self.start_over().await?,
                Err(RecvError::Closed) => return Ok(()),
            }
            match signals.try_recv() {
                Ok(signal) => next = Ok(signal),
                Err(TryRecvError::Lagged(missed)) => next = Err(RecvError::Lagged(missed)),
                Err(_) => return Ok(()),
            }
        }
    }

    fn next_timer(&self) -> Instant {
        let now = self.clock.now();
        let timer = self.lanes().next_timer();
        Instant::now() + timer.map_or(self.settings.poll_interval, |due_at| due_at.since(now))
    }

    /// Sorts what was claimed into its lanes and starts what may start.
    async fn take_in(self: &Arc<Self>, plan: &[LaneQuota], claimed: Vec<ClaimedDelivery>) -> Result<(), StoreError> {
        let mut by_lane = group_by_lane(claimed);
        let newest = by_lane.iter().filter_map(|(id, claimed)| Some((*id, newest_version(claimed)?)));
        if let Err(failure) = self.definitions.read_ahead(newest).await {
            debug!(error = %failure, "webhooks are read one by one");
        }
        let mut result = Ok(());
        for quota in plan {
            let claimed = by_lane.remove(&quota.webhook_id).unwrap_or_default();
            let ready = self.make_ready(quota.webhook_id, claimed).await.unwrap_or_else(|failure| {
                result = Err(failure);
                Vec::new()
            });
            let admitted = {
                let mut lanes = self.lanes();
                if let Some(first) = ready.first() {
                    lanes.set_limits(quota.webhook_id, &first.definition.webhook.definition.delivery);
                }
                lanes.admit(*quota, ready, self.clock.now())
            };
            for ready in admitted.start {
                self.start(ready);
            }
            self.give_back_or_owe(admitted.give_back).await;
        }
        result
    }

    /// Adds what an attempt needs. Where something is missing nothing is ready: the claims go back.
    async fn make_ready(&self, id: WebhookId, claimed: Vec<ClaimedDelivery>) -> Result<Vec<Ready>, StoreError> {
        let claims: Vec<Claim> = claimed.iter().map(|claimed| claimed.claim).collect();
        let made = made_ready(&*self.store, &self.settings.catalogs, &self.definitions, id, claimed).await;
        if let Ok(Some(ready)) = made {
            return Ok(ready);
        }
        self.owed().extend(claims);
        self.give_back_owed().await?;
        made.map(|_| Vec::new())
    }

    /// What to claim of the lanes that this node serves. The others lose their turn here and have it there.
    fn plan(&self, now: Timestamp) -> Vec<LaneQuota> {
        let mut lanes = self.lanes();
        let (ours, others): (Vec<_>, Vec<_>) =
            lanes.plan(now, self.settings.claim_batch).into_iter().partition(|quota| self.membership.serves(quota.webhook_id));
        for quota in others {
            lanes.admit(quota, Vec::new(), now);
        }
        ours
    }

    fn start(self: &Arc<Self>, ready: Ready) {
        let pool = Arc::clone(self);
        self.tasks.spawn(async move { pool.see_through(ready).await });
    }

    /// One delivery from its start to its record. Nothing starts on a node that the others may take for dead.
    async fn see_through(self: Arc<Self>, ready: Ready) {
        let id = ready.claimed.webhook_id;
        if !self.membership.is_alive() {
            self.make_way(id, Feedback::None, Sign::None).await;
            return self.give_back_or_owe(vec![ready]).await;
        }
        let ended = tokio::select! {
            ended = AssertUnwindSafe(self.worker.attempt(&ready)).catch_unwind() => ended,
            () = self.abort.cancelled() => return self.give_back_or_owe(vec![ready]).await,
        };
        let ended = ended.unwrap_or_else(|_| self.worker.interrupted(&ready));
        self.make_way(id, ended.feedback, ended.sign).await;
        self.record(id, ended).await;
        self.lanes().let_go(id);
        self.let_go.notify_waiters();
        if self.may_plan() {
            self.wake.notify_one();
        }
    }

    /// The request is no longer under way: tells the lane what was learnt and starts the next in its place.
    async fn make_way(self: &Arc<Self>, id: WebhookId, feedback: Feedback, sign: Sign) {
        let now = self.clock.now();
        let (held_back, more, next) = {
            let mut lanes = self.lanes();
            let (mut held_back, more) = match sign {
                Sign::Well => (Vec::new(), lanes.heed_answer(id, now)),
                sign => (lanes.heed(id, sign, now, &mut *self.worker.chance()), Vec::new()),
            };
            match feedback {
                Feedback::None => {}
                Feedback::LoginWorked => lanes.login_worked(id),
                Feedback::LoginFailed => {
                    held_back.extend(lanes.login_failed(id, now, self.settings.login_backoff, self.settings.login_backoff_max));
                }
                Feedback::HoldBackUntil(until) => held_back.extend(lanes.hold_back(id, until)),
            }
            (held_back, more, lanes.answered(id, now))
        };
        for ready in more.into_iter().chain(next) {
            self.start(ready);
        }
        self.give_back_or_owe(held_back).await;
    }

    async fn record(&self, id: WebhookId, ended: Ended) {
        let Ended { record, .. } = ended;
        let (claim, number, transition) = (record.claim, record.attempt.number, record.transition.clone());
        debug!(delivery.id = %claim.delivery_id, webhook.id = %id, attempt = number, ?transition, "attempt ended");
        match self.recorder.record(record).await {
            Err(Unrecorded) => {
                // Given back, it is sent again: not at once, or a record that is always refused would make a storm.
                let waiting = self.lanes().hold_back(id, self.clock.now() + PAUSE_AFTER_UNRECORDED);
                self.owed().push(claim);
                self.give_back_or_owe(waiting).await;
            }
            Ok(RecordOutcome::ClaimLost) => {
                warn!(delivery.id = %claim.delivery_id, attempt = number, "the claim was lost; the attempt is not recorded");
            }
            Ok(RecordOutcome::Recorded) => {
                if let Transition::Retry { due_at } = transition
                    && due_at.since(self.clock.now()) < TIMER_HORIZON
                {
                    self.lanes().hint_at(id, due_at);
                    self.wake.notify_one();
                }
            }
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
