//! The one connection that writes, and what every write has in common.
//!
//! Every write is a task of its own, so that a caller that stops waiting undoes nothing; one after the other, each in a
//! transaction that began as a writer's. A connection whose state is in doubt (after a panic, a failed commit or
//! rollback) is never used again: the next write opens a new one.

use std::mem;
use std::sync::{Arc, Mutex as PlainMutex, PoisonError};

use futures_util::future::BoxFuture;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{Mutex, broadcast};
use tokio_util::task::TaskTracker;

use super::connect::{discard, open_writer};
use super::lock_file::LockFile;
use crate::store::driver_errors::closed;
use crate::store::error::StoreError;
use crate::store::signal::Signal;

/// What a commit survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// A power cut: the commit waits for the disk.
    PowerCut,
    /// The end of the process. The operating system has the commit; the disk gets it with the next one that waits.
    ProcessEnd,
}

impl Durability {
    /// How a transaction of this durability begins.
    ///
    /// Each sets the level for itself, so that nothing has to be restored after a claim, however it ends. The pragma is
    /// not a cached statement: it takes effect when it is prepared. IMMEDIATE takes the write lock at once: a transaction
    /// that begins as a reader cannot always become a writer.
    const fn begin(self) -> &'static str {
        match self {
            Self::PowerCut => "PRAGMA synchronous = FULL; BEGIN IMMEDIATE",
            Self::ProcessEnd => "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE",
        }
    }
}

/// A write under way: the connection inside its transaction, and the signals to send once that is committed.
pub(super) struct Transaction<'c> {
    /// Where its statements run.
    pub(super) db: &'c mut SqliteConnection,
    signals: Vec<Signal>,
}

impl Transaction<'_> {
    /// Sends `signal` after the commit.
    pub(super) fn signal(&mut self, signal: Signal) {
        self.signals.push(signal);
    }
}

/// The statements of a write, not yet run.
pub(super) type Work<'t, T> = BoxFuture<'t, Result<T, StoreError>>;

/// Runs writes one after the other.
pub(super) struct Writer {
    shared: Arc<Shared>,
    writes: TaskTracker,
}

struct Shared {
    options: SqliteConnectOptions,
    slot: Mutex<Slot>,
    signals: broadcast::Sender<Signal>,
    /// Here, and not in the store, because a write may outlive the store. Closing lets go of it.
    lock: PlainMutex<Option<LockFile>>,
}

/// Where the connection is while no write is under way.
enum Slot {
    Open(SqliteConnection),
    /// The last write left it in doubt, or has it in use.
    Missing,
    Closed,
}

/// How a transaction ended: whether the connection can be used again, and what to answer.
struct Ended<T> {
    is_sound: bool,
    answer: Result<T, StoreError>,
}

impl<T> Ended<T> {
    fn sound(answer: Result<T, StoreError>) -> Self {
        Self { is_sound: true, answer }
    }

    fn in_doubt(error: impl Into<StoreError>) -> Self {
        Self { is_sound: false, answer: Err(error.into()) }
    }
}

impl Writer {
    /// A writer on a connection that is already open.
    pub(super) fn new(
        connection: SqliteConnection,
        options: SqliteConnectOptions,
        signals: broadcast::Sender<Signal>,
        lock: LockFile,
    ) -> Self {
        let shared = Shared { options, slot: Mutex::new(Slot::Open(connection)), signals, lock: PlainMutex::new(Some(lock)) };
        Self { shared: Arc::new(shared), writes: TaskTracker::new() }
    }

    /// Runs `work` in a transaction that is on the disk when it is answered.
    pub(super) async fn write<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: for<'t> FnOnce(&'t mut Transaction<'_>) -> Work<'t, T> + Send + 'static,
    {
        self.write_as(Durability::PowerCut, work).await
    }

    /// Runs `work` in a transaction that survives what `durability` says.
    pub(super) async fn write_as<T, W>(&self, durability: Durability, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: for<'t> FnOnce(&'t mut Transaction<'_>) -> Work<'t, T> + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        self.spawn(async move { shared.run(durability, work).await }).await
    }

    /// Runs statements that stand outside of transactions, as [`Self::write`] runs a transaction.
    pub(super) async fn maintain<W>(&self, work: W) -> Result<(), StoreError>
    where
        W: for<'t> FnOnce(&'t mut SqliteConnection) -> Work<'t, ()> + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        self.spawn(async move {
            let mut slot = shared.slot.lock().await;
            let mut db = shared.take_or_open(&mut slot).await?;
            let answer = work(&mut db).await;
            *slot = Slot::Open(db);
            answer
        })
        .await
    }

    /// Waits for the writes under way and closes the connection; later writes fail.
    pub(super) async fn close(&self) {
        self.writes.close();
        self.writes.wait().await;
        let slot = mem::replace(&mut *self.shared.slot.lock().await, Slot::Closed);
        if let Slot::Open(db) = slot {
            discard(db).await;
        }
        self.shared.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    async fn spawn<T: Send + 'static>(&self, write: impl Future<Output = Result<T, StoreError>> + Send + 'static) -> Result<T, StoreError> {
        if self.writes.is_closed() {
            return Err(closed());
        }
        self.writes.spawn(write).await.map_err(|error| StoreError::Backend(error.into()))?
    }
}

impl Shared {
    async fn run<T, W>(&self, durability: Durability, work: W) -> Result<T, StoreError>
    where
        W: for<'t> FnOnce(&'t mut Transaction<'_>) -> Work<'t, T>,
    {
        let mut slot = self.slot.lock().await;
        let mut db = self.take_or_open(&mut slot).await?;
        let mut signals = Vec::new();
        // A panic in here drops the connection and leaves it missing.
        let ended = transact(&mut db, durability, &mut signals, work).await;
        if ended.is_sound {
            *slot = Slot::Open(db);
        } else {
            tracing::warn!("the writing connection is in doubt and is replaced");
            discard(db).await;
        }
        drop(slot);
        if ended.answer.is_ok() {
            self.send(signals);
        }
        ended.answer
    }

    async fn take_or_open(&self, slot: &mut Slot) -> Result<SqliteConnection, StoreError> {
        match mem::replace(slot, Slot::Missing) {
            Slot::Open(db) => Ok(db),
            Slot::Missing => open_writer(&self.options).await,
            Slot::Closed => {
                *slot = Slot::Closed;
                Err(closed())
            }
        }
    }

    fn send(&self, signals: Vec<Signal>) {
        for signal in signals {
            // That nobody listens is no error.
            drop(self.signals.send(signal));
        }
    }
}

/// Commits what `work` did, or rolls it back.
async fn transact<T, W>(db: &mut SqliteConnection, durability: Durability, signals: &mut Vec<Signal>, work: W) -> Ended<T>
where
    W: for<'t> FnOnce(&'t mut Transaction<'_>) -> Work<'t, T>,
{
    let mut begun = match db.begin_with(durability.begin()).await {
        Ok(begun) => begun,
        Err(error) => return Ended::in_doubt(error),
    };
    let mut transaction = Transaction { db: &mut begun, signals: Vec::new() };
    let answer = work(&mut transaction).await;
    signals.append(&mut transaction.signals);
    match answer {
        Ok(answer) => match begun.commit().await {
            Ok(()) => Ended::sound(Ok(answer)),
            Err(error) => Ended::in_doubt(error),
        },
        // Some errors (a full disk) have rolled back already; then this fails, and the connection's own count of open
        // transactions is wrong.
        Err(error) => match begun.rollback().await {
            Ok(()) => Ended::sound(Err(error)),
            Err(_) => Ended::in_doubt(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::super::connect::options;
    use super::*;
    use crate::domain::ids::WebhookId;

    const INSERT: &str = "insert into client (id, name, created_at) values (randomblob(16), 'made', 7)";
    /// FULL and NORMAL as SQLite numbers them.
    const FULL: i64 = 2;
    const NORMAL: i64 = 1;

    struct Opened {
        writer: Writer,
        signals: broadcast::Receiver<Signal>,
        _folder: TempDir,
    }

    async fn open() -> Opened {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.db");
        let (options, (sender, signals)) = (options(&path), broadcast::channel(16));
        let lock = LockFile::take(&path).unwrap();
        let writer = Writer::new(open_writer(&options).await.unwrap(), options, sender, lock);
        Opened { writer, signals, _folder: folder }
    }

    async fn run(tx: &mut Transaction<'_>, sql: &'static str) -> Result<(), StoreError> {
        sqlx::query(sql).execute(&mut *tx.db).await?;
        Ok(())
    }

    async fn number(tx: &mut Transaction<'_>, sql: &'static str) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar(sql).fetch_one(&mut *tx.db).await?)
    }

    async fn clients(writer: &Writer) -> i64 {
        writer.write(|tx| Box::pin(number(tx, "select count(*) from client"))).await.unwrap()
    }

    async fn synchronous(writer: &Writer, durability: Durability) -> i64 {
        writer.write_as(durability, |tx| Box::pin(number(tx, "PRAGMA synchronous"))).await.unwrap()
    }

    #[tokio::test]
    async fn a_commit_waits_for_the_disk_unless_it_need_only_outlive_the_process() {
        let Opened { writer, .. } = &open().await;

        for _ in 0..2 {
            assert_eq!(synchronous(writer, Durability::PowerCut).await, FULL);
            assert_eq!(synchronous(writer, Durability::ProcessEnd).await, NORMAL);
        }
        assert_eq!(synchronous(writer, Durability::PowerCut).await, FULL);
    }

    #[tokio::test]
    async fn commits_wait_for_the_disk_again_after_a_claim_that_failed_or_panicked() {
        let Opened { writer, .. } = &open().await;

        let failed = writer.write_as(Durability::ProcessEnd, |tx| Box::pin(run(tx, "no statement"))).await;
        assert!(failed.is_err());
        assert_eq!(synchronous(writer, Durability::PowerCut).await, FULL);

        let panicked: Result<(), _> = writer.write_as(Durability::ProcessEnd, |_| Box::pin(async { panic!("on purpose") })).await;
        assert!(matches!(panicked, Err(StoreError::Backend(_))));
        assert_eq!(synchronous(writer, Durability::PowerCut).await, FULL);
    }

    #[tokio::test]
    async fn a_write_that_fails_leaves_nothing_and_the_next_one_works() {
        let Opened { writer, mut signals, _folder } = open().await;

        let failed = writer.write(|tx| {
            Box::pin(async move {
                run(tx, INSERT).await?;
                tx.signal(Signal::WebhookChanged(WebhookId::from(uuid::Uuid::nil())));
                run(tx, "insert into client (id, name, created_at) values (x'00', 'too short', 7)").await
            })
        });

        assert!(matches!(failed.await, Err(StoreError::Conflict { .. })));
        assert_eq!(clients(&writer).await, 0);
        assert!(signals.try_recv().is_err());
        writer.write(|tx| Box::pin(run(tx, INSERT))).await.unwrap();
        assert_eq!(clients(&writer).await, 1);
    }

    #[tokio::test]
    async fn a_panic_is_answered_leaves_nothing_and_the_next_write_works() {
        let Opened { writer, .. } = &open().await;

        let panicked: Result<(), _> = writer
            .write(|tx| {
                Box::pin(async move {
                    run(tx, INSERT).await?;
                    panic!("on purpose")
                })
            })
            .await;

        assert!(matches!(panicked, Err(StoreError::Backend(_))));
        assert_eq!(clients(writer).await, 0);
    }

    #[tokio::test]
    async fn a_full_disk_is_told_leaves_nothing_and_passes() {
        let Opened { writer, .. } = &open().await;
        writer.maintain(|db| Box::pin(async move { Ok(limit_size(db).await?) })).await.unwrap();

        let full = writer
            .write(|tx| Box::pin(run(tx, "insert into client (id, name, created_at) values (randomblob(16), hex(zeroblob(1000000)), 7)")));

        let error = full.await.unwrap_err();
        assert!(matches!(&error, StoreError::Backend(source) if source.to_string().contains("full")), "{error:?}");
        assert_eq!(clients(writer).await, 0);
    }

    /// Makes this connection, and no later one, refuse to let the file grow.
    async fn limit_size(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&mut *db).await?;
        let limit = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
        sqlx::raw_sql(limit).execute(db).await.map(drop)
    }

    #[tokio::test]
    async fn a_connection_that_lost_its_transaction_is_replaced() {
        let Opened { writer, .. } = &open().await;

        let ended = writer.write(|tx| Box::pin(run(tx, "rollback"))).await;

        assert!(ended.is_err());
        writer.write(|tx| Box::pin(run(tx, INSERT))).await.unwrap();
        assert_eq!(clients(writer).await, 1);
    }

    #[tokio::test]
    async fn signals_follow_the_commit() {
        let Opened { writer, mut signals, _folder } = open().await;
        let signal = Signal::WebhookChanged(WebhookId::from(uuid::Uuid::nil()));

        let sent = signal.clone();
        writer
            .write(move |tx| {
                tx.signal(sent);
                Box::pin(run(tx, INSERT))
            })
            .await
            .unwrap();

        assert_eq!(signals.try_recv().unwrap(), signal);
    }
}
