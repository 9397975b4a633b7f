//! How often, and after how long, a call is made again that got no answer or one that asks to come again.

use std::time::Duration;

use http::{HeaderMap, header};

use crate::domain::retry::parse_retry_after;
use crate::domain::time::Timestamp;

/// How long a caller waits in all for a dispatcher that asks it to.
const LONGEST: Duration = Duration::from_secs(30);

/// How long to wait when the answer does not say.
const USUAL: Duration = Duration::from_secs(1);

/// How often a call is made again that got no answer, and after how long.
const SILENCES: u32 = 3;
const AFTER_SILENCE: Duration = Duration::from_millis(250);

/// What is left of it for one call.
#[derive(Debug)]
pub(super) struct Patience {
    left: Duration,
    silences_left: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self { left: LONGEST, silences_left: SILENCES }
    }
}

impl Patience {
    /// How long to wait before the call is made again; `None` when its answer stands.
    pub(super) fn after_answer(&mut self, status: u16, headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
        if !matches!(status, 429 | 503) {
            return None;
        }
        let asked = headers.get(header::RETRY_AFTER).and_then(|value| parse_retry_after(value.as_bytes(), now)).unwrap_or(USUAL);
        // A wait of nothing would be a loop without an end.
        let pause = asked.max(AFTER_SILENCE);
        self.left = self.left.checked_sub(pause)?;
        Some(pause)
    }

    /// How long to wait before a call is made again that got no answer; `None` when it is given up.
    pub(super) fn after_silence(&mut self) -> Option<Duration> {
        self.silences_left = self.silences_left.checked_sub(1)?;
        Some(AFTER_SILENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_712_855_553_000_000);

    fn pauses(status: u16, retry_after: &str) -> Vec<Duration> {
        let headers = HeaderMap::from_iter([(header::RETRY_AFTER, retry_after.parse().unwrap())]);
        let mut patience = Patience::default();
        std::iter::from_fn(|| patience.after_answer(status, &headers, NOW)).take(200).collect()
    }

    #[test]
    fn whoever_is_asked_to_come_again_does_until_thirty_seconds_have_gone() {
        assert_eq!(pauses(503, "7"), [Duration::from_secs(7); 4]);
        assert_eq!(pauses(429, "30"), [Duration::from_secs(30)]);
        assert!(pauses(429, "31").is_empty());
        assert_eq!(pauses(503, "Thu, 11 Apr 2024 17:12:43 GMT"), [Duration::from_secs(10); 3]);
        assert_eq!(pauses(503, "soon"), [Duration::from_secs(1); 30]);
        assert_eq!(pauses(503, "0"), [Duration::from_millis(250); 120]);
    }

    #[test]
    fn every_other_answer_stands() {
        for status in [200, 404, 409, 500, 502, 504] {
            assert!(pauses(status, "1").is_empty(), "{status}");
        }
    }

    #[test]
    fn silence_is_met_three_times_more() {
        let mut patience = Patience::default();

        assert_eq!(std::iter::from_fn(|| patience.after_silence()).count(), 3);
    }
}
