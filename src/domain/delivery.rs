//! The life of a delivery: its states, and the one function that moves it on.
//!
//! ```text
//!             claim                 2xx
//!   pending ─────────► in flight ─────────► delivered
//!     ▲  ▲                │  │
//!     │  └── retry ───────┘  └── given up ─► dead-lettered
//!     │                                          │
//!     └────────────── redeliver ◄────────────────┘
//! ```
//!
//! A person may cancel what is pending, and redeliver whatever is not in flight. When its webhook is deleted, a pending
//! delivery is cancelled, and one in flight that would wait again.
//!
//! Stores keep what [`after`] answers; they decide nothing.

use std::str::FromStr;

use super::attempt::{AttemptOutcome, FailureReason};
use super::ids::{ClientId, DeliveryId, EventId, WebhookId};
use super::time::Timestamp;

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    /// It waits until it is due.
    Pending,
    /// A node holds a claim on it.
    InFlight,
    /// The receiver took it.
    Delivered,
    /// It was given up; a person may redeliver it.
    DeadLettered,
    /// A person, or the deletion of its webhook, called it off.
    Cancelled,
}

impl DeliveryState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Pending, Self::InFlight, Self::Delivered, Self::DeadLettered, Self::Cancelled];

    /// The word for it in the API and in stores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InFlight => "in_flight",
            Self::Delivered => "delivered",
            Self::DeadLettered => "dead_lettered",
            Self::Cancelled => "cancelled",
        }
    }
}

/// The text names no state.
#[derive(Debug, thiserror::Error)]
#[error("must be one of pending, in_flight, delivered, dead_lettered, cancelled")]
pub struct UnknownDeliveryState;

impl FromStr for DeliveryState {
    type Err = UnknownDeliveryState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(UnknownDeliveryState)
    }
}

/// One event bound for one webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// What is delivered.
    pub event_id: EventId,
    /// To which webhook.
    pub webhook_id: WebhookId,
    /// Whose it is.
    pub client_id: ClientId,
    /// Where it stands.
    pub state: DeliveryState,
    /// From when on it may be claimed.
    pub due_at: Timestamp,
    /// How many attempts were recorded in its whole life.
    pub attempts: u32,
    /// How many of them were made before the present series: a redelivery begins the schedule anew.
    pub attempts_before_series: u32,
    /// Why it was given up, while it is dead-lettered.
    pub dead_letter_reason: Option<DeadLetterReason>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it reached a final state.
    pub finished_at: Option<Timestamp>,
}

/// Why a delivery was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeadLetterReason {
    /// Every attempt of the schedule failed.
    Exhausted,
    /// An attempt failed in a way that will not pass by itself.
    Permanent(FailureReason),
}

impl DeadLetterReason {
    /// Every word that [`Self::as_str`] writes.
    pub fn words() -> impl Iterator<Item = &'static str> {
        std::iter::once("exhausted").chain(FailureReason::words())
    }

    /// The word for it in the API and in stores.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Exhausted => "exhausted",
            Self::Permanent(reason) => reason.as_str(),
        }
    }

    /// The reason that [`Self::as_str`] writes so.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "exhausted" => Some(Self::Exhausted),
            _ => FailureReason::parse(word, None).map(Self::Permanent),
        }
    }
}

/// What the end of an attempt does to its delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transition {
    /// It is delivered.
    Deliver,
    /// It waits for its next attempt.
    Retry {
        /// When that is due.
        due_at: Timestamp,
    },
    /// It is given up.
    DeadLetter(DeadLetterReason),
}

impl Transition {
    /// The state the delivery is in afterwards.
    #[must_use]
    pub const fn state(&self) -> DeliveryState {
        match self {
            Self::Deliver => DeliveryState::Delivered,
            Self::Retry { .. } => DeliveryState::Pending,
            Self::DeadLetter(_) => DeliveryState::DeadLettered,
        }
    }
}

/// What follows from an attempt's outcome, given when the schedule would try again (`None`: never).
#[must_use]
pub fn after(outcome: &AttemptOutcome, retry_at: Option<Timestamp>) -> Transition {
    match (outcome, retry_at) {
        (AttemptOutcome::Delivered, _) => Transition::Deliver,
        (AttemptOutcome::Retryable(_), Some(due_at)) => Transition::Retry { due_at },
        (AttemptOutcome::Retryable(_), None) => Transition::DeadLetter(DeadLetterReason::Exhausted),
        (AttemptOutcome::Permanent(reason), _) => Transition::DeadLetter(DeadLetterReason::Permanent(reason.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Timestamp = Timestamp::from_micros(5);

    #[test]
    fn a_retryable_failure_waits_while_the_schedule_lasts_and_then_is_given_up() {
        let failed = AttemptOutcome::Retryable(FailureReason::Status(500));

        assert_eq!(after(&failed, Some(LATER)), Transition::Retry { due_at: LATER });
        assert_eq!(after(&failed, None), Transition::DeadLetter(DeadLetterReason::Exhausted));
    }

    #[test]
    fn a_permanent_failure_is_given_up_whatever_the_schedule_says() {
        let gone = AttemptOutcome::Permanent(FailureReason::Gone);

        assert_eq!(after(&gone, Some(LATER)), Transition::DeadLetter(DeadLetterReason::Permanent(FailureReason::Gone)));
    }

    #[test]
    fn a_success_is_delivered_even_when_the_schedule_has_ended() {
        assert_eq!(after(&AttemptOutcome::Delivered, None), Transition::Deliver);
    }

    #[test]
    fn every_word_in_a_store_reads_back_as_what_wrote_it() {
        for state in DeliveryState::ALL {
            assert_eq!(state.as_str().parse::<DeliveryState>().unwrap(), state);
        }
        for word in ["exhausted", "gone", "address_not_allowed", "unsendable"] {
            assert_eq!(DeadLetterReason::parse(word).unwrap().as_str(), word);
        }
    }
}
