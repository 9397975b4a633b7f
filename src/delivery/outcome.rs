//! Decides what one exchange means for a delivery: delivered, worth a retry, or hopeless.
//!
//! Pure: no I/O and no clock. *When* to retry is `domain::retry`; what a webhook's other deliveries do meanwhile is
//! `lanes`.

use super::request::Unsendable;
use crate::domain::attempt::{AttemptOutcome, FailureReason};
use crate::domain::webhook::DisableReason;
use crate::egress::SendError;

/// What an outcome says of the receiver as a whole, whatever delivery it was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// It answers, and has nothing against more.
    Well,
    /// It answers, and wants less.
    Overloaded,
    /// It is not there, or cannot do its work.
    Down,
    /// Nothing.
    None,
}

/// What an outcome says of the receiver. One that refuses a request, or fails at it, is there nevertheless.
#[must_use]
pub const fn sign_of(outcome: &AttemptOutcome) -> Sign {
    let reason = match outcome {
        AttemptOutcome::Delivered => return Sign::Well,
        AttemptOutcome::Retryable(reason) | AttemptOutcome::Permanent(reason) => reason,
    };
    match reason {
        FailureReason::Status(429) => Sign::Overloaded,
        FailureReason::Status(502..=504) | FailureReason::Timeout | FailureReason::Dns | FailureReason::Connect | FailureReason::Tls => {
            Sign::Down
        }
        FailureReason::Status(_) | FailureReason::Gone => Sign::Well,
        FailureReason::Protocol | FailureReason::Authorization | FailureReason::AddressNotAllowed | FailureReason::Unsendable => Sign::None,
    }
}

/// What an answer with this status means. Only 2xx is success.
#[must_use]
pub const fn of_status(status: u16) -> AttemptOutcome {
    match status {
        200..=299 => AttemptOutcome::Delivered,
        410 => AttemptOutcome::Permanent(FailureReason::Gone),
        _ => AttemptOutcome::Retryable(FailureReason::Status(status)),
    }
}

/// What it means that there is nothing to send. A catalogue that is missing comes back when an operator sees that.
#[must_use]
pub const fn of_unsendable(unsendable: &Unsendable) -> AttemptOutcome {
    let reason = FailureReason::Unsendable;
    if unsendable.awaits_catalog() { AttemptOutcome::Retryable(reason) } else { AttemptOutcome::Permanent(reason) }
}

/// What it means that no answer came.
#[must_use]
pub const fn of_send_error(error: &SendError) -> AttemptOutcome {
    match error {
        SendError::BlockedAddress(_) | SendError::PlainHttp => AttemptOutcome::Permanent(FailureReason::AddressNotAllowed),
        SendError::Timeout(_) => AttemptOutcome::Retryable(FailureReason::Timeout),
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
    fn a_receiver_that_refuses_is_there_and_one_that_cannot_be_reached_is_not() {
        let signs = |reasons: &[FailureReason]| -> Vec<Sign> {
            reasons.iter().map(|reason| sign_of(&AttemptOutcome::Retryable(reason.clone()))).collect()
        };

        assert_eq!([204, 302, 400, 404, 410, 500, 501, 505].map(|status| sign_of(&of_status(status))), [Sign::Well; 8]);
        assert_eq!([429, 502, 503, 504].map(|status| sign_of(&of_status(status))), [Sign::Overloaded, Sign::Down, Sign::Down, Sign::Down]);
        assert_eq!(signs(&[FailureReason::Timeout, FailureReason::Dns, FailureReason::Connect, FailureReason::Tls]), [Sign::Down; 4]);
        assert_eq!(signs(&[FailureReason::Protocol, FailureReason::Authorization]), [Sign::None; 2]);
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
