//! Open connections that nobody uses at the moment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::task::consume_budget;
use tokio::time::{Instant, sleep};

use super::connection::Connection;

/// Connections that were not used for this long are used no more, and closed soon after. Many servers drop idle connections after five seconds;
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

    /// Keeps a connection that was parked, in the place of the oldest one where there is no more room.
    pub(super) fn keep(self: &Arc<Self>, origin: &str, connection: Connection) {
        let superfluous = self.kept().add(origin, Idle { connection, since: Instant::now() }, self.most_per_origin);
        if let Some(superfluous) = superfluous {
            superfluous.connection.close();
        }
        if !std::mem::replace(&mut self.kept().is_swept, true) {
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

impl Kept {
    /// Answers the one for which there is no room: the oldest.
    fn add(&mut self, origin: &str, idle: Idle, most: usize) -> Option<Idle> {
        if most == 0 {
            return Some(idle);
        }
        let Some(others) = self.by_origin.get_mut(origin) else {
            self.by_origin.insert(origin.to_owned(), vec![idle]);
            return None;
        };
        let oldest = (others.len() >= most).then(|| others.remove(0));
        others.push(idle);
        oldest
    }
}

/// Closes what gets old, until there is nothing left.
async fn sweep(connections: Weak<IdleConnections>) {
    loop {
        sleep(IDLE_TIMEOUT).await;
        let Some(old) = connections.upgrade().and_then(|connections| connections.old()) else { return };
        for idle in old {
            idle.connection.close();
            // A task that does more than its share is told that nothing is ready, and would close the rest without a word.
            consume_budget().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::advance;
    use tokio_util::either::Either;

    use super::*;

    const ORIGIN: &str = "http://a.example";

    /// An open connection, and its other end.
    async fn connection() -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (other_end, _) = listener.accept().await.unwrap();
        (Connection::on(Either::Left(stream), None).await.unwrap(), other_end)
    }

    #[tokio::test]
    async fn a_connection_serves_its_own_origin_alone_and_one_call_at_a_time() {
        let idle = IdleConnections::new(2);
        let (one, _other_end) = connection().await;
        idle.keep(ORIGIN, one);

        assert!(idle.take("http://a.example:8080").is_none());
        assert!(idle.take("https://a.example").is_none());
        assert!(idle.take(ORIGIN).is_some());
        assert!(idle.take(ORIGIN).is_none());
    }

    #[tokio::test]
    async fn no_more_are_kept_than_may_be() {
        for most in 0..3 {
            let idle = IdleConnections::new(most);
            let mut other_ends = Vec::new();
            for _ in 0..3 {
                let (one, other_end) = connection().await;
                idle.keep(ORIGIN, one);
                other_ends.push(other_end);
            }

            assert_eq!(std::iter::from_fn(|| idle.take(ORIGIN)).count(), most);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_not_used_for_a_while_is_closed() {
        let idle = IdleConnections::new(2);
        let (one, mut other_end) = connection().await;
        idle.keep(ORIGIN, one);
        advance(IDLE_TIMEOUT.saturating_sub(Duration::from_millis(1))).await;
        let one = idle.take(ORIGIN).unwrap();
        idle.keep(ORIGIN, one);

        advance(IDLE_TIMEOUT).await;

        assert!(idle.take(ORIGIN).is_none());
        assert_eq!(other_end.read(&mut [0; 1]).await.unwrap(), 0, "the other end is told");
        assert!(idle.kept().by_origin.is_empty());
    }
}
