//! Takes out of an answer what a receiver sends back of the secrets that it was sent: attempts are kept and shown.
//!
//! Found is what comes back as it was sent; what a receiver encodes anew cannot be recognised.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

use crate::domain::headers::MASK;
use crate::egress::Answer;

/// Shorter texts are found by accident, and taking them out would only tell them.
const SHORTEST: usize = 6;

/// The secrets of one request.
pub(super) struct Echoes(Vec<Bytes>);

impl Echoes {
    /// The secrets in the headers of a request, which are those that are marked as sensitive: the whole value, and what
    /// follows the scheme in it.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self::of_values(headers.values().filter(|value| value.is_sensitive()).map(|value| Bytes::copy_from_slice(value.as_bytes())))
    }

    /// These secrets: each as a whole, and what follows the scheme in it.
    pub(super) fn of_values(values: impl Iterator<Item = Bytes>) -> Self {
        let values = values.flat_map(|whole| {
            let credentials = whole.iter().position(|&byte| byte == b' ').map(|at| whole.slice(at + 1..));
            [Some(whole), credentials].into_iter().flatten()
        });
        Self(values.filter(|secret| secret.len() >= SHORTEST).collect())
    }

    /// Puts a mask in the place of each secret.
    pub(super) fn mask(&self, answer: &mut Answer) {
        for secret in &self.0 {
            if let Some(body) = masked(&answer.body, secret) {
                answer.body = body.into();
            }
            if !answer.body_complete {
                cut_beginning(&mut answer.body, secret);
            }
            for value in answer.headers.values_mut() {
                if let Some(Ok(masked)) = masked(value.as_bytes(), secret).map(|masked| HeaderValue::from_bytes(&masked)) {
                    *value = masked;
                }
            }
        }
    }
}

/// `None` if the secret is not in it.
fn masked(text: &[u8], secret: &[u8]) -> Option<Vec<u8>> {
    let found = |rest: &[u8]| rest.windows(secret.len()).position(|part| part == secret);
    let mut at = found(text)?;
    let (mut rest, mut masked) = (text, Vec::with_capacity(text.len()));
    loop {
        masked.extend_from_slice(&rest[..at]);
        masked.extend_from_slice(MASK.as_bytes());
        rest = &rest[at + secret.len()..];
        let Some(next) = found(rest) else { break };
        at = next;
    }
    masked.extend_from_slice(rest);
    Some(masked)
}

/// Cuts off what a body that broke off ends with of a secret.
fn cut_beginning(body: &mut Bytes, secret: &[u8]) {
    let begun = (SHORTEST..secret.len()).rev().find(|&length| body.ends_with(&secret[..length]));
    body.truncate(body.len() - begun.unwrap_or(0));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn answer(header: &'static str, body: &str) -> Answer {
        Answer {
            status: 200,
            headers: HeaderMap::from_iter([(http::header::SERVER, HeaderValue::from_static(header))]),
            remote_address: None,
            body: Bytes::copy_from_slice(body.as_bytes()),
            body_complete: true,
            connect_took: None,
            head_after: Duration::ZERO,
            body_took: Duration::ZERO,
        }
    }

    fn echoes(secrets: &[&'static str]) -> Echoes {
        let values = secrets.iter().map(|secret| {
            let mut value = HeaderValue::from_static(secret);
            value.set_sensitive(true);
            value
        });
        let names = ["authorization", "x-api-key"].map(http::HeaderName::from_static);
        let mut headers: HeaderMap = names.into_iter().zip(values).collect();
        headers.insert("accept", HeaderValue::from_static("application/json"));
        Echoes::of(&headers)
    }

    #[test]
    fn a_secret_that_comes_back_is_masked_wherever_it_stands() {
        let mut answer = answer("seen hush-hush", "Bearer hush-hush, hush-hush and key-key-key: application/json hush-hus");

        echoes(&["Bearer hush-hush", "key-key-key"]).mask(&mut answer);

        assert_eq!(answer.body, "****, **** and ****: application/json hush-hus");
        assert_eq!(answer.headers["server"], "seen ****");
    }

    #[test]
    fn the_beginning_of_a_secret_at_the_end_of_a_body_that_broke_off_is_cut_off() {
        for (body, is_complete, kept) in [("x hush-hus", false, "x "), ("x hush-hus", true, "x hush-hus"), ("x hush-", false, "x hush-")] {
            let mut answer = Answer { body_complete: is_complete, ..answer("x", body) };

            echoes(&["hush-hush"]).mask(&mut answer);

            assert_eq!(answer.body, kept);
        }
    }

    #[test]
    fn what_is_no_secret_or_too_short_to_be_found_stays() {
        let mut answer = answer("x", "12345 123456");

        echoes(&["12345"]).mask(&mut answer);
        assert_eq!(answer.body, "12345 123456");
        echoes(&[]).mask(&mut answer);
        assert_eq!((&answer.body[..], answer.headers["server"].as_bytes()), (&b"12345 123456"[..], &b"x"[..]));
    }
}
