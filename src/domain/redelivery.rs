//! Redelivery of many deliveries by one request: what is wanted, and how far it has come.
//!
//! A job is worked in steps at a bounded rate. A step looks at what comes next in the order of ids, sends again what is
//! wanted of it, and leaves in the job how far it came: whoever takes the next step goes on from there.

use std::time::Duration;

use uuid::Uuid;

use super::delivery::{DeadLetterReason, DeliveryState};
use super::event::EventType;
use super::ids::{ClientId, DeliveryId, RedeliveryJobId, WebhookId};
use super::stats::Counted;
use super::time::Timestamp;

/// How many deliveries a second may be sent again, where nobody says so.
pub const DEFAULT_PER_SECOND: u32 = 50;

/// The most deliveries that a job may send again in a second.
pub const MOST_PER_SECOND: u32 = 10_000;

/// The most that one step sends again.
const MOST_IN_STEP: u32 = 500;

/// A job that is late makes up for no more than this.
const MADE_UP_FOR: Duration = Duration::from_secs(1);

/// What is made while a job begins may have ids from up to so much later, where clocks differ.
const CLOCKS_DIFFER: Duration = Duration::from_mins(1);

/// A redelivery of many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedeliveryJob {
    /// Its id.
    pub id: RedeliveryJobId,
    /// Whose deliveries.
    pub client_id: ClientId,
    /// Which of them.
    pub wanted: RedeliveryWanted,
    /// How many a second at most.
    pub per_second: u32,
    /// Whether it goes on.
    pub state: RedeliveryJobState,
    /// How many were wanted when it began.
    pub matched: Counted,
    /// The last that was looked at.
    pub cursor: Option<Uuid>,
    /// How many were looked at.
    pub examined: u64,
    /// How many are sent again.
    pub redelivered: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its next step is due.
    pub step_due_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// What a job sends again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedeliveryWanted {
    /// Dead letters.
    DeadLetters(DeadLetterFilter),
    /// Everything since a time that a webhook wants and has not got: dead letters, what was called off, and events for
    /// which it has no delivery.
    Undelivered {
        /// The webhook.
        webhook_id: WebhookId,
        /// Events accepted at this time or later.
        since: Timestamp,
    },
}

/// Which dead letters: those that fit every part that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadLetterFilter {
    /// Of this webhook.
    pub webhook_id: Option<WebhookId>,
    /// Given up for this reason, as [`DeadLetterReason::as_str`] words it.
    pub reason: Option<String>,
    /// Of events of this type.
    pub event_type: Option<EventType>,
    /// Of events with exactly this subject.
    pub subject: Option<String>,
    /// Made at this time or later.
    pub from: Option<Timestamp>,
    /// Made before this time.
    pub to: Option<Timestamp>,
}

/// A dead letter as far as it is filtered by.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// The delivery.
    pub id: DeliveryId,
    /// Why it was given up.
    pub reason: DeadLetterReason,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its event's type.
    pub event_type: EventType,
    /// Its event's subject.
    pub subject: String,
    /// Whether its webhook is deleted: then it is never sent again.
    pub webhook_is_deleted: bool,
}

impl DeadLetterFilter {
    /// Whether a dead letter of the right webhook is wanted.
    #[must_use]
    pub fn fits(&self, dead: &DeadLetter) -> bool {
        !dead.webhook_is_deleted
            && self.reason.as_deref().is_none_or(|reason| reason == dead.reason.as_str())
            && self.event_type.as_ref().is_none_or(|event_type| *event_type == dead.event_type)
            && self.subject.as_ref().is_none_or(|subject| *subject == dead.subject)
            && self.from.is_none_or(|from| from <= dead.created_at)
            && self.to.is_none_or(|to| dead.created_at < to)
    }
}

/// What is to be done so that a webhook gets an event that it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Nothing: it has it, or will.
    None,
    /// To send this delivery again.
    Redeliver(DeliveryId),
    /// To make a delivery.
    Make,
}

/// What helps, given the deliveries of the event for the webhook, oldest first.
#[must_use]
pub fn remedy(deliveries: &[(DeliveryId, DeliveryState)]) -> Remedy {
    let is_lost = |(_, state): &(DeliveryId, DeliveryState)| matches!(state, DeliveryState::DeadLettered | DeliveryState::Cancelled);
    match deliveries.last() {
        None => Remedy::Make,
        Some((newest, _)) if deliveries.iter().all(is_lost) => Remedy::Redeliver(*newest),
        Some(_) => Remedy::None,
    }
}

/// Whether a job goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedeliveryJobState {
    /// It does.
    Running,
    /// Everything that was wanted is sent again.
    Done,
    /// A person stopped it; what was sent again stays so.
    Cancelled,
}

impl RedeliveryJobState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Running, Self::Done, Self::Cancelled];

    /// The word for it in the API and in stores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }

    /// What [`Self::as_str`] writes so.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// What one step came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepTaken {
    /// The last that was looked at, if anything was.
    pub cursor: Option<Uuid>,
    /// How many were looked at.
    pub examined: u64,
    /// How many are sent again.
    pub redelivered: u64,
    /// Whether there is nothing more.
    pub is_last: bool,
}

/// Where the ids end that a job looks at which begins at `begun`: what is made later is none of its business.
#[must_use]
pub fn end_of(begun: Timestamp) -> Timestamp {
    begun + CLOCKS_DIFFER
}

impl RedeliveryJob {
    /// A job that begins now.
    #[must_use]
    pub const fn begin(
        id: RedeliveryJobId,
        client_id: ClientId,
        wanted: RedeliveryWanted,
        (per_second, matched): (u32, Counted),
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            client_id,
            wanted,
            per_second,
            state: RedeliveryJobState::Running,
            matched,
            cursor: None,
            examined: 0,
            redelivered: 0,
            created_at: now,
            step_due_at: now,
            finished_at: None,
        }
    }

    /// How many its next step sends again at most.
    #[must_use]
    pub const fn step_size(&self) -> u32 {
        if self.per_second < MOST_IN_STEP { self.per_second } else { MOST_IN_STEP }
    }

    /// The ids that it looks at end before those of this time.
    #[must_use]
    pub fn ends_at(&self) -> Timestamp {
        end_of(self.created_at)
    }

    /// How it stands after a step.
    #[must_use]
    pub fn after(mut self, step: &StepTaken, now: Timestamp) -> Self {
        self.cursor = step.cursor.or(self.cursor);
        self.examined += step.examined;
        self.redelivered += step.redelivered;
        let pause = Duration::from_secs(1).mul_f64(f64::from(self.step_size()) / f64::from(self.per_second.max(1)));
        // What was passed over takes no time.
        let share = f64::from(u32::try_from(step.redelivered).unwrap_or(u32::MAX)) / f64::from(self.step_size().max(1));
        self.step_due_at = self.step_due_at.max(now - MADE_UP_FOR) + pause.mul_f64(share.min(1.0));
        if step.is_last {
            (self.state, self.finished_at) = (RedeliveryJobState::Done, Some(now));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn job(per_second: u32) -> RedeliveryJob {
        let nil = Uuid::nil();
        let wanted = RedeliveryWanted::DeadLetters(DeadLetterFilter::default());
        RedeliveryJob::begin(nil.into(), nil.into(), wanted, (per_second, Counted::default()), at(100))
    }

    fn step(redelivered: u64) -> StepTaken {
        StepTaken { cursor: Some(Uuid::from_u128(7)), examined: redelivered + 1, redelivered, is_last: false }
    }

    #[test]
    fn a_rate_is_kept_whatever_the_size_of_a_step() {
        let slow = job(5).after(&step(5), at(100));
        let fast = job(2_000).after(&step(500), at(100));
        let idle = job(5).after(&step(0), at(100));

        assert_eq!((slow.step_size(), slow.step_due_at), (5, at(101)));
        assert_eq!((fast.step_size(), fast.step_due_at), (500, at(100) + Duration::from_millis(250)));
        assert_eq!(idle.step_due_at, at(100), "nothing was sent again");
        assert_eq!(
            (slow.cursor, slow.examined, slow.redelivered, slow.state),
            (Some(Uuid::from_u128(7)), 6, 5, RedeliveryJobState::Running)
        );
    }

    #[test]
    fn a_job_that_was_held_up_makes_up_for_a_second() {
        let late = job(5).after(&step(5), at(500));

        assert_eq!(late.step_due_at, at(500));
    }

    #[test]
    fn the_last_step_ends_a_job() {
        let last = StepTaken { is_last: true, ..StepTaken::default() };

        let done = job(5).after(&step(3), at(100)).after(&last, at(103));

        assert_eq!((done.state, done.finished_at, done.redelivered), (RedeliveryJobState::Done, Some(at(103)), 3));
        assert_eq!(done.cursor, Some(Uuid::from_u128(7)));
    }

    #[test]
    fn what_a_webhook_has_or_will_get_needs_no_remedy() {
        let id = |number| DeliveryId::from(Uuid::from_u128(number));
        let (dead, cancelled) = (DeliveryState::DeadLettered, DeliveryState::Cancelled);

        assert_eq!(remedy(&[]), Remedy::Make);
        assert_eq!(remedy(&[(id(1), cancelled), (id(2), dead)]), Remedy::Redeliver(id(2)));
        for state in [DeliveryState::Pending, DeliveryState::InFlight, DeliveryState::Delivered] {
            assert_eq!(remedy(&[(id(1), state), (id(2), dead)]), Remedy::None);
        }
    }

    #[test]
    fn a_dead_letter_fits_when_every_part_does() {
        let dead = DeadLetter {
            id: Uuid::nil().into(),
            reason: DeadLetterReason::Exhausted,
            created_at: at(50),
            event_type: EventType::document_finished(),
            subject: "7".to_owned(),
            webhook_is_deleted: false,
        };
        let fitting = DeadLetterFilter {
            webhook_id: None,
            reason: Some("exhausted".to_owned()),
            event_type: Some(EventType::document_finished()),
            subject: Some("7".to_owned()),
            from: Some(at(50)),
            to: Some(at(51)),
        };
        let others = [
            DeadLetterFilter { reason: Some("gone".to_owned()), ..fitting.clone() },
            DeadLetterFilter { event_type: "other".parse().ok(), ..fitting.clone() },
            DeadLetterFilter { subject: Some("8".to_owned()), ..fitting.clone() },
            DeadLetterFilter { from: Some(at(51)), ..fitting.clone() },
            DeadLetterFilter { to: Some(at(50)), ..fitting.clone() },
        ];

        assert!(fitting.fits(&dead) && DeadLetterFilter::default().fits(&dead));
        assert!(!fitting.fits(&DeadLetter { webhook_is_deleted: true, ..dead.clone() }));
        for other in others {
            assert!(!other.fits(&dead), "{other:?}");
        }
    }
}
