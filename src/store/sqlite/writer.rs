//! The one connection that writes, and what every write has in common.
//!
//! It lives on a thread of its own, which runs the writes one after the other, each in a transaction that began as a
//! writer's. A write that was handed over is finished even when its caller stops waiting. A connection whose state is in
//! doubt (after a panic, a failed commit or rollback) is never used again: the next write opens a new one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::{broadcast, oneshot};
use tokio::task::spawn_blocking;

use super::connect::{Settings, open_writer};
use super::lock_file::LockFile;
use crate::store::driver_errors::closed;
use crate::store::error::StoreError;
use crate::store::signal::Signal;

/// A write under way: the connection inside its transaction, and what is to be done once that is committed.
pub(super) struct Transaction<'c> {
    pub(super) db: &'c Connection,
    afterwards: Afterwards,
}

/// What follows a commit, in this order; nothing of it follows a rollback.
#[derive(Default)]
struct Afterwards {
    steps: Vec<Box<dyn FnOnce() + Send>>,
    signals: Vec<Signal>,
}

impl Transaction<'_> {
    /// Tells the listeners, once the transaction is committed.
    pub(super) fn signal(&mut self, signal: Signal) {
        self.afterwards.signals.push(signal);
    }

    /// Does this once the transaction is committed, before anybody is told of it.
    pub(super) fn once_committed(&mut self, step: impl FnOnce() + Send + 'static) {
        self.afterwards.steps.push(Box::new(step));
    }
}

/// A write, to be run on the connection's thread.
type Job = Box<dyn FnOnce(&mut Desk) + Send>;

/// Runs writes one after the other.
pub(super) struct Writer {
    jobs: Mutex<Option<Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Opens the connection on its thread; the lock is held until it is closed.
    pub(super) async fn start(settings: Settings, signals: broadcast::Sender<Signal>, lock: LockFile) -> Result<Self, StoreError> {
        let (jobs, waiting) = channel::<Job>();
        let desk = Desk { settings, connection: None, signals };
        let thread = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || {
                run_all(desk, &waiting);
                drop(lock);
            })
            .map_err(|error| StoreError::Unusable {
                reason: "the writer's thread cannot be started".to_owned(),
                source: Some(error.into()),
            })?;
        let writer = Self { jobs: Mutex::new(Some(jobs)), thread: Mutex::new(Some(thread)) };
        writer.maintain(|_| Ok(())).await?;
        Ok(writer)
    }

    /// Commits what `work` does, on stable storage; on an error nothing of it.
    pub(super) async fn write<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&mut Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.hand_over(move |desk| desk.write(work)).await
    }

    /// Runs what is no transaction, between two writes.
    pub(super) async fn maintain<W>(&self, work: W) -> Result<(), StoreError>
    where
        W: FnOnce(&Connection) -> Result<(), StoreError> + Send + 'static,
    {
        self.hand_over(move |desk| desk.maintain(work)).await
    }

    /// Finishes what was handed over, closes the connection and lets go of the lock. Writes after it fail.
    pub(super) async fn close(&self) {
        if let Some(thread) = self.end() {
            // It ends by itself, and panics nowhere.
            drop(spawn_blocking(move || thread.join()).await);
        }
    }

    /// Takes nothing more; the thread ends with what it has.
    fn end(&self) -> Option<JoinHandle<()>> {
        self.jobs().take();
        self.thread.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn hand_over<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Desk) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |desk| {
            // A caller that went away needs no answer.
            drop(answer.send(work(desk)));
        });
        self.jobs().as_ref().ok_or_else(closed)?.send(job).map_err(|_| closed())?;
        answered.await.unwrap_or_else(|_| Err(StoreError::Backend("a write panicked".into())))
    }

    fn jobs(&self) -> MutexGuard<'_, Option<Sender<Job>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A writer that was not closed lets go of the file all the same before it is gone.
impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(thread) = self.end() {
            drop(thread.join());
        }
    }
}

/// The life of the thread.
fn run_all(mut desk: Desk, waiting: &Receiver<Job>) {
    while let Ok(job) = waiting.recv() {
        // The caller learns of a panic, for its ear is dropped; the connection went with it.
        if catch_unwind(AssertUnwindSafe(|| job(&mut desk))).is_err() {
            tracing::error!("a write panicked; its connection is replaced");
        }
    }
}

/// What the thread works with.
struct Desk {
    settings: Settings,
    /// Missing while a write is under way, and after one that left it in doubt.
    connection: Option<Connection>,
    signals: broadcast::Sender<Signal>,
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

impl Desk {
    fn write<T>(&mut self, work: impl FnOnce(&mut Transaction<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let db = self.take_or_open()?;
        let mut afterwards = Afterwards::default();
        // A panic in here drops the connection and leaves it missing.
        let ended = transact(&db, &mut afterwards, work);
        if ended.is_sound {
            self.connection = Some(db);
        } else {
            tracing::warn!("the writing connection is in doubt and is replaced");
        }
        if ended.answer.is_ok() {
            self.follow(afterwards);
        }
        ended.answer
    }

    fn maintain(&mut self, work: impl FnOnce(&Connection) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let db = self.take_or_open()?;
        let answer = work(&db);
        self.connection = Some(db);
        answer
    }

    fn take_or_open(&mut self) -> Result<Connection, StoreError> {
        self.connection.take().map_or_else(|| open_writer(&self.settings), Ok)
    }

    fn follow(&self, afterwards: Afterwards) {
        for step in afterwards.steps {
            step();
        }
        for signal in afterwards.signals {
            // That nobody listens is no error.
            drop(self.signals.send(signal));
        }
    }
}

/// Commits what `work` did, or rolls it back.
fn transact<T>(db: &Connection, afterwards: &mut Afterwards, work: impl FnOnce(&mut Transaction<'_>) -> Result<T, StoreError>) -> Ended<T> {
    if let Err(error) = db.execute_batch("BEGIN IMMEDIATE") {
        return Ended::in_doubt(error);
    }
    let mut transaction = Transaction { db, afterwards: Afterwards::default() };
    let answer = work(&mut transaction);
    *afterwards = transaction.afterwards;
    match answer {
        Ok(answer) => match db.execute_batch("COMMIT") {
            Ok(()) => Ended::sound(Ok(answer)),
            Err(error) => Ended::in_doubt(error),
        },
        // Some errors (a full disk) have rolled back already; then this fails.
        Err(error) => match db.execute_batch("ROLLBACK") {
            Ok(()) => Ended::sound(Err(error)),
            Err(_) => Ended::in_doubt(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::super::statements::Statements;
    use super::*;
    use crate::domain::ids::WebhookId;

    const INSERT: &str = "insert into client (id, name, created_at) values (randomblob(16), 'made', 7)";

    struct Opened {
        writer: Writer,
        signals: broadcast::Receiver<Signal>,
        _folder: TempDir,
    }

    async fn open() -> Opened {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.db");
        let (sender, signals) = broadcast::channel(16);
        let lock = LockFile::take(&path).unwrap();
        let writer = Writer::start(Settings::new(&path), sender, lock).await.unwrap();
        Opened { writer, signals, _folder: folder }
    }

    fn run(tx: &Transaction<'_>, sql: &str) -> Result<(), StoreError> {
        tx.db.change(sql, ()).map(drop)
    }

    async fn clients(writer: &Writer) -> i64 {
        writer.write(|tx| tx.db.number("select count(*) from client", ())).await.unwrap()
    }

    #[tokio::test]
    async fn a_write_that_fails_leaves_nothing_and_the_next_one_works() {
        let Opened { writer, mut signals, _folder } = open().await;

        let failed = writer.write(|tx| {
            run(tx, INSERT)?;
            tx.signal(Signal::WebhookChanged(WebhookId::from(uuid::Uuid::nil())));
            run(tx, "insert into client (id, name, created_at) values (x'00', 'too short', 7)")
        });

        assert!(matches!(failed.await, Err(StoreError::Conflict { .. })));
        assert_eq!(clients(&writer).await, 0);
        assert!(signals.try_recv().is_err());
        writer.write(|tx| run(tx, INSERT)).await.unwrap();
        assert_eq!(clients(&writer).await, 1);
    }

    #[tokio::test]
    async fn a_panic_is_answered_leaves_nothing_and_the_next_write_works() {
        let Opened { writer, .. } = &open().await;

        let panicked: Result<(), _> = writer
            .write(|tx| {
                run(tx, INSERT)?;
                panic!("on purpose")
            })
            .await;

        assert!(matches!(panicked, Err(StoreError::Backend(_))));
        assert_eq!(clients(writer).await, 0);
    }

    #[tokio::test]
    async fn a_full_disk_is_told_leaves_nothing_and_passes() {
        let Opened { writer, .. } = &open().await;
        writer.maintain(limit_size).await.unwrap();

        let full =
            writer.write(|tx| run(tx, "insert into client (id, name, created_at) values (randomblob(16), hex(zeroblob(1000000)), 7)"));

        let error = full.await.unwrap_err();
        assert!(matches!(&error, StoreError::Backend(source) if source.to_string().contains("full")), "{error:?}");
        assert_eq!(clients(writer).await, 0);
    }

    /// Makes this connection, and no later one, refuse to let the file grow.
    fn limit_size(db: &Connection) -> Result<(), StoreError> {
        let pages = db.number("PRAGMA page_count", ())?;
        Ok(db.execute_batch(&format!("PRAGMA max_page_count = {pages}"))?)
    }

    #[tokio::test]
    async fn a_connection_that_lost_its_transaction_is_replaced() {
        let Opened { writer, .. } = &open().await;

        let ended = writer.write(|tx| run(tx, "rollback")).await;

        assert!(ended.is_err());
        writer.write(|tx| run(tx, INSERT)).await.unwrap();
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
                run(tx, INSERT)
            })
            .await
            .unwrap();

        assert_eq!(signals.try_recv().unwrap(), signal);
    }
}
