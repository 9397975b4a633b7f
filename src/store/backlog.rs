//! How far pending deliveries and dead letters are counted: so far that a screen is right, and no further than it takes to
//! stay quick.

use crate::domain::stats::Counted;

/// What is counted of all webhooks together, as a rule.
const BUDGET: usize = 200_000;

/// What is counted of a webhook at least.
const LEAST: usize = 1_000;

/// How far to count each of so many webhooks.
pub(super) fn most_of_each(webhooks: usize) -> i64 {
    i64::try_from((BUDGET / webhooks.max(1)).max(LEAST)).unwrap_or(i64::MAX)
}

/// What one count came to that would have gone one beyond `most`.
pub(super) fn counted(found: i64, most: i64) -> Counted {
    Counted { count: found.clamp(0, most).unsigned_abs(), has_more: found > most }
}
