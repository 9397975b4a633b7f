//! A PostgreSQL database of its own behind a connection pooler in transaction mode.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use webhook_dispatcher::domain::ids::IdSource;
use webhook_dispatcher::domain::time::{Clock, SystemClock};
use webhook_dispatcher::secrets::Keyring;
use webhook_dispatcher::store::postgres::{PostgresOptions, PostgresStore};
use webhook_dispatcher::store::{Store, StoreError};

use super::postgres_database::PostgresDatabase;
use super::world::Database;
use crate::support::pooler::Pooler;

pub(super) struct PooledDatabase {
    // Dropped first: a database goes when nobody is connected to it.
    pooler: Pooler,
    database: PostgresDatabase,
}

impl PooledDatabase {
    pub(super) fn fresh() -> Self {
        let database = PostgresDatabase::fresh();
        Self { pooler: Pooler::before(&database.url()), database }
    }
}

#[async_trait]
impl Database for PooledDatabase {
    async fn open_with(&self, keyring: Arc<Keyring>) -> Result<Arc<dyn Store>, StoreError> {
        let options = PostgresOptions {
            url: self.pooler.url(),
            through_pooler: true,
            // More than the pooler has sessions, so that they go from hand to hand.
            connections: 8,
            call_limit: Duration::from_secs(10),
            ids: Arc::new(IdSource::seeded([9; 32])),
            keyring,
            now: SystemClock.now(),
        };
        Ok(Arc::new(PostgresStore::open(options).await?))
    }

    async fn allows(&self, sql: &str) -> bool {
        self.database.allows(sql).await
    }

    async fn stolen(&self) -> Vec<u8> {
        self.database.stolen().await
    }
}
