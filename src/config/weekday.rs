//! Translates the weekday field of a crontab line into the numbers of the `cron` crate.
//!
//! A crontab counts from 0 = Sunday to 7 = Sunday again, the crate from 1 = Sunday to 7 = Saturday. Handed over as it
//! stands, every schedule with a numbered weekday would run a day early.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::schedule::ScheduleError;

const NAMES: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

/// The same days as a list of the crate's numbers; `*` when they are all days.
pub(super) fn translate(field: &str) -> Result<String, ScheduleError> {
    let mut days = BTreeSet::new();
    for part in field.split(',') {
        let part_days = days_of(part).ok_or_else(|| ScheduleError::Weekday { part: part.to_owned() })?;
        days.extend(part_days.map(|day| day % 7));
    }
    if days.len() == NAMES.len() {
        return Ok("*".to_owned());
    }
    let numbers: Vec<String> = days.into_iter().map(|day| (day + 1).to_string()).collect();
    Ok(numbers.join(","))
}

/// The days of one entry of the list, such as `3`, `mon-fri` or `*/2`; Sunday may come as 7.
fn days_of(part: &str) -> Option<impl Iterator<Item = u8>> {
    let (days, step) = match part.split_once('/') {
        None => (range_of(part)?, 1),
        Some((base, step)) => (stepped_range_of(base)?, number(step).filter(|step| (1..=7).contains(step))?),
    };
    Some(days.step_by(usize::from(step)))
}

/// The days that are written before a step: those of a range, or those from a single day to the end of the week.
fn stepped_range_of(base: &str) -> Option<RangeInclusive<u8>> {
    let days = range_of(base)?;
    let is_single = day(base).is_some();
    Some(if is_single { *days.start()..=6.max(*days.start()) } else { days })
}

fn range_of(text: &str) -> Option<RangeInclusive<u8>> {
    if text == "*" || text == "?" {
        return Some(0..=6);
    }
    let Some((first, last)) = text.split_once('-') else {
        return day(text).map(|day| day..=day);
    };
    let first = day(first)?;
    // A range that ends on a Sunday ends with the week.
    let last = day(last).map(|last| if last == 0 && first > 0 { 7 } else { last })?;
    (first <= last).then_some(first..=last)
}

/// A day by its number or by the first three or more letters of its name.
fn day(text: &str) -> Option<u8> {
    if let Some(number) = number(text) {
        return (number <= 7).then_some(number);
    }
    let name = text.to_ascii_lowercase();
    let index = NAMES.iter().position(|full| name.len() >= 3 && full.starts_with(&name))?;
    u8::try_from(index).ok()
}

/// A number that is written with digits alone.
fn number(text: &str) -> Option<u8> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_the_numbers_of_the_crate() {
        let cases = [
            ("0", "1"),
            ("1", "2"),
            ("6", "7"),
            ("7", "1"),
            ("sun", "1"),
            ("SAT", "7"),
            ("Thurs", "5"),
            ("wednesday", "4"),
            ("1,3,5", "2,4,6"),
            ("5,0,7", "1,6"),
            ("1-5", "2,3,4,5,6"),
            ("mon-fri", "2,3,4,5,6"),
            ("5-7", "1,6,7"),
            ("sat-sun", "1,7"),
            ("5-0", "1,6,7"),
            ("0-0", "1"),
            ("7-7", "1"),
            ("0-7", "*"),
            ("1-7", "*"),
            ("*", "*"),
            ("?", "*"),
            ("*/2", "1,3,5,7"),
            ("*/7", "1"),
            ("1-5/2", "2,4,6"),
            ("3/2", "4,6"),
            ("mon/3", "2,5"),
            ("7/2", "1"),
            ("5-7/2", "1,6"),
            ("mon,3-4,*/6", "1,2,4,5,7"),
        ];
        for (crontab, crate_numbers) in cases {
            assert_eq!(translate(crontab).unwrap(), crate_numbers, "{crontab}");
        }
    }

    #[test]
    fn what_is_no_weekday_is_refused() {
        for field in
            ["", "8", "-1", "+1", "1-", "-", "5-1", "7-2", "0-8", "*/0", "*/8", "1/", "1/x", "mo", "funday", "1,,2", "*-3", "mon-*"]
        {
            assert!(translate(field).is_err(), "{field:?}");
        }
    }
}
