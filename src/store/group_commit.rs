//! Group commit: many callers hand in one item each, one task commits all that wait in one go and answers each.
//!
//! There is no artificial delay: while one commit runs, the next batch gathers. An item that was handed in is committed
//! even when its caller goes away. It knows nothing of stores; what a commit is, the maker says.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How much may wait and how much is committed at once, in units: an item may weigh more than one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupLimits {
    /// The most units that wait for a commit. An item that weighs more waits until it is alone.
    pub waiting: usize,
    /// The most units in one commit. An item that weighs more is committed by itself; none is ever split.
    pub batch: usize,
}

/// Why an item has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// Too much waits already. The item was not handed in.
    #[error("too much waits to be committed")]
    Full,
    /// Nothing is taken any more. The item was not handed in.
    #[error("commits have ended")]
    Closed,
    /// The commit ended without an answer for this item; whether it took effect is unknown.
    #[error("the commit gave no answer")]
    Unanswered,
}

/// The callers' end of a group commit.
pub struct GroupCommit<T, R> {
    entries: mpsc::UnboundedSender<Entry<T, R>>,
    weigh: fn(&T) -> usize,
    room: Arc<Semaphore>,
    capacity: u32,
    stop: CancellationToken,
    committer: TaskTracker,
}

/// An item on its way, with the room that it takes up and the caller's ear.
struct Entry<T, R> {
    item: T,
    weight: usize,
    room: OwnedSemaphorePermit,
    answer: oneshot::Sender<R>,
}

impl<T: Send + 'static, R: Send + 'static> GroupCommit<T, R> {
    /// Starts the task that commits. `commit` answers its items in their order; `weigh` says how many units an item is.
    pub fn start<C, F>(limits: GroupLimits, weigh: fn(&T) -> usize, commit: C) -> Self
    where
        C: Fn(Vec<T>) -> F + Send + Sync + 'static,
        F: Future<Output = Vec<R>> + Send + 'static,
    {
        let (entries, waiting) = mpsc::unbounded_channel();
        let capacity = u32::try_from(limits.waiting.clamp(1, Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        let (stop, committer) = (CancellationToken::new(), TaskTracker::new());
        let gatherer = Gatherer { waiting, stop: stop.clone(), held: None, most: limits.batch };
        committer.spawn(commit_all(gatherer, commit));
        committer.close();
        let room = Arc::new(Semaphore::new(usize::try_from(capacity).unwrap_or(usize::MAX)));
        Self { entries, weigh, room, capacity, stop, committer }
    }

    /// Hands in an item and waits for its answer; while too much waits, first for room.
    ///
    /// # Errors
    ///
    /// [`SubmitError::Closed`] and [`SubmitError::Unanswered`].
    pub async fn submit(&self, item: T) -> Result<R, SubmitError> {
        let weight = (self.weigh)(&item);
        let room = Arc::clone(&self.room).acquire_many_owned(self.units(weight)).await;
        self.hand_in(item, weight, room.map_err(|_| SubmitError::Closed)?).await
    }

    /// As [`Self::submit`], but does not wait for room.
    ///
    /// # Errors
    ///
    /// [`SubmitError::Full`] at once when there is no room; otherwise as [`Self::submit`].
    pub async fn try_submit(&self, item: T) -> Result<R, SubmitError> {
        let weight = (self.weigh)(&item);
        let room = Arc::clone(&self.room).try_acquire_many_owned(self.units(weight)).map_err(|error| match error {
            TryAcquireError::NoPermits => SubmitError::Full,
            TryAcquireError::Closed => SubmitError::Closed,
        })?;
        self.hand_in(item, weight, room).await
    }

    /// Takes nothing more, commits and answers what was handed in, and ends.
    pub async fn close(&self) {
        self.room.close();
        self.stop.cancel();
        self.committer.wait().await;
    }

    /// The room that an item takes up: an item heavier than all the room there is takes all of it.
    fn units(&self, weight: usize) -> u32 {
        u32::try_from(weight).unwrap_or(u32::MAX).clamp(1, self.capacity)
    }

    async fn hand_in(&self, item: T, weight: usize, room: OwnedSemaphorePermit) -> Result<R, SubmitError> {
        let (answer, answered) = oneshot::channel();
        self.entries.send(Entry { item, weight, room, answer }).map_err(|_| SubmitError::Closed)?;
        answered.await.map_err(|_| SubmitError::Unanswered)
    }
}

async fn commit_all<T, R, C, F>(mut gatherer: Gatherer<T, R>, commit: C)
where
    C: Fn(Vec<T>) -> F,
    F: Future<Output = Vec<R>>,
{
    while let Some(batch) = gatherer.next_batch().await {
        let (items, answers): (Vec<_>, Vec<_>) = batch.into_iter().map(|entry| (entry.item, entry.answer)).unzip();
        // A panic must not take the task with it. The callers learn of it, for their ears are dropped unanswered.
        let committed = AssertUnwindSafe(async { commit(items).await }).catch_unwind().await;
        for (ear, answer) in answers.into_iter().zip(committed.unwrap_or_default()) {
            // A caller that went away needs no answer.
            drop(ear.send(answer));
        }
    }
}

/// The committer's end: takes what waits, in order, without splitting or overtaking.
struct Gatherer<T, R> {
    waiting: mpsc::UnboundedReceiver<Entry<T, R>>,
    stop: CancellationToken,
    /// The item that did not fit into the batch before.
    held: Option<Entry<T, R>>,
    most: usize,
}

impl<T, R> Gatherer<T, R> {
    /// All that waits, up to the limit, and at least one item; `None` when nothing will ever come again.
    async fn next_batch(&mut self) -> Option<Vec<Taken<T, R>>> {
        let first = match self.held.take() {
            Some(entry) => entry,
            None => self.next_entry().await?,
        };
        let mut units = first.weight;
        let mut batch = vec![Taken::from(first)];
        while let Ok(entry) = self.waiting.try_recv() {
            units = units.saturating_add(entry.weight);
            if units > self.most {
                self.held = Some(entry);
                break;
            }
            batch.push(Taken::from(entry));
        }
        Some(batch)
    }

    async fn next_entry(&mut self) -> Option<Entry<T, R>> {
        tokio::select! {
            entry = self.waiting.recv() => entry,
            () = self.stop.cancelled() => {
                self.waiting.close();
                self.waiting.recv().await
            }
        }
    }
}

/// An item in a batch; the room that it took up is free for others.
struct Taken<T, R> {
    item: T,
    answer: oneshot::Sender<R>,
}

impl<T, R> From<Entry<T, R>> for Taken<T, R> {
    fn from(entry: Entry<T, R>) -> Self {
        drop(entry.room);
        Self { item: entry.item, answer: entry.answer }
    }
}
