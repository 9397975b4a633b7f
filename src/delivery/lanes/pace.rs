//! How the starts of a lane with a rate limit are spread: a bucket that is filled evenly.
//!
//! Pure arithmetic in microseconds. Two things hold for every rate limit and every course of time: no period of its
//! length, wherever it begins, holds more starts than the limit allows; and a lane that always has something to send
//! gets at least nine tenths of what the limit allows.

use std::time::Duration;

use crate::domain::rate_limit::RateLimit;
use crate::domain::time::Timestamp;

/// The part of a limit's requests that may start at the same moment, beside one that always may.
const BURST_SHARE: u32 = 10;

/// When the starts of one lane are allowed.
///
/// The bucket holds `burst` starts, and gets one back every `interval`. What it may hold at the beginning of a period
/// and what it gets during the period are together what the limit allows; so the bound needs no history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    limit: RateLimit,
    /// Between two starts in the long run.
    interval: Duration,
    /// How far ahead of an even spread starts may be.
    tolerance: Duration,
    /// When the bucket is full.
    full_at: Timestamp,
}

impl Pace {
    /// A full bucket.
    pub(super) fn new(limit: RateLimit) -> Self {
        let ahead = limit.requests() / BURST_SHARE;
        let evenly = u64::from(limit.requests() - ahead);
        let period = u64::try_from(limit.period().as_micros()).unwrap_or(u64::MAX);
        let interval = Duration::from_micros(period.div_ceil(evenly));
        Self { limit, interval, tolerance: interval * ahead, full_at: Timestamp::from_micros(0) }
    }

    /// The same for another limit; what started lately still counts.
    pub(super) fn with(self, limit: RateLimit) -> Self {
        if limit == self.limit { self } else { Self { full_at: self.full_at, ..Self::new(limit) } }
    }

    /// How many may start at `now`.
    pub(super) fn available(&self, now: Timestamp) -> u32 {
        let Some(ahead) = self.tolerance.checked_sub(self.lacking(now)) else { return 0 };
        let spare = ahead.as_micros() / self.interval.as_micros().max(1);
        u32::try_from(spare).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// When the next may start; `now` or earlier when one may at once.
    pub(super) fn next_at(&self, now: Timestamp) -> Timestamp {
        now + self.lacking(now).saturating_sub(self.tolerance)
    }

    /// Counts `count` starts at `now`, no more than are available.
    pub(super) fn take(&mut self, count: u32, now: Timestamp) {
        self.full_at = now + self.lacking(now) + self.interval.saturating_mul(count);
    }

    /// Whether everything that ever started is forgotten.
    pub(super) fn is_full(&self, now: Timestamp) -> bool {
        self.lacking(now).is_zero()
    }

    /// How long it takes until the bucket is full. A clock that was set back makes nobody wait for it.
    fn lacking(&self, now: Timestamp) -> Duration {
        self.full_at.since(now).min(self.tolerance + self.interval)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Timestamp = Timestamp::from_micros(1_712_855_553_000_000);

    fn pace(requests: u32, per_seconds: u32) -> Pace {
        Pace::new(RateLimit::new(requests, per_seconds).unwrap())
    }

    /// Starts as many as may, at every one of these times.
    fn starts(pace: &mut Pace, times: impl IntoIterator<Item = Timestamp>) -> Vec<Timestamp> {
        let mut all = Vec::new();
        for now in times {
            let count = pace.available(now);
            pace.take(count, now);
            all.extend(std::iter::repeat_n(now, count as usize));
        }
        all
    }

    fn most_in_a_period(starts: &[Timestamp], period: Duration) -> usize {
        let ends = starts.iter().enumerate().map(|(first, &start)| starts[first..].partition_point(|&other| other < start + period));
        ends.max().unwrap_or(0)
    }

    #[test]
    fn few_requests_are_spread_evenly() {
        let mut pace = pace(2, 1);

        assert_eq!(pace.available(START), 1);
        pace.take(1, START);
        assert_eq!((pace.available(START), pace.next_at(START)), (0, START + Duration::from_millis(500)));
        assert_eq!(pace.available(START + Duration::from_millis(499)), 0);
        assert_eq!(pace.available(START + Duration::from_millis(500)), 1);
    }

    #[test]
    fn of_many_requests_a_tenth_may_start_at_once() {
        assert_eq!(pace(100, 1).available(START), 11);
        assert_eq!(pace(9, 1).available(START + Duration::from_hours(1)), 1);
    }

    #[test]
    fn another_limit_does_not_forget_what_started() {
        let mut pace = pace(1, 60);
        pace.take(1, START);

        let faster = pace.with(RateLimit::new(1, 30).unwrap());

        assert_eq!((faster.available(START), faster.next_at(START)), (0, START + Duration::from_secs(30)));
        assert_eq!(pace.with(RateLimit::new(1, 60).unwrap()), pace);
        assert!(!pace.is_full(START) && pace.is_full(START + Duration::from_mins(1)));
    }

    #[test]
    fn a_clock_that_is_set_back_stops_nobody_for_longer_than_the_period() {
        let mut pace = pace(10, 1);
        pace.take(1, START);
        let back = START - Duration::from_hours(1);

        assert!(pace.next_at(back) <= back + Duration::from_secs(1));
    }

    fn limits() -> impl Strategy<Value = RateLimit> {
        (1_u32..400, 1_u32..20).prop_map(|(requests, seconds)| RateLimit::new(requests, seconds).unwrap())
    }

    proptest! {
        #[test]
        fn no_period_holds_more_starts_than_the_limit(limit in limits(), gaps in proptest::collection::vec(0_u64..3_000_000, 1..200)) {
            let mut pace = Pace::new(limit);
            let times = gaps.iter().scan(START, |now, &gap| { *now = *now + Duration::from_micros(gap); Some(*now) });

            let starts = starts(&mut pace, times);

            prop_assert!(most_in_a_period(&starts, limit.period()) <= limit.requests() as usize);
        }

        #[test]
        fn who_always_has_something_to_send_gets_nine_tenths(limit in limits()) {
            let mut pace = Pace::new(limit);
            let end = START + limit.period() * 10;
            let mut now = START;
            let times = std::iter::from_fn(|| { let at = now; now = now + Duration::from_millis(1); (at < end).then_some(at) });

            let count = starts(&mut pace, times).len();

            // A start that becomes possible within a millisecond is seen at its end.
            let wait = (limit.period() / limit.requests()).as_secs_f64();
            let seen_late = wait / (wait + 0.001);
            let least = f64::from(limit.requests()) * 9.0 * seen_late;
            prop_assert!(f64::from(u32::try_from(count).unwrap()) >= least - 1.0, "{count} of {}", limit.requests() * 10);
        }

        #[test]
        fn what_is_available_can_be_taken_and_no_more(limit in limits(), taken in 0_u32..50, gap in 0_u64..2_000_000) {
            let mut pace = Pace::new(limit);
            pace.take(taken.min(pace.available(START)), START);
            let now = START + Duration::from_micros(gap);

            let available = pace.available(now);
            for left in (0..available).rev() {
                pace.take(1, now);
                prop_assert_eq!(pace.available(now), left);
            }
            prop_assert_eq!(pace.next_at(now) > now, pace.available(now) == 0);
        }
    }
}
