//! A bounded number of connections, each call on one of its own.
//!
//! Why not the driver's pool: it hands out connections that it pings without a limit of time, so that a server which falls
//! silent takes them away for ever, and a call that its caller cancels can leave a transaction open behind it. Here every
//! call is a task that nobody cancels and that ends within its limit, and a connection is used again only after a call
//! that ended well.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

use super::announcer::Announcer;
use super::no_delay::send_at_once;
use crate::store::driver_errors::closed;
use crate::store::error::{BoxError, StoreError};
use crate::store::signal::Signal;

/// How long a call waits for a connection to be free.
const WAIT: Duration = Duration::from_secs(5);

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a call may take that removes much.
const LONG_CALL: Duration = Duration::from_mins(10);

/// A connection that rested longer is asked whether it is still there before it is used.
const FRESH: Duration = Duration::from_secs(15);

/// How long that answer may take.
const PING: Duration = Duration::from_secs(1);

/// A call under way: its connection, and the signals to send once it is done.
pub(super) struct Call<'c> {
    /// Where its statements run.
    pub(super) db: &'c mut PgConnection,
    signals: Vec<Signal>,
}

impl Call<'_> {
    /// Sends `signal` when the call is done, and committed if it is a transaction.
    pub(super) fn signal(&mut self, signal: Signal) {
        self.signals.push(signal);
    }
}

/// The statements of a call, not yet run.
pub(super) type Work<'t, T> = BoxFuture<'t, Result<T, StoreError>>;

/// Runs calls, as many at once as there may be connections.
pub(super) struct Connections {
    shared: Arc<Shared>,
    call_limit: Duration,
    calls: TaskTracker,
}

struct Shared {
    options: PgConnectOptions,
    room: Semaphore,
    at_rest: Mutex<Vec<AtRest>>,
    announcer: Announcer,
}

struct AtRest {
    connection: PgConnection,
    since: Instant,
}

impl Connections {
    /// At most `most` connections, opened as they are needed, each call within `call_limit`.
    pub(super) fn new(options: PgConnectOptions, most: u32, call_limit: Duration, announcer: Announcer) -> Self {
        let room = Semaphore::new(usize::try_from(most.max(1)).unwrap_or(1));
        Self { shared: Arc::new(Shared { options, room, at_rest: Mutex::default(), announcer }), call_limit, calls: TaskTracker::new() }
    }

    /// Runs `work` to its end, whether or not its caller waits.
    pub(super) async fn call<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: for<'t> FnOnce(&'t mut Call<'_>) -> Work<'t, T> + Send + 'static,
    {
        self.call_within(self.call_limit, work).await
    }

    /// As [`Self::call`], for work of many statements.
    pub(super) async fn call_long<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: for<'t> FnOnce(&'t mut Call<'_>) -> Work<'t, T> + Send + 'static,
    {
        self.call_within(LONG_CALL, work).await
    }

    /// As [`Self::call`], in a transaction.
    pub(super) async fn write<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: for<'t> FnOnce(&'t mut Call<'_>) -> Work<'t, T> + Send + 'static,
    {
        self.call(move |call| Box::pin(transact(call, work))).await
    }

    /// As [`Self::write`], for work of many statements.
    pub(super) async fn write_long<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: for<'t> FnOnce(&'t mut Call<'_>) -> Work<'t, T> + Send + 'static,
    {
        self.call_long(move |call| Box::pin(transact(call, work))).await
    }

    /// Waits for the calls under way and closes the connections; later calls fail.
    pub(super) async fn close(&self) {
        self.calls.close();
        self.calls.wait().await;
        self.shared.room.close();
        for AtRest { connection, .. } in self.shared.take_all() {
            drop(timeout(PING, connection.close()).await);
        }
    }

    async fn call_within<T, W>(&self, limit: Duration, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: for<'t> FnOnce(&'t mut Call<'_>) -> Work<'t, T> + Send + 'static,
    {
        if self.calls.is_closed() {
            return Err(closed());
        }
        let shared = Arc::clone(&self.shared);
        let call = self.calls.spawn(async move { shared.run(limit, work).await });
        call.await.map_err(|panicked| StoreError::Backend(panicked.into()))?
    }
}

impl Shared {
    async fn run<T, W>(&self, limit: Duration, work: W) -> Result<T, StoreError>
    where
        W: for<'t> FnOnce(&'t mut Call<'_>) -> Work<'t, T>,
    {
        let room = timeout(WAIT, self.room.acquire()).await.map_err(|_| StoreError::Busy("every connection is in use".into()))?;
        let _room = room.map_err(|_| closed())?;
        let mut connection = match self.rested().await {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        // A connection that is let go of instead of put back is closed: what the server still does for it comes to nothing.
        let mut call = Call { db: &mut connection, signals: Vec::new() };
        let answer = timeout(limit, work(&mut call)).await.unwrap_or_else(|_| Err(StoreError::Unanswered("no answer in time".into())));
        if answer.is_ok() {
            call.signals.into_iter().for_each(|signal| self.announcer.announce(signal));
        }
        match &answer {
            Ok(_) | Err(StoreError::Conflict { .. } | StoreError::Corrupt { .. }) => self.put_back(connection),
            Err(StoreError::Unanswered(_)) => drop(self.take_all()),
            Err(_) => {}
        }
        answer
    }

    /// The connection that rested the shortest, if it is still there. If it is not, none is.
    async fn rested(&self) -> Option<PgConnection> {
        let AtRest { mut connection, since } = self.lock().pop()?;
        if since.elapsed() < FRESH {
            return Some(connection);
        }
        if let Ok(Ok(())) = timeout(PING, connection.ping()).await {
            return Some(connection);
        }
        drop(self.take_all());
        None
    }

    async fn connect(&self) -> Result<PgConnection, StoreError> {
        match timeout(CONNECT, self.options.connect()).await {
            Ok(Ok(connection)) => {
                self.make_prompt();
                Ok(connection)
            }
            // Nothing was asked yet, so nothing is in doubt.
            Ok(Err(error)) => Err(StoreError::Busy(error.into())),
            Err(_) => Err(StoreError::Busy(BoxError::from("no connection in time"))),
        }
    }

    /// For a connection that was just made.
    fn make_prompt(&self) {
        if self.options.get_socket().is_none()
            && let Err(error) = send_at_once(self.options.get_port())
        {
            tracing::debug!(%error, "statements of more than 16 KiB may wait 40 ms where the server is reached by TLS");
        }
    }

    fn put_back(&self, connection: PgConnection) {
        self.lock().push(AtRest { connection, since: Instant::now() });
    }

    fn take_all(&self) -> Vec<AtRest> {
        mem::take(&mut self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<AtRest>> {
        self.at_rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Commits what `work` did, or rolls it back.
async fn transact<T, W>(call: &mut Call<'_>, work: W) -> Result<T, StoreError>
where
    W: for<'t> FnOnce(&'t mut Call<'_>) -> Work<'t, T>,
{
    let mut transaction = call.db.begin().await?;
    let mut inner = Call { db: &mut transaction, signals: Vec::new() };
    let answer = work(&mut inner).await;
    let signals = inner.signals;
    match answer {
        Ok(answer) => {
            transaction.commit().await?;
            call.signals.extend(signals);
            Ok(answer)
        }
        Err(error) => {
            transaction.rollback().await?;
            Err(error)
        }
    }
}
