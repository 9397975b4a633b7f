//! A copy of an embedded store, made beside the process that works with it.

use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::config::{Config, StoreUrl};
use crate::secrets::beside;
use crate::store::sqlite::{BackedUp, back_up};

/// A copy, and what it is worth nothing without.
pub(crate) struct Backup {
    /// The original.
    pub(crate) database: PathBuf,
    /// What the copy turned out to be.
    pub(crate) copy: BackedUp,
    /// The key file beside the original, if it has one.
    pub(crate) key_file: Option<PathBuf>,
}

/// Copies the store of `config` to the new file `to`.
pub(crate) fn backup(config: &Config, to: &Path) -> anyhow::Result<Backup> {
    match &config.store.url {
        StoreUrl::Sqlite(database) => {
            let key_file = beside(database);
            Ok(Backup { database: database.clone(), copy: back_up(database, to)?, key_file: key_file.exists().then_some(key_file) })
        }
        StoreUrl::Postgres(_) => bail!("this copies SQLite files; a PostgreSQL database is copied by its own means, such as pg_dump"),
    }
}
