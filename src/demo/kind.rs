//! The ways a delivery goes in the demonstration: which document goes which way, how the receiver answers it, and what
//! must have been seen of it in the end.
//!
//! Pure: the receiver plays by these rules, and the report holds what happened against them.

use std::time::Duration;

/// Seconds between the attempts of a delivery; one attempt more than there are delays, then it is a dead letter.
pub(super) const RETRY_DELAYS_SECONDS: [u64; 3] = [1, 1, 2];

/// How long the receiver takes over a document when it is slow.
const SLOW: Duration = Duration::from_millis(300);

/// Which document of a stride meets an error.
const ERROR_FIRST: usize = 2;

/// Which document of a stride is slow.
const SLOW_ONE: usize = 7;

/// From this many documents on, one of them meets a revoked access token. With fewer there is no middle of a run.
const ENOUGH_FOR_A_MIDDLE: usize = 7;

/// About how many documents of a long run meet an error, and how many are slow: enough to be seen, too few to make the
/// run a measure of the receiver's slowness.
const SOME: usize = 50;

/// Which way a document goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    /// The receiver takes it at once.
    AtOnce,
    /// The receiver answers 500 first, and takes it when it comes again.
    ErrorFirst,
    /// The receiver takes it, slowly.
    Slow,
    /// The receiver revokes the access token under its request.
    Revoked,
    /// The producer hands it in twice with the same idempotency key.
    HandedInTwice,
    /// Its id holds a slash and a space.
    OddId,
    /// The receiver refuses it until it is repaired.
    Refused,
}

/// How the receiver answers a request that is authorized and well formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// The status.
    pub(super) status: u16,
    /// How long it takes.
    pub(super) after: Duration,
}

impl Reply {
    /// This status, without delay.
    pub(super) const fn at_once(status: u16) -> Self {
        Self { status, after: Duration::ZERO }
    }
}

impl Kind {
    /// Every kind, in the order of the report.
    pub(super) const ALL: [Self; 7] =
        [Self::AtOnce, Self::ErrorFirst, Self::Slow, Self::Revoked, Self::HandedInTwice, Self::OddId, Self::Refused];

    /// The way of the document with this index of a run of `count` documents.
    ///
    /// Most go through at once. One document each is refused, has an odd id, is handed in twice and meets a revoked
    /// access token, as far as there are enough documents; of every ten others (more in a long run) one meets an error and
    /// one is slow.
    pub(super) const fn of(index: usize, count: usize) -> Self {
        match index {
            // Early, so that its attempts run out while others still come in.
            1 => Self::Refused,
            3 => Self::OddId,
            4 => Self::HandedInTwice,
            _ if count >= ENOUGH_FOR_A_MIDDLE && index == middle(count) => Self::Revoked,
            _ if index % stride(count) == ERROR_FIRST => Self::ErrorFirst,
            _ if index % stride(count) == SLOW_ONE => Self::Slow,
            _ => Self::AtOnce,
        }
    }

    /// What the report calls it.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::AtOnce => "taken at once",
            Self::ErrorFirst => "a 500 first",
            Self::Slow => "a slow answer",
            Self::Revoked => "access token revoked",
            Self::HandedInTwice => "handed in twice",
            Self::OddId => "id \"nota fiscal/42\"",
            Self::Refused => "refused till repaired",
        }
    }

    /// How the receiver answers a request for such a document, given its answers to earlier ones.
    pub(super) fn reply(self, earlier: &[u16], repaired: bool) -> Reply {
        match self {
            Self::ErrorFirst if !earlier.contains(&500) => Reply::at_once(500),
            Self::Slow => Reply { status: 200, after: SLOW },
            Self::Revoked if !earlier.contains(&401) => Reply::at_once(401),
            Self::Refused if !repaired => Reply::at_once(503),
            _ => Reply::at_once(200),
        }
    }

    /// The statuses that end the attempts of such a delivery, redelivery included.
    pub(super) fn expected_answers(self) -> Vec<u16> {
        match self {
            Self::ErrorFirst => vec![500, 200],
            Self::Refused => {
                let mut answers = vec![503; RETRY_DELAYS_SECONDS.len() + 1];
                answers.push(200);
                answers
            }
            Self::AtOnce | Self::Slow | Self::Revoked | Self::HandedInTwice | Self::OddId => vec![200],
        }
    }

    /// How often the producer hands such a document in.
    pub(super) const fn times_handed_in(self) -> usize {
        if matches!(self, Self::HandedInTwice) { 2 } else { 1 }
    }

    /// Whether its delivery must end as a dead letter before it is redelivered.
    pub(super) const fn ends_as_dead_letter(self) -> bool {
        matches!(self, Self::Refused)
    }
}

/// Of how many documents one meets an error and one is slow.
const fn stride(count: usize) -> usize {
    if count < 10 * SOME { 10 } else { count / SOME }
}

/// The index of a document in the middle of a run, behind those with a fixed place and beside those that come again and
/// again.
const fn middle(count: usize) -> usize {
    let middle = if count / 2 < 5 { 5 } else { count / 2 };
    let taken = matches!(middle % stride(count), ERROR_FIRST | SLOW_ONE);
    if taken { middle + 1 } else { middle }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(count: usize) -> Vec<Kind> {
        (0..count).map(|index| Kind::of(index, count)).collect()
    }

    fn how_many(count: usize) -> [usize; 7] {
        let kinds = kinds(count);
        Kind::ALL.map(|wanted| kinds.iter().filter(|kind| **kind == wanted).count())
    }

    #[test]
    fn a_short_run_shows_what_matters_most() {
        assert_eq!(kinds(1), [Kind::AtOnce]);
        assert_eq!(kinds(3), [Kind::AtOnce, Kind::Refused, Kind::ErrorFirst]);
        assert_eq!(kinds(5)[3..], [Kind::OddId, Kind::HandedInTwice]);
    }

    #[test]
    fn from_eight_documents_on_every_kind_is_there() {
        assert_eq!(how_many(8), [2, 1, 1, 1, 1, 1, 1]);
        assert_eq!(how_many(12), [6, 1, 1, 1, 1, 1, 1]);
        for count in 8..1_200 {
            assert!(!how_many(count).contains(&0), "{count}");
        }
    }

    #[test]
    fn in_a_long_run_most_documents_go_through_at_once() {
        assert_eq!(how_many(40), [28, 4, 4, 1, 1, 1, 1]);
        assert_eq!(how_many(2_000), [1_896, 50, 50, 1, 1, 1, 1]);
    }

    #[test]
    fn every_run_of_seven_or_more_has_its_access_token_revoked_once() {
        for count in 7..1_200 {
            assert_eq!(how_many(count)[3], 1, "{count}");
        }
    }

    #[test]
    fn the_receiver_gives_the_answers_that_are_expected() {
        for kind in Kind::ALL {
            let mut given = Vec::new();
            while given.last() != Some(&200) {
                let repaired = given.len() > RETRY_DELAYS_SECONDS.len();
                given.push(kind.reply(&given, repaired).status);
            }
            given.retain(|status| *status != 401);

            assert_eq!(given, kind.expected_answers(), "{kind:?}");
        }
    }

    #[test]
    fn only_the_first_request_meets_the_revoked_access_token() {
        assert_eq!(Kind::Revoked.reply(&[], false), Reply::at_once(401));
        assert_eq!(Kind::Revoked.reply(&[401], false), Reply::at_once(200));
    }
}
