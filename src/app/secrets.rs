//! New keys for the secrets of a store, and what is encrypted under old ones.

use std::sync::Arc;

use secrecy::zeroize::Zeroizing;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::Chance;
use super::stores::{self, OpenStore};
use crate::config::Config;
use crate::domain::ids::IdSource;
use crate::domain::time::{Clock, SystemClock, Timestamp};
use crate::maintenance::{Duty, Reencrypt};
use crate::secrets::{KeyId, Keyring, new_key_text};
use crate::store::{Store, StoreError};

/// What encrypting everything anew came to.
pub(crate) struct Rotated {
    /// The key that everything was to come under.
    pub(crate) newest: KeyId,
    /// How many rows were under another one.
    pub(crate) rows: u64,
    /// Keys that rows came under again meanwhile.
    pub(crate) still_needed: Vec<KeyId>,
    /// Keys that no row needs.
    pub(crate) can_go: Vec<KeyId>,
}

/// The text of a new key for `secrets.key`.
pub(crate) fn new_secrets_key() -> anyhow::Result<Zeroizing<String>> {
    Ok(new_key_text(&Chance::from_system()?.seed()))
}

/// Encrypts every secret of the store that `config` names under its newest key. Of a store that no other process may
/// share, none may have it open.
pub(crate) async fn rotate(config: &Config, rows_per_step: u32) -> anyhow::Result<Rotated> {
    let chance = Chance::from_system()?;
    let now = SystemClock.now();
    let OpenStore { store, keyring, .. } = stores::open(config, &Arc::new(IdSource::seeded(chance.seed())), now, &chance.seed()).await?;
    let rotated = bring_under_newest(&store, &keyring, rows_per_step, now).await;
    store.close().await;
    Ok(rotated?)
}

/// Does the same beside a server's work, and tells of it in the log.
pub(super) async fn rotate_in_background(
    store: Arc<dyn Store>,
    keyring: Arc<Keyring>,
    rows_per_step: u32,
    now: Timestamp,
    stop: CancellationToken,
) {
    let Some(rotated) = stop.run_until_cancelled(bring_under_newest(&store, &keyring, rows_per_step, now)).await else {
        return;
    };
    match rotated {
        Ok(Rotated { newest, rows, can_go, .. }) if rows > 0 || !can_go.is_empty() => {
            info!(rows, key = %newest, can_go = ?can_go, "every secret is encrypted under the newest key; older ones can go");
        }
        Ok(_) => {}
        Err(failure) => error!(error = %failure, source = ?std::error::Error::source(&failure), "secrets could not be encrypted anew"),
    }
}

async fn bring_under_newest(store: &Arc<dyn Store>, keyring: &Keyring, rows_per_step: u32, now: Timestamp) -> Result<Rotated, StoreError> {
    let newest = keyring.newest();
    let rows = Reencrypt::new(Arc::clone(store), rows_per_step).run_once(now).await?;
    let in_use: Vec<KeyId> = store.keys_in_use().await?.into_iter().map(|used| used.key).filter(|key| *key != newest).collect();
    let can_go = keyring.older().filter(|key| !in_use.contains(key)).collect();
    Ok(Rotated { newest, rows, still_needed: in_use, can_go })
}
