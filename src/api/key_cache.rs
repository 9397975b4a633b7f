//! What is remembered of API keys and clients, so that a busy producer costs no read of the store per request.
//!
//! Only what exists is remembered, and for a few seconds: so soon a key that another node deleted opens nothing here.
//! What is deleted here is forgotten at once: every memory carries the [`KeyEdition`] that was current before the store was
//! asked, and a deletion begins a new one.

use std::hash::Hash;
use std::time::Duration;

use moka::future::Cache;

use super::key_uses::KeyUses;
use crate::domain::client::{KeyHash, Role};
use crate::domain::ids::{ApiKeyId, ClientId};
use crate::domain::time::Timestamp;
use crate::management::KeyEdition;
use crate::store::{Store, StoreError};

/// How long anything is remembered.
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
    /// From when on the key opens nothing.
    pub(super) expires_at: Option<Timestamp>,
}

/// The memory.
pub(super) struct KeyCache {
    holders: Memories<KeyHash, Holder>,
    clients: Memories<ClientId, ()>,
    edition: KeyEdition,
    uses: KeyUses,
}

impl KeyCache {
    /// An empty one. Uses of keys are noted in `uses`; `edition` says since when what is remembered may be relied on.
    pub(super) fn new(uses: KeyUses, edition: KeyEdition) -> Self {
        Self { holders: memories(), clients: memories(), edition, uses }
    }

    /// Who holds the key with this hash, unless it has expired at `now`.
    ///
    /// # Errors
    ///
    /// Those of the store, where it had to be asked.
    pub(super) async fn holder(&self, store: &dyn Store, hash: KeyHash, now: Timestamp) -> Result<Option<Holder>, StoreError> {
        let holder = self.known_holder(store, hash, now).await?;
        Ok(holder.filter(|holder| holder.expires_at.is_none_or(|at| now < at)))
    }

    async fn known_holder(&self, store: &dyn Store, hash: KeyHash, now: Timestamp) -> Result<Option<Holder>, StoreError> {
        let source = self.source(now);
        if let Some(holder) = source.recall(&self.holders, &hash).await {
            return Ok(Some(holder));
        }
        let Some(key) = store.api_key(hash).await? else { return Ok(None) };
        // A key in use comes by here every few seconds, on whatever node: that is often enough to see when it was used.
        if key.is_use_news(now) {
            self.uses.note(key.id, now);
        }
        let holder = Holder { key_id: key.id, role: key.role, client_id: key.client_id, expires_at: key.expires_at };
        self.holders.insert(hash, Memory { source, of: holder }).await;
        Ok(Some(holder))
    }

    /// Whether there is such a client.
    ///
    /// # Errors
    ///
    /// Those of the store, where it had to be asked.
    pub(super) async fn client_exists(&self, store: &dyn Store, id: ClientId, now: Timestamp) -> Result<bool, StoreError> {
        let source = self.source(now);
        if source.recall(&self.clients, &id).await.is_some() {
            return Ok(true);
        }
        let exists = store.client(id).await?.is_some();
        if exists {
            self.clients.insert(id, Memory { source, of: () }).await;
        }
        Ok(exists)
    }

    fn source(&self, now: Timestamp) -> Source {
        Source { edition: self.edition.current(), asked_at: now }
    }
}

/// As of when something was the case.
#[derive(Clone, Copy)]
struct Source {
    edition: u64,
    asked_at: Timestamp,
}

impl Source {
    /// What is remembered under `key`, if that is as good as asking now.
    async fn recall<K: Eq + Hash + Send + Sync + 'static, T: Copy + Send + Sync + 'static>(
        self,
        memories: &Memories<K, T>,
        key: &K,
    ) -> Option<T> {
        let Memory { source, of } = memories.get(key).await?;
        let is_fresh = source.edition == self.edition && self.asked_at.since(source.asked_at) < TIME_TO_LIVE;
        is_fresh.then_some(of)
    }
}

/// Something that is remembered.
#[derive(Clone, Copy)]
struct Memory<T> {
    source: Source,
    of: T,
}

type Memories<K, T> = Cache<K, Memory<T>>;

/// The cache has a clock of its own beside ours, which may be set back.
fn memories<K: Eq + Hash + Send + Sync + 'static, T: Copy + Send + Sync + 'static>() -> Memories<K, T> {
    Cache::builder().max_capacity(MAX_ENTRIES).time_to_live(TIME_TO_LIVE).build()
}
