//! Keys and clients that are deleted: what was remembered of them is outdated at once, whoever remembers it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{By, Desk};
use crate::domain::ids::{ApiKeyId, ClientId};
use crate::store::StoreError;
use crate::store::records::KeyDeletion;

/// The edition of what is known of keys and clients. Every deletion on this node begins a new one: what was read before it
/// is not to be relied on.
#[derive(Clone, Debug, Default)]
pub struct KeyEdition(Arc<AtomicU64>);

impl KeyEdition {
    /// The present edition.
    pub(crate) fn current(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn begin_next(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Deletes a key. It opens nothing any more: here at once, on other nodes within seconds.
pub(crate) async fn delete_key(desk: Desk<'_>, by: &By, id: ApiKeyId) -> Result<KeyDeletion, StoreError> {
    let deletion = desk.store.delete_api_key(by.scope, id, Some(by.actor)).await;
    // Also after a failure: it may have left the key deleted.
    desk.keys.begin_next();
    deletion
}

/// Deletes a client with all that is its own; `false` if there is none. Its keys open nothing any more, as after [`delete_key`].
pub(crate) async fn delete_client(desk: Desk<'_>, by: &By, id: ClientId) -> Result<bool, StoreError> {
    let deleted = desk.store.delete_client(id, by.now(), Some(by.actor)).await;
    desk.keys.begin_next();
    deleted
}
