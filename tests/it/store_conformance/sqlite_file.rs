//! A database in a temporary file, and what the contract does not ask of others: one process owns the file.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use tempfile::TempDir;
use webhook_dispatcher::domain::ids::IdSource;
use webhook_dispatcher::secrets::Keyring;
use webhook_dispatcher::store::sqlite::{SqliteOptions, SqliteStore};
use webhook_dispatcher::store::{Store, StoreError};

use super::world::Database;
use crate::support::keys;

/// A file that goes away with its folder.
pub(super) struct SqliteFile {
    folder: TempDir,
}

impl SqliteFile {
    pub(super) fn fresh() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("made on opening").join("dispatcher.db")
    }

    fn options(&self, keyring: Arc<Keyring>) -> SqliteOptions {
        SqliteOptions { path: self.path(), readers: 2, ids: Arc::new(IdSource::seeded([9; 32])), keyring }
    }
}

#[async_trait]
impl Database for SqliteFile {
    async fn open_with(&self, keyring: Arc<Keyring>) -> Result<Arc<dyn Store>, StoreError> {
        Ok(Arc::new(SqliteStore::open(self.options(keyring)).await?))
    }

    async fn allows(&self, sql: &str) -> bool {
        rusqlite::Connection::open(self.path()).unwrap().execute_batch(sql).is_ok()
    }

    /// The database, its log and whatever lies beside them.
    async fn stolen(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.path().parent().unwrap()).unwrap();
        files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
    }
}

#[tokio::test]
async fn a_second_owner_is_refused_and_told_the_lock_file() {
    let file = SqliteFile::fresh();
    let first = file.open().await;

    let refused = SqliteStore::open(file.options(keys::ring(&[keys::KEY]))).await.map(drop).unwrap_err();

    assert!(matches!(refused, StoreError::Unusable { .. }), "{refused:?}");
    assert!(refused.to_string().contains("dispatcher.db.lock"), "{refused}");
    first.check().await.unwrap();
}

#[tokio::test]
async fn the_file_is_free_again_once_its_store_is_closed_or_dropped() {
    let file = SqliteFile::fresh();

    let closed = file.open().await;
    closed.close().await;
    let dropped = file.open().await;
    drop(dropped);

    file.open().await.check().await.unwrap();
}

#[tokio::test]
async fn the_free_room_of_the_disk_is_known() {
    let file = SqliteFile::fresh();
    let store = file.open().await;

    assert!(store.fill(0).await.unwrap().free_bytes.is_some_and(|free| free > 0));
}
