//! One delivery in flight, from its start to its record.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tracing::{debug, warn};

use super::Pool;
use crate::delivery::outcome::Sign;
use crate::delivery::recorder::Unrecorded;
use crate::delivery::worker::{Ended, Feedback, Ready};
use crate::domain::delivery::Transition;
use crate::domain::ids::WebhookId;
use crate::store::records::RecordOutcome;

/// Retries due later than this are left to the poll, so that the timers in memory stay few.
const TIMER_HORIZON: Duration = Duration::from_mins(10);

/// How long a lane waits after an attempt that could not be recorded.
const PAUSE_AFTER_UNRECORDED: Duration = Duration::from_mins(1);

impl Pool {
    pub(super) fn start(self: &Arc<Self>, ready: Ready) {
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
}
