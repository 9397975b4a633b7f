//! A job that sends many deliveries again: watched to its end, left alone, stopped.
//!
//! The dispatcher works it whether anybody watches or not, and takes it up again after a restart.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::exit::Ended;
use super::output::{Output, cell};
use super::progress::Progress;
use crate::cli::asked_to_stop;
use crate::domain::ids::RedeliveryJobId;
use crate::domain::redelivery::RedeliveryJobState;
use crate::rest::{RestClient, RestError};

pub(super) const PATH: &str = "/v1/redelivery-jobs";

/// How often a job is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// For how long a dispatcher may be away, as in a restart.
const LONGEST_ABSENCE: Duration = Duration::from_mins(2);

/// What of a job counts here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Job {
    state: String,
    matched: u64,
    matched_has_more: bool,
    redelivered: u64,
}

impl Job {
    /// What an answer says.
    pub(super) fn of(answer: &Value) -> anyhow::Result<Self> {
        Ok(Self::deserialize(answer)?)
    }

    /// How many are wanted, in words.
    pub(super) fn wanted_in_words(&self) -> String {
        let more = if self.matched_has_more { "more than " } else { "" };
        let noun = if self.matched == 1 { "dead letter" } else { "dead letters" };
        format!("{more}{} {noun}", self.matched)
    }

    fn runs(&self) -> bool {
        self.state == RedeliveryJobState::Running.as_str()
    }
}

/// That a job goes on by itself, and how it is watched and stopped.
pub(super) fn begun(job: &Value) -> String {
    let id = cell(job, "/id");
    format!("job {id} goes on by itself; `dead-letters watch {id}` shows how far it is, `dead-letters cancel {id}` stops it")
}

/// Watches a job to its end.
pub(super) async fn watch(rest: &RestClient, id: RedeliveryJobId, output: &mut Output<'_>) -> anyhow::Result<()> {
    let job = rest.get(&path(&id.to_string())).await?;
    watch_begun(rest, job, output).await
}

/// The same, for a job that was just shown. Ctrl-C leaves it running.
pub(super) async fn watch_begun(rest: &RestClient, job: Value, output: &mut Output<'_>) -> anyhow::Result<()> {
    let mut progress = Progress::of("sent again");
    let told = begun(&job);
    let watched = async {
        progress.say(&told);
        to_its_end(rest, job, &mut progress).await
    };
    let ended = tokio::select! {
        // Listened for before anything is told: whoever reads that it can be left alone may do so at once.
        biased;
        stopped = asked_to_stop() => {
            stopped?;
            return Err(Ended::partly(told).into());
        }
        ended = watched => ended?,
    };
    drop(progress);
    tell(&ended, output)
}

async fn to_its_end(rest: &RestClient, mut job: Value, progress: &mut Progress) -> anyhow::Result<Value> {
    let path = path(&cell(&job, "/id"));
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard_at = Instant::now();
    loop {
        let seen = Job::of(&job)?;
        progress.show(seen.redelivered, seen.matched);
        if !seen.runs() {
            return Ok(job);
        }
        look.tick().await;
        match rest.get(&path).await {
            Ok(newer) => (job, heard_at) = (newer, Instant::now()),
            Err(RestError::NoAnswer { .. }) if heard_at.elapsed() < LONGEST_ABSENCE => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn tell(job: &Value, output: &mut Output<'_>) -> anyhow::Result<()> {
    let seen = Job::of(job)?;
    if output.json {
        output.document(job)?;
    } else {
        output.line(&format!("{}: {} of {} sent again", seen.state, seen.redelivered, seen.wanted_in_words()))?;
    }
    if seen.state == RedeliveryJobState::Done.as_str() { Ok(()) } else { Err(Ended::partly("the job was stopped").into()) }
}

/// Stops a job.
pub(super) async fn cancel(rest: &RestClient, id: RedeliveryJobId, output: &mut Output<'_>) -> anyhow::Result<()> {
    let job: Value = rest.post(&format!("{}/cancel", path(&id.to_string())), Bytes::new()).await?;
    if output.json {
        return Ok(output.document(&job)?);
    }
    Ok(output.line(&format!("stopped: {} were sent again before", cell(&job, "/redelivered")))?)
}

fn path(id: &str) -> String {
    format!("{PATH}/{id}")
}
