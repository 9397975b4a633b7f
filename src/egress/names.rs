//! What names stand for: asked of the system, unless a test says so itself.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use moka::future::Cache;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// How many names are looked up at once. Each keeps a thread, for as long as a name server is silent: half of those that the
/// runtime has, for the store needs some too.
const MOST_AT_ONCE: usize = 256;

/// How long an answer is good for whoever asks next. A burst of connections to one host is one look-up.
const KEPT: Duration = Duration::from_secs(1);

/// How many answers are kept.
const MOST_KEPT: u64 = 10_000;

/// Knows the addresses of names.
#[async_trait]
pub trait Names: Send + Sync {
    /// Every address of `name`, in the order in which they should be tried.
    ///
    /// # Errors
    /// When there is no such name, or nobody can tell.
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// There is no such name, or nobody can tell.
#[derive(Debug, thiserror::Error)]
#[error("name not resolved")]
pub(super) struct LookUpFailed(#[source] pub(super) io::Error);

/// The addresses of a name; waits for whoever knows them.
type Resolve = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

/// Names as the host resolves them.
///
/// Who asks for a name that is being looked up waits for that. A look-up that nobody waits for any more goes on, and counts
/// among those at once until it ends.
#[derive(Clone)]
pub struct SystemNames {
    resolve: Arc<Resolve>,
    turns: Arc<Semaphore>,
    known: Cache<String, Vec<IpAddr>>,
}

impl SystemNames {
    /// Names as `resolve` tells them, which may take its time; at most so many at once.
    fn told_by(resolve: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static, most_at_once: usize) -> Self {
        let known = Cache::builder().max_capacity(MOST_KEPT).time_to_live(KEPT).build();
        Self { resolve: Arc::new(resolve), turns: Arc::new(Semaphore::new(most_at_once)), known }
    }

    async fn look_up(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(io::Error::other)?;
        let (resolve, name) = (Arc::clone(&self.resolve), name.to_owned());
        let looked_up = spawn_blocking(move || {
            let addresses = resolve(&name);
            drop(turn);
            addresses
        });
        looked_up.await?
    }
}

impl Default for SystemNames {
    fn default() -> Self {
        Self::told_by(|name| Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect()), MOST_AT_ONCE)
    }
}

#[async_trait]
impl Names for SystemNames {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let known = self.known.try_get_with_by_ref(name, self.look_up(name)).await;
        known.map_err(|failed| io::Error::new(failed.kind(), failed))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::{Mutex, mpsc};

    use tokio::sync::Notify;
    use tokio::task::JoinSet;

    use super::*;

    /// A name server that answers when it is told to.
    struct Server {
        /// The names that it was asked for.
        asked: Arc<Mutex<Vec<String>>>,
        asks: Arc<Notify>,
        answers: mpsc::Sender<()>,
    }

    impl Server {
        /// One that is asked for at most so many names at once.
        fn start(most_at_once: usize) -> (Self, SystemNames) {
            let (answers, allowed) = mpsc::channel();
            let (asked, asks, allowed) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Notify::new()), Mutex::new(allowed));
            let server = Self { asked: Arc::clone(&asked), asks: Arc::clone(&asks), answers };
            let resolve = move |name: &str| {
                asked.lock().unwrap().push(name.to_owned());
                asks.notify_one();
                allowed.lock().unwrap().recv().map_err(io::Error::other)?;
                Ok(vec![IpAddr::from(Ipv4Addr::LOCALHOST)])
            };
            (server, SystemNames::told_by(resolve, most_at_once))
        }

        async fn until_asked(&self, count: usize) {
            while self.asked.lock().unwrap().len() < count {
                self.asks.notified().await;
            }
        }
    }

    /// Lets others ask for this.
    fn ask(asking: &mut JoinSet<io::Result<Vec<IpAddr>>>, names: &SystemNames, name: &str) {
        let (names, name) = (names.clone(), name.to_owned());
        asking.spawn(async move { names.addresses(&name).await });
    }

    #[tokio::test]
    async fn many_who_ask_for_one_name_are_one_look_up() {
        let (server, names) = Server::start(8);
        let mut asking = JoinSet::new();
        (0..20).for_each(|_| ask(&mut asking, &names, "one.example"));

        server.until_asked(1).await;
        server.answers.send(()).unwrap();
        let Server { asked, answers, .. } = server;
        drop(answers);

        assert!(asking.join_all().await.into_iter().all(|answer| answer.unwrap() == [Ipv4Addr::LOCALHOST]));
        assert_eq!(*asked.lock().unwrap(), ["one.example"]);
    }

    #[tokio::test]
    async fn silent_name_servers_keep_no_more_threads_than_they_may_even_when_nobody_waits_any_more() {
        let (server, names) = Server::start(2);
        let mut asking = JoinSet::new();
        (0..5).for_each(|n| ask(&mut asking, &names, &format!("{n}.example")));
        server.until_asked(2).await;

        asking.abort_all();
        while asking.join_next().await.is_some() {}
        ask(&mut asking, &names, "late.example");
        tokio::task::yield_now().await;

        assert_eq!((server.asked.lock().unwrap().len(), names.turns.available_permits()), (2, 0));
        (0..3).for_each(|_| server.answers.send(()).unwrap());
        assert!(asking.join_next().await.unwrap().unwrap().is_ok());
        assert_eq!(server.asked.lock().unwrap().len(), 3);
    }

    #[tokio::test]
    async fn a_failure_is_told_and_not_kept() {
        let (Server { asked, answers, .. }, names) = Server::start(1);
        drop(answers);

        assert!(names.addresses("none.example").await.is_err());
        assert!(names.addresses("none.example").await.is_err());
        assert_eq!(asked.lock().unwrap().len(), 2);
    }
}
