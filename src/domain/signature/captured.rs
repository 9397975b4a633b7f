//! Whether a request that a receiver captured is genuine: every signature in it, its times and its body, in words.

use std::fmt::Display;
use std::time::Duration;

use http::HeaderMap;
use url::Url;

use super::http_message::{self, Found, Message};
use super::key::VerifyingKey;
use super::{digest, standard};
use crate::domain::time::Timestamp;

/// A request as it came in.
#[derive(Clone, Copy)]
pub struct Captured<'c> {
    /// The method, in capitals.
    pub method: &'c str,
    /// Where it was sent, as far as that is known.
    pub url: Option<&'c Url>,
    /// Its headers.
    pub headers: &'c HeaderMap,
    /// The bytes of its body.
    pub body: &'c [u8],
}

/// What was found, line by line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What is right and what is wrong.
    pub lines: Vec<String>,
    /// Whether the request is signed, and every kind of signature in it holds.
    pub is_genuine: bool,
}

/// Judges a request by `key`: it must have been signed at most `tolerance` before or after `now`.
#[must_use]
pub fn check(request: Captured<'_>, key: &VerifyingKey, now: Timestamp, tolerance: Duration) -> Report {
    let mut checking = Checking { request, key, now: now.as_seconds(), tolerance: tolerance.as_secs(), lines: Vec::new() };
    let kinds = [(standard::HEADER, checking.standard()), (http_message::INPUT_HEADER, checking.http_message())];
    let held: Vec<bool> = kinds.into_iter().filter(|(header, _)| request.headers.contains_key(*header)).map(|(_, held)| held).collect();
    if held.is_empty() {
        checking.lines.push("wrong: the request is not signed".to_owned());
    }
    Report { lines: checking.lines, is_genuine: !held.is_empty() && held.into_iter().all(|held| held) }
}

struct Checking<'c> {
    request: Captured<'c>,
    key: &'c VerifyingKey,
    now: i64,
    tolerance: u64,
    lines: Vec<String>,
}

impl Checking<'_> {
    /// Notes what is right, and hands that on.
    fn right(&mut self, what: impl Display) -> bool {
        self.lines.push(format!("right: {what}"));
        true
    }

    /// Notes what is wrong, and hands that on.
    fn wrong(&mut self, what: impl Display) -> bool {
        self.lines.push(format!("wrong: {what}"));
        false
    }

    /// Notes one or the other.
    fn note(&mut self, holds: bool, right: impl Display, wrong: impl Display) -> bool {
        if holds { self.right(right) } else { self.wrong(wrong) }
    }

    fn standard(&mut self) -> bool {
        let header = |name: &str| self.request.headers.get(name).and_then(|value| value.to_str().ok());
        let Some(signatures) = header(standard::HEADER) else { return false };
        let (Some(id), Some(timestamp)) = (header("webhook-id"), header("webhook-timestamp")) else {
            return self.wrong("webhook-id or webhook-timestamp is missing");
        };
        let is_signed = standard::verify(signatures, id, timestamp, self.request.body, self.key);
        let is_in_time = self.is_in_time("webhook-timestamp", timestamp.parse().ok());
        let is_signed = self.note(
            is_signed,
            "webhook-signature is by this key, over webhook-id, webhook-timestamp and the body",
            "webhook-signature is by another key, or webhook-id, webhook-timestamp or the body were changed",
        );
        is_in_time && is_signed
    }

    fn http_message(&mut self) -> bool {
        if !self.request.headers.contains_key(http_message::INPUT_HEADER) {
            return false;
        }
        let Some(url) = self.request.url else {
            return self.wrong("the HTTP message signature cannot be judged without the url of the request");
        };
        let message = Message { method: self.request.method, url, headers: self.request.headers };
        let Some(found) = http_message::verify(message, self.key) else {
            return self.wrong("signature-input or signature cannot be read");
        };
        let held: Vec<bool> = found.iter().map(|found| self.one(found)).collect();
        let is_signed = held.contains(&true);
        self.digest() && is_signed
    }

    /// Judges one signature. That of another key is no harm: a request carries one for each.
    fn one(&mut self, found: &Found) -> bool {
        let name = format!("signature {}{}", found.label, found.key_id.as_ref().map(|id| format!(" by key {id}")).unwrap_or_default());
        let covers = found.covers.join(" ");
        let is_right = match &found.verdict {
            Ok(()) => self.right(format!("{name} holds over {covers}")),
            Err(refusal) => self.wrong(format!("{name}: {refusal}")),
        };
        if !is_right {
            return false;
        }
        let is_in_time = self.is_in_time(&format!("created of {name}"), found.created);
        let is_living = found.expires.is_none_or(|until| self.now < until) || self.wrong(format!("{name} has expired"));
        let needs_digest = !self.request.body.is_empty() && !found.covers.iter().any(|covered| covered == digest::HEADER);
        let is_bound = !needs_digest || self.wrong(format!("{name} does not cover content-digest, so anybody may have changed the body"));
        is_in_time && is_living && is_bound
    }

    fn digest(&mut self) -> bool {
        match self.request.headers.get(digest::HEADER).map(|value| value.to_str().unwrap_or_default()) {
            None => self.request.body.is_empty() || self.wrong("content-digest is missing"),
            Some(header) => {
                let is_right = digest::verify(header, self.request.body);
                self.note(is_right, "content-digest is that of the body", "content-digest is not that of the body")
            }
        }
    }

    fn is_in_time(&mut self, what: &str, signed: Option<i64>) -> bool {
        let Some(signed) = signed else {
            return self.wrong(format!("{what} is no number of seconds"));
        };
        let is_in_time = self.now.abs_diff(signed) <= self.tolerance;
        let allowed = self.tolerance;
        let age = if signed <= self.now {
            format!("{} s ago", self.now.abs_diff(signed))
        } else {
            format!("{} s ahead", self.now.abs_diff(signed))
        };
        self.note(is_in_time, format!("{what} is {age}"), format!("{what} is {age}; {allowed} s are allowed"))
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use uuid::Uuid;

    use super::super::key::{Scheme, SigningSecret};
    use super::super::keys::SigningKey;
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_712_855_553_741_194);

    fn secret() -> SigningSecret {
        SigningSecret::new(Scheme::Ed25519, &[7; 32]).unwrap()
    }

    /// A request with both kinds of signatures.
    fn sent() -> (HeaderMap, Url, &'static [u8]) {
        let (url, body): (Url, &[u8]) = ("https://receiver.example/doc?x=1".parse().unwrap(), b"{\"a\": 1}");
        let seconds = NOW.as_seconds();
        let lines = [
            ("webhook-id", "evt".to_owned()),
            ("webhook-timestamp", seconds.to_string()),
            ("webhook-signature", standard::header_value([secret()].iter(), "evt", seconds, body)),
            ("content-type", "application/json".to_owned()),
            ("content-digest", digest::header_value(body)),
        ];
        let mut headers: HeaderMap =
            lines.into_iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::try_from(value).unwrap())).collect();
        let key = SigningKey { id: Uuid::from_u128(1).into(), secret: secret(), created_at: NOW, valid_until: None };
        let signed = http_message::sign(Message { method: "POST", url: &url, headers: &headers }, [key].iter(), NOW);
        headers.insert(http_message::INPUT_HEADER, signed.input.parse().unwrap());
        headers.insert(http_message::HEADER, signed.signatures.parse().unwrap());
        (headers, url, body)
    }

    fn judged(change: impl FnOnce(&mut HeaderMap, &mut Option<Url>, &mut Vec<u8>), seconds_later: i64) -> (bool, Vec<String>) {
        let (mut headers, url, body) = sent();
        let (mut url, mut body) = (Some(url), body.to_vec());
        change(&mut headers, &mut url, &mut body);
        let request = Captured { method: "POST", url: url.as_ref(), headers: &headers, body: &body };
        let now = Timestamp::from_micros(NOW.as_micros() + seconds_later * 1_000_000);

        let report = check(request, &VerifyingKey::Public(secret().public_key().unwrap()), now, Duration::from_mins(5));

        (report.is_genuine, report.lines.into_iter().filter(|line| line.starts_with("wrong")).collect())
    }

    #[test]
    fn a_request_as_it_was_sent_is_genuine_within_the_tolerance() {
        for seconds in [-300, 0, 300] {
            assert_eq!(judged(|_, _, _| {}, seconds), (true, Vec::new()), "{seconds}");
        }
        for seconds in [-301, 301] {
            let (is_genuine, wrong) = judged(|_, _, _| {}, seconds);

            assert!(!is_genuine && wrong.len() == 2 && wrong[0].contains("301 s"), "{wrong:?}");
        }
    }

    #[test]
    fn each_thing_that_was_changed_is_named() {
        let (is_genuine, wrong) = judged(|_, _, body| body.push(b' '), 0);
        assert!(!is_genuine);
        assert_eq!(wrong.len(), 2);
        assert!(wrong[0].contains("webhook-signature") && wrong[1].contains("content-digest is not"), "{wrong:?}");

        let (is_genuine, wrong) = judged(|_, url, _| *url = Some("https://other.example/doc?x=1".parse().unwrap()), 0);
        assert!(!is_genuine && wrong.len() == 1 && wrong[0].contains("signature sig1"), "{wrong:?}");

        let (is_genuine, wrong) = judged(|_, url, _| *url = None, 0);
        assert!(!is_genuine && wrong.len() == 1 && wrong[0].contains("without the url"), "{wrong:?}");

        let (is_genuine, wrong) = judged(|headers, _, _| drop(headers.remove("webhook-id")), 0);
        assert!(!is_genuine && wrong.len() == 2, "{wrong:?}");
    }

    #[test]
    fn one_kind_of_signature_is_enough_and_none_is_not() {
        let without =
            |names: &'static [&'static str]| judged(move |headers, _, _| names.iter().for_each(|name| drop(headers.remove(*name))), 0);

        assert_eq!(without(&["webhook-signature"]), (true, Vec::new()));
        assert_eq!(without(&["signature-input", "signature"]), (true, Vec::new()));
        assert_eq!(without(&["webhook-signature", "signature-input"]), (false, vec!["wrong: the request is not signed".to_owned()]));
    }

    #[test]
    fn a_signature_that_leaves_the_body_open_is_no_proof() {
        let (is_genuine, wrong) = judged(
            |headers, url, body| {
                headers.remove("webhook-signature");
                headers.remove("content-digest");
                let key = SigningKey { id: Uuid::from_u128(1).into(), secret: secret(), created_at: NOW, valid_until: None };
                let signed = http_message::sign(Message { method: "POST", url: url.as_ref().unwrap(), headers }, [key].iter(), NOW);
                headers.insert(http_message::INPUT_HEADER, signed.input.parse().unwrap());
                headers.insert(http_message::HEADER, signed.signatures.parse().unwrap());
                headers.insert(digest::HEADER, digest::header_value(body).parse().unwrap());
            },
            0,
        );

        assert!(!is_genuine && wrong.len() == 1 && wrong[0].contains("does not cover content-digest"), "{wrong:?}");
    }
}
