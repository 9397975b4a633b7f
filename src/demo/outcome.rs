//! What became of a run: whether every document reached its expected end, and whether the dispatcher's, the producer's
//! and the receiver's numbers add up.
//!
//! Pure: everything is gathered before it is judged here. What had to become of one document is `course`.

use std::time::Duration;

use super::access;
use super::counts::{Counts, counted};
use super::course::Course;
use super::kind::Kind;
use super::ledger::Tally;

/// The least time from one login to the next because an access token runs out: the dispatcher takes no more than ten
/// seconds off its lifetime.
const LEAST_BETWEEN_LOGINS: Duration = access::LIFETIME.saturating_sub(Duration::from_secs(10));

/// What became of a run.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// Every document.
    pub(super) courses: Vec<Course>,
    /// How many deliveries the dispatcher lists.
    pub(super) listed: usize,
    /// The receiver's sums.
    pub(super) tally: Tally,
    /// How long it took.
    pub(super) took: Duration,
}

/// Something that must hold, with its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Check {
    /// Whether it holds.
    pub(super) holds: bool,
    /// What.
    pub(super) text: String,
}

impl Outcome {
    /// The counts of one kind; `None` when the run had no such document.
    pub(super) fn of_kind(&self, kind: Kind) -> Option<Counts> {
        let counts: Counts = self.courses.iter().filter(|course| course.kind == kind).map(Course::counts).sum();
        (counts.documents > 0).then_some(counts)
    }

    /// The counts of all documents.
    pub(super) fn in_all(&self) -> Counts {
        self.courses.iter().map(Course::counts).sum()
    }

    /// Whether everything is as it had to be.
    pub(super) fn as_expected(&self) -> bool {
        self.courses.iter().all(|course| course.problem().is_none()) && self.checks().iter().all(|check| check.holds)
    }

    /// Whether the numbers add up.
    pub(super) fn checks(&self) -> [Check; 4] {
        let all = self.in_all();
        [all.check_calls(), self.check_deliveries(all), self.check_requests(all), self.check_logins()]
    }

    /// Every delivery was delivered, some of them after a redelivery.
    fn check_deliveries(&self, all: Counts) -> Check {
        let at_first = all.delivered.saturating_sub(all.redelivered);
        let complete = self.listed == all.documents && self.listed == at_first + all.redelivered;
        Check {
            holds: complete && all.redelivered == all.dead_lettered,
            text: format!(
                "{} = {at_first} delivered by the schedule + {} dead-lettered, redelivered, then delivered",
                counted(self.listed, "delivery"),
                all.redelivered
            ),
        }
    }

    /// Every request belongs to an attempt, as its only one or as the one before the new login.
    fn check_requests(&self, all: Counts) -> Check {
        Check {
            holds: self.tally.requests == all.requests && all.requests == all.attempts + all.not_authorized,
            text: format!(
                "{} seen = {} recorded + {} answered 401 and sent again within the attempt",
                counted(self.tally.requests, "request"),
                counted(all.attempts, "attempt"),
                all.not_authorized
            ),
        }
    }

    /// One login at first, one after the access token was revoked, and one for each that ran out.
    fn check_logins(&self) -> Check {
        let revoked = usize::from(self.courses.iter().any(|course| course.kind == Kind::Revoked));
        let least = 1 + revoked;
        Check {
            holds: (least..=least + run_out(self.took)).contains(&self.tally.logins),
            text: format!(
                "{} for {}, {revoked} of them because an access token was revoked",
                counted(self.tally.logins, "login"),
                counted(self.tally.requests, "request")
            ),
        }
    }
}

impl Counts {
    /// Every call of the producer made a document's event, or met the one of the call before.
    fn check_calls(self) -> Check {
        Check {
            holds: self.accepted == self.documents + self.duplicates,
            text: format!(
                "{} accepted = {} + {} answered as duplicate",
                counted(self.accepted, "call"),
                counted(self.documents, "document"),
                self.duplicates
            ),
        }
    }
}

/// How many access tokens may have run out in this time.
fn run_out(took: Duration) -> usize {
    usize::try_from(took.as_secs() / LEAST_BETWEEN_LOGINS.as_secs()).unwrap_or(usize::MAX)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::course::tests::course;
    use super::*;

    /// A run with one document of each kind, all of it as it has to be.
    pub(crate) fn outcome() -> Outcome {
        let courses = Kind::ALL.map(course).to_vec();
        let requests = courses.iter().map(|course| course.seen.answers.len()).sum();
        Outcome { courses, listed: 7, tally: Tally { requests, arrived: 7, logins: 2 }, took: Duration::from_secs(6) }
    }

    #[test]
    fn a_run_as_it_has_to_be_adds_up() {
        let outcome = outcome();

        assert!(outcome.as_expected());
        let expected = Counts {
            documents: 7,
            accepted: 8,
            duplicates: 1,
            attempts: 12,
            requests: 13,
            not_authorized: 1,
            logins: 2,
            delivered: 7,
            dead_lettered: 1,
            redelivered: 1,
            as_expected: 7,
        };
        assert_eq!(outcome.in_all(), expected);
        assert_eq!(Kind::ALL.into_iter().filter_map(|kind| outcome.of_kind(kind)).sum::<Counts>(), expected);
    }

    #[test]
    fn a_request_that_belongs_to_no_document_does_not_add_up() {
        let mut outcome = outcome();
        outcome.tally.requests += 1;

        assert!(!outcome.as_expected());
        assert_eq!(outcome.checks().map(|check| check.holds), [true, true, false, true]);
    }

    #[test]
    fn a_delivery_that_nobody_asked_for_does_not_add_up() {
        let mut outcome = outcome();
        outcome.listed += 1;

        assert_eq!(outcome.checks().map(|check| check.holds), [true, false, true, true]);
    }

    #[test]
    fn a_long_run_may_log_in_more_often() {
        let logins = |logins, took| {
            let mut outcome = outcome();
            (outcome.tally.logins, outcome.took) = (logins, Duration::from_secs(took));
            outcome.checks()[3].holds
        };

        assert!(!logins(1, 6) && logins(2, 6) && !logins(3, 6));
        assert!(logins(3, 50) && !logins(4, 50));
    }

    #[test]
    fn a_kind_that_did_not_come_up_has_no_counts() {
        let mut outcome = outcome();
        outcome.courses.retain(|course| course.kind == Kind::Slow);

        assert_eq!(outcome.of_kind(Kind::Refused), None);
        assert_eq!(outcome.of_kind(Kind::Slow), Some(outcome.in_all()));
    }
}
