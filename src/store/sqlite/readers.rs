//! Connections that only read, opened as they are needed and kept.
//!
//! Each read runs on a thread where it may wait for the disk. As many run at once as there are connections.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::connect::{Settings, open_reader};
use crate::store::driver_errors::closed;
use crate::store::error::StoreError;

/// A pool of reading connections.
pub(super) struct Readers {
    settings: Settings,
    turns: Arc<Semaphore>,
    most: u32,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(settings: Settings, most: u32) -> Self {
        let most = most.max(1);
        Self { settings, turns: Arc::new(Semaphore::new(most as usize)), most, idle: Mutex::default() }
    }

    /// Runs `work` with a connection of its own. What it read in one transaction is of one moment.
    pub(super) async fn read<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| closed())?;
        let kept = self.idle().pop();
        let settings = self.settings.clone();
        let read = spawn_blocking(move || {
            let db = kept.map_or_else(|| open_reader(&settings), Ok)?;
            let answer = work(&db);
            // The turn ends after the connection does, also when nobody waits for the answer any more.
            Ok::<_, StoreError>((db, answer, turn))
        });
        // A panic takes its connection with it.
        let (db, answer, _turn) = read.await.map_err(|error| StoreError::Backend(error.into()))??;
        self.idle().push(db);
        answer
    }

    /// How many connections are in use, and how many there may be.
    pub(super) fn in_use(&self) -> (u64, u64) {
        let most = u64::from(self.most);
        (most.saturating_sub(self.turns.available_permits() as u64), most)
    }

    /// Waits for the reads under way and closes the connections. Reads after it fail.
    pub(super) async fn close(&self) {
        // Fails only where it was closed before.
        let all = self.turns.acquire_many(self.most).await;
        self.turns.close();
        self.idle().clear();
        drop(all);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
