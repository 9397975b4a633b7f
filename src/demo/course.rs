//! What became of one document, and whether it is what had to become of it: the dispatcher's account held against the
//! producer's and the receiver's.

use super::counts::{Counts, counted};
use super::kind::Kind;
use super::ledger::Entry;
use super::operator::Delivery;
use super::producer::HandedIn;

/// All that is known of one document.
#[derive(Clone, Debug)]
pub(super) struct Course {
    /// Its id.
    pub(super) id: String,
    /// Which way it had to go.
    pub(super) kind: Kind,
    /// What the producer was answered.
    pub(super) handed_in: HandedIn,
    /// Its deliveries as the dispatcher lists them in the end.
    pub(super) deliveries: Vec<Delivery>,
    /// Whether it was among the dead letters.
    pub(super) dead_lettered: bool,
    /// Whether it was redelivered.
    pub(super) redelivered: bool,
    /// What the receiver saw of it.
    pub(super) seen: Entry,
}

impl Course {
    /// The first thing that is not as it had to be.
    pub(super) fn problem(&self) -> Option<String> {
        let expected = self.kind.expected_answers();
        let answers: Vec<u16> = self.seen.final_answers().collect();
        let times = self.kind.times_handed_in();
        if let Some(failure) = &self.handed_in.failure {
            return Some(format!("it could not be handed in: {failure}"));
        }
        if (self.handed_in.accepted, self.handed_in.duplicates) != (times, times - 1) {
            return Some(format!(
                "{} accepted, {} of them as duplicate",
                counted(self.handed_in.accepted, "call"),
                self.handed_in.duplicates
            ));
        }
        let [delivery] = self.deliveries.as_slice() else {
            return Some(format!("it has {}", counted(self.deliveries.len(), "delivery")));
        };
        match (self.kind.ends_as_dead_letter(), self.dead_lettered, self.redelivered) {
            (true, true, true) | (false, false, false) => {}
            (false, _, _) => return Some("it became a dead letter".to_owned()),
            (true, false, _) => return Some("it did not become a dead letter".to_owned()),
            (true, true, false) => return Some("it was not redelivered".to_owned()),
        }
        if delivery.state != "delivered" {
            return Some(format!("its delivery is {} after {}", delivery.state, counted(delivery.attempt_count, "attempt")));
        }
        if answers != expected {
            return Some(format!("the receiver answered {answers:?} where {expected:?} was to be expected"));
        }
        if delivery.attempt_count != expected.len() {
            return Some(format!("{} recorded, {} made", counted(delivery.attempt_count, "attempt"), expected.len()));
        }
        if self.seen.webhook_ids != self.handed_in.event_ids {
            return Some("its requests did not all carry the id of its event as webhook-id".to_owned());
        }
        (self.kind == Kind::Revoked && self.seen.not_authorized() == 0).then(|| "it met no revoked access token".to_owned())
    }

    /// What it adds to the sums.
    pub(super) fn counts(&self) -> Counts {
        Counts {
            documents: 1,
            accepted: self.handed_in.accepted,
            duplicates: self.handed_in.duplicates,
            attempts: self.deliveries.iter().map(|delivery| delivery.attempt_count).sum(),
            requests: self.seen.answers.len(),
            not_authorized: self.seen.not_authorized(),
            logins: self.seen.logins,
            delivered: self.deliveries.iter().filter(|delivery| delivery.state == "delivered").count(),
            dead_lettered: usize::from(self.dead_lettered),
            redelivered: usize::from(self.redelivered),
            as_expected: usize::from(self.problem().is_none()),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A document of which everything is as it has to be.
    pub(crate) fn course(kind: Kind) -> Course {
        let event_ids: BTreeSet<String> = [format!("event of {kind:?}")].into();
        let mut answers = kind.expected_answers();
        if kind == Kind::Revoked {
            answers.insert(0, 401);
        }
        let id = format!("document {kind:?}");
        let attempt_count = kind.expected_answers().len();
        Course {
            deliveries: vec![Delivery {
                id: format!("delivery {kind:?}"),
                subject: id.clone(),
                state: "delivered".to_owned(),
                attempt_count,
            }],
            id,
            kind,
            handed_in: HandedIn {
                accepted: kind.times_handed_in(),
                duplicates: kind.times_handed_in() - 1,
                event_ids: event_ids.clone(),
                failure: None,
            },
            dead_lettered: kind.ends_as_dead_letter(),
            redelivered: kind.ends_as_dead_letter(),
            seen: Entry { answers, webhook_ids: event_ids, logins: usize::from(matches!(kind, Kind::AtOnce | Kind::Revoked)) },
        }
    }

    fn broken(kind: Kind, change: impl FnOnce(&mut Course)) -> String {
        let mut course = course(kind);
        change(&mut course);
        course.problem().unwrap()
    }

    #[test]
    fn whatever_goes_another_way_is_told() {
        assert_eq!(broken(Kind::AtOnce, |it| it.handed_in.accepted = 0), "0 calls accepted, 0 of them as duplicate");
        assert_eq!(broken(Kind::HandedInTwice, |it| it.handed_in.duplicates = 0), "2 calls accepted, 0 of them as duplicate");
        assert_eq!(broken(Kind::AtOnce, |it| it.deliveries.clear()), "it has 0 deliveries");
        assert_eq!(broken(Kind::Refused, |it| it.redelivered = false), "it was not redelivered");
        assert_eq!(broken(Kind::Refused, |it| it.dead_lettered = false), "it did not become a dead letter");
        assert_eq!(broken(Kind::Slow, |it| it.dead_lettered = true), "it became a dead letter");
        assert_eq!(broken(Kind::OddId, |it| it.deliveries[0].state = "pending".to_owned()), "its delivery is pending after 1 attempt");
        assert_eq!(
            broken(Kind::ErrorFirst, |it| it.seen.answers.push(200)),
            "the receiver answered [500, 200, 200] where [500, 200] was to be expected"
        );
        assert_eq!(broken(Kind::ErrorFirst, |it| it.deliveries[0].attempt_count = 1), "1 attempt recorded, 2 made");
        assert_eq!(broken(Kind::Revoked, |it| it.seen.answers = vec![200]), "it met no revoked access token");
        assert_eq!(
            broken(Kind::AtOnce, |it| it.seen.webhook_ids.clear()),
            "its requests did not all carry the id of its event as webhook-id"
        );
    }
}
