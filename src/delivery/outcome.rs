//! Decides what one exchange means for a delivery: delivered, worth a retry, or hopeless.
//!
//! Pure: no I/O and no clock. *When* to retry is `domain::retry`; what a webhook's other deliveries do meanwhile is
//! `lanes`.

use crate::domain::attempt::{AttemptOutcome, FailureReason};
use crate::domain::webhook::DisableReason;
use crate::egress::SendError;

/// What an answer with this status means. Only 2xx is success.
#[must_use]
pub const fn of_status(status: u16) -> AttemptOutcome {
    match status {
        200..=299 => AttemptOutcome::Delivered,
        410 => AttemptOutcome::Permanent(FailureReason::Gone),
        _ => AttemptOutcome::Retryable(FailureReason::Status(status)),
    }
}

/// What it means that no answer came.
#[must_use]
pub const fn of_send_error(error: &SendError) -> AttemptOutcome {
    match error {
        SendError::BlockedAddress(_) => AttemptOutcome::Permanent(FailureReason::AddressNotAllowed),
        SendError::Timeout => AttemptOutcome::Retryable(FailureReason::Timeout),
        SendError::Dns(_) => AttemptOutcome::Retryable(FailureReason::Dns),
        SendError::Connect(_) => AttemptOutcome::Retryable(FailureReason::Connect),
        SendError::Tls(_) => AttemptOutcome::Retryable(FailureReason::Tls),
        SendError::Protocol(_) => AttemptOutcome::Retryable(FailureReason::Protocol),
    }
}

/// Whether an answer with this status says that the access token is not good (any more). 403 says so only of a token
/// that was kept from before: a fresh one that is forbidden will not get better by a new login.
#[must_use]
pub const fn asks_for_new_login(status: u16, token_was_cached: bool) -> bool {
    matches!(status, 401 | 407) || status == 403 && token_was_cached
}

/// Whether a `Retry-After` beside this status speaks for the whole receiver, not only for this request.
#[must_use]
pub const fn slows_the_lane(status: u16) -> bool {
    matches!(status, 429 | 502 | 503 | 504)
}

/// Whether the webhook is not to be called any more after this outcome.
#[must_use]
pub const fn disables_webhook(outcome: &AttemptOutcome) -> Option<DisableReason> {
    match outcome {
        AttemptOutcome::Permanent(FailureReason::Gone) => Some(DisableReason::Gone),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_2xx_is_success() {
        for status in 100..=599 {
            let delivered = of_status(status) == AttemptOutcome::Delivered;

            assert_eq!(delivered, (200..300).contains(&status), "{status}");
        }
    }

    #[test]
    fn a_redirect_is_a_failed_attempt_and_nothing_else() {
        assert_eq!(of_status(302), AttemptOutcome::Retryable(FailureReason::Status(302)));
    }

    #[test]
    fn gone_gives_up_and_disables() {
        assert_eq!(disables_webhook(&of_status(410)), Some(DisableReason::Gone));
        assert_eq!(disables_webhook(&of_status(404)), None);
    }

    #[test]
    fn a_403_asks_for_a_new_login_only_when_the_token_was_kept() {
        assert!(asks_for_new_login(401, false));
        assert!(asks_for_new_login(407, false));
        assert!(asks_for_new_login(403, true));
        assert!(!asks_for_new_login(403, false));
        assert!(!asks_for_new_login(500, true));
    }
}
