//! Runs each duty when its schedule says so, one run of a duty at a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::Duty;
use crate::config::Schedule;
use crate::domain::time::{Clock, Timestamp};
use crate::node::Membership;
use crate::store::StoreError;

/// The clock is asked again at least this often, so that a clock that was set is heeded.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);

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
