//! When a recurring duty is due: a crontab line, evaluated in UTC.
//!
//! Five fields mean what they mean in a crontab: weekdays count from 0 = Sunday to 7 = Sunday again, and a line that
//! restricts both the day of the month and the weekday is due on days that match either. Six or seven fields (seconds
//! first, a year last) and words such as `@daily` mean what they mean to the `cron` crate, whose weekdays count from
//! 1 = Sunday and which wants both day fields to match.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike};

use super::weekday;
use crate::domain::time::Timestamp;

/// The last year that the `cron` crate knows.
const LAST_YEAR: i32 = 2100;

/// The points in time at which something recurs. Never empty: text that names no possible day is not accepted.
#[derive(Clone)]
pub struct Schedule {
    text: String,
    /// It is due when any of these is.
    alternatives: Vec<cron::Schedule>,
}

impl Schedule {
    /// The first time strictly after `time`; `None` when there is none before the year 2101.
    #[must_use]
    pub fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        let time = time.to_utc().max(DateTime::UNIX_EPOCH);
        if time.year() > LAST_YEAR {
            return None;
        }
        self.alternatives.iter().filter_map(|alternative| alternative.after(&time).next()).min().map(Timestamp::from)
    }
}

impl fmt::Display for Schedule {
    /// The text that it was read from.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Schedule").field(&self.text).finish()
    }
}

/// The text is no schedule.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// It has neither the five fields of a crontab line nor the six or seven of the longer form.
    #[error("it has {found} fields, not 5 (minute, hour, day of the month, month, weekday), 6 or 7")]
    Fields {
        /// How many fields it has.
        found: usize,
    },
    /// A comma, hyphen or slash stands at the edge of a field, so the fields cannot be told apart.
    #[error("field {field:?} begins or ends in the middle of a list, range or step")]
    TornField {
        /// The field.
        field: String,
    },
    /// The weekday field cannot be read.
    #[error("{part:?} is no weekday: use 0 to 7 (0 and 7 are Sunday), SUN to SAT, lists, ranges and steps of 1 to 7")]
    Weekday {
        /// The entry of its list that cannot be read.
        part: String,
    },
    /// Another field cannot be read.
    #[error("it cannot be read")]
    Syntax(#[source] cron::error::Error),
    /// No day matches, for instance the 30th of February.
    #[error("no day matches it")]
    Never,
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        if let Some(torn) = fields.iter().find(|field| field.starts_with([',', '-', '/']) || field.ends_with([',', '-', '/'])) {
            return Err(ScheduleError::TornField { field: (*torn).to_owned() });
        }
        let alternatives = alternatives(&fields)?.iter().map(|line| line.parse()).collect::<Result<_, _>>();
        let schedule = Self { text: text.to_owned(), alternatives: alternatives.map_err(ScheduleError::Syntax)? };
        match schedule.next_after(Timestamp::from_micros(0)) {
            Some(_) => Ok(schedule),
            None => Err(ScheduleError::Never),
        }
    }
}

/// The lines, in the form of the `cron` crate, of which any may match.
///
/// The year is always written, because the crate reads `**` as two fields and would move the others.
fn alternatives(fields: &[&str]) -> Result<Vec<String>, ScheduleError> {
    match *fields {
        [minute, hour, day, month, weekday] => {
            let weekdays = weekday::translate(weekday)?;
            let line = |day: &str, weekdays: &str| format!("0 {minute} {hour} {day} {month} {weekdays} *");
            if is_restricted(day) && is_restricted(weekday) {
                Ok(vec![line(day, "*"), line("*", &weekdays)])
            } else {
                Ok(vec![line(day, &weekdays)])
            }
        }
        [word] if word.starts_with('@') => Ok(vec![word.to_owned()]),
        [_, _, _, _, _, _] => Ok(vec![format!("{} *", fields.join(" "))]),
        [_, _, _, _, _, _, _] => Ok(vec![fields.join(" ")]),
        _ => Err(ScheduleError::Fields { found: fields.len() }),
    }
}

/// As in a crontab, `*/2` counts as unrestricted: both day fields must match then.
fn is_restricted(field: &str) -> bool {
    !field.starts_with(['*', '?'])
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The next `count` times after 2024-01-01T00:00:00Z, a Monday, up to the minute.
    fn next(schedule: &str, count: usize) -> Vec<String> {
        let schedule: Schedule = schedule.parse().unwrap();
        let start = Timestamp::parse_rfc3339("2024-01-01T00:00:00Z").unwrap();
        let times = std::iter::successors(schedule.next_after(start), |&time| schedule.next_after(time));
        times.take(count).map(|time| time.to_string()[..16].to_owned()).collect()
    }

    fn refusal(text: &str) -> String {
        text.parse::<Schedule>().unwrap_err().to_string()
    }

    #[test]
    fn five_fields_are_minute_hour_day_month_and_weekday() {
        assert_eq!(next("17 * * * *", 2), ["2024-01-01T00:17", "2024-01-01T01:17"]);
        assert_eq!(next("43 3 * * *", 2), ["2024-01-01T03:43", "2024-01-02T03:43"]);
        assert_eq!(next("*/10 * * * *", 3), ["2024-01-01T00:10", "2024-01-01T00:20", "2024-01-01T00:30"]);
        assert_eq!(next("30 12 31 * *", 3), ["2024-01-31T12:30", "2024-03-31T12:30", "2024-05-31T12:30"]);
        assert_eq!(next("0 0 1 feb,AUG *", 2), ["2024-02-01T00:00", "2024-08-01T00:00"]);
        assert_eq!(next("0 0 29 2 *", 2), ["2024-02-29T00:00", "2028-02-29T00:00"]);
    }

    #[test]
    fn weekdays_count_from_sunday_as_0_to_sunday_as_7() {
        assert_eq!(next("0 0 * * 0", 2), ["2024-01-07T00:00", "2024-01-14T00:00"]);
        assert_eq!(next("0 0 * * 7", 2), ["2024-01-07T00:00", "2024-01-14T00:00"]);
        assert_eq!(next("0 0 * * 1", 2), ["2024-01-08T00:00", "2024-01-15T00:00"]);
        assert_eq!(next("0 0 * * 6", 2), ["2024-01-06T00:00", "2024-01-13T00:00"]);
        assert_eq!(next("0 0 * * fri-7", 4), ["2024-01-05T00:00", "2024-01-06T00:00", "2024-01-07T00:00", "2024-01-12T00:00"]);
    }

    #[test]
    fn days_that_match_the_month_field_or_the_weekday_field_are_due_when_both_restrict() {
        assert_eq!(next("0 0 5 * 1", 3), ["2024-01-05T00:00", "2024-01-08T00:00", "2024-01-15T00:00"]);
        assert_eq!(next("0 0 */2 * 1", 3), ["2024-01-15T00:00", "2024-01-29T00:00", "2024-02-05T00:00"]);
    }

    #[test]
    fn the_longer_form_keeps_the_numbers_of_the_crate() {
        assert_eq!(next("0 30 9 * * 1", 2), ["2024-01-07T09:30", "2024-01-14T09:30"]);
        assert_eq!(next("0 30 9 1 5 * 2026", 2), ["2026-05-01T09:30"]);
        assert_eq!(next("@daily", 2), ["2024-01-02T00:00", "2024-01-03T00:00"]);
    }

    #[test]
    fn the_next_time_is_strictly_later() {
        let schedule: Schedule = "0 * * * *".parse().unwrap();
        let hour = Timestamp::parse_rfc3339("2024-01-01T05:00:00Z").unwrap();

        assert_eq!(schedule.next_after(hour), Some(hour + Duration::from_hours(1)));
        assert_eq!(schedule.next_after(hour - Duration::from_micros(1)), Some(hour));
    }

    #[test]
    fn times_outside_the_years_that_the_crate_knows_are_no_panic() {
        let schedule: Schedule = "0 0 1 1 *".parse().unwrap();

        assert_eq!(schedule.next_after(Timestamp::from_micros(i64::MAX)), None);
        assert_eq!(schedule.next_after(Timestamp::parse_rfc3339("2100-12-31T23:59:59Z").unwrap()), None);
        assert_eq!(schedule.next_after(Timestamp::from_micros(i64::MIN)).unwrap().to_string(), "1971-01-01T00:00:00.000000Z");
    }

    #[test]
    fn what_is_no_schedule_is_refused_with_its_reason() {
        assert_eq!(refusal(""), "it has 0 fields, not 5 (minute, hour, day of the month, month, weekday), 6 or 7");
        assert_eq!(refusal("* * * *"), "it has 4 fields, not 5 (minute, hour, day of the month, month, weekday), 6 or 7");
        assert_eq!(refusal("1, 2 * * * *"), "field \"1,\" begins or ends in the middle of a list, range or step");
        assert_eq!(
            refusal("0 0 * * mon,8"),
            "\"8\" is no weekday: use 0 to 7 (0 and 7 are Sunday), SUN to SAT, lists, ranges and steps of 1 to 7"
        );
        assert_eq!(refusal("0 0 30 2 *"), "no day matches it");
        for text in ["60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "*/0 * * * *", "* * * * * 8", "@often", "x * * * *"] {
            assert_eq!(refusal(text), "it cannot be read", "{text:?}");
        }
    }

    #[test]
    fn a_field_that_the_crate_would_read_as_two_is_refused() {
        for text in ["** * * * *", "5* * * * *", "* * * jan5 *", "** * * * * *"] {
            assert_eq!(refusal(text), "it cannot be read", "{text:?}");
        }
    }

    #[test]
    fn a_schedule_shows_the_text_it_was_read_from() {
        let schedule: Schedule = "17 * * * *".parse().unwrap();

        assert_eq!(schedule.to_string(), "17 * * * *");
        assert_eq!(format!("{schedule:?}"), "Schedule(\"17 * * * *\")");
    }
}
