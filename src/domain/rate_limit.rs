//! How many requests a webhook may get in a while, as its admin writes it.
//!
//! How the starts are spread is `delivery::lanes`' matter.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// At most so many requests may start in any period of so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct RateLimit {
    requests: u32,
    per_seconds: u32,
}

/// A rate limit as it is written in JSON.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    requests: u32,
    #[serde(default = "one_second")]
    per_seconds: u32,
}

/// Why a rate limit is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateLimitError {
    /// The number of requests is zero or more than [`RateLimit::MAX_REQUESTS`].
    #[error("must be a whole number from 1 to {}", RateLimit::MAX_REQUESTS)]
    Requests,
    /// The period is zero or longer than [`RateLimit::MAX_SECONDS`].
    #[error("must be a whole number of seconds from 1 to {}", RateLimit::MAX_SECONDS)]
    PerSeconds,
}

impl RateLimit {
    /// The most requests that a limit may name.
    pub const MAX_REQUESTS: u32 = 100_000;
    /// The longest period in seconds: a day.
    pub const MAX_SECONDS: u32 = 24 * 3_600;
    /// The period of a limit that names none.
    pub const DEFAULT_SECONDS: u32 = 1;

    /// At most `requests` starts in any `per_seconds` seconds.
    ///
    /// # Errors
    ///
    /// Names the first number that is out of range.
    pub const fn new(requests: u32, per_seconds: u32) -> Result<Self, RateLimitError> {
        if requests == 0 || requests > Self::MAX_REQUESTS {
            Err(RateLimitError::Requests)
        } else if per_seconds == 0 || per_seconds > Self::MAX_SECONDS {
            Err(RateLimitError::PerSeconds)
        } else {
            Ok(Self { requests, per_seconds })
        }
    }

    /// The most starts in any [`Self::period`].
    #[must_use]
    pub const fn requests(self) -> u32 {
        self.requests
    }

    /// The time over which starts are counted.
    #[must_use]
    pub const fn period(self) -> Duration {
        Duration::from_secs(self.per_seconds as u64)
    }
}

const fn one_second() -> u32 {
    RateLimit::DEFAULT_SECONDS
}

impl TryFrom<Written> for RateLimit {
    type Error = RateLimitError;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        Self::new(written.requests, written.per_seconds)
    }
}

impl From<RateLimit> for Written {
    fn from(limit: RateLimit) -> Self {
        Self { requests: limit.requests, per_seconds: limit.per_seconds }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_bounds_are_exact() {
        let new = |requests, seconds| RateLimit::new(requests, seconds).map(drop);

        assert_eq!([new(1, 1), new(100_000, 86_400)], [Ok(()), Ok(())]);
        assert_eq!([new(0, 1), new(100_001, 1)], [Err(RateLimitError::Requests); 2]);
        assert_eq!([new(1, 0), new(1, 86_401)], [Err(RateLimitError::PerSeconds); 2]);
    }

    #[test]
    fn a_limit_is_written_as_it_is_read_and_within_its_bounds() {
        let limit = RateLimit::new(30, 60).unwrap();
        let read = |value| serde_json::from_value::<RateLimit>(value).ok();

        assert_eq!(serde_json::to_value(limit).unwrap(), json!({"requests": 30, "perSeconds": 60}));
        assert_eq!(read(json!({"requests": 30, "perSeconds": 60})), Some(limit));
        assert_eq!(read(json!({"requests": 30})), RateLimit::new(30, 1).ok());
        assert_eq!([json!({"requests": 0}), json!({"perSeconds": 1}), json!({"requests": 1.5}), json!(1)].map(read), [None; 4]);
    }
}
