//! Notes when API keys were used, off the way of requests: many together, in a task of its own.
//!
//! It is for people who look for keys that nobody needs. What cannot be noted is passed over: a key in use comes again.

use std::sync::Arc;

use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::domain::ids::ApiKeyId;
use crate::domain::time::Timestamp;
use crate::store::Store;

/// How many uses may wait, and are noted together.
const MOST: usize = 1_024;

/// A key, and when it was used.
type Use = (ApiKeyId, Timestamp);

/// Where uses are handed in.
pub(super) struct KeyUses(Sender<Use>);

impl KeyUses {
    /// Starts the task, which ends with what was handed in once this is dropped.
    pub(super) fn start(store: Arc<dyn Store>) -> Self {
        let (sender, waiting) = channel(MOST);
        tokio::spawn(note_all(waiting, store));
        Self(sender)
    }

    /// Hands in a use. Never waits.
    pub(super) fn note(&self, key: ApiKeyId, at: Timestamp) {
        if self.0.try_send((key, at)).is_err() {
            tracing::debug!(key.id = %key, "the use of a key is not noted this time");
        }
    }
}

async fn note_all(mut waiting: Receiver<Use>, store: Arc<dyn Store>) {
    let mut uses = Vec::new();
    while waiting.recv_many(&mut uses, MOST).await > 0 {
        if let Err(error) = store.note_key_uses(std::mem::take(&mut uses)).await {
            tracing::debug!(%error, "the use of keys could not be noted");
        }
    }
}
