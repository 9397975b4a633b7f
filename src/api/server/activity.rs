//! What one connection is doing, and until when its client may keep it.
//!
//! What sees the bytes, what sees the requests, what watches the time and what may have to make room all share it. It
//! knows neither sockets nor HTTP.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::time::Instant;

/// How long a client that is still sending or reading may hold up an orderly stop.
const LAST_WORD: Duration = Duration::from_secs(2);

/// How long a client may keep a connection waiting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// From the first byte of a head (from the beginning of the connection for its first one) to the last.
    pub(super) head: Duration,
    /// Between an answer and the next request, and while nothing of an answer is taken.
    pub(super) idle: Duration,
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// Nothing: the last request is answered.
    Resting,
    /// It receives the head of a request.
    Head,
    /// It waits for more of a body, until then.
    Body(Instant),
    /// The body came too slowly, of which its reader does not know yet.
    LateBody,
    /// The request is ours to answer.
    Answering,
}

/// What a connection is told from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Carry on.
    Stay,
    /// Take no further request; told at this time.
    Finish(Instant),
    /// End at once.
    Leave,
}

/// What one connection is doing.
pub(super) struct Activity {
    state: Mutex<State>,
    waker: AtomicWaker,
}

struct State {
    doing: Doing,
    since: Instant,
    /// Since when the client takes nothing of what is to be written.
    blocked_since: Option<Instant>,
    order: Order,
}

impl Activity {
    /// A new connection, of which a first request is expected.
    pub(super) fn new(now: Instant) -> Self {
        let state = State { doing: Doing::Head, since: now, blocked_since: None, order: Order::Stay };
        Self { state: Mutex::new(state), waker: AtomicWaker::new() }
    }

    /// Bytes came from the client.
    pub(super) fn bytes_came(&self) {
        let mut state = self.state();
        if state.doing == Doing::Resting {
            state.now(Doing::Head);
        }
    }

    /// A whole head is there.
    pub(super) fn request_began(&self) {
        self.state().now(Doing::Answering);
    }

    /// More of a body is needed, and has to come until `deadline`. `false`: it is too late for that.
    pub(super) fn body_awaited(&self, deadline: Instant) -> bool {
        let mut state = self.state();
        let is_in_time = state.doing != Doing::LateBody;
        state.doing = if is_in_time { Doing::Body(deadline) } else { Doing::Answering };
        is_in_time
    }

    /// More of a body is there, or its end.
    pub(super) fn body_came(&self) {
        self.state().doing = Doing::Answering;
    }

    /// If it is a body whose time is up: its reader is to be told when it asks again, and can answer.
    pub(super) fn give_up_body(&self) -> bool {
        let mut state = self.state();
        let is_late = matches!(state.doing, Doing::Body(deadline) if deadline <= Instant::now());
        if is_late {
            state.doing = Doing::LateBody;
        }
        is_late
    }

    /// The answer is handed over whole.
    pub(super) fn answered(&self) {
        self.state().now(Doing::Resting);
    }

    /// The client takes nothing at present.
    pub(super) fn write_blocked(&self) {
        self.state().blocked_since.get_or_insert_with(Instant::now);
    }

    /// The client took something.
    pub(super) fn write_went_on(&self) {
        self.state().blocked_since = None;
    }

    /// Since when the connection has had no request to answer, if it has none.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        let state = self.state();
        (matches!(state.doing, Doing::Resting | Doing::Head) && state.order != Order::Leave).then_some(state.since)
    }

    /// Tells the connection something. It has to leave once it was told so.
    pub(super) fn tell(&self, order: Order) {
        let mut state = self.state();
        if state.order != Order::Leave {
            state.order = order;
        }
        drop(state);
        self.waker.wake();
    }

    /// What the connection was told last. `waker` is woken when it is told something else.
    pub(super) fn order(&self, waker: &Waker) -> Order {
        self.waker.register(waker);
        self.state().order
    }

    /// When the client's time is up, as things stand; `None` while it is not the client that is waited for.
    pub(super) fn deadline(&self, patience: &Patience) -> Option<Instant> {
        let state = self.state();
        let own = match state.doing {
            Doing::Resting => Some(state.since + patience.idle),
            Doing::Head => Some(state.since + patience.head),
            Doing::Body(deadline) => Some(deadline),
            Doing::LateBody | Doing::Answering => None,
        };
        let blocked = state.blocked_since.map(|since| since + patience.idle);
        let last_word = match state.order {
            Order::Finish(told_at) if state.waits_for_client() => Some(told_at + LAST_WORD),
            _ => None,
        };
        [own, blocked, last_word].into_iter().flatten().min()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn now(&mut self, doing: Doing) {
        self.doing = doing;
        self.since = Instant::now();
    }

    fn waits_for_client(&self) -> bool {
        matches!(self.doing, Doing::Resting | Doing::Head | Doing::Body(_)) || self.blocked_since.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;

    use tokio::time::advance;

    use super::*;

    const PATIENCE: Patience = Patience { head: Duration::from_secs(10), idle: Duration::from_secs(75) };

    /// In how many seconds the client's time is up.
    fn left(activity: &Activity) -> Option<u64> {
        activity.deadline(&PATIENCE).map(|deadline| (deadline - Instant::now()).as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_its_time_from_its_first_byte_and_the_first_one_from_the_beginning() {
        let activity = Activity::new(Instant::now());
        advance(Duration::from_secs(3)).await;
        activity.bytes_came();
        let of_the_first = left(&activity);
        activity.request_began();
        activity.answered();
        advance(Duration::from_mins(1)).await;
        activity.bytes_came();
        advance(Duration::from_secs(4)).await;
        activity.bytes_came();

        assert_eq!((of_the_first, left(&activity)), (Some(7), Some(6)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_ours_to_do_has_no_deadline_and_rest_has_a_long_one() {
        let activity = Activity::new(Instant::now());

        activity.request_began();
        let answering = left(&activity);
        activity.answered();

        assert_eq!((answering, left(&activity)), (None, Some(75)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_has_a_deadline_of_its_own_and_its_reader_is_told_when_that_is_past() {
        let activity = Activity::new(Instant::now());
        activity.request_began();
        let deadline = Instant::now() + Duration::from_secs(15);
        assert!(activity.body_awaited(deadline) && !activity.give_up_body());
        let in_time = left(&activity);

        advance(Duration::from_secs(15)).await;

        assert!(activity.give_up_body() && !activity.give_up_body());
        assert_eq!((in_time, left(&activity)), (Some(15), None));
        assert!(!activity.body_awaited(deadline));
        assert_eq!(left(&activity), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_of_its_answer_has_as_long_as_one_that_rests() {
        let activity = Activity::new(Instant::now());
        activity.request_began();

        activity.write_blocked();
        advance(Duration::from_secs(5)).await;
        activity.write_blocked();
        let blocked = left(&activity);
        activity.write_went_on();

        assert_eq!((blocked, left(&activity)), (Some(70), None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_shortens_the_clients_time_and_not_ours() {
        let activity = Activity::new(Instant::now());
        activity.tell(Order::Finish(Instant::now()));
        let sending = left(&activity);
        activity.request_began();
        let answering = left(&activity);
        activity.body_awaited(Instant::now() + Duration::from_secs(15));

        assert_eq!((sending, answering, left(&activity)), (Some(2), None, Some(2)));
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_to_leave_is_woken_and_waits_no_more() {
        struct Count(AtomicU32);
        impl Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let woken = Arc::new(Count(AtomicU32::new(0)));
        let waker = Waker::from(Arc::clone(&woken));
        let activity = Activity::new(Instant::now());
        assert_eq!((activity.order(&waker), activity.waiting_since()), (Order::Stay, Some(Instant::now())));

        activity.tell(Order::Leave);
        activity.tell(Order::Finish(Instant::now()));

        assert_eq!((activity.order(&waker), activity.waiting_since()), (Order::Leave, None));
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    }
}
