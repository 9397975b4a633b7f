//! What a client has settled for a catalogue: read, changed, and stored so that nobody's change is lost.

use tokio::task::spawn_blocking;

use super::{By, Desk, Refusal};
use crate::domain::catalog::{CatalogKey, CatalogName, ClientCatalog};
use crate::domain::ids::ClientId;
use crate::domain::signature::{RsaAlgorithm, RsaSecret};
use crate::domain::time::Timestamp;
use crate::store::StoreError;
use crate::store::records::CatalogWrite;

/// How often a change is tried when others settle something at the same time.
const MAX_TRIES: u32 = 5;

/// What is settled; nothing yet where nothing is stored.
pub(crate) async fn read(desk: Desk<'_>, now: Timestamp, client_id: ClientId, name: &CatalogName) -> Result<ClientCatalog, StoreError> {
    let stored = desk.store.client_catalog(client_id, name.clone()).await?;
    Ok(stored.unwrap_or_else(|| ClientCatalog::new(desk.ids.next(now), client_id, name.clone(), now)))
}

/// Stores what `change` makes of it; it may be asked more than once, and `false` leaves all as it is.
pub(crate) async fn change(
    desk: Desk<'_>,
    by: &By,
    (client_id, name): (ClientId, &CatalogName),
    change: impl Fn(&mut ClientCatalog) -> bool,
) -> Result<ClientCatalog, Refusal> {
    for _ in 0..MAX_TRIES {
        let mut settled = read(desk, by.now(), client_id, name).await?;
        if !change(&mut settled) {
            return Ok(settled);
        }
        settled.updated_at = by.now();
        match desk.store.settle_catalog(settled.clone(), Some(by.actor)).await? {
            CatalogWrite::Stored => return Ok(settled),
            CatalogWrite::NotFound => return Err(Refusal::NotFound),
            CatalogWrite::Stale => {}
        }
    }
    Err(Refusal::ChangedMeanwhile)
}

/// A key of this pair.
pub(crate) fn new_key(desk: Desk<'_>, now: Timestamp, algorithm: RsaAlgorithm, secret: RsaSecret) -> CatalogKey {
    CatalogKey { id: desk.ids.next(now), algorithm, secret, created_at: now }
}

/// A new pair. It takes its time, so it has a thread of its own.
pub(crate) async fn new_pair() -> Result<RsaSecret, Refusal> {
    let made = spawn_blocking(RsaSecret::generate).await;
    made.map_err(|_| Refusal::NoKeyMade)?.map_err(|_| Refusal::NoKeyMade)
}
