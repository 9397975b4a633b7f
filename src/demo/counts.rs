//! Sums over documents: of one kind, or of all.

use std::iter::Sum;
use std::ops::Add;

/// Counts over some documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Documents.
    pub(super) documents: usize,
    /// Times that documents were accepted.
    pub(super) accepted: usize,
    /// Times that they were there already.
    pub(super) duplicates: usize,
    /// Attempts that the dispatcher recorded.
    pub(super) attempts: usize,
    /// Requests that the receiver saw.
    pub(super) requests: usize,
    /// Those of them that it answered with 401.
    pub(super) not_authorized: usize,
    /// Logins that were made for them.
    pub(super) logins: usize,
    /// Documents whose deliveries are delivered.
    pub(super) delivered: usize,
    /// Documents whose delivery was a dead letter.
    pub(super) dead_lettered: usize,
    /// Documents whose delivery was redelivered.
    pub(super) redelivered: usize,
    /// Documents of which everything is as it had to be.
    pub(super) as_expected: usize,
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            documents: self.documents + other.documents,
            accepted: self.accepted + other.accepted,
            duplicates: self.duplicates + other.duplicates,
            attempts: self.attempts + other.attempts,
            requests: self.requests + other.requests,
            not_authorized: self.not_authorized + other.not_authorized,
            logins: self.logins + other.logins,
            delivered: self.delivered + other.delivered,
            dead_lettered: self.dead_lettered + other.dead_lettered,
            redelivered: self.redelivered + other.redelivered,
            as_expected: self.as_expected + other.as_expected,
        }
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), Add::add)
    }
}

/// The number with its noun.
pub(super) fn counted(number: usize, noun: &str) -> String {
    match (number, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        (_, None) => format!("{number} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_takes_its_noun_along() {
        assert_eq!(counted(1, "delivery"), "1 delivery");
        assert_eq!([counted(0, "delivery"), counted(2, "login")], ["0 deliveries", "2 logins"]);
    }
}
