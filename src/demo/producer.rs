//! The document pipeline: hands finished documents in at a steady rate, as the OCR service does.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::documents::Document;
use crate::rest::RestClient;

const COMPLETIONS: &str = "/api_document/completions";

/// How many documents are on their way in at once.
const AT_ONCE: usize = 64;

/// What the dispatcher answered when a document was handed in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HandedIn {
    /// How often it was accepted, repeats included.
    pub(super) accepted: usize,
    /// How often the answer said that it was there already.
    pub(super) duplicates: usize,
    /// The ids of its event.
    pub(super) event_ids: BTreeSet<String>,
    /// Why it was not accepted.
    pub(super) failure: Option<String>,
}

/// The answer to a completion.
#[derive(Deserialize)]
struct Accepted {
    events: Vec<AcceptedEvent>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AcceptedEvent {
    event_id: String,
    duplicate: bool,
}

/// Hands documents in.
pub(super) struct Producer {
    rest: RestClient,
    handed_in: Arc<AtomicUsize>,
}

impl Producer {
    /// A producer that calls through `rest`, which shows a producer's key.
    pub(super) fn new(rest: RestClient) -> Self {
        Self { rest, handed_in: Arc::default() }
    }

    /// How many documents were handed in.
    pub(super) fn handed_in(&self) -> usize {
        self.handed_in.load(Ordering::Relaxed)
    }

    /// Hands all in, `per_second` of them every second or as fast as they are accepted; answers by document id.
    pub(super) async fn hand_in_all(&self, documents: &[Document], per_second: u32) -> anyhow::Result<HashMap<String, HandedIn>> {
        let mut pace = interval(Duration::from_secs(1) / per_second.max(1));
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let room = Arc::new(Semaphore::new(AT_ONCE));
        let mut under_way = JoinSet::new();
        for document in documents.iter().cloned() {
            pace.tick().await;
            let permit = Arc::clone(&room).acquire_owned().await?;
            let (rest, handed_in) = (self.rest.clone(), Arc::clone(&self.handed_in));
            under_way.spawn(async move {
                let answer = hand_in(&rest, &document).await;
                handed_in.fetch_add(1, Ordering::Relaxed);
                drop(permit);
                (document.id, answer)
            });
        }
        let mut answers = HashMap::with_capacity(documents.len());
        while let Some(ended) = under_way.join_next().await {
            let (id, answer) = ended.context("a document was not handed in to the end")?;
            answers.insert(id, answer);
        }
        Ok(answers)
    }
}

/// Hands one document in, as often as its kind says, always with the same idempotency key.
async fn hand_in(rest: &RestClient, document: &Document) -> HandedIn {
    let mut handed_in = HandedIn::default();
    let idempotency_key = format!("finished:{}", document.id);
    for _ in 0..document.kind.times_handed_in() {
        match rest.post_once::<Accepted>(COMPLETIONS, document.body.clone(), &idempotency_key).await {
            Ok(Accepted { events }) => {
                handed_in.accepted += events.len();
                handed_in.duplicates += events.iter().filter(|event| event.duplicate).count();
                handed_in.event_ids.extend(events.into_iter().map(|event| event.event_id));
            }
            Err(error) => handed_in.failure = Some(format!("{error:#}")),
        }
    }
    handed_in
}
