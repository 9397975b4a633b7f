//! How the database file is opened: the settings of every connection, and what is asserted before it is used.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection, SqlitePool};

use crate::store::driver_errors::unusable;
use crate::store::error::StoreError;
use crate::store::schema::{known_version, refusal, refuse_newer, refuse_other};

/// The tables, and how they came to be.
static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// The first SQLite without the bug that loses commits when a checkpoint meets a write.
const OLDEST_SQLITE: (u32, u32, u32) = (3, 51, 3);

/// The newest version of the schema that `_sqlx_migrations` knows of; no row before the first migration.
const SCHEMA_VERSION: &str = "select max(version) from _sqlx_migrations where success";

const HAS_SCHEMA: &str = "select count(*) from sqlite_schema where type = 'table' and name = '_sqlx_migrations'";

/// The settings of every connection to `path`. Only the writer makes the file.
pub(super) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // With NORMAL a power cut loses commits that were answered.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5))
        // Small, for every connection has one: what does not fit comes from the operating system's cache. For the same
        // reason the file is not mapped; a mapping counts as memory of the process, and a bad block would kill it.
        .pragma("cache_size", "-12288")
        .pragma("temp_store", "memory")
        .pragma("journal_size_limit", "67108864")
        // Sixteen MiB: pages that change again and again are copied into the file less often than by default.
        .pragma("wal_autocheckpoint", "4096")
        .statement_cache_capacity(256)
        // A whole answer fits into the channel, so that the connection's thread never waits for its reader.
        .row_buffer_size(1024)
        // Plans must not change with what the tables hold, so SQLite gets no statistics and makes no indexes of its own:
        // with either it joined a batch of records to everything in flight. `plans` holds what it plans without them.
        .pragma("automatic_index", "off")
        .disable_statement_logging()
}

/// Makes the folder, opens the one connection that writes, and brings the schema up to date.
pub(super) async fn open_writer(options: &SqliteConnectOptions) -> Result<SqliteConnection, StoreError> {
    // Only here: to set this, SQLite begins to write, which a reader may not.
    let writing = options.clone().create_if_missing(true).auto_vacuum(SqliteAutoVacuum::Incremental);
    let mut db = writing.connect().await.map_err(|error| StoreError::Unusable {
        reason: format!("the database {} cannot be opened", options.get_filename().display()),
        source: Some(error.into()),
    })?;
    assert_sqlite_version(&mut db).await?;
    refuse_newer_schema(&mut db).await?;
    MIGRATIONS.run_direct(None, &mut db, false).await.map_err(refusal)?;
    Ok(db)
}

/// Connections that only read, opened as they are needed.
pub(super) fn reader_pool(options: SqliteConnectOptions, readers: u32) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(readers.max(1))
        .max_lifetime(None)
        .idle_timeout(None)
        .test_before_acquire(false)
        .connect_lazy_with(options.read_only(true))
}

/// Makes the folder that the database lies in.
pub(super) fn make_folder(path: &Path) -> Result<(), StoreError> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else {
        return Ok(());
    };
    std::fs::create_dir_all(folder).map_err(|error| StoreError::Unusable {
        reason: format!("the folder {} cannot be made", PathBuf::from(folder).display()),
        source: Some(error.into()),
    })
}

/// Refuses a schema other than the one this program works with.
pub(super) async fn check_schema(db: &mut SqliteConnection) -> Result<(), StoreError> {
    refuse_other(schema_version(db).await?, known_version(&MIGRATIONS))
}

async fn assert_sqlite_version(db: &mut SqliteConnection) -> Result<(), StoreError> {
    let version: String = sqlx::query_scalar("select sqlite_version()").fetch_one(db).await?;
    let parts: Vec<u32> = version.split('.').filter_map(|part| part.parse().ok()).collect();
    match parts[..] {
        [major, minor, patch, ..] if (major, minor, patch) >= OLDEST_SQLITE => Ok(()),
        _ => Err(unusable(format!("SQLite {version} is too old: before 3.51.3 it can lose commits"))),
    }
}

async fn refuse_newer_schema(db: &mut SqliteConnection) -> Result<(), StoreError> {
    let has_schema: i64 = sqlx::query_scalar(HAS_SCHEMA).fetch_one(&mut *db).await?;
    let found = if has_schema == 0 { 0 } else { schema_version(db).await? };
    refuse_newer(found, known_version(&MIGRATIONS))
}

async fn schema_version(db: &mut SqliteConnection) -> Result<i64, StoreError> {
    let version: Option<i64> = sqlx::query_scalar(SCHEMA_VERSION).fetch_one(db).await?;
    Ok(version.unwrap_or(0))
}

/// Closes a connection that is not to be used any more; what it says then is of no use to anybody.
pub(super) async fn discard(db: SqliteConnection) {
    if let Err(error) = db.close().await {
        tracing::debug!(error = %error, "a connection that was given up did not close cleanly");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn opened_after(change: &'static str) -> Result<(), StoreError> {
        let folder = tempfile::tempdir().unwrap();
        let options = options(&folder.path().join("test.db"));
        let mut db = open_writer(&options).await.unwrap();
        sqlx::raw_sql(change).execute(&mut db).await.unwrap();
        db.close().await.unwrap();

        open_writer(&options).await.map(drop)
    }

    #[tokio::test]
    async fn a_schema_of_a_newer_program_is_refused_in_clear_words() {
        let refused = opened_after(
            "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
             values (9001, 'from the future', true, x'00', 0)",
        )
        .await
        .unwrap_err();

        assert_eq!(
            refused.to_string(),
            format!(
                "the database has schema version 9001, but this program knows none after {}: a newer program made it",
                known_version(&MIGRATIONS)
            )
        );
    }

    #[tokio::test]
    async fn a_schema_that_was_changed_by_hand_is_refused() {
        let refused = opened_after("update _sqlx_migrations set checksum = x'00'").await.unwrap_err();

        assert_eq!(refused.to_string(), "schema version 1 of the database is not the one this program knows");
    }

    #[tokio::test]
    async fn a_schema_that_is_up_to_date_is_opened_again() {
        opened_after("select 1").await.unwrap();
    }

    #[tokio::test]
    async fn every_connection_has_the_settings() {
        let folder = tempfile::tempdir().unwrap();
        let options = options(&folder.path().join("test.db"));
        let mut writer = open_writer(&options).await.unwrap();
        let readers = reader_pool(options, 1);
        let mut reader = readers.acquire().await.unwrap();

        for db in [&mut writer, &mut *reader] {
            let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *db).await.unwrap();
            let [synchronous, foreign_keys, auto_vacuum, busy_timeout] =
                ["PRAGMA synchronous", "PRAGMA foreign_keys", "PRAGMA auto_vacuum", "PRAGMA busy_timeout"];
            let mut numbers = Vec::new();
            for pragma in [synchronous, foreign_keys, auto_vacuum, busy_timeout] {
                numbers.push(sqlx::query_scalar::<_, i64>(pragma).fetch_one(&mut *db).await.unwrap());
            }
            assert_eq!((journal.as_str(), numbers), ("wal", vec![2, 1, 2, 5_000]));
        }
        assert!(sqlx::query("delete from client").execute(&mut *reader).await.is_err());
    }
}
