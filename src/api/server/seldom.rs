//! What an operator is told, but not for every connection that comes while it lasts.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

const EVERY: Duration = Duration::from_mins(1);

/// When something was told last.
#[derive(Default)]
pub(super) struct Seldom(Mutex<Option<Instant>>);

impl Seldom {
    /// Whether it is time to tell it: the first time, and when a minute has passed. It then counts as told.
    pub(super) fn is_time(&self) -> bool {
        let mut told_at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = told_at.is_none_or(|told_at| told_at.elapsed() >= EVERY);
        if is_time {
            *told_at = Some(Instant::now());
        }
        is_time
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_told_once_a_minute() {
        let seldom = Seldom::default();
        let first = [seldom.is_time(), seldom.is_time()];
        advance(Duration::from_secs(59)).await;
        let before = seldom.is_time();
        advance(Duration::from_secs(1)).await;

        assert_eq!((first, before, seldom.is_time(), seldom.is_time()), ([true, false], false, true, false));
    }
}
