//! Tells open pages that something changed, by server-sent events; what changed they ask for themselves.
//!
//! A beat follows what the store signals, at most one a second and another after it, for attempts are recorded without a
//! signal; and it comes now and then whatever happens. Browsers beyond the cap are refused and ask from time to time.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::Page;
use super::error::PageError;
use super::state::Dashboard;
use super::visitor::May;
use crate::domain::permission::Read;
use crate::store::signal::Signal;

const TICK: Duration = Duration::from_secs(1);

/// So many ticks after the last beat one comes although nothing was heard.
const QUIET_TICKS: u32 = 5;

/// After so many ticks the browser asks anew: by then its session may have ended.
const MOST_TICKS: u32 = 600;

pub(super) fn routes() -> Router<Dashboard> {
    Router::new().route("/live", get(listen))
}

/// How many browsers may listen.
pub(super) struct Pulse(Arc<Semaphore>);

impl Pulse {
    pub(super) fn new(places: usize) -> Self {
        Self(Arc::new(Semaphore::new(places)))
    }
}

async fn listen(State(dash): State<Dashboard>, _: May<Read>) -> Page {
    let place = Arc::clone(&dash.pulse.0).try_acquire_owned().map_err(|_| PageError::TooManyListeners)?;
    let listener = Listener::new(dash.store.signals(), dash.stop.clone(), place);
    Ok(events(listener))
}

fn events(listener: Listener) -> Response {
    let beats = stream::unfold(listener, async |mut listener| {
        let event = listener.next().await?;
        Some((Ok::<_, Infallible>(event), listener))
    });
    ([("X-Accel-Buffering", "no")], Sse::new(beats)).into_response()
}

/// What is heard on behalf of one browser.
struct Listener {
    signals: Option<broadcast::Receiver<Signal>>,
    ticks: Interval,
    stop: CancellationToken,
    has_begun: bool,
    /// Beats that are owed for what was heard.
    owed: u32,
    silent_for: u32,
    left: u32,
    _place: OwnedSemaphorePermit,
}

impl Listener {
    fn new(signals: broadcast::Receiver<Signal>, stop: CancellationToken, place: OwnedSemaphorePermit) -> Self {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { signals: Some(signals), ticks, stop, has_begun: false, owed: 0, silent_for: 0, left: MOST_TICKS, _place: place }
    }

    /// The next event; `None` when there will be none. Browsers pass over events without data.
    async fn next(&mut self) -> Option<Event> {
        if !self.has_begun {
            self.has_begun = true;
            return Some(Event::default().event("open").data("1"));
        }
        while self.left > 0 {
            tokio::select! {
                () = self.stop.cancelled() => return None,
                is_open = heard(&mut self.signals) => {
                    self.owed = 2;
                    if !is_open {
                        self.signals = None;
                    }
                }
                _ = self.ticks.tick() => {
                    self.left -= 1;
                    if self.beats() {
                        return Some(Event::default().event("changed").data("1"));
                    }
                }
            }
        }
        None
    }

    /// Whether this tick is a beat.
    fn beats(&mut self) -> bool {
        self.silent_for += 1;
        let beats = self.owed > 0 || self.silent_for >= QUIET_TICKS;
        if beats {
            self.owed = self.owed.saturating_sub(1);
            self.silent_for = 0;
        }
        beats
    }
}

/// Waits for a signal; `false` when there will be none. Without a sender it waits for ever.
async fn heard(signals: &mut Option<broadcast::Receiver<Signal>>) -> bool {
    match signals {
        Some(signals) => !matches!(signals.recv().await, Err(RecvError::Closed)),
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::*;

    fn listener(stop: &CancellationToken) -> (Listener, broadcast::Sender<Signal>) {
        let signals = broadcast::channel(8).0;
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        (Listener::new(signals.subscribe(), stop.clone(), place), signals)
    }

    #[tokio::test]
    async fn what_was_heard_is_followed_by_two_beats_and_silence_by_one_now_and_then() {
        let (mut listener, _signals) = listener(&CancellationToken::new());
        let mut ticks = |count| (0..count).map(|_| listener.beats()).collect::<Vec<_>>();
        assert_eq!(ticks(6), [false, false, false, false, true, false]);

        listener.owed = 2;
        let mut ticks = |count| (0..count).map(|_| listener.beats()).collect::<Vec<_>>();

        assert_eq!(ticks(8), [true, true, false, false, false, false, true, false]);
    }

    #[tokio::test]
    async fn a_stream_ends_with_the_program_and_after_a_while_by_itself() {
        let stop = CancellationToken::new();
        let (listener, _signals) = self::listener(&stop);
        let mut stream = events(listener).into_body().into_data_stream();
        assert_eq!(stream.next().await.unwrap().unwrap(), "event: open\ndata: 1\n\n");
        stop.cancel();
        assert!(stream.next().await.is_none());

        let (mut listener, _signals) = self::listener(&CancellationToken::new());
        (listener.has_begun, listener.left) = (true, 0);
        assert!(listener.next().await.is_none());
    }

    #[tokio::test]
    async fn a_store_that_falls_silent_for_good_does_not_keep_a_stream_busy() {
        let (sender, receiver) = broadcast::channel::<Signal>(1);
        drop(sender);
        let mut signals = Some(receiver);

        assert!(!heard(&mut signals).await);
        assert!(futures_util::poll!(std::pin::pin!(heard(&mut None))).is_pending());
    }
}
