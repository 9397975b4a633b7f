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
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

use super::announcer::Announcer;
use super::connect::Access;
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

/// How long a connection keeps the plans of its statements. A plan is made for tables as large as they are at that time, and
/// one that was made for a few rows reads all of them: right after a start, and when a burst comes to a quiet installation.
const PLANS_KEPT: Duration = Duration::from_secs(2);

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

/// How a transaction begins, and what it sets for itself.
#[derive(Clone, Copy)]
pub(super) struct Begin {
    /// The statement that begins it.
    pub(super) statement: &'static str,
    /// `set local …; …` where it differs from the settings of every connection.
    pub(super) settings: &'static str,
}

/// A transaction that writes.
const WRITING: Begin = Begin { statement: "begin", settings: "" };

/// A transaction in which all statements see the same moment.
const ONE_MOMENT: Begin = Begin { statement: "begin isolation level repeatable read read only", settings: "" };

/// The statements of a call, not yet run.
pub(super) type Work<'t, T> = BoxFuture<'t, Result<T, StoreError>>;

/// Runs calls, as many at once as there may be connections.
pub(super) struct Connections {
    shared: Arc<Shared>,
    most: u64,
    call_limit: Duration,
    calls: TaskTracker,
}

struct Shared {
    access: Access,
    room: Semaphore,
    at_rest: Mutex<Vec<AtRest>>,
    announcer: Announcer,
}

struct Open {
    connection: PgConnection,
    /// When its oldest plan may have been made.
    planned_at: Instant,
}

struct AtRest {
    open: Open,
    since: Instant,
}

impl Connections {
    /// At most `most` connections, opened as they are needed, each call within `call_limit`.
    pub(super) fn new(access: Access, most: u32, call_limit: Duration, announcer: Announcer) -> Self {
        let room = Semaphore::new(usize::try_from(most.max(1)).unwrap_or(1));
        let shared = Arc::new(Shared { access, room, at_rest: Mutex::default(), announcer });
        Self { shared, most: most.max(1).into(), call_limit, calls: TaskTracker::new() }
    }

    /// Runs `work` to its end, whether or not its caller waits; each of its statements commits by itself.
    pub(super) async fn call<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: for<'t> FnOnce(&'t mut Call<'_>) -> Work<'t, T> + Send + 'static,
    {
        self.run(self.call_limit, None, work).await
    }

    /// As [`Self::call`], in a transaction that writes.
    pub(super) async fn write<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: for<'t> FnOnce(&'t mut Call<'_>) -> Work<'t, T> + Send + 'static,
    {
        self.run(self.call_limit, Some(WRITING), work).await
    }

    /// As [`Self::call`], in a transaction that only reads, of one moment.
    pub(super) async fn read_moment<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: for<'t> FnOnce(&'t mut Call<'_>) -> Work<'t, T> + Send + 'static,
    {
        self.run(self.call_limit, Some(ONE_MOMENT), work).await
    }

    /// As [`Self::call`], in a transaction of its own kind.
    pub(super) async fn transact<T, W>(&self, begin: Begin, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: for<'t> FnOnce(&'t mut Call<'_>) -> Work<'t, T> + Send + 'static,
    {
        self.run(self.call_limit, Some(begin), work).await
    }

    /// As [`Self::write`], for work of many statements.
    pub(super) async fn write_long<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: for<'t> FnOnce(&'t mut Call<'_>) -> Work<'t, T> + Send + 'static,
    {
        self.run(LONG_CALL, Some(WRITING), work).await
    }

    /// How many connections are in use, and how many there may be.
    pub(super) fn in_use(&self) -> (u64, u64) {
        (self.most.saturating_sub(self.shared.room.available_permits() as u64), self.most)
    }

    /// Waits for the calls under way and closes the connections; later calls fail.
    pub(super) async fn close(&self) {
        self.calls.close();
        self.calls.wait().await;
        self.shared.room.close();
        for AtRest { open, .. } in self.shared.take_all() {
            drop(timeout(PING, open.connection.close()).await);
        }
    }

    async fn run<T, W>(&self, limit: Duration, begin: Option<Begin>, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: for<'t> FnOnce(&'t mut Call<'_>) -> Work<'t, T> + Send + 'static,
    {
        if self.calls.is_closed() {
            return Err(closed());
        }
        let shared = Arc::clone(&self.shared);
        let call = self.calls.spawn(async move { shared.run(limit, begin, work).await });
        call.await.map_err(|panicked| StoreError::Backend(panicked.into()))?
    }
}

impl Shared {
    async fn run<T, W>(&self, limit: Duration, begin: Option<Begin>, work: W) -> Result<T, StoreError>
    where
        W: for<'t> FnOnce(&'t mut Call<'_>) -> Work<'t, T>,
    {
        let room = timeout(WAIT, self.room.acquire()).await.map_err(|_| StoreError::Busy("every connection is in use".into()))?;
        let _room = room.map_err(|_| closed())?;
        let mut open = match self.rested().await {
            Some(open) => open,
            None => self.connect().await?,
        };
        // A connection that is let go of instead of put back is closed: what the server still does for it comes to nothing.
        let mut call = Call { db: &mut open.connection, signals: Vec::new() };
        let work = async {
            match self.begin(begin) {
                Some(begin) => transact(&mut call, begin, self.access.is_pooled(), work).await,
                None => work(&mut call).await,
            }
        };
        let answer = timeout(limit, work).await.unwrap_or_else(|_| Err(StoreError::Unanswered("no answer in time".into())));
        if answer.is_ok() {
            call.signals.into_iter().for_each(|signal| self.announcer.announce(signal));
        }
        match &answer {
            Ok(_) | Err(StoreError::Conflict { .. } | StoreError::Corrupt { .. }) => self.put_back(open),
            Err(StoreError::Unanswered(_)) => drop(self.take_all()),
            Err(_) => {}
        }
        answer
    }

    /// What begins the transaction of a call; none when its statements commit one by one.
    fn begin(&self, begin: Option<Begin>) -> Option<String> {
        match &self.access.each_transaction {
            None => begin.map(|Begin { statement, settings }| format!("{statement};{settings}")),
            Some(always) => {
                let Begin { statement, settings } = begin.unwrap_or(WRITING);
                Some(format!("{statement};{always};{settings}"))
            }
        }
    }

    /// The connection that rested the shortest, if it is still there. If it is not, none is.
    async fn rested(&self) -> Option<Open> {
        let AtRest { mut open, since } = self.lock().pop()?;
        let is_old = open.planned_at.elapsed() >= PLANS_KEPT;
        if since.elapsed() < FRESH && !is_old {
            return Some(open);
        }
        let seen_alive = async {
            if is_old {
                open.connection.clear_cached_statements().await?;
                open.planned_at = Instant::now();
            }
            if since.elapsed() < FRESH { Ok(()) } else { open.connection.ping().await }
        };
        if let Ok(Ok(())) = timeout(PING, seen_alive).await {
            return Some(open);
        }
        drop(self.take_all());
        None
    }

    async fn connect(&self) -> Result<Open, StoreError> {
        match timeout(CONNECT, self.access.options.connect()).await {
            Ok(Ok(connection)) => {
                self.make_prompt();
                Ok(Open { connection, planned_at: Instant::now() })
            }
            // Nothing was asked yet, so nothing is in doubt.
            Ok(Err(error)) => Err(StoreError::Busy(error.into())),
            Err(_) => Err(StoreError::Busy(BoxError::from("no connection in time"))),
        }
    }

    /// For a connection that was just made.
    fn make_prompt(&self) {
        if self.access.options.get_socket().is_none()
            && let Err(error) = send_at_once(self.access.options.get_port())
        {
            tracing::debug!(%error, "statements of more than 16 KiB may wait 40 ms where the server is reached by TLS");
        }
    }

    fn put_back(&self, open: Open) {
        self.lock().push(AtRest { open, since: Instant::now() });
    }

    fn take_all(&self) -> Vec<AtRest> {
        mem::take(&mut self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<AtRest>> {
        self.at_rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Commits what `work` did, or rolls it back.
async fn transact<T, W>(call: &mut Call<'_>, begin: String, is_pooled: bool, work: W) -> Result<T, StoreError>
where
    W: for<'t> FnOnce(&'t mut Call<'_>) -> Work<'t, T>,
{
    let mut transaction = call.db.begin_with(AssertSqlSafe(begin)).await?;
    let mut inner = Call { db: &mut transaction, signals: Vec::new() };
    let answer = work(&mut inner).await;
    let signals = inner.signals;
    if is_pooled {
        // The session is the next one's after this transaction: no statement may stay behind under a name of ours.
        transaction.clear_cached_statements().await?;
    }
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
