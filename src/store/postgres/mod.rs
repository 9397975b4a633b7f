//! The shared store: one PostgreSQL database, any number of nodes.
//!
//! The hot path (enqueue, claim, record) is a statement each, committed by itself. What nodes could do to one another at
//! the same time is decided by row locks: a claim skips what another holds, and whoever makes a delivery wait for a
//! webhook holds that webhook's row against its deletion. Statements are named constants beside the code that runs them;
//! `store::rows` turns what they answer into the domain's values.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use self::announcer::{Announcer, announcer};
use self::audit::Hand;
use self::claim::Claims;
use self::connect::{access, check_schema, prepare};
use self::connections::Connections;
use self::record::Shard;
use super::contract::Store;
use super::error::StoreError;
use super::signal::Signal;
use crate::domain::audit::Actor;
use crate::domain::ids::{EventId, IdSource};
use crate::domain::time::Timestamp;
use crate::secrets::Keyring;

mod announcer;
mod audit;
mod cells;
mod claim;
mod client_catalogs;
mod clients;
mod connect;
mod connections;
mod dead_letters;
mod deliveries;
mod delivery_list;
mod enqueue;
mod event_redelivery;
mod lanes;
mod left_over;
mod no_delay;
mod nodes;
#[cfg(test)]
mod plans;
mod queue;
mod record;
mod redelivery;
mod secrets;
mod sessions;
mod signing;
mod stats;
mod upkeep;
mod value;
mod webhooks;

/// How many signals a slow listener may be behind before it lags.
const SIGNALS_KEPT: usize = 1024;

/// What it takes to open the store.
#[derive(Clone)]
pub struct PostgresOptions {
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with libpq's parameters (`sslmode`, `sslrootcert`, …).
    pub url: String,
    /// Whether a connection pooler in transaction mode is in between: then no connection has a session of its own, and nodes
    /// find by polling what they would be told of otherwise.
    pub through_pooler: bool,
    /// How many connections this node uses at most, beside two for signals between nodes.
    pub connections: u32,
    /// How long a call may take. The server gives up on a statement a little earlier.
    pub call_limit: Duration,
    /// Where the ids of deliveries and the tokens of claims come from.
    pub ids: Arc<IdSource>,
    /// What secrets are encrypted with: the same keys on every node.
    pub keyring: Arc<Keyring>,
    /// The time of the start, to be compared with the server's clock.
    pub now: Timestamp,
}

/// A store in one PostgreSQL database.
pub struct PostgresStore {
    connections: Connections,
    claims: Claims,
    shard: Shard,
    ids: Arc<IdSource>,
    keyring: Arc<Keyring>,
    announcer: Announcer,
    messenger: TaskTracker,
    stop: CancellationToken,
}

impl PostgresStore {
    /// Connects to the database and brings its schema up to date.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unusable`] when the database cannot be reached, may lose what it commits, has a schema newer than this
    /// program, or holds secrets under a key that is not given.
    pub async fn open(with: PostgresOptions) -> Result<Self, StoreError> {
        let access = access(&with.url, with.call_limit, with.through_pooler)?;
        prepare(&access, &with.keyring, with.now).await?;
        // Any id will do that no other process has. Its time is none, for ids rise: what follows would have no earlier one.
        let sender: Uuid = with.ids.next::<EventId>(Timestamp::from_micros(0)).as_uuid();
        let (announcer, messenger) = announcer(sender, access.options.clone(), SIGNALS_KEPT);
        let connections = Connections::new(access, with.connections, with.call_limit, announcer.clone());
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        // Nobody hears anything in a session that is another's after each transaction.
        if !with.through_pooler {
            tasks.spawn(messenger.run(stop.clone()));
        }
        tasks.close();
        let (claims, shard, keyring) = (Claims::default(), Shard::of_process(sender), with.keyring);
        Ok(Self { connections, claims, shard, ids: with.ids, keyring, announcer, messenger: tasks, stop })
    }
}

impl PostgresStore {
    /// In whose name a change is made.
    fn hand(&self, by: Option<Actor>) -> Hand {
        Hand { by, ids: Arc::clone(&self.ids) }
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[async_trait]
impl Store for PostgresStore {
    fn signals(&self) -> broadcast::Receiver<Signal> {
        self.announcer.subscribe()
    }

    fn connections(&self) -> (u64, u64) {
        self.connections.in_use()
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.connections.call(|call| Box::pin(check_schema(call.db))).await
    }

    async fn close(&self) {
        self.connections.close().await;
        self.stop.cancel();
        self.messenger.wait().await;
    }
}
