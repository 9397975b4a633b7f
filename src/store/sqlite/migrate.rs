//! Brings the schema up to date: what of `migrations/sqlite` the file does not have yet, in one transaction.
//!
//! Which migrations it has stands in a table of the same name and shape as on PostgreSQL, where the driver keeps it.

use std::collections::HashMap;

use rusqlite::Connection;
use sqlx::migrate::{MigrateError, Migrator};

use super::statements::Statements;
use crate::store::error::StoreError;
use crate::store::schema::{known_version, refusal, refuse_newer, refuse_other};

/// The tables, and how they came to be.
static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

const HAS_SCHEMA: &str = "select count(*) from sqlite_schema where type = 'table' and name = '_sqlx_migrations'";

/// The newest version of the schema that the file has; no row before the first migration.
const SCHEMA_VERSION: &str = "select coalesce(max(version), 0) from _sqlx_migrations where success";

const MAKE_LIST: &str = "
    create table if not exists _sqlx_migrations (
        version        bigint    not null primary key,
        description    text      not null,
        installed_on   timestamp not null default current_timestamp,
        success        boolean   not null,
        checksum       blob      not null,
        execution_time bigint    not null
    )";

const APPLIED: &str = "select version, checksum from _sqlx_migrations";

const ADD_TO_LIST: &str = "
    insert into _sqlx_migrations (version, description, success, checksum, execution_time) values (?, ?, true, ?, 0)";

/// Does what is left to do, as far as `version` if one is given, or refuses a schema that is not this program's.
pub(super) fn migrate(db: &mut Connection, version: Option<i64>) -> Result<(), StoreError> {
    refuse_newer(schema_version(db)?, known_version(&MIGRATIONS))?;
    if is_up_to_date(db)? {
        return Ok(());
    }
    let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    tx.execute_batch(MAKE_LIST)?;
    let applied = applied(&tx)?;
    let is_asked_for = |of_migration: i64| version.is_none_or(|last| of_migration <= last);
    let left = MIGRATIONS.iter().filter(|migration| is_asked_for(migration.version) && !applied.contains_key(&migration.version));
    for migration in left {
        tx.execute_batch(migration.sql.as_str())?;
        tx.change(ADD_TO_LIST, (migration.version, &migration.description, &migration.checksum))?;
    }
    Ok(tx.commit()?)
}

/// Refuses a schema other than the one this program works with.
pub(super) fn check_schema(db: &Connection) -> Result<(), StoreError> {
    refuse_other(schema_version(db)?, known_version(&MIGRATIONS))
}

/// The newest version that this program knows.
#[cfg(test)]
pub(super) fn newest() -> i64 {
    known_version(&MIGRATIONS)
}

/// Whether the file has every migration; refuses one that was changed since it was applied.
fn is_up_to_date(db: &Connection) -> Result<bool, StoreError> {
    let applied = if has_list(db)? { applied(db)? } else { HashMap::new() };
    for migration in MIGRATIONS.iter() {
        match applied.get(&migration.version) {
            None => return Ok(false),
            Some(checksum) if *checksum != *migration.checksum => return Err(refusal(MigrateError::VersionMismatch(migration.version))),
            Some(_) => {}
        }
    }
    Ok(true)
}

fn applied(db: &Connection) -> Result<HashMap<i64, Vec<u8>>, StoreError> {
    Ok(db.rows(APPLIED, (), |row| Ok((row.get(0)?, row.get(1)?)))?.into_iter().collect())
}

fn has_list(db: &Connection) -> Result<bool, StoreError> {
    Ok(db.number(HAS_SCHEMA, ())? > 0)
}

/// The newest version that the file has; 0 for none.
pub(super) fn schema_version(db: &Connection) -> Result<i64, StoreError> {
    if has_list(db)? { db.number(SCHEMA_VERSION, ()) } else { Ok(0) }
}
