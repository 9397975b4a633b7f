//! The words for states, outcomes and reasons, as they stand in columns.

use std::borrow::Cow;
use std::time::Duration;

use crate::domain::attempt::{AttemptOutcome, FailureReason};
use crate::domain::delivery::DeadLetterReason;
use crate::domain::webhook::WebhookState;

/// What stands before the status in the word for a dead letter's reason.
const STATUS: &str = "status ";

/// The word for a reason, from which [`dead_letter_reason`] reads it back.
pub(in crate::store) fn dead_letter_word(reason: &DeadLetterReason) -> Cow<'static, str> {
    match reason {
        DeadLetterReason::Exhausted => "exhausted".into(),
        DeadLetterReason::Permanent(FailureReason::Status(status)) => format!("{STATUS}{status}").into(),
        DeadLetterReason::Permanent(reason) => reason.as_str().into(),
    }
}

/// Reads what [`dead_letter_word`] wrote.
pub(in crate::store) fn dead_letter_reason(word: &str) -> Option<DeadLetterReason> {
    match word.strip_prefix(STATUS) {
        Some(status) => Some(DeadLetterReason::Permanent(FailureReason::Status(status.parse().ok()?))),
        None => DeadLetterReason::parse(word),
    }
}

/// The words for an outcome: those of the columns `outcome` and `reason`.
pub(in crate::store) fn outcome_words(outcome: &AttemptOutcome) -> (&'static str, Option<&'static str>) {
    match outcome {
        AttemptOutcome::Delivered => ("delivered", None),
        AttemptOutcome::Retryable(reason) => ("retryable", Some(reason.as_str())),
        AttemptOutcome::Permanent(reason) => ("permanent", Some(reason.as_str())),
    }
}

/// The words for a state: those of the columns `state` and `disable_reason`.
pub(in crate::store) fn state_words(state: &WebhookState) -> (&'static str, Option<&'static str>) {
    match state {
        WebhookState::Active | WebhookState::Paused => (state.as_str(), None),
        WebhookState::Disabled(reason) => (state.as_str(), Some(reason.as_str())),
    }
}

/// A duration as the whole microseconds that are stored.
pub(in crate::store) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
