//! Says in one sentence why a delivery stands where it stands, for people who ask what happens next.
//!
//! What is to be said is decided here, once (`Explanation`); how it is said, by a file per language.

mod english;
mod portuguese;

use super::attempt::{AttemptOutcome, FailureReason};
use super::delivery::{DeadLetterReason, Delivery, DeliveryState};
use super::lane::{LaneState, LaneView};
use super::time::Timestamp;
use super::webhook::{DisableReason, WebhookState};

/// What there is to know about where a delivery stands.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// The delivery.
    pub delivery: &'a Delivery,
    /// Whether its webhook is called at present.
    pub webhook: &'a WebhookState,
    /// What its webhook's lane does at present.
    pub lane: &'a LaneView,
    /// What the last attempt meant, if one was made and is still kept.
    pub last: Option<&'a AttemptOutcome>,
    /// The present moment.
    pub now: Timestamp,
}

/// What is to be said.
#[derive(Clone, Copy, Debug)]
enum Explanation<'a> {
    /// It waits.
    Waiting(Past<'a>, Wait<'a>),
    /// An attempt of this number is under way.
    UnderWay(u32),
    /// The receiver took it then, with the attempt of this number.
    Taken(Option<Timestamp>, u32),
    /// It was given up then, with the attempt of this number, for a reason that does not pass by itself.
    GivenUp(Option<Timestamp>, u32, &'a FailureReason),
    /// Its schedule ended then, after so many attempts, of which the last failed for this reason.
    Exhausted(Option<Timestamp>, u32, Option<&'a FailureReason>),
    /// It was called off then, after so many attempts.
    CalledOff(Option<Timestamp>, u32),
}

/// What happened before a wait.
#[derive(Clone, Copy, Debug)]
enum Past<'a> {
    /// Nothing.
    NoAttempt,
    /// A person redelivered it after so many attempts.
    Redelivered(u32),
    /// The attempt of this number failed, for this reason.
    Failed(u32, Option<&'a FailureReason>),
}

/// What a delivery waits for.
#[derive(Clone, Copy, Debug)]
enum Wait<'a> {
    /// That somebody resumes its webhook.
    Paused,
    /// The same, for a webhook that the dispatcher disabled.
    Disabled(&'a DisableReason),
    /// That one delivery probes then whether the receiver is there again.
    Probe(Timestamp),
    /// That such a probe gets through.
    Probing,
    /// The end of a pause that the receiver asked for, or that failed logins brought.
    HeldBack(Timestamp),
    /// The time of its next attempt.
    Planned(Timestamp),
    /// Room, since that time.
    Due(Timestamp),
}

impl<'a> Standing<'a> {
    /// When the next attempt is planned; `None` while none is.
    #[must_use]
    pub fn next_attempt_at(&self) -> Option<Timestamp> {
        let planned = self.delivery.state == DeliveryState::Pending && self.webhook.is_active();
        planned.then(|| self.lane.blocked_until().map_or(self.delivery.due_at, |until| until.max(self.delivery.due_at)))
    }

    /// The sentence in English; times are written by `written`.
    #[must_use]
    pub fn explain(&self, written: impl Fn(Timestamp) -> String) -> String {
        english::say(self.explanation(), &written)
    }

    /// The sentence in Brazilian Portuguese; times are written by `written`.
    #[must_use]
    pub fn explain_in_portuguese(&self, written: impl Fn(Timestamp) -> String) -> String {
        portuguese::say(self.explanation(), &written)
    }

    fn explanation(&self) -> Explanation<'a> {
        let Delivery { state, attempts, finished_at, dead_letter_reason, .. } = self.delivery;
        match (state, dead_letter_reason) {
            (DeliveryState::Pending, _) => Explanation::Waiting(self.past(), self.wait()),
            (DeliveryState::InFlight, _) => Explanation::UnderWay(attempts + 1),
            (DeliveryState::Delivered, _) => Explanation::Taken(*finished_at, *attempts),
            (DeliveryState::DeadLettered, Some(DeadLetterReason::Permanent(reason))) => {
                Explanation::GivenUp(*finished_at, *attempts, reason)
            }
            (DeliveryState::DeadLettered, _) => Explanation::Exhausted(*finished_at, *attempts, self.last_failure()),
            (DeliveryState::Cancelled, _) => Explanation::CalledOff(*finished_at, *attempts),
        }
    }

    fn past(&self) -> Past<'a> {
        match self.delivery.attempts {
            0 => Past::NoAttempt,
            attempts if attempts == self.delivery.attempts_before_series => Past::Redelivered(attempts),
            attempts => Past::Failed(attempts, self.last_failure()),
        }
    }

    fn wait(&self) -> Wait<'a> {
        match self.webhook {
            WebhookState::Active => self.wait_of_active(),
            WebhookState::Paused => Wait::Paused,
            WebhookState::Disabled(reason) => Wait::Disabled(reason),
        }
    }

    /// What an active webhook's delivery waits for.
    fn wait_of_active(&self) -> Wait<'a> {
        let due_at = self.delivery.due_at;
        let blocked_until = self.lane.blocked_until().filter(|until| *until > due_at);
        match (self.lane.state, blocked_until) {
            (LaneState::Open, Some(until)) => Wait::Probe(until),
            (LaneState::Open, None) if due_at <= self.now => Wait::Probing,
            (_, Some(until)) => Wait::HeldBack(until),
            _ if due_at > self.now => Wait::Planned(due_at),
            _ => Wait::Due(due_at),
        }
    }

    fn last_failure(&self) -> Option<&'a FailureReason> {
        match self.last {
            Some(AttemptOutcome::Retryable(reason) | AttemptOutcome::Permanent(reason)) => Some(reason),
            Some(AttemptOutcome::Delivered) | None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::attempt::FailureReason;
    use crate::domain::ids::{ClientId, DeliveryId, EventId, WebhookId};

    const NOW: Timestamp = Timestamp::from_micros(1_000_000);

    fn delivery(state: DeliveryState, attempts: u32) -> Delivery {
        Delivery {
            id: DeliveryId::from(Uuid::nil()),
            event_id: EventId::from(Uuid::nil()),
            webhook_id: WebhookId::from(Uuid::nil()),
            client_id: ClientId::from(Uuid::nil()),
            state,
            due_at: Timestamp::from_micros(2_000_000),
            attempts,
            attempts_before_series: 0,
            dead_letter_reason: None,
            created_at: Timestamp::from_micros(0),
            finished_at: Some(Timestamp::from_micros(3_000_000)),
        }
    }

    fn explained(delivery: &Delivery, webhook: &WebhookState, last: Option<&AttemptOutcome>) -> String {
        let standing = Standing { delivery, webhook, lane: &LaneView::idle(16), last, now: NOW };
        standing.explain(|time| format!("{}s", time.as_seconds()))
    }

    const FAILED: AttemptOutcome = AttemptOutcome::Retryable(FailureReason::Status(503));

    #[test]
    fn a_waiting_delivery_says_what_came_before_and_what_comes_next() {
        let new = delivery(DeliveryState::Pending, 0);
        let failed = delivery(DeliveryState::Pending, 2);
        let redelivered = Delivery { attempts_before_series: 2, ..failed.clone() };
        let overdue = Delivery { due_at: NOW, ..new.clone() };
        let active = WebhookState::Active;

        assert_eq!(explained(&new, &active, None), "No attempt was made yet; the next attempt is planned for 2s.");
        assert_eq!(
            explained(&overdue, &active, None),
            "No attempt was made yet; the next attempt is due since 1s and starts as soon as there is room."
        );
        assert_eq!(
            explained(&failed, &active, Some(&FAILED)),
            "Attempt 2 failed because the receiver answered 503; the next attempt is planned for 2s."
        );
        assert_eq!(
            explained(&redelivered, &active, Some(&FAILED)),
            "It was redelivered after 2 attempts; the next attempt is planned for 2s."
        );
    }

    #[test]
    fn a_delivery_that_is_held_back_says_who_holds_it() {
        let waiting = delivery(DeliveryState::Pending, 0);

        assert_eq!(
            explained(&waiting, &WebhookState::Paused, None),
            "No attempt was made yet; it waits because its webhook is paused, until somebody resumes that."
        );
        assert_eq!(
            explained(&waiting, &WebhookState::Disabled(DisableReason::Gone), None),
            "No attempt was made yet; it waits because its webhook is disabled (the receiver answered 410 (gone)), until somebody resumes that."
        );
        assert_eq!(
            explained(&delivery(DeliveryState::Pending, 9), &WebhookState::Disabled(DisableReason::FailingTooLong), Some(&FAILED)),
            "Attempt 9 failed because the receiver answered 503; it waits because its webhook is disabled (every attempt failed for too long), \
             until somebody resumes that."
        );
    }

    #[test]
    fn a_delivery_whose_lane_starts_nothing_says_why_and_until_when() {
        let overdue = Delivery { due_at: NOW, ..delivery(DeliveryState::Pending, 0) };
        let planned = delivery(DeliveryState::Pending, 0);
        let told = |delivery: &Delivery, lane: &LaneView| {
            let standing = Standing { delivery, webhook: &WebhookState::Active, lane, last: None, now: NOW };
            (standing.explain(|time| format!("{}s", time.as_seconds())), standing.next_attempt_at().unwrap().as_seconds())
        };
        let idle = LaneView::idle(16);
        let until = Some(Timestamp::from_micros(9_000_000));
        let open = LaneView { state: LaneState::Open, next_probe_at: until, ..idle };
        let probing = LaneView { next_probe_at: None, ..open };
        let held_back = LaneView { state: LaneState::HeldBack, held_back_until: until, ..idle };
        let soon = LaneView { held_back_until: Some(Timestamp::from_micros(1_500_000)), ..held_back };

        let not_there = "No attempt was made yet; it waits because its receiver is not there";
        assert_eq!(told(&overdue, &open), (format!("{not_there}: one delivery probes that at 9s."), 9));
        assert_eq!(told(&overdue, &probing), (format!("{not_there}, until one delivery got through."), 1));
        assert_eq!(
            told(&overdue, &held_back).0,
            "No attempt was made yet; it waits until 9s because its receiver asked for a pause, or because no login worked."
        );
        assert_eq!(told(&planned, &soon), ("No attempt was made yet; the next attempt is planned for 2s.".to_owned(), 2));
    }

    #[test]
    fn a_delivery_that_is_done_says_how_it_ended() {
        let active = WebhookState::Active;
        let exhausted = Delivery { dead_letter_reason: Some(DeadLetterReason::Exhausted), ..delivery(DeliveryState::DeadLettered, 10) };
        let hopeless = Delivery {
            dead_letter_reason: Some(DeadLetterReason::Permanent(FailureReason::AddressNotAllowed)),
            ..delivery(DeliveryState::DeadLettered, 1)
        };

        assert_eq!(explained(&delivery(DeliveryState::InFlight, 1), &active, None), "Attempt 2 is under way.");
        assert_eq!(explained(&delivery(DeliveryState::Delivered, 3), &active, None), "The receiver took it at 3s, with attempt 3.");
        assert_eq!(
            explained(&exhausted, &active, Some(&FAILED)),
            "It was given up at 3s because its schedule ended after 10 attempts; the last one failed because the receiver answered 503."
        );
        assert_eq!(
            explained(&hopeless, &active, None),
            "It was given up at 3s with attempt 1 because the receiver's address is not one that may be called, which does not pass by itself."
        );
        assert_eq!(
            explained(&delivery(DeliveryState::Cancelled, 1), &active, None),
            "It was called off at 3s after 1 attempt, by a person or because its webhook was deleted."
        );
    }

    #[test]
    fn only_a_delivery_that_nothing_holds_back_has_a_next_attempt() {
        let next = |state, webhook: &WebhookState| {
            let delivery = delivery(state, 0);
            Standing { delivery: &delivery, webhook, lane: &LaneView::idle(16), last: None, now: NOW }.next_attempt_at()
        };

        assert_eq!(next(DeliveryState::Pending, &WebhookState::Active), Some(Timestamp::from_micros(2_000_000)));
        assert_eq!(next(DeliveryState::Pending, &WebhookState::Paused), None);
        assert_eq!(next(DeliveryState::Delivered, &WebhookState::Active), None);
        assert_eq!(next(DeliveryState::InFlight, &WebhookState::Active), None);
    }
}
