//! How the receiver of a delivery is told who calls: the login before it, the access token that came of it, and the
//! `Authorization` header made of that.
//!
//! Pure: nothing here calls or keeps anything. Calling and keeping are the work of `token`; whether a webhook logs in at
//! all is said by `domain::webhook`.

mod access_token;
mod login;

use std::time::Duration;

pub use self::access_token::{AccessTokenAnswer, TokenAnswerError, read_access_token};
pub use self::login::{LoginCall, UnsendableLogin, login_call};
use super::headers::MASK;

/// No scheme has a longer name; a longer first word is part of a secret.
const MAX_SCHEME_LENGTH: usize = 32;

/// The value of the `Authorization` header for an access token.
///
/// An absent scheme means `Bearer`, an empty one the bare token.
#[must_use]
pub fn header_value(scheme: Option<&str>, token: &str) -> String {
    match scheme {
        None => format!("Bearer {token}"),
        Some("") => token.to_owned(),
        Some(scheme) => format!("{scheme} {token}"),
    }
}

/// An `Authorization` header fit for answers: its scheme stays readable, its secret does not.
#[must_use]
pub fn mask_authorization(value: &str) -> String {
    match value.split_once(' ') {
        Some((scheme, _)) if is_scheme(scheme) => format!("{scheme} {MASK}"),
        _ => MASK.to_owned(),
    }
}

fn is_scheme(word: &str) -> bool {
    let fits = (1..=MAX_SCHEME_LENGTH).contains(&word.len());
    fits && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// How long an access token is kept: for its stated lifetime less `margin`, else for `default_ttl`, never beyond `max`.
///
/// Zero means that it serves the attempt it was fetched for, and no other.
#[must_use]
pub fn kept_lifetime(stated: Option<Duration>, default_ttl: Duration, margin: Duration, max: Duration) -> Duration {
    stated.map_or(default_ttl, |lifetime| lifetime.saturating_sub(margin)).min(max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_stands_before_the_token_unless_it_is_empty() {
        assert_eq!(header_value(None, "abc"), "Bearer abc");
        assert_eq!(header_value(Some("Token"), "abc"), "Token abc");
        assert_eq!(header_value(Some(""), "abc"), "abc");
    }

    #[test]
    fn a_masked_authorization_shows_its_scheme_and_nothing_else() {
        assert_eq!(mask_authorization("Bearer eyJ0eXAiOiJKV1QiLCJhbGciOiJI"), "Bearer ****");
        assert_eq!(mask_authorization("Basic dXNlcjpwYXNz"), "Basic ****");
        assert_eq!(mask_authorization("AWS4-HMAC-SHA256 Credential=a, Signature=b"), "AWS4-HMAC-SHA256 ****");
        for value in ["", "hush", " hush", "hush+/= more", "Bearer\thush", "é hush", &format!("{} x", "h".repeat(33))] {
            assert_eq!(mask_authorization(value), "****", "{value}");
        }
    }

    #[test]
    fn a_token_is_kept_for_its_lifetime_less_the_margin() {
        let kept = |stated: Option<u64>, max| {
            let [default_ttl, margin, max] = [60, 30, max].map(Duration::from_secs);
            kept_lifetime(stated.map(Duration::from_secs), default_ttl, margin, max).as_secs()
        };

        assert_eq!(kept(Some(3_600), 86_400), 3_570);
        assert_eq!(kept(Some(30), 86_400), 0);
        assert_eq!(kept(Some(29), 86_400), 0);
        assert_eq!(kept(Some(0), 86_400), 0);
        assert_eq!(kept(None, 86_400), 60);
        assert_eq!(kept(None, 45), 45);
        assert_eq!(kept(Some(u64::MAX), 86_400), 86_400);
    }
}
