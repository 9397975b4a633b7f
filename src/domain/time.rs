//! Points in time as microseconds since 1970 in UTC, and the clock that hands them out.
//!
//! Nothing else in the crate asks the operating system for the time: production has one [`SystemClock`], tests a
//! [`ManualClock`] that moves when told.

use std::fmt;
use std::ops::{Add, Sub};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, FixedOffset, SecondsFormat, Utc};

/// A point in time, exact to the microsecond.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The point `micros` microseconds after 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    #[must_use]
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Whole minutes since 1970-01-01T00:00:00Z, rounded down: the key of minute statistics.
    #[must_use]
    pub const fn as_minutes(self) -> i64 {
        self.0.div_euclid(60_000_000)
    }

    /// Time from `earlier` to here; zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0).max(0).cast_unsigned())
    }

    /// The point in time that RFC 3339 text names, whatever its offset.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let parsed = DateTime::parse_from_rfc3339(text).ok()?;
        Some(Self(parsed.timestamp_micros()))
    }

    /// RFC 3339 with six decimals and a numeric offset: `2024-04-11T14:12:33.741194-03:00`.
    #[must_use]
    pub fn to_rfc3339(self, offset: FixedOffset) -> String {
        self.to_utc().with_timezone(&offset).to_rfc3339_opts(SecondsFormat::Micros, false)
    }

    /// The same point as a `chrono` value, for calendar arithmetic; clamped to the years it knows.
    #[must_use]
    pub fn to_utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or(if self.0 < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC })
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time.timestamp_micros())
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    /// Saturates at the end of time instead of wrapping.
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(micros(duration)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(micros(duration)))
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_utc().to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// The operating system's clock.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the operating system for the time")]
    fn now(&self) -> Timestamp {
        Timestamp::from(Utc::now())
    }
}

/// A clock that stands still until told to move.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `start`.
    #[must_use]
    pub fn at(start: Timestamp) -> Self {
        Self(AtomicI64::new(start.as_micros()))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(micros(by), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_written_as_the_seed_document_writes_it() {
        let created = Timestamp::from_micros(1_712_855_553_741_194);
        let brasilia = FixedOffset::west_opt(3 * 3600).unwrap();

        assert_eq!(created.to_rfc3339(brasilia), "2024-04-11T14:12:33.741194-03:00");
        assert_eq!(Timestamp::parse_rfc3339("2024-04-11T14:12:33.741194-03:00"), Some(created));
    }

    #[test]
    fn arithmetic_saturates_at_the_end_of_time() {
        let end = Timestamp::from_micros(i64::MAX);

        assert_eq!(end + Duration::MAX, end);
        assert_eq!(Timestamp::from_micros(0).since(end), Duration::ZERO);
    }
}
