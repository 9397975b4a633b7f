//! Says in one sentence why a delivery stands where it stands, for people who ask what happens next.

use super::attempt::AttemptOutcome;
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

impl Standing<'_> {
    /// When the next attempt is planned; `None` while none is.
    #[must_use]
    pub fn next_attempt_at(&self) -> Option<Timestamp> {
        let planned = self.delivery.state == DeliveryState::Pending && self.webhook.is_active();
        planned.then(|| self.blocked_until().map_or(self.delivery.due_at, |until| until.max(self.delivery.due_at)))
    }

    /// Until when its lane starts nothing.
    fn blocked_until(&self) -> Option<Timestamp> {
        self.lane.blocked_until()
    }

    /// The sentence; times are written by `written`.
    #[must_use]
    pub fn explain(&self, written: impl Fn(Timestamp) -> String) -> String {
        let delivery = self.delivery;
        let finished = delivery.finished_at.map(&written).unwrap_or_default();
        let attempts = counted(delivery.attempts);
        match delivery.state {
            DeliveryState::Pending => self.explain_waiting(&written),
            DeliveryState::InFlight => format!("Attempt {} is under way.", delivery.attempts + 1),
            DeliveryState::Delivered => format!("The receiver took it at {finished}, with attempt {}.", delivery.attempts),
            DeliveryState::DeadLettered => self.explain_given_up(&finished),
            DeliveryState::Cancelled => {
                format!("It was called off at {finished} after {attempts}, by a person or because its webhook was deleted.")
            }
        }
    }

    fn explain_waiting(&self, written: &impl Fn(Timestamp) -> String) -> String {
        let so_far = self.so_far();
        match self.webhook {
            WebhookState::Active => format!("{so_far}; {}", self.explain_next(written)),
            WebhookState::Paused => format!("{so_far}; it waits because its webhook is paused, until somebody resumes that."),
            WebhookState::Disabled(reason) => {
                let why = match reason {
                    DisableReason::Gone => "the receiver answered 410 (gone)",
                    DisableReason::FailingTooLong => "every attempt failed for too long",
                };
                format!("{so_far}; it waits because its webhook is disabled ({why}), until somebody resumes that.")
            }
        }
    }

    /// What an active webhook's delivery waits for.
    fn explain_next(&self, written: &impl Fn(Timestamp) -> String) -> String {
        let due = written(self.delivery.due_at);
        let blocked_until = self.blocked_until().filter(|until| *until > self.delivery.due_at);
        match (self.lane.state, blocked_until) {
            (LaneState::Open, Some(until)) => {
                format!("it waits because its receiver is not there: one delivery probes that at {}.", written(until))
            }
            (LaneState::Open, None) if self.delivery.due_at <= self.now => {
                "it waits because its receiver is not there, until one delivery got through.".to_owned()
            }
            (_, Some(until)) => {
                format!("it waits until {} because its receiver asked for a pause, or because no login worked.", written(until))
            }
            _ if self.delivery.due_at > self.now => format!("the next attempt is planned for {due}."),
            _ => format!("the next attempt is due since {due} and starts as soon as there is room."),
        }
    }

    /// What happened before the wait.
    fn so_far(&self) -> String {
        let delivery = self.delivery;
        if delivery.attempts == 0 {
            "No attempt was made yet".to_owned()
        } else if delivery.attempts == delivery.attempts_before_series {
            format!("It was redelivered after {}", counted(delivery.attempts))
        } else {
            format!("Attempt {} failed{}", delivery.attempts, self.because())
        }
    }

    fn explain_given_up(&self, finished: &str) -> String {
        let attempts = self.delivery.attempts;
        match &self.delivery.dead_letter_reason {
            Some(DeadLetterReason::Permanent(reason)) => {
                format!("It was given up at {finished} with attempt {attempts} because {reason}, which does not pass by itself.")
            }
            Some(DeadLetterReason::Exhausted) | None => {
                let because = self.because();
                format!(
                    "It was given up at {finished} because its schedule ended after {}; the last one failed{because}.",
                    counted(attempts)
                )
            }
        }
    }

    fn because(&self) -> String {
        match self.last {
            Some(AttemptOutcome::Retryable(reason) | AttemptOutcome::Permanent(reason)) => format!(" because {reason}"),
            Some(AttemptOutcome::Delivered) | None => String::new(),
        }
    }
}

fn counted(attempts: u32) -> String {
    match attempts {
        1 => "1 attempt".to_owned(),
        more => format!("{more} attempts"),
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
