//! The embedded store: one SQLite file, owned by one process.
//!
//! One connection writes (`writer`), a pool of others reads. Statements are named constants beside the code that runs
//! them; `store::rows` turns what they answer into the domain's values.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::broadcast;

use self::audit::Hand;
pub use self::backup::{BackedUp, back_up};
use self::connect::{Settings, make_folder};
use self::held::Held;
use self::left_over::cancel_left_over;
use self::lock_file::LockFile;
use self::migrate::check_schema;
use self::nodes::{Owner, Turns};
use self::readers::Readers;
use self::writer::{Transaction, Writer};
use super::contract::{CANCELLED_AT_ONCE, Store};
use super::error::StoreError;
use super::signal::Signal;
use crate::domain::audit::Actor;
use crate::domain::ids::IdSource;
use crate::secrets::{KeyId, Keyring};

mod adding_up;
mod audit;
mod backup;
mod cells;
mod claim;
mod client_catalogs;
mod clients;
mod connect;
mod dead_letters;
mod deliveries;
mod delivery_list;
mod enqueue;
mod event_redelivery;
mod event_search;
mod held;
mod left_over;
mod lock_file;
mod migrate;
mod nodes;
#[cfg(test)]
mod plans;
mod queue;
mod readers;
mod record;
mod redelivery;
mod secrets;
mod sessions;
mod signing;
mod statements;
mod stats;
mod upkeep;
mod webhooks;
mod writer;

/// How many signals a slow listener may be behind before it lags.
const SIGNALS_KEPT: usize = 1024;

/// What it takes to open the store.
#[derive(Clone)]
pub struct SqliteOptions {
    /// The database file. It and its folder are made if they are missing; beside it lies the lock file `<path>.lock`.
    pub path: PathBuf,
    /// How many connections read at once.
    pub readers: u32,
    /// Where the ids of deliveries and the tokens of claims come from.
    pub ids: Arc<IdSource>,
    /// What secrets are encrypted with.
    pub keyring: Arc<Keyring>,
}

/// A store in one SQLite file.
pub struct SqliteStore {
    writer: Writer,
    readers: Readers,
    /// A reader for claims alone, so that no list holds them up.
    claimer: Readers,
    held: Arc<Held>,
    ids: Arc<IdSource>,
    keyring: Arc<Keyring>,
    signals: broadcast::Sender<Signal>,
    owner: Owner,
    turns: Turns,
    path: PathBuf,
}

impl SqliteStore {
    /// The keys that the file at `path` cannot be opened without; none if there is no such file. Changes nothing, and may
    /// be asked while another process has the file open.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unusable`] when the file cannot be read.
    pub async fn keys_needed(path: &Path) -> Result<Vec<KeyId>, StoreError> {
        secrets::keys_needed(path).await
    }

    /// Opens the file, makes it if there is none, and brings its schema up to date; secrets that it holds in clear are
    /// encrypted.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unusable`] when another process has the file open, when it cannot be opened, when its schema is newer
    /// than this program, or when it holds secrets under a key that is not given.
    pub async fn open(with: SqliteOptions) -> Result<Self, StoreError> {
        make_folder(&with.path)?;
        let lock = LockFile::take(&with.path)?;
        let settings = Settings::new(&with.path);
        secrets::prepare(settings.clone(), Arc::clone(&with.keyring)).await?;
        let (signals, _) = broadcast::channel(SIGNALS_KEPT);
        let writer = Writer::start(settings.clone(), signals.clone(), lock).await?;
        let readers = Readers::new(settings.clone(), with.readers);
        let claimer = Readers::new(settings, 1);
        let held = Arc::<Held>::default();
        // What was in flight when its webhook was deleted, and when the process ended. If it is much, maintenance does the rest.
        let nothing_held = Arc::clone(&held);
        writer.write(move |tx| cancel_left_over(tx, CANCELLED_AT_ONCE, &nothing_held)).await?;
        Ok(Self {
            writer,
            readers,
            claimer,
            held,
            ids: with.ids,
            keyring: with.keyring,
            signals,
            owner: Owner::default(),
            turns: Turns::default(),
            path: with.path,
        })
    }
}

impl SqliteStore {
    /// Commits what `work` does in somebody's name.
    async fn change<T, W>(&self, by: Option<Actor>, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&mut Transaction<'_>, &Hand<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let ids = Arc::clone(&self.ids);
        self.writer.write(move |tx| work(tx, &Hand { by, ids: &ids })).await
    }

    /// Commits what `work` does to pending deliveries in somebody's name; nobody claims any meanwhile.
    async fn change_pending<T, W>(&self, by: Option<Actor>, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&mut Transaction<'_>, &Held, &Hand<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (held, ids) = (Arc::clone(&self.held), Arc::clone(&self.ids));
        let work = move |tx: &mut Transaction<'_>| {
            let turn = held.turn_of_writer();
            tx.once_committed(move || drop(turn));
            work(tx, &held, &Hand { by, ids: &ids })
        };
        self.writer.write(work).await
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn signals(&self) -> broadcast::Receiver<Signal> {
        self.signals.subscribe()
    }

    /// Those that read.
    fn connections(&self) -> (u64, u64) {
        self.readers.in_use()
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.readers.read(check_schema).await
    }

    async fn close(&self) {
        // Readers first: the last connection to close empties the log into the database.
        self.readers.close().await;
        self.claimer.close().await;
        self.writer.close().await;
    }
}
