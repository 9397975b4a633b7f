//! Listens, keeps clients within their limits, and stops in order.
//!
//! A stranger costs at most a connection: how many there are, how long one may be silent, how large a head and how slow a
//! body may be are bounded before any handler runs. Handlers are given whole requests and need not think of it.
//!
//! - `connections`: how many, and who makes room for a new one
//! - `connection`: one of them: its requests, its time
//! - `activity`: what a connection is doing, and until when it may
//! - `watched_stream`, `paced_body`, `answer_body`: what tells so

mod activity;
mod answer_body;
mod connection;
mod connections;
mod paced_body;
mod seldom;
mod watched_stream;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::paced_body::BodyPace;

use self::connection::Answering;
use self::connections::Connections;
pub(super) use self::paced_body::TooSlow;
use self::seldom::Seldom;

/// How long nothing is accepted after the system could not, unless a connection ends earlier.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What clients may take.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// The most connections. A new one takes the place of the one whose client has been waited for the longest; while
    /// all have a request under way, it waits.
    pub max_connections: usize,
    /// The most requests under way, health checks aside; what comes beyond is answered 503.
    pub max_requests: usize,
    /// The most bytes of a head; 431 beyond.
    pub max_header_bytes: usize,
    /// How long a head may take, and a new connection until its first one is there.
    pub header_timeout: Duration,
    /// How long a connection may rest between two requests, and a client may take nothing of its answer.
    pub idle_timeout: Duration,
    /// How fast a body has to come; 408 otherwise.
    pub body: BodyPace,
}

/// Answers calls until `stop`; then takes no new connection, answers the calls under way, and ends. A client that is still
/// sending or reading then has two seconds more.
pub async fn serve(listener: TcpListener, router: Router, limits: ServerLimits, stop: CancellationToken) {
    answer_from(listener, router, limits, stop).await;
}

/// Where connections come from.
trait Accept {
    /// The next connection.
    fn accept(&self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> + Send;
}

impl Accept for TcpListener {
    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        Self::accept(self).await
    }
}

async fn answer_from(listener: impl Accept, router: Router, limits: ServerLimits, stop: CancellationToken) {
    let answering = Arc::new(Answering::new(router, &limits));
    let connections = Arc::new(Connections::new(limits.max_connections));
    let tasks = TaskTracker::new();
    let accept_all = async {
        let failing = Seldom::default();
        loop {
            let (stream, remote) = next(&listener, &connections, &failing).await;
            let place = connections.enter();
            tasks.spawn(Arc::clone(&answering).answer_all(stream, remote, place));
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = accept_all => {}
    }
    drop(listener);
    connections.finish(Instant::now());
    tasks.close();
    tasks.wait().await;
}

/// The next connection, once there is room for it. What keeps the system from accepting one ends no loop.
async fn next(listener: &impl Accept, connections: &Connections, failing: &Seldom) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => {
                connections.room().await;
                return accepted;
            }
            Err(error) if is_of_one_connection(&error) => tracing::debug!(%error, "a connection ended before it was accepted"),
            Err(error) => {
                if failing.is_time() {
                    tracing::warn!(%error, "no connection can be accepted at present");
                }
                // What is missing is most likely a file handle: somebody who rests gives one up.
                connections.push_one_out();
                drop(timeout(ACCEPT_PAUSE, connections.one_ended()).await);
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// A listener that fails so many times before it accepts anything.
    struct Failing {
        listener: TcpListener,
        errno: i32,
        times: AtomicU32,
    }

    impl Accept for Failing {
        async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
            let left = self.times.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            if left.is_ok() { Err(io::Error::from_raw_os_error(self.errno)) } else { self.listener.accept().await }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_keeps_the_system_from_accepting_ends_no_loop() {
        const ECONNABORTED: i32 = 103;
        const EMFILE: i32 = 24;
        let limits = ServerLimits {
            max_connections: 8,
            max_requests: 4,
            max_header_bytes: 8_192,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            body: BodyPace { grace: Duration::from_secs(15), bytes_per_second: 0 },
        };

        for errno in [ECONNABORTED, EMFILE] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (stop, router) = (CancellationToken::new(), Router::new().route("/", get(async || "here")));
            let failing = Failing { listener, errno, times: AtomicU32::new(5) };
            let serving = tokio::spawn(answer_from(failing, router, limits, stop.clone()));

            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();

            assert!(answer.ends_with("here"), "{answer}");
            stop.cancel();
            serving.await.unwrap();
        }
    }
}
