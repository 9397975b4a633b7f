//! Times as a system writes them that knows no offsets: local, to the second.

use chrono::{DateTime, NaiveDateTime};
use chrono_tz::Tz;

/// How such a system writes a time.
const WRITTEN: &str = "%Y-%m-%dT%H:%M:%S";

/// How one without an offset may come in.
const READ: &str = "%Y-%m-%dT%H:%M:%S%.f";

/// The local time in `zone` that `text` names: a time with an offset is brought there, one without is local already.
/// Fractions of a second are cut off. `None` where it is no time, or written so already.
pub(super) fn local_time(text: &str, zone: Tz) -> Option<String> {
    let local = match DateTime::parse_from_rfc3339(text) {
        Ok(time) => time.with_timezone(&zone).naive_local(),
        Err(_) => NaiveDateTime::parse_from_str(text, READ).ok()?,
    };
    Some(local.format(WRITTEN).to_string()).filter(|written| written != text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_with_an_offset_is_brought_into_the_zone() {
        let zone: Tz = "America/Sao_Paulo".parse().unwrap();

        assert_eq!(local_time("2025-03-10T17:05:00Z", zone).unwrap(), "2025-03-10T14:05:00");
        assert_eq!(local_time("2025-03-10T14:05:00.999-03:00", zone).unwrap(), "2025-03-10T14:05:00");
        // There was summer time then.
        assert_eq!(local_time("2018-12-24T20:00:00Z", zone).unwrap(), "2018-12-24T18:00:00");
    }

    #[test]
    fn one_without_is_local_already_and_what_is_no_time_stays() {
        let zone: Tz = "Europe/Berlin".parse().unwrap();

        assert_eq!(local_time("2025-03-10T14:05:00.5", zone).unwrap(), "2025-03-10T14:05:00");
        assert_eq!(local_time("2025-03-10T14:05:00", zone), None);
        assert_eq!(local_time("tomorrow", zone), None);
    }
}
