//! Where events enter: requests of many callers share one commit of the store.
//!
//! The unit is a request: its events are stored together or not at all. While one commit runs, the next batch gathers;
//! when too much waits, a request is turned away at once instead of waiting for room. Checking what callers send is the
//! API's work; what is handed in here is complete.

use std::sync::Arc;

use crate::store::group_commit::{GroupCommit, GroupLimits, SubmitError};
use crate::store::records::{Enqueued, NewEvent};
use crate::store::{Store, StoreError};

/// The events of one request.
type Request = Vec<NewEvent>;

/// What became of the events of one request.
type Answer = Result<Vec<Enqueued>, IntakeError>;

/// Why the events of a request have no ids.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IntakeError {
    /// Too much waits already, or nothing is taken any more; nothing was stored.
    #[error("too much is coming in at the moment")]
    Overloaded,
    /// The commit ended without an answer; whether it took effect is unknown.
    #[error("the commit gave no answer")]
    Unanswered,
    /// The store could not do it; nothing was stored.
    #[error("the events could not be stored")]
    Store(#[source] Arc<StoreError>),
}

/// Takes in events.
pub struct Intake {
    commits: GroupCommit<Request, Answer>,
}

impl Intake {
    /// Starts the task that commits to `store`. Limits count events.
    #[must_use]
    pub fn start(store: Arc<dyn Store>, limits: GroupLimits) -> Self {
        let commit = move |requests| commit(Arc::clone(&store), requests);
        Self { commits: GroupCommit::start(limits, Vec::len, commit) }
    }

    /// Stores the events of one request, all or none, and answers in their order.
    ///
    /// What is handed in is stored even when the caller stops waiting.
    ///
    /// # Errors
    ///
    /// [`IntakeError::Overloaded`] at once, without waiting, when there is no room.
    pub async fn enqueue(&self, events: Vec<NewEvent>) -> Result<Vec<Enqueued>, IntakeError> {
        self.commits.try_submit(events).await.map_err(|error| match error {
            SubmitError::Full | SubmitError::Closed => IntakeError::Overloaded,
            SubmitError::Unanswered => IntakeError::Unanswered,
        })?
    }

    /// Takes nothing more, stores and answers what was handed in, and ends.
    pub async fn close(&self) {
        self.commits.close().await;
    }
}

/// Commits requests together. Where that fails each is tried alone, so that one caller's events cannot fail another's;
/// a busy store would only be kept busier by that.
async fn commit(store: Arc<dyn Store>, requests: Vec<Request>) -> Vec<Answer> {
    if requests.len() == 1 {
        return each_alone(&*store, requests).await;
    }
    match store.enqueue(requests.iter().flatten().cloned().collect()).await {
        Ok(enqueued) => shares(&requests, enqueued),
        Err(error @ StoreError::Busy(_)) => {
            let error = IntakeError::Store(Arc::new(error));
            requests.iter().map(|_| Err(error.clone())).collect()
        }
        Err(error) => {
            tracing::warn!(%error, requests = requests.len(), "a shared commit of events failed; each request is tried alone");
            each_alone(&*store, requests).await
        }
    }
}

async fn each_alone(store: &dyn Store, requests: Vec<Request>) -> Vec<Answer> {
    let mut answers = Vec::with_capacity(requests.len());
    for request in requests {
        answers.push(store.enqueue(request).await.map_err(|error| IntakeError::Store(Arc::new(error))));
    }
    answers
}

/// What of a shared commit's answer is each request's.
fn shares(requests: &[Request], enqueued: Vec<Enqueued>) -> Vec<Answer> {
    let mut enqueued = enqueued.into_iter();
    requests.iter().map(|request| Ok(enqueued.by_ref().take(request.len()).collect())).collect()
}
