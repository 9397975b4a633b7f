//! Times as browsers write what is typed into a field for one: in the offset in which times are shown, to the minute.

use chrono::{FixedOffset, NaiveDateTime};

use crate::domain::time::Timestamp;

/// Some browsers add seconds.
const FORMS: [&str; 2] = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"];

/// The time that a field says, if it says one.
pub(super) fn read(text: &str, offset: FixedOffset) -> Option<Timestamp> {
    let local = FORMS.into_iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())?;
    let time = local.and_local_timezone(offset).single()?;
    Some(Timestamp::from(time.to_utc()))
}

/// A time for a field: the minute that it is in.
pub(super) fn written(time: Timestamp, offset: FixedOffset) -> String {
    time.to_utc().with_timezone(&offset).format(FORMS[0]).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_the_offset_in_which_it_is_shown() {
        let offset = FixedOffset::west_opt(3 * 3_600).unwrap();

        assert_eq!(read("2024-04-11T14:12", offset), Timestamp::parse_rfc3339("2024-04-11T14:12:00-03:00"));
        assert_eq!(read("2024-04-11T14:12:33", offset), Timestamp::parse_rfc3339("2024-04-11T17:12:33Z"));
        for nonsense in ["2024-04-11", "2024-13-11T14:12", "+262144-01-01T00:00", "yesterday"] {
            assert_eq!(read(nonsense, offset), None, "{nonsense}");
        }
    }

    #[test]
    fn a_time_is_written_as_it_is_read() {
        let offset = FixedOffset::west_opt(3 * 3_600).unwrap();
        let time = Timestamp::parse_rfc3339("2024-04-11T17:12:33.741194Z").unwrap();

        let text = written(time, offset);

        assert_eq!(text, "2024-04-11T14:12");
        assert_eq!(read(&text, offset), Timestamp::parse_rfc3339("2024-04-11T17:12:00Z"));
    }
}
