//! Where events enter: requests of many callers share one commit of the store.
//!
//! The unit is a request: its events are stored together or not at all. While one commit runs, the next batch gathers;
//! when too much waits, a request is turned away at once instead of waiting for room. Checking what callers send is the
//! API's work; what is handed in here is complete.

mod gate;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

pub use self::gate::Bounds;

use self::gate::Gate;
use crate::store::contract::Queue;
use crate::store::group_commit::{GroupCommit, GroupLimits, SubmitError};
use crate::store::records::{Enqueued, NewEvent};
use crate::store::{Store, StoreError};
use crate::telemetry::metrics::IntakeMetrics;

/// How often it is looked how full the store is.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// So many bytes of a payload weigh as much as an event.
const BYTES_PER_EVENT: usize = 4096;

/// The events of one request.
type Request = Vec<NewEvent>;

/// What became of the events of one request.
type Answer = Result<Vec<Enqueued>, IntakeError>;

/// Why the events of a request have no ids.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IntakeError {
    /// Too much waits already, the store is full, or nothing is taken any more; nothing was stored.
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
    gate: Gate,
    metrics: IntakeMetrics,
}

impl Intake {
    /// Starts the task that commits to `store`. Limits count events; one with a large payload counts as more.
    #[must_use]
    pub fn start(store: Arc<dyn Store>, limits: GroupLimits, bounds: Bounds) -> Self {
        let gate = Gate::new(bounds, Arc::clone(&store));
        let queue: Arc<dyn Queue> = store;
        let metrics = IntakeMetrics::default();
        let counted = metrics.clone();
        let commit = move |requests| commit_and_count(Arc::clone(&queue), requests, counted.clone());
        Self { commits: GroupCommit::start(limits, weight, commit), gate, metrics }
    }

    /// What came in.
    #[must_use]
    pub const fn metrics(&self) -> &IntakeMetrics {
        &self.metrics
    }

    /// Looks again and again how full the store is, until `stop`.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = looks.tick() => {}
            }
            if let Err(error) = self.look().await {
                tracing::debug!(%error, "how full the store is could not be seen");
            }
        }
    }

    /// Looks how full the store is: beyond its bounds nothing more is taken in, within them it is again.
    ///
    /// # Errors
    ///
    /// When the store fails; then it stays as it was.
    pub async fn look(&self) -> Result<(), StoreError> {
        self.gate.look().await
    }

    /// Whether the store had room for more when it was last looked.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.gate.is_open()
    }

    /// Stores the events of one request, all or none, and answers in their order.
    ///
    /// What is handed in is stored even when the caller stops waiting.
    ///
    /// # Errors
    ///
    /// [`IntakeError::Overloaded`] at once, without waiting, when there is no room.
    pub async fn enqueue(&self, events: Vec<NewEvent>) -> Result<Vec<Enqueued>, IntakeError> {
        let count = events.len();
        let answer = if self.gate.is_open() { self.submit(events).await } else { Err(IntakeError::Overloaded) };
        if matches!(answer, Err(IntakeError::Overloaded)) {
            self.metrics.refused(count);
        }
        answer
    }

    async fn submit(&self, events: Vec<NewEvent>) -> Answer {
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

/// What counts against the limits, so that they bound the memory too.
fn weight(request: &Request) -> usize {
    request.iter().map(|event| 1 + event.payload_bytes() / BYTES_PER_EVENT).sum()
}

async fn commit_and_count(queue: Arc<dyn Queue>, requests: Vec<Request>, metrics: IntakeMetrics) -> Vec<Answer> {
    let (begun, events) = (Instant::now(), requests.iter().map(Vec::len).sum());
    let answers = commit(queue, requests).await;
    metrics.commits.committed(events, begun.elapsed());
    for enqueued in answers.iter().flatten().flatten() {
        metrics.accepted(enqueued.delivery_ids.len(), enqueued.duplicate);
    }
    answers
}

/// Commits requests together. Where that fails each is tried alone, so that one caller's events cannot fail another's;
/// a busy store would only be kept busier by that, and what may be stored is not stored again.
async fn commit(queue: Arc<dyn Queue>, requests: Vec<Request>) -> Vec<Answer> {
    if requests.len() == 1 {
        return each_alone(&*queue, requests).await;
    }
    match queue.enqueue(requests.iter().flatten().cloned().collect()).await {
        Ok(enqueued) => shares(&requests, enqueued),
        Err(error @ (StoreError::Busy(_) | StoreError::Unanswered(_))) => {
            let error = IntakeError::Store(Arc::new(error));
            requests.iter().map(|_| Err(error.clone())).collect()
        }
        Err(error) => {
            tracing::warn!(%error, requests = requests.len(), "a shared commit of events failed; each request is tried alone");
            each_alone(&*queue, requests).await
        }
    }
}

async fn each_alone(queue: &dyn Queue, requests: Vec<Request>) -> Vec<Answer> {
    let mut answers = Vec::with_capacity(requests.len());
    for request in requests {
        answers.push(queue.enqueue(request).await.map_err(|error| IntakeError::Store(Arc::new(error))));
    }
    answers
}

/// What of a shared commit's answer is each request's.
fn shares(requests: &[Request], enqueued: Vec<Enqueued>) -> Vec<Answer> {
    let mut enqueued = enqueued.into_iter();
    requests.iter().map(|request| Ok(enqueued.by_ref().take(request.len()).collect())).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use bytes::Bytes;
    use uuid::Uuid;

    use super::*;
    use crate::domain::event::{Event, EventType};
    use crate::domain::ids::{EventId, WebhookId};
    use crate::domain::time::Timestamp;
    use crate::store::records::{AttemptRecord, Claim, ClaimRequest, ClaimedDelivery, RecordOutcome};

    /// A queue that remembers how many events each commit had, and fails every commit that holds a bad event.
    #[derive(Default)]
    struct Fussy {
        is_busy: bool,
        commits: Mutex<Vec<usize>>,
    }

    #[async_trait]
    impl Queue for Fussy {
        async fn enqueue(&self, events: Vec<NewEvent>) -> Result<Vec<Enqueued>, StoreError> {
            self.commits.lock().unwrap().push(events.len());
            if self.is_busy {
                return Err(StoreError::Busy("locked".into()));
            }
            if events.iter().any(|event| event.event.subject == "bad") {
                return Err(StoreError::Conflict { constraint: "good events".to_owned() });
            }
            let answer = |event: NewEvent| Enqueued { event_id: event.event.id, delivery_ids: Vec::new(), duplicate: false };
            Ok(events.into_iter().map(answer).collect())
        }

        async fn lanes_due(&self, _: Timestamp) -> Result<Vec<WebhookId>, StoreError> {
            unreachable!()
        }

        async fn claim_due(&self, _: ClaimRequest) -> Result<Vec<ClaimedDelivery>, StoreError> {
            unreachable!()
        }

        async fn record(&self, _: Vec<AttemptRecord>) -> Result<Vec<RecordOutcome>, StoreError> {
            unreachable!()
        }

        async fn release(&self, _: Vec<Claim>) -> Result<u64, StoreError> {
            unreachable!()
        }
    }

    #[test]
    fn a_large_payload_weighs_as_much_as_many_events() {
        let mut events = request(1, &["a", "b"]);
        assert_eq!(weight(&events), 2);

        events[0].event.payload = Bytes::from(vec![0; 10 * BYTES_PER_EVENT]);
        events[1].whole_payload = Some(Bytes::from(vec![0; BYTES_PER_EVENT - 1]));
        assert_eq!(weight(&events), 12);
        events[1].whole_payload = Some(Bytes::from(vec![0; BYTES_PER_EVENT]));
        assert_eq!(weight(&events), 13);
        assert_eq!(weight(&Vec::new()), 0);
    }

    /// A request of these events; an event's id is its place among all.
    fn request(first: u128, subjects: &[&str]) -> Request {
        let event = |(place, subject): (u128, &&str)| {
            let event = Event {
                id: EventId::from(Uuid::from_u128(place)),
                client_id: Uuid::nil().into(),
                event_type: EventType::document_finished(),
                subject: (*subject).to_owned(),
                payload: Bytes::new(),
                created_at: Timestamp::from_micros(0),
            };
            NewEvent {
                event,
                idempotency_key: None,
                due_at: Timestamp::from_micros(0),
                whole_payload: None,
                kept_unwanted: true,
                trace: None,
            }
        };
        (first..).zip(subjects).map(event).collect()
    }

    fn ids(answer: &Answer) -> Option<Vec<u128>> {
        let enqueued = answer.as_ref().ok()?;
        Some(enqueued.iter().map(|enqueued| enqueued.event_id.as_uuid().as_u128()).collect())
    }

    #[tokio::test]
    async fn requests_share_a_commit_and_each_gets_its_own_events() {
        let queue = Arc::new(Fussy::default());
        let requests = vec![request(1, &["a", "b"]), request(3, &[]), request(3, &["c"])];

        let answers = commit(queue.clone(), requests).await;

        assert_eq!(answers.iter().map(ids).collect::<Vec<_>>(), [Some(vec![1, 2]), Some(vec![]), Some(vec![3])]);
        assert_eq!(*queue.commits.lock().unwrap(), [3]);
    }

    #[tokio::test]
    async fn a_bad_event_fails_its_own_request_and_no_other() {
        let queue = Arc::new(Fussy::default());
        let requests = vec![request(1, &["a"]), request(2, &["b", "bad"]), request(4, &["c"])];

        let answers = commit(queue.clone(), requests).await;

        assert_eq!(answers.iter().map(ids).collect::<Vec<_>>(), [Some(vec![1]), None, Some(vec![4])]);
        assert_eq!(*queue.commits.lock().unwrap(), [4, 1, 2, 1]);
    }

    #[tokio::test]
    async fn a_busy_store_is_not_asked_again() {
        let queue = Arc::new(Fussy { is_busy: true, ..Fussy::default() });

        let answers = commit(queue.clone(), vec![request(1, &["a"]), request(2, &["b"])]).await;

        assert!(answers.iter().all(|answer| matches!(answer, Err(IntakeError::Store(error)) if matches!(**error, StoreError::Busy(_)))));
        assert_eq!(*queue.commits.lock().unwrap(), [2]);
    }
}
