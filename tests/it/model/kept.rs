//! Sequences that once found a fault, cut down to what it takes. They are always tried, whatever the seed.

use super::steps::Step;

/// Each with what was wrong.
pub(super) fn sequences() -> Vec<(&'static str, Vec<Step>)> {
    vec![]
}
