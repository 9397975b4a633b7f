//! Whether a receiver is there at all. While it is not, its deliveries wait without being attempted, but for one probe
//! at a time.
//!
//! ```text
//!             failures in a row              pause is over: one probe
//!   closed ───────────────────────► open ◄──────────────────────────┐
//!     ▲                              │ │  probe fails: longer pause │
//!     │ limit is whole again         │ └────────────────────────────┘
//!     └─────────── half open ◄───────┘ answer
//!                     │ failure: open again, longer pause
//! ```

use std::time::Duration;

use rand::{Rng, RngExt};

use crate::domain::time::Timestamp;

/// How far chance moves a pause, so that receivers that fell together are not probed together.
const JITTER: f64 = 0.2;

/// Doublings beyond this make no difference.
const MAX_DOUBLINGS: u32 = 20;

/// When breakers open, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Failures in a row that open a breaker, each of which speaks of the receiver as a whole.
    pub failures: u32,
    /// The pause before the first probe; twice as long after each probe that fails.
    pub pause: Duration,
    /// The longest such pause.
    pub pause_max: Duration,
}

/// The breaker of one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Breaker {
    /// Requests go out.
    Closed {
        /// Failures in a row so far.
        failures: u32,
    },
    /// No request goes out but a probe.
    Open {
        /// From when on one request may go out.
        probe_at: Timestamp,
        /// How often in a row it opened.
        openings: u32,
    },
    /// The receiver answered again; the lane's limit rises from 1.
    HalfOpen {
        /// How often in a row it opened.
        openings: u32,
    },
}

impl Breaker {
    pub(super) const CLOSED: Self = Self::Closed { failures: 0 };

    /// Whether nothing speaks against the receiver.
    pub(super) fn is_calm(&self) -> bool {
        *self == Self::CLOSED
    }

    /// Whether nothing but probes may go out.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }

    /// Until when nothing at all goes out.
    pub(super) const fn probe_at(&self) -> Option<Timestamp> {
        match self {
            Self::Open { probe_at, .. } => Some(*probe_at),
            Self::Closed { .. } | Self::HalfOpen { .. } => None,
        }
    }

    /// The receiver answered: whatever was thought of it, it is there.
    pub(super) fn answered(&mut self) {
        *self = match *self {
            Self::Open { openings, .. } | Self::HalfOpen { openings } => Self::HalfOpen { openings },
            Self::Closed { .. } => Self::CLOSED,
        };
    }

    /// The lane's limit is whole (again).
    pub(super) fn recovered(&mut self) {
        if let Self::HalfOpen { .. } = self {
            *self = Self::CLOSED;
        }
    }

    /// A request failed in a way that speaks of the receiver as a whole. Answers when the next probe may go out, if the
    /// breaker opened by this.
    ///
    /// What ends while an open breaker's pause lasts began before it, and counts no more.
    pub(super) fn failed(&mut self, now: Timestamp, settings: &BreakerSettings, rng: &mut impl Rng) -> Option<Timestamp> {
        let openings = match *self {
            Self::Closed { failures } if failures + 1 < settings.failures => {
                *self = Self::Closed { failures: failures + 1 };
                return None;
            }
            Self::Open { probe_at, .. } if now < probe_at => return None,
            Self::Closed { .. } => 1,
            Self::Open { openings, .. } | Self::HalfOpen { openings } => openings.saturating_add(1),
        };
        Some(self.open(openings, now, settings, rng))
    }

    /// A request ended that says nothing of the receiver. Answers when the next probe may go out, if this was one: as
    /// long after it as it was itself after the one before.
    pub(super) fn found_nothing(&mut self, now: Timestamp, settings: &BreakerSettings, rng: &mut impl Rng) -> Option<Timestamp> {
        match *self {
            Self::Open { probe_at, openings } if now >= probe_at => Some(self.open(openings, now, settings, rng)),
            _ => None,
        }
    }

    fn open(&mut self, openings: u32, now: Timestamp, settings: &BreakerSettings, rng: &mut impl Rng) -> Timestamp {
        let doublings = openings.saturating_sub(1).min(MAX_DOUBLINGS);
        let pause = settings.pause.saturating_mul(1 << doublings).min(settings.pause_max);
        let probe_at = now + pause.mul_f64(rng.random_range(1.0 - JITTER..=1.0 + JITTER));
        *self = Self::Open { probe_at, openings };
        probe_at
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);
    const SECOND: Duration = Duration::from_secs(1);
    const SETTINGS: BreakerSettings = BreakerSettings { failures: 3, pause: SECOND, pause_max: Duration::from_secs(5) };

    fn rng() -> StdRng {
        StdRng::seed_from_u64(1)
    }

    fn opened() -> Breaker {
        let mut breaker = Breaker::CLOSED;
        for _ in 0..3 {
            breaker.failed(NOW, &SETTINGS, &mut rng());
        }
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_an_answer_between_them_does_not() {
        let mut breaker = Breaker::CLOSED;
        let fail = |breaker: &mut Breaker| breaker.failed(NOW, &SETTINGS, &mut rng()).is_some();

        assert_eq!([fail(&mut breaker), fail(&mut breaker)], [false, false]);
        breaker.answered();
        assert_eq!([fail(&mut breaker), fail(&mut breaker), fail(&mut breaker)], [false, false, true]);
        assert!(breaker.is_open());
    }

    #[test]
    fn each_probe_that_fails_doubles_the_pause_up_to_the_longest() {
        let mut breaker = opened();
        let mut pauses = Vec::new();
        for _ in 0..5 {
            let now = breaker.probe_at().unwrap();
            pauses.push(breaker.failed(now, &SETTINGS, &mut rng()).unwrap().since(now));
        }

        let shares: Vec<f64> =
            pauses.iter().zip([2, 4, 5, 5, 5]).map(|(pause, planned)| pause.div_duration_f64(planned * SECOND)).collect();
        assert!(shares.iter().all(|share| (0.8..=1.2).contains(share)), "{pauses:?}");
    }

    #[test]
    fn what_began_before_it_opened_does_not_lengthen_the_pause() {
        let mut breaker = opened();
        let before = breaker;

        assert_eq!(breaker.failed(NOW + SECOND / 2, &SETTINGS, &mut rng()), None);
        assert_eq!(breaker.found_nothing(NOW + SECOND / 2, &SETTINGS, &mut rng()), None);
        assert_eq!(breaker, before);
    }

    #[test]
    fn a_probe_that_finds_nothing_out_is_repeated_after_the_same_pause() {
        let mut breaker = opened();
        let now = breaker.probe_at().unwrap();

        let again = breaker.found_nothing(now, &SETTINGS, &mut rng()).unwrap();

        assert!((0.8..=1.2).contains(&again.since(now).div_duration_f64(SECOND)));
        assert_eq!(Breaker::CLOSED.clone().found_nothing(now, &SETTINGS, &mut rng()), None);
    }

    #[test]
    fn an_answer_half_opens_it_a_failure_then_opens_it_at_once_and_a_whole_limit_closes_it() {
        let mut breaker = opened();

        breaker.answered();
        assert_eq!(breaker, Breaker::HalfOpen { openings: 1 });
        let again = breaker.failed(NOW, &SETTINGS, &mut rng()).unwrap();
        assert!(again.since(NOW) >= SECOND + SECOND / 2, "the pause is the second one");
        breaker.answered();
        breaker.recovered();
        assert!(breaker.is_calm());
    }

    proptest! {
        #[test]
        fn no_pause_is_longer_than_the_longest_and_its_jitter(failures in 1_usize..100, seed: u64) {
            let (mut breaker, mut rng) = (Breaker::CLOSED, StdRng::seed_from_u64(seed));
            let mut now = NOW;
            for _ in 0..failures {
                if let Some(probe_at) = breaker.failed(now, &SETTINGS, &mut rng) {
                    prop_assert!(probe_at.since(now) <= SETTINGS.pause_max.mul_f64(1.0 + JITTER));
                    now = probe_at;
                }
            }
        }
    }
}
