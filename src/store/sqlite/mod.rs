//! The embedded store: one SQLite file, owned by one process.
//!
//! One connection writes (`writer`), a pool of others reads. Statements are named constants beside the code that runs
//! them; `store::rows` turns what they answer into the domain's values.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::SqlitePool;
use tokio::sync::broadcast;

use self::connect::{check_schema, make_folder, open_writer, options, reader_pool};
use self::lock_file::LockFile;
use self::nodes::{Owner, Turns};
use self::writer::Writer;
use super::contract::Store;
use super::error::StoreError;
use super::signal::Signal;
use crate::domain::ids::IdSource;

mod batch;
mod cells;
mod claim;
mod clients;
mod connect;
mod deliveries;
mod delivery_list;
mod enqueue;

mod lock_file;
mod nodes;
#[cfg(test)]
mod plans;
mod queue;
mod record;
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
}

/// A store in one SQLite file.
pub struct SqliteStore {
    writer: Writer,
    readers: SqlitePool,
    ids: Arc<IdSource>,
    signals: broadcast::Sender<Signal>,
    owner: Owner,
    turns: Turns,
    path: PathBuf,
}

impl SqliteStore {
    /// Opens the file, makes it if there is none, and brings its schema up to date.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unusable`] when another process has the file open, when it cannot be opened, or when its schema is
    /// newer than this program.
    pub async fn open(with: SqliteOptions) -> Result<Self, StoreError> {
        make_folder(&with.path)?;
        let lock = LockFile::take(&with.path)?;
        let options = options(&with.path);
        let connection = open_writer(&options).await?;
        let readers = reader_pool(options.clone(), with.readers);
        let (signals, _) = broadcast::channel(SIGNALS_KEPT);
        let writer = Writer::new(connection, options, signals.clone(), lock);
        Ok(Self { writer, readers, ids: with.ids, signals, owner: Owner::default(), turns: Turns::default(), path: with.path })
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn signals(&self) -> broadcast::Receiver<Signal> {
        self.signals.subscribe()
    }

    async fn check(&self) -> Result<(), StoreError> {
        check_schema(&mut *self.readers.acquire().await?).await
    }

    async fn close(&self) {
        // Readers first: the last connection to close empties the log into the database.
        self.readers.close().await;
        self.writer.close().await;
    }
}
