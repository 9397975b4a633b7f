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

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::Mutex;

    use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
    use tokio::task::JoinHandle;

    use super::*;

    type Texts = GroupCommit<&'static str, String>;

    /// The commits that were begun. Each waits until it is told to go on, and then answers its items in upper case.
    struct Commits {
        entered: UnboundedReceiver<(Vec<&'static str>, oneshot::Sender<()>)>,
    }

    impl Commits {
        /// The next commit: what is in it, and by what it goes on.
        async fn next(&mut self) -> (Vec<&'static str>, oneshot::Sender<()>) {
            self.entered.recv().await.unwrap()
        }

        /// Lets the next commit through and says what was in it.
        async fn pass(&mut self) -> Vec<&'static str> {
            let (items, go_on) = self.next().await;
            go_on.send(()).unwrap();
            items
        }
    }

    /// A group commit of texts; a text weighs as much as it is long.
    fn texts(waiting: usize, batch: usize) -> (Arc<Texts>, Commits) {
        let (enter, entered) = mpsc::unbounded_channel();
        let commit = move |items: Vec<&'static str>| commit(enter.clone(), items);
        (Arc::new(GroupCommit::start(GroupLimits { waiting, batch }, |text| text.len(), commit)), Commits { entered })
    }

    async fn commit(enter: UnboundedSender<(Vec<&'static str>, oneshot::Sender<()>)>, items: Vec<&'static str>) -> Vec<String> {
        let (go_on, told) = oneshot::channel();
        enter.send((items.clone(), go_on)).unwrap();
        told.await.unwrap();
        items.into_iter().map(str::to_uppercase).collect()
    }

    /// Hands in an item and returns once it waits (or is answered).
    async fn submit(texts: &Arc<Texts>, item: &'static str) -> JoinHandle<Result<String, SubmitError>> {
        let texts = Arc::clone(texts);
        let submitted = tokio::spawn(async move { texts.submit(item).await });
        // On the current-thread runtime the new task now runs until it waits.
        tokio::task::yield_now().await;
        submitted
    }

    #[tokio::test]
    async fn what_comes_during_a_commit_makes_the_next_one() {
        let (texts, mut commits) = texts(100, 100);
        let first = submit(&texts, "a").await;
        let (items, go_on) = commits.next().await;
        let (second, third) = (submit(&texts, "b").await, submit(&texts, "c").await);

        go_on.send(()).unwrap();

        assert_eq!(items, ["a"]);
        assert_eq!(commits.pass().await, ["b", "c"]);
        assert_eq!(first.await.unwrap(), Ok("A".to_owned()));
        assert_eq!(second.await.unwrap(), Ok("B".to_owned()));
        assert_eq!(third.await.unwrap(), Ok("C".to_owned()));
    }

    #[tokio::test]
    async fn a_batch_keeps_its_limit_and_splits_and_overtakes_nothing() {
        let (texts, mut commits) = texts(100, 5);
        submit(&texts, "x").await;
        let (_, go_on) = commits.next().await;
        for item in ["aa", "bb", "cc", "much too long", "d"] {
            submit(&texts, item).await;
        }

        go_on.send(()).unwrap();

        assert_eq!(commits.pass().await, ["aa", "bb"]);
        assert_eq!(commits.pass().await, ["cc"]);
        assert_eq!(commits.pass().await, ["much too long"]);
        assert_eq!(commits.pass().await, ["d"]);
    }

    #[tokio::test]
    async fn when_too_much_waits_one_caller_is_told_at_once_and_another_waits() {
        let (texts, mut commits) = texts(3, 100);
        submit(&texts, "x").await;
        let (_, go_on) = commits.next().await;
        submit(&texts, "aa").await;

        let fits = submit(&texts, "b").await;
        let waits = submit(&texts, "c").await;
        assert_eq!(texts.try_submit("d").await, Err(SubmitError::Full));

        go_on.send(()).unwrap();
        assert_eq!(commits.pass().await, ["aa", "b"]);
        assert_eq!(fits.await.unwrap(), Ok("B".to_owned()));
        assert_eq!(commits.pass().await, ["c"]);
        assert_eq!(waits.await.unwrap(), Ok("C".to_owned()));
    }

    #[tokio::test]
    async fn an_item_heavier_than_all_the_room_is_taken_when_nothing_else_waits() {
        let (texts, mut commits) = texts(3, 2);

        let heavy = submit(&texts, "heavier than the room").await;

        assert_eq!(commits.pass().await, ["heavier than the room"]);
        assert!(heavy.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn an_item_is_committed_although_its_caller_went_away() {
        let (texts, mut commits) = texts(100, 100);
        submit(&texts, "x").await;
        let (_, go_on) = commits.next().await;
        let gone = submit(&texts, "gone").await;
        let stays = submit(&texts, "stays").await;

        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        go_on.send(()).unwrap();

        assert_eq!(commits.pass().await, ["gone", "stays"]);
        assert_eq!(stays.await.unwrap(), Ok("STAYS".to_owned()));
    }

    #[tokio::test]
    async fn closing_answers_what_was_handed_in_and_takes_nothing_more() {
        let (texts, mut commits) = texts(2, 1);
        let first = submit(&texts, "a").await;
        let (_, go_on) = commits.next().await;
        let (second, third, without_room) = (submit(&texts, "b").await, submit(&texts, "c").await, submit(&texts, "d").await);

        let closing = tokio::spawn({
            let texts = Arc::clone(&texts);
            async move { texts.close().await }
        });
        assert_eq!(without_room.await.unwrap(), Err(SubmitError::Closed));
        go_on.send(()).unwrap();
        assert_eq!([commits.pass().await, commits.pass().await], [["b"], ["c"]]);
        closing.await.unwrap();

        for (submitted, answer) in [(first, "A"), (second, "B"), (third, "C")] {
            assert_eq!(submitted.await.unwrap(), Ok(answer.to_owned()));
        }
        assert_eq!(texts.submit("late").await, Err(SubmitError::Closed));
        assert_eq!(texts.try_submit("late").await, Err(SubmitError::Closed));
        texts.close().await;
    }

    #[tokio::test]
    async fn what_was_handed_in_is_committed_when_the_group_is_dropped() {
        let (texts, mut commits) = texts(100, 100);
        let submitted = submit(&texts, "a").await;
        let (items, go_on) = commits.next().await;
        let waiting = submit(&texts, "b").await;

        submitted.abort();
        waiting.abort();
        drop(texts);
        go_on.send(()).unwrap();

        assert_eq!((items, commits.pass().await), (vec!["a"], vec!["b"]));
        assert!(commits.entered.recv().await.is_none());
    }

    #[tokio::test]
    async fn a_panic_is_answered_and_the_next_commit_runs() {
        let calls = Mutex::new(0);
        let commit = move |items: Vec<u32>| {
            *calls.lock().unwrap() += 1;
            let is_first = *calls.lock().unwrap() == 1;
            async move {
                assert!(!is_first, "the first commit fails");
                items
            }
        };
        let numbers = GroupCommit::start(GroupLimits { waiting: 10, batch: 10 }, |_| 1, commit);

        assert_eq!(numbers.submit(1).await, Err(SubmitError::Unanswered));
        assert_eq!(numbers.submit(2).await, Ok(2));
    }

    #[tokio::test]
    async fn an_item_without_an_answer_is_told_so() {
        let short = GroupCommit::start(GroupLimits { waiting: 10, batch: 10 }, |()| 1, |_| async { Vec::<()>::new() });

        assert_eq!(short.submit(()).await, Err(SubmitError::Unanswered));
    }

    #[tokio::test]
    async fn a_caller_that_waits_for_room_can_leave_without_a_trace() {
        let endless = Arc::new(GroupCommit::start(GroupLimits { waiting: 1, batch: 1 }, |&()| 1, |_| pending::<Vec<()>>()));
        let hand_in = || {
            let endless = Arc::clone(&endless);
            tokio::spawn(async move { endless.submit(()).await })
        };
        let (_committing, _waiting) = (hand_in(), hand_in());
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        let without_room = hand_in();
        tokio::task::yield_now().await;

        without_room.abort();

        assert!(without_room.await.unwrap_err().is_cancelled());
        assert_eq!(endless.try_submit(()).await, Err(SubmitError::Full));
    }
}
