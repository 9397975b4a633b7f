//! The connections that are open, no more than allowed: a new one takes the place of the one whose client has been
//! waited for the longest.
//!
//! So clients that open connections and say nothing, or say it slowly, push out one another before anybody who works,
//! and a health check finds a place. Only when every connection has a request under way does a new one wait for a place.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::activity::{Activity, Order};
use super::seldom::Seldom;

/// How often it is looked for somebody who rests while all have a request under way.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The connections that are open.
pub(super) struct Connections {
    open: Mutex<Open>,
    most: usize,
    one_ended: Notify,
    /// That there is no room.
    full: Seldom,
}

#[derive(Default)]
struct Open {
    activities: HashMap<u64, Arc<Activity>>,
    /// How many there were ever: the name of the next one.
    ever: u64,
}

impl Connections {
    /// Room for `most`, all free.
    pub(super) fn new(most: usize) -> Self {
        Self { open: Mutex::default(), most, one_ended: Notify::new(), full: Seldom::default() }
    }

    /// Waits until there is room for one more; if need be, another has to leave for it.
    pub(super) async fn room(&self) {
        let mut is_making_room = false;
        while self.open().activities.len() >= self.most {
            if self.full.is_time() {
                tracing::warn!(
                    connections = self.most,
                    "all connections that server.max_connections allows are open; those that rest make room"
                );
            }
            is_making_room = is_making_room || self.push_one_out();
            // One that rests from now on says nothing of it.
            drop(timeout(LOOK_AGAIN, self.one_ended()).await);
        }
    }

    /// Ends the connection whose client has been waited for the longest. `false`: all have a request under way.
    pub(super) fn push_one_out(&self) -> bool {
        let open = self.open();
        let waiting = open.activities.values().filter_map(|activity| Some((activity.waiting_since()?, activity)));
        let longest = waiting.min_by_key(|(since, _)| *since).map(|(_, activity)| activity);
        if let Some(activity) = longest {
            activity.tell(Order::Leave);
        }
        longest.is_some()
    }

    /// Waits until some connection ends; one that ended while nobody waited counts.
    pub(super) async fn one_ended(&self) {
        self.one_ended.notified().await;
    }

    /// Takes a place for a new connection.
    pub(super) fn enter(self: &Arc<Self>) -> Place {
        let activity = Arc::new(Activity::new(Instant::now()));
        let mut open = self.open();
        let name = open.ever;
        open.ever += 1;
        open.activities.insert(name, Arc::clone(&activity));
        drop(open);
        Place { connections: Arc::clone(self), name, activity }
    }

    /// Tells every connection to take no further request.
    pub(super) fn finish(&self, now: Instant) {
        self.open().activities.values().for_each(|activity| activity.tell(Order::Finish(now)));
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one connection, free again when this is dropped.
pub(super) struct Place {
    connections: Arc<Connections>,
    name: u64,
    /// What the connection is doing.
    pub(super) activity: Arc<Activity>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.open().activities.remove(&self.name);
        self.connections.one_ended.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::task::Waker;

    use futures_util::FutureExt as _;
    use tokio::time::advance;

    use super::*;

    fn has_to_leave(place: &Place) -> bool {
        place.activity.order(Waker::noop()) == Order::Leave
    }

    #[tokio::test(start_paused = true)]
    async fn the_client_that_was_waited_for_the_longest_makes_room() {
        let connections = Arc::new(Connections::new(3));
        let places = [(); 3].map(|()| connections.enter());
        places[0].activity.request_began();
        advance(Duration::from_secs(1)).await;
        places[1].activity.request_began();
        places[1].activity.answered();

        assert!(connections.room().now_or_never().is_none());

        assert_eq!([0, 1, 2].map(|index: usize| has_to_leave(&places[index])), [false, false, true]);
        let [_first, _second, third] = places;
        drop(third);
        assert!(connections.room().now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_with_a_request_under_way_has_to_leave() {
        let connections = Arc::new(Connections::new(1));
        let place = connections.enter();
        place.activity.request_began();

        assert!(connections.room().now_or_never().is_none());

        assert!(!has_to_leave(&place) && !connections.push_one_out());
        drop(place);
        assert!(connections.room().now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_while_all_work_gets_the_place_of_the_first_that_rests() {
        let connections = Arc::new(Connections::new(1));
        let place = connections.enter();
        place.activity.request_began();
        let waiting = tokio::spawn({
            let connections = Arc::clone(&connections);
            async move { connections.room().await }
        });
        let a_second = async || drop(timeout(Duration::from_secs(1), pending::<()>()).await);
        a_second().await;
        assert!(!has_to_leave(&place));

        place.activity.answered();
        a_second().await;

        assert!(has_to_leave(&place) && !waiting.is_finished());
        drop(place);
        waiting.await.unwrap();
    }
}
