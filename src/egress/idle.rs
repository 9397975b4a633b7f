//! Open connections that nobody uses at the moment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::connection::Connection;

/// Connections that were not used for this long are closed. Many servers drop idle connections after five seconds;
/// staying well below keeps a request from meeting a connection that closes under it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(2);

/// Connections by the origin of the urls that they serve: scheme, host and port.
pub(super) struct IdleConnections {
    most_per_origin: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// The one that was used last comes last.
    by_origin: HashMap<String, Vec<Idle>>,
    /// Whether a task closes what gets old.
    is_swept: bool,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

impl Idle {
    fn is_old(&self) -> bool {
        self.since.elapsed() >= IDLE_TIMEOUT
    }
}

impl IdleConnections {
    /// Keeps at most so many for one origin.
    pub(super) fn new(most_per_origin: usize) -> Arc<Self> {
        Arc::new(Self { most_per_origin, kept: Mutex::default() })
    }

    /// The connection to `origin` that was used last, so that those that are not needed grow old.
    pub(super) fn take(&self, origin: &str) -> Option<Connection> {
        let idle = self.kept().by_origin.get_mut(origin)?.pop_if(|idle| !idle.is_old())?;
        Some(idle.connection)
    }

    /// Keeps a connection whose answer was read to its end, if it can be used again and there is room.
    pub(super) fn keep(self: &Arc<Self>, origin: &str, mut connection: Connection) {
        if !connection.rest() {
            return;
        }
        let idle = Idle { connection, since: Instant::now() };
        let mut kept = self.kept();
        match kept.by_origin.get_mut(origin) {
            Some(others) if others.len() >= self.most_per_origin => return,
            Some(others) => others.push(idle),
            None if self.most_per_origin == 0 => return,
            None => drop(kept.by_origin.insert(origin.to_owned(), vec![idle])),
        }
        if !std::mem::replace(&mut kept.is_swept, true) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    /// Takes out what is old; none when nothing is left to get old.
    fn old(&self) -> Option<Vec<Idle>> {
        let mut old = Vec::new();
        let mut kept = self.kept();
        kept.by_origin.retain(|_, idle| {
            // They stand in the order in which they were used.
            let first_young = idle.partition_point(Idle::is_old);
            old.extend(idle.drain(..first_young));
            !idle.is_empty()
        });
        kept.is_swept = !(old.is_empty() && kept.by_origin.is_empty());
        kept.is_swept.then_some(old)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing panics between two changes that belong together.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes what gets old, until there is nothing left.
async fn sweep(connections: Weak<IdleConnections>) {
    loop {
        sleep(IDLE_TIMEOUT).await;
        let Some(old) = connections.upgrade().and_then(|connections| connections.old()) else { return };
        old.into_iter().for_each(|idle| idle.connection.close());
    }
}
