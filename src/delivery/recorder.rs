//! Records attempts: all that ended while one commit ran go into the next.
//!
//! An attempt that cannot be recorded keeps its place in flight, and is offered again until the store takes it: so a
//! store in trouble stops sending instead of making repeats.

use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::store::group_commit::{GroupCommit, GroupLimits};
use crate::store::records::{AttemptRecord, RecordOutcome};
use crate::store::{Store, StoreError};
use crate::telemetry::metrics::{DeliveryMetrics, Tried};

/// How long to wait before offering records again.
const FIRST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Commits attempts in groups.
pub struct Recorder {
    commits: GroupCommit<AttemptRecord, Answer>,
}

/// The attempt could not be recorded; its claim is still held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unrecorded;

type Answer = Result<RecordOutcome, Unrecorded>;

impl Recorder {
    /// A recorder that commits up to `batch` attempts at once, and counts them in `metrics`. After `give_up` it tries no more.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, batch: usize, give_up: CancellationToken, metrics: DeliveryMetrics) -> Self {
        let limits = GroupLimits { waiting: batch.saturating_mul(4), batch };
        let commit = move |records: Vec<AttemptRecord>| {
            let (store, give_up, metrics) = (Arc::clone(&store), give_up.clone(), metrics.clone());
            async move { commit_and_count(store.as_ref(), records, &give_up, &metrics).await }
        };
        Self { commits: GroupCommit::start(limits, |_| 1, commit) }
    }

    /// Records one attempt; comes back when it is on stable storage, or when its claim turned out to be lost.
    ///
    /// # Errors
    /// When the store refuses this very record, or when it was given up.
    pub async fn record(&self, record: AttemptRecord) -> Result<RecordOutcome, Unrecorded> {
        self.commits.submit(record).await.unwrap_or(Err(Unrecorded))
    }

    /// Commits what was handed in, then ends.
    pub async fn close(&self) {
        self.commits.close().await;
    }
}

async fn commit_and_count(
    store: &dyn Store,
    records: Vec<AttemptRecord>,
    give_up: &CancellationToken,
    metrics: &DeliveryMetrics,
) -> Vec<Answer> {
    let begun = Instant::now();
    let all_tried: Vec<Tried> = records.iter().map(|record| Tried::of(&record.attempt, &record.transition)).collect();
    let answers = commit(store, records, give_up).await;
    metrics.commits.committed(all_tried.len(), begun.elapsed());
    for (tried, answer) in all_tried.iter().zip(&answers) {
        match answer {
            Ok(RecordOutcome::Recorded) => metrics.attempted(tried),
            Ok(RecordOutcome::ClaimLost) => metrics.claim_lost(),
            Err(Unrecorded) => {}
        }
    }
    answers
}

async fn commit(store: &dyn Store, records: Vec<AttemptRecord>, give_up: &CancellationToken) -> Vec<Answer> {
    let count = records.len();
    match keep_trying(store, &records, give_up).await {
        Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
        Err(StoreError::Conflict { .. }) if count > 1 => one_by_one(store, records, give_up).await,
        Err(error) => {
            error!(error = %chain(&error), attempts = count, "attempts could not be recorded");
            vec![Err(Unrecorded); count]
        }
    }
}

/// Keeps a record that the store refuses from holding up the others.
async fn one_by_one(store: &dyn Store, records: Vec<AttemptRecord>, give_up: &CancellationToken) -> Vec<Answer> {
    let mut outcomes = Vec::with_capacity(records.len());
    for record in records {
        let delivery_id = record.claim.delivery_id;
        match keep_trying(store, &[record], give_up).await {
            Ok(outcome) => outcomes.extend(outcome.into_iter().map(Ok)),
            Err(error) => {
                error!(delivery.id = %delivery_id, error = %chain(&error), "an attempt could not be recorded");
                outcomes.push(Err(Unrecorded));
            }
        }
    }
    outcomes
}

async fn keep_trying(store: &dyn Store, records: &[AttemptRecord], give_up: &CancellationToken) -> Result<Vec<RecordOutcome>, StoreError> {
    let waits = ExponentialBuilder::default().with_min_delay(FIRST_WAIT).with_max_delay(LONGEST_WAIT).without_max_times();
    (|| store.record(records.to_vec()))
        .retry(waits)
        .when(|error| !matches!(error, StoreError::Conflict { .. }) && !give_up.is_cancelled())
        .notify(|error, wait| warn!(error = %chain(error), attempts = records.len(), "attempts not recorded yet; trying again in {wait:?}"))
        .await
}

/// An error with its sources, for a log.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}
