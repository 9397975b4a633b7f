//! In which order a node claims: it heeds what it is told, claims while there is room, and looks itself for what nobody told of.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error};

use super::Pool;
use crate::delivery::ready::{group_by_lane, made_ready, newest_version};
use crate::delivery::worker::Ready;
use crate::domain::ids::WebhookId;
use crate::domain::time::Timestamp;
use crate::node::Beats;
use crate::store::StoreError;
use crate::store::records::{Claim, ClaimRequest, ClaimedDelivery, LaneQuota};
use crate::store::signal::Signal;

/// Looking for what is due makes up for lost hints, and through thousands of lanes it keeps a processor busy, which the slowest
/// deliveries feel. So it rests for this many times as long as it took.
const REST_AFTER_LOOKING: u32 = 100;

/// The longest rest that [`REST_AFTER_LOOKING`] leads to: a lost hint costs no more, unless looking itself takes long, and what
/// a dead node left is still taken up in time.
const LONG_REST: Duration = Duration::from_secs(3);

/// As [`REST_AFTER_LOOKING`], without an end to it.
const REST_AFTER_LONG_LOOKING: u32 = 10;

/// How long a lane waits of which something cannot be read.
const PAUSE_AFTER_UNREADABLE: Duration = Duration::from_mins(1);

/// How long each of the loops rests after the store failed.
const REST_AFTER_FAILURE: Duration = Duration::from_secs(1);

impl Pool {
    /// Claims and delivers until `stop`.
    pub async fn run(self: Arc<Self>, signals: Receiver<Signal>, stop: CancellationToken) {
        // Side by side: looking through thousands of lanes takes long, and what is due in one must not wait for it.
        tokio::join!(self.claim_until(signals, &stop), self.look_until(&stop));
    }

    async fn claim_until(self: &Arc<Self>, mut signals: Receiver<Signal>, stop: &CancellationToken) {
        let mut fails = false;
        loop {
            let heeded = tokio::select! {
                () = stop.cancelled() => return,
                signal = signals.recv() => self.heed_all(signal, &mut signals).await,
                () = self.wake.notified() => Ok(()),
                () = sleep_until(self.next_timer()) => Ok(()),
            };
            let claimed = match heeded {
                Ok(()) => self.claim_while_there_is_room(&mut signals, stop).await,
                failed => failed,
            };
            match claimed {
                Ok(()) => fails = false,
                Err(failure) => {
                    // Once for as long as it fails: the loop goes on every second.
                    if !std::mem::replace(&mut fails, true) {
                        error!(error = %failure, source = ?std::error::Error::source(&failure), "the store failed while claiming due deliveries");
                    }
                    sleep_until(Instant::now() + REST_AFTER_FAILURE).await;
                }
            }
        }
    }

    async fn look_until(&self, stop: &CancellationToken) {
        let failed = "the store failed while looking for due deliveries; it is tried again";
        let mut beats = Beats::new(self.settings.poll_interval, stop.clone(), failed);
        loop {
            let goes_on = tokio::select! {
                goes_on = beats.next() => goes_on,
                () = self.look.notified() => true,
            };
            if !goes_on {
                return;
            }
            let begun = Instant::now();
            let looked = self.look_for_due().await;
            self.wake.notify_one();
            beats.ended(&looked);
            beats.rest(if looked.is_ok() { rest_after_looking(begun.elapsed()) } else { REST_AFTER_FAILURE });
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

    /// Acts on a hint and on all that came with it, as far as none was lost.
    async fn heed_all(&self, first: Result<Signal, RecvError>, signals: &mut Receiver<Signal>) -> Result<(), StoreError> {
        let mut next = first;
        loop {
            match next {
                Ok(signal) => self.heed(signal).await?,
                Err(RecvError::Lagged(_)) => return self.start_over(signals).await,
                Err(RecvError::Closed) => return Ok(()),
            }
            match signals.try_recv() {
                Ok(signal) => next = Ok(signal),
                Err(TryRecvError::Lagged(missed)) => next = Err(RecvError::Lagged(missed)),
                Err(_) => return Ok(()),
            }
        }
    }

    /// Hints were lost, and with them what changed: begins with what the store says.
    ///
    /// Those that are left go the same way. A receiver that is behind stays behind: with each new hint it loses the oldest one.
    async fn start_over(&self, signals: &mut Receiver<Signal>) -> Result<(), StoreError> {
        *signals = signals.resubscribe();
        self.definitions.forget_all();
        let waiting = self.lanes().start_all_afresh();
        self.look.notify_one();
        self.give_back(waiting).await
    }

    /// When to claim again if nobody says so before. A node that starts nothing lets no timer ring.
    fn next_timer(&self) -> Instant {
        let now = self.clock.now();
        let timer = if self.membership.is_alive() { self.lanes().next_timer() } else { None };
        Instant::now() + timer.map_or(self.settings.poll_interval, |due_at| due_at.since(now))
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

    /// Sorts what was claimed into its lanes and starts what may start.
    async fn take_in(self: &Arc<Self>, plan: &[LaneQuota], claimed: Vec<ClaimedDelivery>) -> Result<(), StoreError> {
        let mut by_lane = group_by_lane(claimed);
        let newest = by_lane.iter().filter_map(|(id, claimed)| Some((*id, newest_version(claimed)?)));
        if let Err(failure) = self.definitions.read_ahead(newest).await {
            debug!(error = %failure, "webhooks are read one by one");
        }
        let (mut give_back, mut result) = (Vec::new(), Ok(()));
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
            give_back.extend(admitted.give_back);
        }
        self.give_back_or_owe(give_back).await;
        result
    }

    /// Adds what an attempt needs. Where something is missing nothing is ready: the claims go back. A lane of which something
    /// cannot be read waits before it is tried again, and delays no other.
    async fn make_ready(&self, id: WebhookId, claimed: Vec<ClaimedDelivery>) -> Result<Vec<Ready>, StoreError> {
        let claims: Vec<Claim> = claimed.iter().map(|claimed| claimed.claim).collect();
        let made = match made_ready(&*self.store, &self.settings.catalogs, &self.definitions, id, claimed).await {
            Ok(Some(ready)) => return Ok(ready),
            Ok(None) => Ok(Vec::new()),
            Err(failure) if failure.is_of_one_row() => {
                error!(webhook.id = %id, error = %failure, source = ?std::error::Error::source(&failure), "what is due for a webhook cannot be read; it is tried again in a minute");
                let waiting = self.lanes().hold_back(id, self.clock.now() + PAUSE_AFTER_UNREADABLE);
                self.give_back_or_owe(waiting).await;
                Ok(Vec::new())
            }
            Err(failure) => Err(failure),
        };
        self.owed().extend(claims);
        self.give_back_owed().await?;
        made
    }
}

fn rest_after_looking(took: Duration) -> Duration {
    (took * REST_AFTER_LOOKING).min(LONG_REST).max(took * REST_AFTER_LONG_LOOKING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_takes_little_of_the_time_and_a_lost_hint_costs_little_more() {
        let rests = [1, 45, 400, 2_000].map(|took| rest_after_looking(Duration::from_millis(took)).as_millis());

        assert_eq!(rests, [100, 3_000, 4_000, 20_000]);
    }
}
