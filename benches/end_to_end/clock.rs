//! The one clock that all processes of a measurement share.

use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds since 1970. `Instant` would not do: what it counts from is known to one process only.
#[expect(clippy::disallowed_methods, reason = "a measurement across processes needs a clock that they share")]
pub(crate) fn now() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_nanos()).unwrap_or(u64::MAX)
}

/// Whole microseconds from `start` to `end`, both from [`now`]; nothing if the clock was set back in between.
pub(crate) fn micros_between(start: u64, end: u64) -> u32 {
    u32::try_from(end.saturating_sub(start) / 1000).unwrap_or(u32::MAX)
}

/// The present as a date for people.
pub(crate) fn rfc3339() -> String {
    chrono::DateTime::from_timestamp_nanos(i64::try_from(now()).unwrap_or(i64::MAX)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
