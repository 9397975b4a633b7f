//! Whether a database's schema is the one that this program works with, in words for an operator.

use sqlx::migrate::{MigrateError, Migrator};

use super::driver_errors::unusable;
use super::error::StoreError;

/// The last version whose tables could hold secrets in clear. It has room for encrypted ones beside them; the next one has no
/// room for those in clear.
pub(super) const LAST_IN_CLEAR: i64 = 4;

/// The newest version that the program has a migration to.
pub(super) fn known_version(migrations: &Migrator) -> i64 {
    migrations.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// Refuses every version but the one that is known.
pub(super) fn refuse_other(found: i64, known: i64) -> Result<(), StoreError> {
    if found == known { Ok(()) } else { Err(unusable(format!("the database has schema version {found}, this program works with {known}"))) }
}

/// Refuses what a newer program made.
pub(super) fn refuse_newer(found: i64, known: i64) -> Result<(), StoreError> {
    if found <= known {
        return Ok(());
    }
    Err(unusable(format!("the database has schema version {found}, but this program knows none after {known}: a newer program made it")))
}

/// Why migrations could not be run.
pub(super) fn refusal(error: MigrateError) -> StoreError {
    let reason = match &error {
        MigrateError::VersionMismatch(version) => format!("schema version {version} of the database is not the one this program knows"),
        MigrateError::Dirty(version) => format!("schema version {version} was applied only in part"),
        _ => "the schema cannot be brought up to date".to_owned(),
    };
    StoreError::Unusable { reason, source: Some(error.into()) }
}
