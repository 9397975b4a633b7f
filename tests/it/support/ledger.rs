//! What producers were told and what receivers saw, compared.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::process::RestClient;
use super::receiver::{Receiver, Seen};

/// What producers know: which documents were acknowledged, under which event id.
#[derive(Default)]
pub(crate) struct Acknowledged {
    event_of: Mutex<HashMap<String, String>>,
    grown: Notify,
}

impl Acknowledged {
    fn add(&self, document: &str, event_id: &str) {
        let before = self.event_of.lock().unwrap().insert(document.to_owned(), event_id.to_owned());
        assert!(before.is_none_or(|before| before == event_id), "{document} became two events");
        self.grown.notify_waiters();
    }

    pub(crate) fn count(&self) -> usize {
        self.event_of.lock().unwrap().len()
    }

    /// What is known by now, apart from what comes later.
    pub(crate) fn so_far(&self) -> Self {
        Self { event_of: Mutex::new(self.event_of.lock().unwrap().clone()), grown: Notify::new() }
    }

    pub(crate) fn documents(&self) -> Vec<String> {
        self.event_of.lock().unwrap().keys().cloned().collect()
    }

    pub(crate) async fn until(&self, count: usize) {
        loop {
            let grown = self.grown.notified();
            if self.count() >= count {
                return;
            }
            grown.await;
        }
    }
}

/// Hands in a document, once more if it was handed in before; answers whether it was acknowledged.
pub(crate) async fn enqueue(rest: &RestClient, address: SocketAddr, key: &str, document: &str, acknowledged: &Acknowledged) -> bool {
    let headers = [("x-api-key", key), ("idempotency-key", document)];
    let answer = rest.post(address, "/api_document/completions", &headers, &json!({"id": document, "status": 1})).await;
    let Some((202, body)) = answer else { return false };
    acknowledged.add(document, body["events"][0]["eventId"].as_str().unwrap());
    true
}

/// Enqueues documents until no answer comes. A document without an answer is left to be sent again.
pub(crate) async fn produce(
    rest: RestClient,
    address: SocketAddr,
    key: String,
    numbers: Arc<AtomicUsize>,
    acknowledged: Arc<Acknowledged>,
) -> Option<String> {
    loop {
        let document = format!("doc-{}", numbers.fetch_add(1, Ordering::Relaxed));
        if !enqueue(&rest, address, &key, &document, &acknowledged).await {
            return Some(document);
        }
    }
}

/// Waits until everything that was acknowledged has arrived; answers how many requests came for documents beyond the
/// first. All requests for a document must name one event.
pub(crate) async fn all_arrive(receiver: &Receiver, acknowledged: &Acknowledged, told_on_failure: &str) -> usize {
    let known = acknowledged.event_of.lock().unwrap().clone();
    let all_arrived = receiver.until(|seen| {
        let arrived: HashSet<&str> = seen.iter().filter_map(|seen| seen.target.strip_prefix("/ocr_feedback/")).collect();
        arrived.len() >= known.len() && known.keys().all(|document| arrived.contains(document.as_str()))
    });
    timeout(Duration::from_mins(1), all_arrived).await.unwrap_or_else(|_| panic!("acknowledged documents are missing ({told_on_failure})"));
    repeats(&receiver.seen(), &known)
}

fn repeats(seen: &[Seen], acknowledged: &HashMap<String, String>) -> usize {
    let mut by_document: HashMap<&str, Vec<&str>> = HashMap::new();
    for request in seen {
        let document = request.target.strip_prefix("/ocr_feedback/").unwrap();
        by_document.entry(document).or_default().push(request.header("webhook-id").unwrap());
    }
    for (document, event_id) in acknowledged {
        let ids: HashSet<&str> = by_document[document.as_str()].iter().copied().collect();
        assert_eq!(ids, HashSet::from([event_id.as_str()]), "{document}");
    }
    by_document.values().map(|requests| requests.len() - 1).sum()
}
