//! Runs each duty when its schedule says so, one run of a duty at a time; and over and over what has to follow soon.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::Duty;
use crate::config::Schedule;
use crate::domain::time::{Clock, Timestamp};
use crate::node::Membership;
use crate::store::StoreError;

/// The clock is asked again at least this often, so that a clock that was set is heeded.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);

/// How often that is done which has to follow soon.
const OFTEN: Duration = Duration::from_secs(1);

/// A duty and when it is due.
pub struct ScheduledDuty {
    /// What to do.
    pub duty: Box<dyn Duty>,
    /// When.
    pub schedule: Schedule,
}

/// Does `scheduled` whenever it is due and this node's turn, until `stop`. A time that passes during a run is not made up
/// for.
pub async fn run(scheduled: ScheduledDuty, membership: Arc<Membership>, clock: Arc<dyn Clock>, stop: CancellationToken) {
    while let Some(due_at) = scheduled.schedule.next_after(clock.now()) {
        while clock.now() < due_at {
            let wait = due_at.since(clock.now()).min(LONGEST_SLEEP);
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(wait) => {}
            }
        }
        if let Err(failure) = take_turn(&*scheduled.duty, &membership, due_at, clock.now()).await {
            error!(duty = scheduled.duty.name(), error = %failure, source = ?std::error::Error::source(&failure), "duty failed");
        }
    }
}

/// Does `duty` every second, until `stop`. Every node does; the store sees to it that they do not do the same.
pub async fn run_often(duty: impl Duty, clock: Arc<dyn Clock>, stop: CancellationToken) {
    let mut ticks = interval(OFTEN);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut fails = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        // What the store has begun it ends; the rest has time until the next start.
        let Some(done) = stop.run_until_cancelled(duty.run_once(clock.now())).await else {
            return;
        };
        match done {
            Ok(_) => fails = false,
            // Once for as long as it fails.
            Err(failure) if !std::mem::replace(&mut fails, true) => {
                warn!(duty = duty.name(), error = %failure, source = ?std::error::Error::source(&failure), "duty failed; it is tried again");
            }
            Err(_) => {}
        }
    }
}

/// Does the duty that is due at `due_at`, unless another node does.
async fn take_turn(duty: &dyn Duty, membership: &Membership, due_at: Timestamp, now: Timestamp) -> Result<(), StoreError> {
    let name = duty.name();
    if !membership.take_turn(name, due_at).await? {
        return Ok(());
    }
    let done = duty.run_once(now).await;
    membership.end_turn(name).await?;
    info!(duty = name, changed = done?, "duty done");
    Ok(())
}
