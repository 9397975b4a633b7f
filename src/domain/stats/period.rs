//! How far back statistics reach, and the buckets that they are cut into.

use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use super::super::time::Timestamp;

/// So many stored rows are read quickly; beyond it, coarser ones are.
const ROWS_READ_QUICKLY: u64 = 100_000;

const HOURS_OF_A_DAY: i64 = 24;

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

    /// Its hours, put together to days where a whole day lies in it; `None` unless its buckets are hours.
    #[must_use]
    pub fn days_and_hours(&self) -> Option<DaysAndHours> {
        self.is_hourly().then(|| DaysAndHours::of(self.first..self.last + 1))
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

/// A period of whole hours as days of UTC and the hours beside them; all are counted from 1970, and each is in one of the
/// three.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaysAndHours {
    /// The hours of the day in which it begins, if that is not whole.
    pub hours_before: Range<i64>,
    /// The days that lie wholly in it.
    pub days: Range<i64>,
    /// The hours of the day in which it ends, if that is not whole.
    pub hours_after: Range<i64>,
}

impl DaysAndHours {
    /// Of hours among which a day begins: 24 will do.
    const fn of(hours: Range<i64>) -> Self {
        let days = (hours.start + HOURS_OF_A_DAY - 1).div_euclid(HOURS_OF_A_DAY)..hours.end.div_euclid(HOURS_OF_A_DAY);
        Self { hours_before: hours.start..days.start * HOURS_OF_A_DAY, hours_after: days.end * HOURS_OF_A_DAY..hours.end, days }
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

    /// How many hours before, days, and hours after.
    fn parts(window: StatsWindow, now: &str) -> Option<(usize, Vec<String>, usize)> {
        let period = Period::of(window, Timestamp::parse_rfc3339(now).unwrap(), 10_000);
        let DaysAndHours { hours_before, days, hours_after } = period.days_and_hours()?;
        let starts = days.map(|day| at_minute(day * 24 * 60).to_string()[5..16].to_owned()).collect();
        Some((hours_before.count(), starts, hours_after.count()))
    }

    fn midnights(days: &[&str]) -> Vec<String> {
        days.iter().map(|day| format!("{day}T00:00")).collect()
    }

    #[test]
    fn a_day_is_whole_when_it_begins_and_ends_within_the_period() {
        let week = |now| parts(StatsWindow::Week, now).unwrap();
        let day = |now| parts(StatsWindow::Day, now).unwrap();
        let six = midnights(&["04-05", "04-06", "04-07", "04-08", "04-09", "04-10"]);
        let seven = midnights(&["04-05", "04-06", "04-07", "04-08", "04-09", "04-10", "04-11"]);

        assert_eq!(week("2024-04-11T14:12:33Z"), (9, six.clone(), 15));
        assert_eq!(week("2024-04-11T00:00:00Z"), (23, six.clone(), 1));
        assert_eq!(week("2024-04-11T22:59:59Z"), (1, six, 23));
        assert_eq!(week("2024-04-11T23:00:00Z"), (0, seven, 0));
        assert_eq!(day("2024-04-11T14:12:33Z"), (9, vec![], 15));
        assert_eq!(day("2024-04-11T23:59:59Z"), (0, midnights(&["04-11"]), 0));
    }

    #[test]
    fn days_and_hours_are_the_hours_of_the_period_each_once() {
        for hour in -500..500 {
            let period = Period::of(StatsWindow::Week, at_minute(hour * 60 + 59), 1);

            let DaysAndHours { hours_before, days, hours_after } = period.days_and_hours().unwrap();

            let hours: Vec<i64> = hours_before.chain(days.flat_map(|day| day * 24..day * 24 + 24)).chain(hours_after).collect();
            assert_eq!(hours, (hour - 167..=hour).collect::<Vec<_>>());
        }
    }

    #[test]
    fn minutes_are_not_put_together() {
        assert_eq!(parts(StatsWindow::Hour, "2024-04-11T23:00:00Z"), None);
    }

    #[test]
    fn every_window_reads_back_as_what_wrote_it() {
        for window in StatsWindow::ALL {
            assert_eq!(window.as_str().parse::<StatsWindow>().unwrap(), window);
        }
        assert!("2h".parse::<StatsWindow>().is_err());
    }
}
