//! Which store the configuration names, and the keys that its secrets are kept under.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use secrecy::ExposeSecret;
use tracing::warn;

use crate::config::{Config, StoreUrl};
use crate::domain::ids::IdSource;
use crate::domain::time::Timestamp;
use crate::secrets::{KeyId, Keyring, SecretKey, beside, make, read};
use crate::store::Store;
use crate::store::postgres::{PostgresOptions, PostgresStore};
use crate::store::sqlite::{SqliteOptions, SqliteStore};

/// How long a call of a store across the network may take: so long, after it fell silent, its connections are in use.
const STORE_CALL_LIMIT: Duration = Duration::from_secs(10);

/// A store, and the keys that it was opened with.
pub(crate) struct OpenStore {
    /// The store.
    pub(crate) store: Arc<dyn Store>,
    /// What its secrets are encrypted with.
    pub(crate) keyring: Arc<Keyring>,
    /// Whether no other process works with it.
    pub(crate) is_ours_alone: bool,
}

/// Opens the store of `config`. `chance` is for the key that an embedded store gets when it has none.
pub(crate) async fn open(config: &Config, ids: &Arc<IdSource>, now: Timestamp, chance: &[u8; 32]) -> anyhow::Result<OpenStore> {
    let (ids, given) = (Arc::clone(ids), config.secrets.keys()?);
    match &config.store.url {
        StoreUrl::Sqlite(path) => {
            let keyring = Arc::new(embedded_keyring(given, path, chance).await?);
            let options = SqliteOptions { path: path.clone(), readers: config.store.readers, ids, keyring: Arc::clone(&keyring) };
            Ok(OpenStore { store: Arc::new(SqliteStore::open(options).await?), keyring, is_ours_alone: true })
        }
        StoreUrl::Postgres(url) => {
            let keyring = Arc::new(shared_keyring(given)?);
            let options = PostgresOptions {
                url: url.expose_secret().to_owned(),
                through_pooler: config.store.through_pooler,
                connections: config.store.connections,
                call_limit: STORE_CALL_LIMIT,
                ids,
                keyring: Arc::clone(&keyring),
                now,
            };
            Ok(OpenStore { store: Arc::new(PostgresStore::open(options).await?), keyring, is_ours_alone: false })
        }
    }
}

/// The given keys and, behind them, those of the file beside the database. Without any, that file is made, unless the
/// database needs a key already: another one would not open it.
async fn embedded_keyring(given: Vec<SecretKey>, database: &Path, chance: &[u8; 32]) -> anyhow::Result<Keyring> {
    let path = beside(database);
    let mut keys = given;
    match read(&path)? {
        Some(in_file) => keys.extend(in_file),
        None if keys.is_empty() => {
            refuse_lost_key(&path, &SqliteStore::keys_needed(database).await?)?;
            keys = make(&path, chance)?;
            warn!(file = %path.display(), "a key for the secrets of webhooks was made; without it they are lost: keep a copy apart from the database");
        }
        None => {}
    }
    ring(keys).context("there is no key for the secrets of webhooks")
}

fn refuse_lost_key(file: &Path, needed: &[KeyId]) -> anyhow::Result<()> {
    if needed.is_empty() {
        return Ok(());
    }
    let needed: Vec<String> = needed.iter().map(ToString::to_string).collect();
    bail!(
        "the secrets in the database are encrypted under {}, and {} is not there: put that file back, or give the key in secrets.key",
        needed.join(", "),
        file.display()
    )
}

/// Nodes share their keys, so none of them may make one.
fn shared_keyring(given: Vec<SecretKey>) -> anyhow::Result<Keyring> {
    match ring(given) {
        Some(ring) => Ok(ring),
        None => bail!(
            "PostgreSQL needs a key for the secrets of webhooks, the same on every node: make one with `webhook-dispatcher secrets new-key` \
             and set it as secrets.key (DISPATCHER_SECRETS_KEY, or a file that DISPATCHER_SECRETS_KEY_FILE names)"
        ),
    }
}

fn ring(mut keys: Vec<SecretKey>) -> Option<Keyring> {
    let newest = (!keys.is_empty()).then(|| keys.remove(0))?;
    Some(Keyring::new(newest, keys))
}
