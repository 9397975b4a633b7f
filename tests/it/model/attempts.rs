//! What comes of an attempt: the receiver's answer, and what the rules of the domain make of it.

use std::time::Duration;

use webhook_dispatcher::domain::attempt::{Attempt, AttemptOutcome, Exchange, FailureReason, Phases};
use webhook_dispatcher::domain::delivery::after;
use webhook_dispatcher::domain::time::Timestamp;
use webhook_dispatcher::domain::webhook::DisableReason;
use webhook_dispatcher::store::records::{AttemptRecord, ClaimedDelivery};

use super::steps::Answer;

/// How many attempts a series has.
pub(super) const PLANNED: u32 = 3;

const DELAY: Duration = Duration::from_secs(20);

/// The record of the attempt that `claimed` was claimed for.
pub(super) fn record(claimed: &ClaimedDelivery, answer: Answer, started_at: Timestamp, finished_at: Timestamp) -> AttemptRecord {
    let number = claimed.attempt_number();
    let (outcome, status) = outcome(answer);
    let exchange = Exchange {
        status,
        detail: Some(format!("attempt {number}")),
        phases: Phases { answer: Some(Duration::from_micros(u64::from(number))), ..Phases::default() },
        ..Exchange::default()
    };
    AttemptRecord {
        claim: claimed.claim,
        webhook_id: claimed.webhook_id,
        webhook_version: claimed.webhook_version,
        transition: after(&outcome, retry_at(claimed.attempt_in_series(), finished_at)),
        attempt: Attempt { number, started_at, finished_at, outcome, exchange },
        disable_webhook: matches!(answer, Answer::IsGone).then_some(DisableReason::Gone),
    }
}

fn outcome(answer: Answer) -> (AttemptOutcome, Option<u16>) {
    match answer {
        Answer::Takes => (AttemptOutcome::Delivered, Some(204)),
        Answer::Fails => (AttemptOutcome::Retryable(FailureReason::Status(503)), Some(503)),
        Answer::IsGone => (AttemptOutcome::Permanent(FailureReason::Gone), Some(410)),
        Answer::IsBlocked => (AttemptOutcome::Permanent(FailureReason::AddressNotAllowed), None),
    }
}

fn retry_at(attempt_in_series: u32, now: Timestamp) -> Option<Timestamp> {
    (attempt_in_series < PLANNED).then(|| now + DELAY * attempt_in_series)
}
