//! Exact quantiles of durations.

use serde::{Deserialize, Serialize};

/// Some durations, in milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[expect(clippy::struct_field_names, reason = "a figure in JSON says its unit")]
pub(crate) struct Quantiles {
    /// Half were at most this.
    pub(crate) p50_ms: f64,
    /// 99 of 100 were at most this.
    pub(crate) p99_ms: f64,
    /// The longest.
    pub(crate) max_ms: f64,
}

impl Quantiles {
    /// The quantiles of durations in microseconds; all 0 when there are none.
    pub(crate) fn of(mut micros: Vec<u32>) -> Self {
        micros.sort_unstable();
        let at = |hundredths: usize| {
            let index = (micros.len() * hundredths).div_ceil(100).saturating_sub(1);
            f64::from(micros.get(index).copied().unwrap_or_default()) / 1000.0
        };
        Self { p50_ms: at(50), p99_ms: at(99), max_ms: at(100) }
    }
}
