//! The body of a request, which has to come in time: a while to begin with, and more for what came already.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::time::Instant;

use super::activity::Activity;

/// How fast a body has to come.
#[derive(Clone, Copy, Debug)]
pub struct BodyPace {
    /// How long it may take at least.
    pub grace: Duration,
    /// How many bytes make it a second more; 0 makes it none.
    pub bytes_per_second: u32,
}

impl BodyPace {
    /// How long a body may take of which so many bytes came.
    fn allowed(&self, bytes: u64) -> Duration {
        let more = bytes.saturating_mul(1_000).checked_div(self.bytes_per_second.into()).unwrap_or(0);
        self.grace + Duration::from_millis(more)
    }
}

/// The body came too slowly.
#[derive(Debug, thiserror::Error)]
#[error("the body came too slowly")]
pub(in crate::api) struct TooSlow;

/// A body that fails with [`TooSlow`] when it does not keep pace. The time is watched by its connection.
pub(super) struct PacedBody<B> {
    body: B,
    pace: BodyPace,
    received: u64,
    /// When it had to be waited for the first time.
    waiting_since: Option<Instant>,
    activity: Arc<Activity>,
}

impl<B> PacedBody<B> {
    pub(super) const fn new(body: B, pace: BodyPace, activity: Arc<Activity>) -> Self {
        Self { body, pace, received: 0, waiting_since: None, activity }
    }

    fn deadline(&mut self) -> Instant {
        *self.waiting_since.get_or_insert_with(Instant::now) + self.pace.allowed(self.received)
    }
}

impl<B> HttpBody for PacedBody<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.activity.body_came();
            let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
            this.received = this.received.saturating_add(data.map_or(0, |data| data.len() as u64));
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let deadline = this.deadline();
        if this.activity.body_awaited(deadline) { Poll::Pending } else { Poll::Ready(Some(Err(TooSlow.into()))) }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_that_came_gives_a_body_more_time() {
        let pace = BodyPace { grace: Duration::from_secs(15), bytes_per_second: 2_000 };

        assert_eq!([0, 1_000, 20_000].map(|bytes| pace.allowed(bytes).as_millis()), [15_000, 15_500, 25_000]);
    }

    #[test]
    fn without_a_pace_a_body_has_the_grace_alone() {
        let pace = BodyPace { grace: Duration::from_secs(15), bytes_per_second: 0 };

        assert_eq!(pace.allowed(1 << 40), Duration::from_secs(15));
    }
}
