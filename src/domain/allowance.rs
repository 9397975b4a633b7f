//! How often somebody may do something: so many times at once, and in the long run once in an interval.
//!
//! What a webhook's receiver may get is `rate_limit`, with a stricter promise; this is what callers may ask of us.

use std::time::Duration;

use super::time::Timestamp;

/// What is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// How often in the long run: once in this time.
    pub interval: Duration,
    /// How often at once after a while of nothing; at least once.
    pub burst: u32,
}

/// How much of an [`Allowance`] is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// When nothing is used up any more.
    until: Timestamp,
}

impl Used {
    /// Nothing is used up.
    pub const NOTHING: Self = Self { until: Timestamp::from_micros(i64::MIN) };
}

impl Allowance {
    /// So many times a second in the long run.
    ///
    /// `None` for 0, which is no allowance but stands for no limit wherever one can be set.
    #[must_use]
    pub fn per_second(times: u32, burst: u32) -> Option<Self> {
        let interval = Duration::from_secs(1).checked_div(times)?;
        Some(Self { interval, burst })
    }

    /// So many times a minute in the long run, and as many at once; `None` for 0.
    #[must_use]
    pub fn per_minute(times: u32) -> Option<Self> {
        let interval = Duration::from_mins(1).checked_div(times)?;
        Some(Self { interval, burst: times })
    }

    /// Does it once more at `now`.
    ///
    /// # Errors
    ///
    /// How long it takes until it is allowed again; nothing is used up by that.
    pub fn take(&self, used: &mut Used, now: Timestamp) -> Result<(), Duration> {
        let most = self.interval.saturating_mul(self.burst.max(1));
        // A clock that was set back makes nobody wait longer than what can be used up takes.
        let lacking = used.until.since(now).min(most);
        let after = lacking.saturating_add(self.interval);
        if after > most {
            return Err(after.saturating_sub(most));
        }
        used.until = now + after;
        Ok(())
    }

    /// How long it takes until nothing is used up, whatever was.
    #[must_use]
    pub fn recovery(&self) -> Duration {
        self.interval.saturating_mul(self.burst.max(1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Timestamp = Timestamp::from_micros(1_712_855_553_741_194);

    /// How often in a row it is allowed at `now`, and how long it then takes.
    fn takes(allowance: Allowance, used: &mut Used, now: Timestamp) -> (u32, Duration) {
        let mut taken = 0;
        loop {
            match allowance.take(used, now) {
                Ok(()) => taken += 1,
                Err(wait) => return (taken, wait),
            }
        }
    }

    #[test]
    fn a_burst_is_allowed_at_once_and_then_one_after_the_other() {
        let (allowance, mut used) = (Allowance::per_second(10, 3).unwrap(), Used::NOTHING);

        assert_eq!(takes(allowance, &mut used, START), (3, Duration::from_millis(100)));
        assert_eq!(takes(allowance, &mut used, START + Duration::from_millis(40)), (0, Duration::from_millis(60)));
        assert_eq!(takes(allowance, &mut used, START + Duration::from_millis(100)), (1, Duration::from_millis(100)));
        assert_eq!(takes(allowance, &mut used, START + Duration::from_secs(9)), (3, Duration::from_millis(100)));
    }

    #[test]
    fn a_clock_that_was_set_back_makes_nobody_wait_for_it() {
        let (allowance, mut used) = (Allowance::per_minute(6).unwrap(), Used::NOTHING);
        takes(allowance, &mut used, START);

        let wait = allowance.take(&mut used, START - Duration::from_hours(24)).unwrap_err();

        assert_eq!(wait, Duration::from_secs(10));
    }

    #[test]
    fn nothing_a_second_is_no_limit_and_a_burst_is_at_least_one() {
        assert_eq!((Allowance::per_second(0, 7), Allowance::per_minute(0)), (None, None));
        assert_eq!(takes(Allowance::per_second(1, 0).unwrap(), &mut Used::NOTHING.clone(), START).0, 1);
    }

    proptest! {
        #[test]
        fn no_course_of_time_allows_more_than_burst_and_pace(
            per_second in 1..5_000_u32, burst in 1..500_u32, steps in prop::collection::vec(0..2_000_u64, 1..200),
        ) {
            let (allowance, mut used) = (Allowance::per_second(per_second, burst).unwrap(), Used::NOTHING);
            let (mut now, mut taken) = (START, 0_u128);
            for step in steps {
                now = now + Duration::from_micros(step);
                taken += u128::from(allowance.take(&mut used, now).is_ok());
                // An interval is whole nanoseconds, times are whole microseconds: what is cut off may make one more.
                let earned = now.since(START).as_nanos() / allowance.interval.as_nanos();
                prop_assert!(taken <= u128::from(burst) + earned + 1);
            }
        }

        #[test]
        fn who_waits_as_long_as_told_is_allowed(per_second in 1..2_000_u32, burst in 1..50_u32, before in 0..100_u32) {
            let (allowance, mut used) = (Allowance::per_second(per_second, burst).unwrap(), Used::NOTHING);
            for _ in 0..before {
                let _ignored = allowance.take(&mut used, START).is_ok();
            }
            if let Err(wait) = allowance.take(&mut used, START) {
                let later = START + wait + Duration::from_micros(1);
                prop_assert!(allowance.take(&mut used, later).is_ok());
            }
        }
    }
}
