//! How often which latency came, in a fixed set of ranges, and the quantiles that follow.
//!
//! The ranges are the columns of stores, so they never change their meaning. Each reaches about 1.6 times as far as the
//! one before; a quantile is off by no more than the range that it falls into.

use std::ops::AddAssign;
use std::time::Duration;

/// How many ranges there are.
pub const BUCKETS: usize = 25;

/// Up to where each range reaches, in milliseconds; what is beyond the last is in one more.
const BOUNDS_MS: [u64; BUCKETS - 1] =
    [1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120, 200, 300, 500, 800, 1_200, 2_000, 3_000, 5_000, 8_000, 12_000, 20_000, 30_000, 60_000];

/// How often which latency came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LatencyHistogram([u64; BUCKETS]);

impl LatencyHistogram {
    /// From how often each range came, the shortest first.
    #[must_use]
    pub const fn from_counts(counts: [u64; BUCKETS]) -> Self {
        Self(counts)
    }

    /// How often each range came, the shortest first.
    #[must_use]
    pub const fn counts(&self) -> &[u64; BUCKETS] {
        &self.0
    }

    /// The range that a latency is in, from 0.
    #[must_use]
    pub fn bucket_of(latency: Duration) -> usize {
        BOUNDS_MS.partition_point(|bound| Duration::from_millis(*bound) < latency)
    }

    /// Counts a latency.
    pub fn add(&mut self, latency: Duration) {
        if let Some(count) = self.0.get_mut(Self::bucket_of(latency)) {
            *count += 1;
        }
    }

    /// How many were counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The latency that `share` (0 to 1) of what was counted does not exceed, as near as the ranges tell; `None` if
    /// nothing was counted. What lies beyond the last bound is taken for that bound.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a quantile needs no more digits than a double has")]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let wanted = share * self.total() as f64;
        let mut before = 0_u64;
        for (index, count) in self.0.iter().enumerate().filter(|(_, count)| **count > 0) {
            let reached = before + count;
            if reached as f64 >= wanted {
                let within = ((wanted - before as f64) / *count as f64).clamp(0.0, 1.0);
                return Some(between(index, within));
            }
            before = reached;
        }
        None
    }
}

/// The point in a range that lies so far into it.
fn between(index: usize, within: f64) -> Duration {
    let upper = BOUNDS_MS.get(index).or(BOUNDS_MS.last()).copied().unwrap_or_default();
    let lower = index.checked_sub(1).and_then(|before| BOUNDS_MS.get(before)).copied().unwrap_or_default();
    let (lower, upper) = (Duration::from_millis(lower), Duration::from_millis(upper));
    lower + (upper.saturating_sub(lower)).mul_f64(within)
}

impl AddAssign<&Self> for LatencyHistogram {
    fn add_assign(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn histogram(millis: &[u64]) -> LatencyHistogram {
        let mut histogram = LatencyHistogram::default();
        for ms in millis {
            histogram.add(Duration::from_millis(*ms));
        }
        histogram
    }

    #[test]
    fn a_bound_belongs_to_the_range_below_it() {
        let bucket = |micros| LatencyHistogram::bucket_of(Duration::from_micros(micros));

        assert_eq!([0, 1_000, 1_001, 2_000, 60_000_000, 60_000_001].map(bucket), [0, 0, 1, 1, 23, 24]);
    }

    #[test]
    fn a_quantile_lies_in_the_range_of_its_latency() {
        let latencies: Vec<u64> = (1..=100).collect();
        let histogram = histogram(&latencies);
        let quantile = |share| histogram.quantile(share).unwrap().as_millis();

        assert_eq!((quantile(0.5), quantile(0.8)), (50, 80));
        assert!((80..=120).contains(&quantile(0.95)));
        assert_eq!(LatencyHistogram::default().quantile(0.5), None);
        assert_eq!(self::histogram(&[90_000]).quantile(0.99), Some(Duration::from_mins(1)));
    }

    proptest! {
        #[test]
        fn quantiles_rise_with_their_share(millis in proptest::collection::vec(0_u64..100_000, 1..50)) {
            let histogram = histogram(&millis);
            let quantiles = [0.0, 0.1, 0.5, 0.9, 0.95, 0.99, 1.0].map(|share| histogram.quantile(share).unwrap());

            prop_assert!(quantiles.is_sorted());
            prop_assert!(quantiles[6] <= Duration::from_mins(1));
        }
    }
}
