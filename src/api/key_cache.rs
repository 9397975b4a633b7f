//! What is remembered of API keys and clients, so that a busy producer costs no read of the store per request.
//!
//! Only what exists is remembered, and for a few seconds: so soon a key that another node deleted opens nothing here.
//! What is deleted here is forgotten at once: every memory carries the edition that was current before the store was
//! asked, and a deletion begins a new edition.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moka::future::Cache;

use crate::domain::client::{KeyHash, Role};
use crate::domain::ids::{ApiKeyId, ClientId};
use crate::store::{Store, StoreError};

const TIME_TO_LIVE: Duration = Duration::from_secs(5);
const MAX_ENTRIES: u64 = 10_000;

/// Who presents a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    /// Which key it is.
    pub(super) key_id: ApiKeyId,
    /// What the key allows.
    pub(super) role: Role,
    /// Its client; `None` for a root key.
    pub(super) client_id: Option<ClientId>,
}

/// The memory.
pub(super) struct KeyCache {
    holders: Cache<KeyHash, (u64, Holder)>,
    clients: Cache<ClientId, u64>,
    edition: AtomicU64,
}

impl Default for KeyCache {
    fn default() -> Self {
        Self {
            holders: Cache::builder().max_capacity(MAX_ENTRIES).time_to_live(TIME_TO_LIVE).build(),
            clients: Cache::builder().max_capacity(MAX_ENTRIES).time_to_live(TIME_TO_LIVE).build(),
            edition: AtomicU64::new(0),
        }
    }
}

impl KeyCache {
    /// Who holds the key with this hash.
    ///
    /// # Errors
    ///
    /// Those of the store, where it had to be asked.
    pub(super) async fn holder(&self, store: &dyn Store, hash: KeyHash) -> Result<Option<Holder>, StoreError> {
        let edition = self.edition.load(Ordering::SeqCst);
        if let Some((_, holder)) = self.holders.get(&hash).await.filter(|(known, _)| *known == edition) {
            return Ok(Some(holder));
        }
        let Some(key) = store.api_key(hash).await? else { return Ok(None) };
        let holder = Holder { key_id: key.id, role: key.role, client_id: key.client_id };
        self.holders.insert(hash, (edition, holder)).await;
        Ok(Some(holder))
    }

    /// Whether there is such a client.
    ///
    /// # Errors
    ///
    /// Those of the store, where it had to be asked.
    pub(super) async fn client_exists(&self, store: &dyn Store, id: ClientId) -> Result<bool, StoreError> {
        let edition = self.edition.load(Ordering::SeqCst);
        if self.clients.get(&id).await == Some(edition) {
            return Ok(true);
        }
        let exists = store.client(id).await?.is_some();
        if exists {
            self.clients.insert(id, edition).await;
        }
        Ok(exists)
    }

    /// Forgets everything; to be called once a key or a client is deleted.
    pub(super) fn forget(&self) {
        self.edition.fetch_add(1, Ordering::SeqCst);
    }
}
