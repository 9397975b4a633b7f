//! How far back statistics reach, and the buckets that they are cut into.

use std::str::FromStr;
use std::time::Duration;

use super::super::time::Timestamp;

/// So many stored rows are read quickly; beyond it, coarser ones are.
const ROWS_READ_QUICKLY: u64 = 100_000;

/// Up to now, from so long ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatsWindow {
    /// 15 minutes.
    QuarterHour,
    /// An hour.
    Hour,
    /// 24 hours.
    Day,
    /// Seven days.
    Week,
}

/// The text names no window.
#[derive(Debug, thiserror::Error)]
#[error("must be one of 15m, 1h, 24h, 7d")]
pub struct UnknownStatsWindow;

impl StatsWindow {
    /// Every window, the shortest first.
    pub const ALL: [Self; 4] = [Self::QuarterHour, Self::Hour, Self::Day, Self::Week];

    /// The word for it in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::QuarterHour => "15m",
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
        }
    }

    const fn minutes(self) -> i64 {
        match self {
            Self::QuarterHour => 15,
            Self::Hour => 60,
            Self::Day => 24 * 60,
            Self::Week => 7 * 24 * 60,
        }
    }
}

impl FromStr for StatsWindow {
    type Err = UnknownStatsWindow;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|window| window.as_str() == text).ok_or(UnknownStatsWindow)
    }
}

/// A window at a certain time, cut into buckets of whole minutes of which the last one is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The window.
    pub window: StatsWindow,
    /// The number of the first bucket.
    first: i64,
    /// The number of the bucket that is under way.
    last: i64,
    bucket_minutes: i64,
}

impl Period {
    /// The window up to `now`. Of many webhooks a day is cut into hours, for there would be too much to read.
    #[must_use]
    pub const fn of(window: StatsWindow, now: Timestamp, webhooks: u64) -> Self {
        let minutes = window.minutes();
        let bucket_minutes = match window {
            StatsWindow::QuarterHour | StatsWindow::Hour => 1,
            StatsWindow::Day if webhooks.saturating_mul(minutes.unsigned_abs()) <= ROWS_READ_QUICKLY => 10,
            StatsWindow::Day | StatsWindow::Week => 60,
        };
        let last = now.as_minutes().div_euclid(bucket_minutes);
        Self { window, first: last - minutes / bucket_minutes + 1, last, bucket_minutes }
    }

    /// When the first bucket begins.
    #[must_use]
    pub const fn from(&self) -> Timestamp {
        at_minute(self.first_minute())
    }

    /// How long a bucket is.
    #[must_use]
    pub const fn bucket(&self) -> Duration {
        Duration::from_mins(self.bucket_minutes.unsigned_abs())
    }

    /// The minutes of a bucket.
    #[must_use]
    pub const fn bucket_minutes(&self) -> i64 {
        self.bucket_minutes
    }

    /// The first minute, counted from 1970.
    #[must_use]
    pub const fn first_minute(&self) -> i64 {
        self.first * self.bucket_minutes
    }

    /// The first minute that comes after it.
    #[must_use]
    pub const fn end_minute(&self) -> i64 {
        (self.last + 1) * self.bucket_minutes
    }

    /// Whether its buckets are whole hours.
    #[must_use]
    pub const fn is_hourly(&self) -> bool {
        self.bucket_minutes == 60
    }

    /// The number of the bucket that a minute is in.
    #[must_use]
    pub const fn bucket_of(&self, minute: i64) -> i64 {
        minute.div_euclid(self.bucket_minutes)
    }

    /// The numbers of its buckets and when they begin, oldest first.
    pub fn buckets(&self) -> impl Iterator<Item = (i64, Timestamp)> {
        let minutes = self.bucket_minutes;
        (self.first..=self.last).map(move |bucket| (bucket, at_minute(bucket * minutes)))
    }
}

const fn at_minute(minute: i64) -> Timestamp {
    Timestamp::from_micros(minute.saturating_mul(60_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_ends_with_the_bucket_that_is_under_way() {
        let now = Timestamp::parse_rfc3339("2024-04-11T14:12:33Z").unwrap();
        let shape = |window, webhooks| {
            let period = Period::of(window, now, webhooks);
            let starts: Vec<String> = period.buckets().map(|(_, from)| from.to_string()[5..16].to_owned()).collect();
            (starts.len(), starts[0].clone(), starts[starts.len() - 1].clone(), period.bucket().as_secs() / 60)
        };
        let expected = |points, first: &str, last: &str, minutes| (points, first.to_owned(), last.to_owned(), minutes);

        assert_eq!(shape(StatsWindow::QuarterHour, 9), expected(15, "04-11T13:58", "04-11T14:12", 1));
        assert_eq!(shape(StatsWindow::Hour, 9), expected(60, "04-11T13:13", "04-11T14:12", 1));
        assert_eq!(shape(StatsWindow::Day, 9), expected(144, "04-10T14:20", "04-11T14:10", 10));
        assert_eq!(shape(StatsWindow::Day, 10_000), expected(24, "04-10T15:00", "04-11T14:00", 60));
        assert_eq!(shape(StatsWindow::Week, 9), expected(168, "04-04T15:00", "04-11T14:00", 60));
    }

    #[test]
    fn every_window_reads_back_as_what_wrote_it() {
        for window in StatsWindow::ALL {
            assert_eq!(window.as_str().parse::<StatsWindow>().unwrap(), window);
        }
        assert!("2h".parse::<StatsWindow>().is_err());
    }
}
