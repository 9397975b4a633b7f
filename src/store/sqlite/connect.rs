//! How the database file is opened: the settings of every connection, and what is asserted before it is used.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::adding_up;
use super::migrate::migrate;
use super::statements::Statements;
use crate::store::driver_errors::unusable;
use crate::store::error::StoreError;

/// The first SQLite without the bug that loses commits when a checkpoint meets a write.
const OLDEST_SQLITE: (u32, u32, u32) = (3, 51, 3);

/// How long a connection waits for another one's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How many statements a connection keeps prepared.
const STATEMENTS_KEPT: usize = 256;

/// Of every connection.
///
/// - With `synchronous = NORMAL` a power cut loses commits that were answered.
/// - The cache is small, for every connection has one: what does not fit comes from the operating system's cache. For the
///   same reason the file is not mapped; a mapping counts as memory of the process, and a bad block would kill it.
/// - The log is copied into the file at sixteen MiB: less often than by default, for pages change again and again.
/// - Plans must not change with what the tables hold, so SQLite gets no statistics and makes no indexes of its own: with
///   either it joined a batch of records to everything in flight. `plans` holds what it plans without them.
const SETTINGS: &str = "
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = on;
    PRAGMA cache_size = -12288;
    PRAGMA temp_store = memory;
    PRAGMA journal_size_limit = 67108864;
    PRAGMA wal_autocheckpoint = 4096;
    PRAGMA automatic_index = off";

/// Only the writer may set these: with them SQLite begins to write.
const SETTINGS_OF_THE_FILE: &str = "PRAGMA auto_vacuum = incremental; PRAGMA journal_mode = wal";

/// What every connection of a store is opened with.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    path: PathBuf,
}

impl Settings {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }
}

/// Makes the file if there is none, opens the one connection that writes, and brings the schema up to date.
pub(super) fn open_writer(settings: &Settings) -> Result<Connection, StoreError> {
    let mut db = connect_writer(settings)?;
    migrate(&mut db, None)?;
    Ok(db)
}

/// As [`open_writer`], whatever the schema.
pub(super) fn connect_writer(settings: &Settings) -> Result<Connection, StoreError> {
    let db = open(settings, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE, SETTINGS_OF_THE_FILE)?;
    assert_sqlite_version(&db)?;
    Ok(db)
}

/// Opens a connection that can only read.
pub(super) fn open_reader(settings: &Settings) -> Result<Connection, StoreError> {
    open(settings, OpenFlags::SQLITE_OPEN_READ_ONLY, "")
}

/// Makes the folder that the database lies in.
pub(super) fn make_folder(path: &Path) -> Result<(), StoreError> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else {
        return Ok(());
    };
    std::fs::create_dir_all(folder).map_err(|error| StoreError::Unusable {
        reason: format!("the folder {} cannot be made", folder.display()),
        source: Some(error.into()),
    })
}

/// One thread at a time uses a connection, so SQLite need not guard it.
fn open(settings: &Settings, access: OpenFlags, more_settings: &str) -> Result<Connection, StoreError> {
    let opened = Connection::open_with_flags(&settings.path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX).and_then(|db| {
        db.busy_timeout(BUSY_TIMEOUT)?;
        db.execute_batch(more_settings)?;
        db.execute_batch(SETTINGS)?;
        // Otherwise a plan may depend on what is bound, so that a statement with `limit ?` is compiled anew each time.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        adding_up::register(&db)?;
        Ok(db)
    });
    let db = opened.map_err(|error| StoreError::Unusable {
        reason: format!("the database {} cannot be opened", settings.path.display()),
        source: Some(error.into()),
    })?;
    db.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    Ok(db)
}

fn assert_sqlite_version(db: &Connection) -> Result<(), StoreError> {
    let version = db.first("select sqlite_version()", (), |row| Ok(row.get::<_, String>(0)?))?.unwrap_or_default();
    let parts: Vec<u32> = version.split('.').filter_map(|part| part.parse().ok()).collect();
    match parts[..] {
        [major, minor, patch, ..] if (major, minor, patch) >= OLDEST_SQLITE => Ok(()),
        _ => Err(unusable(format!("SQLite {version} is too old: before 3.51.3 it can lose commits"))),
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;
    use uuid::Uuid;

    use super::super::claim;
    use super::super::migrate::newest;
    use super::*;

    fn opened_after(change: &str) -> Result<(), StoreError> {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::new(&folder.path().join("test.db"));
        open_writer(&settings).unwrap().execute_batch(change).unwrap();

        open_writer(&settings).map(drop)
    }

    #[test]
    fn a_schema_of_a_newer_program_is_refused_in_clear_words() {
        let refused = opened_after(
            "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
             values (9001, 'from the future', true, x'00', 0)",
        )
        .unwrap_err();

        assert_eq!(
            refused.to_string(),
            format!("the database has schema version 9001, but this program knows none after {}: a newer program made it", newest())
        );
    }

    #[test]
    fn a_statement_is_compiled_once_whatever_is_bound() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::new(&folder.path().join("test.db"));

        for db in [open_writer(&settings).unwrap(), open_reader(&settings).unwrap()] {
            let mut due = db.prepare(claim::DUE).unwrap();
            for most in 1..=3 {
                due.query((Uuid::nil(), 0, most)).unwrap().next().unwrap();
            }
            assert_eq!(due.get_status(StatementStatus::RePrepare), 0);
        }
    }

    #[test]
    fn a_schema_that_was_changed_by_hand_is_refused() {
        let refused = opened_after("update _sqlx_migrations set checksum = x'00'").unwrap_err();

        assert_eq!(refused.to_string(), "schema version 1 of the database is not the one this program knows");
    }

    #[test]
    fn a_schema_that_is_up_to_date_is_opened_again() {
        opened_after("select 1").unwrap();
    }

    #[test]
    fn every_connection_has_the_settings() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::new(&folder.path().join("test.db"));
        let writer = open_writer(&settings).unwrap();
        let reader = open_reader(&settings).unwrap();

        for db in [&writer, &reader] {
            let journal = db.first("PRAGMA journal_mode", (), |row| Ok(row.get::<_, String>(0)?)).unwrap();
            let pragmas = ["PRAGMA synchronous", "PRAGMA foreign_keys", "PRAGMA auto_vacuum", "PRAGMA busy_timeout"];
            let numbers = pragmas.map(|pragma| db.number(pragma, ()).unwrap());
            assert_eq!((journal.as_deref(), numbers), (Some("wal"), [2, 1, 2, 5_000]));
        }
        assert!(reader.execute_batch("delete from client").is_err());
    }
}
