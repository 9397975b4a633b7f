//! The back ends under test: an empty database, which can be opened again and again.

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use webhook_dispatcher::domain::ids::IdSource;
use webhook_dispatcher::domain::time::{Clock, SystemClock};
use webhook_dispatcher::store::postgres::{PostgresOptions, PostgresStore};
use webhook_dispatcher::store::sqlite::{SqliteOptions, SqliteStore};
use webhook_dispatcher::store::{Store, StoreError};

use crate::support::keys;
use crate::support::postgres::FreshDatabase;

/// Deletes every row of every table; rules between tables hold again when all are empty.
const EMPTY: &str = "
    do $$
    declare
        full_name text;
    begin
        set local session_replication_role = replica;
        for full_name in
            select format('%I.%I', schemaname, tablename) from pg_tables
            where schemaname not in ('pg_catalog', 'information_schema') and tablename <> '_sqlx_migrations'
        loop
            execute 'delete from ' || full_name;
        end loop;
    end $$";

/// A database of some back end.
pub(super) struct Backend {
    kind: Kind,
    opened: u8,
}

enum Kind {
    Sqlite(TempDir),
    Postgres(Arc<FreshDatabase>),
}

impl Backend {
    pub(super) fn sqlite() -> Self {
        Self { kind: Kind::Sqlite(tempfile::tempdir().unwrap()), opened: 0 }
    }

    /// In a database that is emptied, which is faster than to make one.
    pub(super) fn postgres(database: &Arc<FreshDatabase>) -> Self {
        database.sql(EMPTY).unwrap();
        Self { kind: Kind::Postgres(Arc::clone(database)), opened: 0 }
    }

    /// Whether several nodes may have it open.
    pub(super) const fn is_shared(&self) -> bool {
        matches!(self.kind, Kind::Postgres(_))
    }

    /// Opens it as a process that starts does: with a source of ids like no other.
    pub(super) async fn open(&mut self) -> Result<Arc<dyn Store>, StoreError> {
        self.opened += 1;
        let (ids, keyring) = (Arc::new(IdSource::seeded([self.opened; 32])), keys::ring(&[keys::KEY]));
        Ok(match &self.kind {
            Kind::Sqlite(folder) => {
                let path = folder.path().join("model.db");
                Arc::new(SqliteStore::open(SqliteOptions { path, readers: 1, ids, keyring }).await?)
            }
            Kind::Postgres(database) => {
                let (url, call_limit, now) = (database.url(), Duration::from_secs(10), SystemClock.now());
                Arc::new(
                    PostgresStore::open(PostgresOptions { url, through_pooler: false, connections: 2, call_limit, ids, keyring, now })
                        .await?,
                )
            }
        })
    }
}
