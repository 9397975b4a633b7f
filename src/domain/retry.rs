//! When a failed attempt is tried again: the schedule, its jitter, and what a receiver asks for with `Retry-After`.
//!
//! Not for whether an attempt may be tried again at all: that is the outcome's matter.

use std::time::{Duration, SystemTime};

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::time::Timestamp;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// How long to wait after each failed attempt of a series, and how far chance may move that.
///
/// A redelivery by a person begins a new series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct RetryPolicy {
    delays: Vec<Duration>,
    jitter: f64,
}

/// A schedule as it is written in JSON.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    delays_seconds: Vec<u64>,
    #[serde(default = "default_jitter")]
    jitter: f64,
}

/// Why a schedule is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RetryPolicyError {
    /// It has more than [`RetryPolicy::MAX_DELAYS`] delays.
    #[error("must have at most {} delays", RetryPolicy::MAX_DELAYS)]
    TooManyDelays,
    /// A delay is shorter than a second, longer than [`RetryPolicy::MAX_DELAY`], or holds a fraction of a second.
    #[error("every delay must be a whole number of seconds from 1 to {}", RetryPolicy::MAX_DELAY.as_secs())]
    Delay,
    /// The jitter is no number from 0 to [`RetryPolicy::MAX_JITTER`].
    #[error("the jitter must be a number from 0 to {}", RetryPolicy::MAX_JITTER)]
    Jitter,
}

impl RetryPolicy {
    /// How many delays a schedule may have.
    pub const MAX_DELAYS: usize = 50;
    /// The longest delay: 30 days.
    pub const MAX_DELAY: Duration = Duration::from_secs(30 * 24 * HOUR);
    /// The largest jitter: half of the delay either way.
    pub const MAX_JITTER: f64 = 0.5;

    /// A schedule that waits `delays[n - 1]` after the n-th failed attempt, moved by up to `jitter` of it either way.
    ///
    /// No delays mean that nothing is tried again.
    ///
    /// # Errors
    ///
    /// Names the first limit that is broken.
    pub fn new(delays: Vec<Duration>, jitter: f64) -> Result<Self, RetryPolicyError> {
        let fits = |delay: &Duration| (SECOND..=Self::MAX_DELAY).contains(delay) && delay.subsec_nanos() == 0;
        if delays.len() > Self::MAX_DELAYS {
            Err(RetryPolicyError::TooManyDelays)
        } else if !delays.iter().all(fits) {
            Err(RetryPolicyError::Delay)
        } else if !(0.0..=Self::MAX_JITTER).contains(&jitter) {
            Err(RetryPolicyError::Jitter)
        } else {
            Ok(Self { delays, jitter })
        }
    }

    /// The planned delays, in order.
    #[must_use]
    pub fn delays(&self) -> &[Duration] {
        &self.delays
    }

    /// The part of a delay by which chance may lengthen or shorten it.
    #[must_use]
    pub const fn jitter(&self) -> f64 {
        self.jitter
    }

    /// The planned delay once `failed_in_series` attempts of the series have failed; 1 means that the first one did.
    ///
    /// `None` when the schedule is exhausted.
    #[must_use]
    pub fn delay_after(&self, failed_in_series: u32) -> Option<Duration> {
        let index = usize::try_from(failed_in_series.checked_sub(1)?).ok()?;
        self.delays.get(index).copied()
    }

    /// When to try again; `None` when the schedule is exhausted.
    ///
    /// `retry_after`, which the caller has put through [`clamp_retry_after`], moves the attempt back where it asks for
    /// more than the plan: no earlier than asked, and up to the jitter later, so that a receiver who asks many senders
    /// for the same moment is not met by all of them at once. A shorter wish changes nothing, or a receiver that asks
    /// for a second would use up the whole schedule in seconds. A wish never adds an attempt.
    pub fn retry_at(&self, failed_in_series: u32, now: Timestamp, retry_after: Option<Duration>, rng: &mut impl Rng) -> Option<Timestamp> {
        let planned = scaled(self.delay_after(failed_in_series)?, rng.random_range(1.0 - self.jitter..=1.0 + self.jitter));
        let asked = retry_after.map(|asked| asked.saturating_add(scaled(asked, rng.random_range(0.0..=self.jitter))));
        Some(now + asked.map_or(planned, |asked| asked.max(planned)))
    }
}

impl Default for RetryPolicy {
    /// 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h and 24 h, each moved by up to a fifth.
    fn default() -> Self {
        let seconds = [5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR];
        Self { delays: seconds.map(Duration::from_secs).into(), jitter: default_jitter() }
    }
}

const fn default_jitter() -> f64 {
    0.2
}

impl TryFrom<Written> for RetryPolicy {
    type Error = RetryPolicyError;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        Self::new(written.delays_seconds.into_iter().map(Duration::from_secs).collect(), written.jitter)
    }
}

impl From<RetryPolicy> for Written {
    fn from(policy: RetryPolicy) -> Self {
        Self { delays_seconds: policy.delays.iter().map(Duration::as_secs).collect(), jitter: policy.jitter }
    }
}

/// `duration` times a factor that is not negative; saturates.
fn scaled(duration: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(duration.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

/// How long the value of a `Retry-After` header asks to wait: seconds, or an HTTP date in any of its three forms.
///
/// A date that has passed means no wait. `None` for a value of any other form.
#[must_use]
pub fn parse_retry_after(value: &[u8], now: Timestamp) -> Option<Duration> {
    let text = str::from_utf8(value).ok()?.trim_matches([' ', '\t']);
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Only a number too large for 64 bits fails here.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let since_epoch = date.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some((Timestamp::from_micros(0) + since_epoch).since(now))
}

/// What is granted of the wait that a receiver asks for: at least a second, and at most `max`.
#[must_use]
pub fn clamp_retry_after(asked: Duration, max: Duration) -> Duration {
    asked.min(max).max(SECOND)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use serde_json::json;

    use super::*;

    /// 2024-04-11T17:12:33Z.
    const NOW: Timestamp = Timestamp::from_micros(1_712_855_553_000_000);

    fn rng(seed: u64) -> StdRng {
        StdRng::seed_from_u64(seed)
    }

    fn seconds(numbers: &[u64]) -> Vec<Duration> {
        numbers.iter().copied().map(Duration::from_secs).collect()
    }

    fn policy(delays: &[u64], jitter: f64) -> RetryPolicy {
        RetryPolicy::new(seconds(delays), jitter).unwrap()
    }

    #[test]
    fn the_default_schedule_is_the_documented_one() {
        let policy = RetryPolicy::default();

        assert_eq!(policy.delays(), seconds(&[5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]));
        assert_eq!(RetryPolicy::new(policy.delays().to_vec(), policy.jitter()), Ok(policy));
    }

    #[test]
    fn the_limits_are_exact() {
        let month = 30 * 24 * 3_600;
        let new = |delays: &[u64], jitter| RetryPolicy::new(seconds(delays), jitter).map(drop);

        assert_eq!(new(&[], 0.0), Ok(()));
        assert_eq!(new(&[1, month], 0.5), Ok(()));
        assert_eq!(new(&[7; 50], 0.2), Ok(()));
        assert_eq!(new(&[7; 51], 0.2), Err(RetryPolicyError::TooManyDelays));
        assert_eq!(new(&[5, 0], 0.2), Err(RetryPolicyError::Delay));
        assert_eq!(new(&[month + 1], 0.2), Err(RetryPolicyError::Delay));
        assert_eq!(RetryPolicy::new(vec![Duration::from_millis(1_500)], 0.2), Err(RetryPolicyError::Delay));
        for jitter in [-0.01, 0.51, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(new(&[5], jitter), Err(RetryPolicyError::Jitter), "{jitter}");
        }
    }

    #[test]
    fn a_schedule_is_written_in_whole_seconds_and_read_back() {
        let policy = policy(&[5, 300], 0.25);
        let written = json!({"delaysSeconds": [5, 300], "jitter": 0.25});

        assert_eq!(serde_json::to_value(&policy).unwrap(), written);
        assert_eq!(serde_json::from_value::<RetryPolicy>(written).unwrap(), policy);
        assert_eq!(serde_json::from_value::<RetryPolicy>(json!({"delaysSeconds": [5]})).unwrap(), self::policy(&[5], 0.2));
    }

    #[test]
    fn reading_a_schedule_keeps_the_limits() {
        let refused = |value| serde_json::from_value::<RetryPolicy>(value).unwrap_err().to_string();

        assert_eq!(
            refused(json!({"delaysSeconds": [0], "jitter": 0.2})),
            "every delay must be a whole number of seconds from 1 to 2592000"
        );
        assert_eq!(
            refused(json!({"delaysSeconds": [u64::MAX], "jitter": 0.2})),
            "every delay must be a whole number of seconds from 1 to 2592000"
        );
        assert_eq!(refused(json!({"delaysSeconds": vec![1; 51], "jitter": 0.2})), "must have at most 50 delays");
        assert_eq!(refused(json!({"delaysSeconds": [], "jitter": 0.6})), "the jitter must be a number from 0 to 0.5");
        for value in [json!({}), json!({"delaysSeconds": [-1]}), json!({"delaysSeconds": [1.5]}), json!({"delaysSeconds": "5"}), json!([5])]
        {
            assert!(serde_json::from_value::<RetryPolicy>(value.clone()).is_err(), "{value}");
        }
    }

    #[test]
    fn each_failure_waits_for_its_own_delay_until_none_is_left() {
        let policy = policy(&[5, 300], 0.2);

        let delays = [0, 1, 2, 3, u32::MAX].map(|failed| policy.delay_after(failed).map(|delay| delay.as_secs()));

        assert_eq!(delays, [None, Some(5), Some(300), None, None]);
    }

    #[test]
    fn without_jitter_the_plan_and_the_wish_are_met_exactly() {
        let policy = policy(&[5, 300], 0.0);

        assert_eq!(policy.retry_at(2, NOW, None, &mut rng(1)), Some(NOW + Duration::from_mins(5)));
        assert_eq!(policy.retry_at(2, NOW, Some(Duration::from_secs(700)), &mut rng(1)), Some(NOW + Duration::from_secs(700)));
    }

    #[test]
    fn a_wish_for_less_than_the_plan_changes_nothing() {
        let policy = policy(&[5, 300], 0.0);

        assert_eq!(policy.retry_at(2, NOW, Some(Duration::from_secs(7)), &mut rng(1)), Some(NOW + Duration::from_mins(5)));
    }

    #[test]
    fn a_wish_of_the_receiver_adds_no_attempt() {
        assert_eq!(policy(&[5], 0.2).retry_at(2, NOW, Some(Duration::from_secs(7)), &mut rng(1)), None);
        assert_eq!(policy(&[], 0.2).retry_at(1, NOW, Some(Duration::from_secs(7)), &mut rng(1)), None);
    }

    #[test]
    fn jitter_spreads_attempts_over_its_whole_range() {
        let policy = policy(&[100], 0.5);
        let mut rng = rng(1);

        let delays: Vec<_> = (0..1_000).map(|_| policy.retry_at(1, NOW, None, &mut rng).unwrap().since(NOW).as_secs()).collect();

        assert!(delays.iter().min() <= Some(&52) && delays.iter().max() >= Some(&147), "{delays:?}");
    }

    #[test]
    fn seconds_are_read() {
        let cases: [(&[u8], u64); 6] = [
            (b"0", 0),
            (b"120", 120),
            (b" \t 120 \t", 120),
            (b"007", 7),
            (b"18446744073709551615", u64::MAX),
            (b"18446744073709551616", u64::MAX),
        ];
        for (value, expected) in cases {
            assert_eq!(parse_retry_after(value, NOW), Some(Duration::from_secs(expected)), "{value:?}");
        }
        assert_eq!(parse_retry_after(&[b'9'; 10_000], NOW), Some(Duration::from_secs(u64::MAX)));
    }

    #[test]
    fn dates_are_read_in_all_three_forms() {
        for value in [
            "Thu, 11 Apr 2024 17:13:33 GMT",
            "Thursday, 11-Apr-24 17:13:33 GMT",
            "Thu Apr 11 17:13:33 2024",
            " Thu, 11 Apr 2024 17:13:33 GMT\t",
        ] {
            assert_eq!(parse_retry_after(value.as_bytes(), NOW), Some(Duration::from_mins(1)), "{value}");
        }
        assert_eq!(
            parse_retry_after(b"Thu, 11 Apr 2024 17:13:33 GMT", NOW + Duration::from_millis(250)),
            Some(Duration::from_millis(59_750))
        );
        assert_eq!(parse_retry_after(b"Thu, 01 Jan 1970 00:00:00 GMT", NOW), Some(Duration::ZERO));
        assert_eq!(parse_retry_after(b"Thu, 11 Apr 2024 17:12:33 GMT", NOW), Some(Duration::ZERO));
        assert!(parse_retry_after(b"Fri, 31 Dec 9999 23:59:59 GMT", NOW) > Some(Duration::from_secs(200_000_000_000)));
    }

    #[test]
    fn anything_else_asks_for_nothing() {
        let values = [
            "",
            " ",
            "-1",
            "+1",
            "1.5",
            "1e3",
            "0x10",
            "1 2",
            "12s",
            "1,2",
            "soon",
            "\u{0663}",
            "Thu, 31 Feb 2024 00:00:00 GMT",
            "2024-04-11T17:13:33Z",
            "1\n",
            "\r\n1",
        ];
        for value in values {
            assert_eq!(parse_retry_after(value.as_bytes(), NOW), None, "{value:?}");
        }
        assert_eq!(parse_retry_after(b"\xFF\xFE", NOW), None);
        assert_eq!(parse_retry_after(b"12\xFF", NOW), None);
    }

    #[test]
    fn a_wish_is_granted_within_bounds() {
        let granted = |asked, max| clamp_retry_after(Duration::from_secs(asked), Duration::from_secs(max)).as_secs();

        assert_eq!(
            [granted(0, 60), granted(1, 60), granted(59, 60), granted(60, 60), granted(61, 60), granted(u64::MAX, 60)],
            [1, 1, 59, 60, 60, 60]
        );
        assert_eq!(clamp_retry_after(Duration::ZERO, Duration::ZERO), SECOND);
    }

    fn policies() -> impl Strategy<Value = RetryPolicy> {
        let delays = proptest::collection::vec(1_u64..=30 * 24 * 3_600, 0..=50);
        (delays, 0_u16..=500).prop_map(|(delays, thousandths)| policy(&delays, f64::from(thousandths) / 1_000.0))
    }

    /// One part in a million: what floating point may lose.
    fn within(actual: Duration, low: f64, high: f64) -> bool {
        (low - low * 1e-6..=high + high * 1e-6).contains(&actual.as_secs_f64())
    }

    proptest! {
        #[test]
        fn a_planned_retry_stays_within_the_jitter(policy in policies(), failed in 0_u32..60, seed: u64) {
            let due = policy.retry_at(failed, NOW, None, &mut rng(seed));

            prop_assert_eq!(due.is_some(), (1..=policy.delays().len()).contains(&(failed as usize)));
            if let (Some(due), Some(planned)) = (due, policy.delay_after(failed)) {
                let planned = planned.as_secs_f64();
                prop_assert!(within(due.since(NOW), planned * (1.0 - policy.jitter()), planned * (1.0 + policy.jitter())));
            }
        }

        #[test]
        fn an_asked_retry_is_never_earlier_than_asked(policy in policies(), failed in 1_u32..60, asked_micros in 0..=i64::MAX as u64 / 4, seed: u64) {
            let asked = Duration::from_micros(asked_micros);

            if let (Some(due), Some(planned)) = (policy.retry_at(failed, NOW, Some(asked), &mut rng(seed)), policy.delay_after(failed)) {
                let least = asked.as_secs_f64().max(planned.as_secs_f64() * (1.0 - policy.jitter()));
                let most = asked.max(planned).as_secs_f64() * (1.0 + policy.jitter());
                prop_assert!(due.since(NOW) >= asked);
                prop_assert!(within(due.since(NOW), least, most));
            }
        }

        #[test]
        fn a_series_has_one_retry_per_delay(policy in policies(), asked in proptest::option::of(0_u64..100), seed: u64) {
            let mut rng = rng(seed);
            let asked = asked.map(Duration::from_secs);

            let retries = (1..1_000).take_while(|&failed| policy.retry_at(failed, NOW, asked, &mut rng).is_some()).count();

            prop_assert_eq!(retries, policy.delays().len());
        }

        #[test]
        fn no_moment_and_no_wish_overflows(failed: u32, now: i64, seconds: u64, nanos in 0_u32..1_000_000_000, seed: u64) {
            let now = Timestamp::from_micros(now);

            let due = policy(&[1; 50], 0.5).retry_at(failed % 60, now, Some(Duration::new(seconds, nanos)), &mut rng(seed));

            prop_assert!(due.is_none_or(|due| due >= now));
        }

        #[test]
        fn a_schedule_survives_json(policy in policies()) {
            let text = serde_json::to_string(&policy).unwrap();

            prop_assert_eq!(serde_json::from_str::<RetryPolicy>(&text).unwrap(), policy);
        }

        #[test]
        fn reading_retry_after_never_panics(value: Vec<u8>, now: i64) {
            let asked = parse_retry_after(&value, Timestamp::from_micros(now));

            prop_assert!(asked.is_none() || value.is_ascii());
        }

        #[test]
        fn every_number_of_seconds_is_read_back(number: u64) {
            prop_assert_eq!(parse_retry_after(number.to_string().as_bytes(), NOW), Some(Duration::from_secs(number)));
        }

        #[test]
        fn every_date_is_read_back(ahead in 0_u64..4_000_000_000) {
            let date = SystemTime::UNIX_EPOCH + Duration::from_micros(NOW.as_micros().cast_unsigned()) + Duration::from_secs(ahead);

            prop_assert_eq!(parse_retry_after(httpdate::fmt_http_date(date).as_bytes(), NOW), Some(Duration::from_secs(ahead)));
        }
    }
}
