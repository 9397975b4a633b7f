//! Requests as receivers capture them: what was signed is genuine, what was altered afterwards is not, rubbish is neither.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use url::Url;
use uuid::Uuid;
use webhook_dispatcher::domain::signature::captured::{Captured, check};
use webhook_dispatcher::domain::signature::http_message::Message;
use webhook_dispatcher::domain::signature::{Scheme, SigningKey, SigningSecret, VerifyingKey, digest, http_message, standard};
use webhook_dispatcher::domain::time::Timestamp;

use super::{Held, for_all};

const NOW: Timestamp = Timestamp::from_micros(1_712_855_553_000_000);
const TOLERANCE: Duration = Duration::from_mins(5);

/// A signed request.
#[derive(Clone, Debug)]
struct Request {
    url: Url,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Request {
    fn is_genuine(&self, key: &VerifyingKey) -> bool {
        check(Captured { method: "POST", url: Some(&self.url), headers: &self.headers, body: &self.body }, key, NOW, TOLERANCE).is_genuine
    }

    fn set(&mut self, name: &str, value: &str) {
        self.headers.insert(HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap());
    }
}

fn keys(scheme: Scheme, chance: [u8; 32]) -> (SigningKey, VerifyingKey) {
    let secret = SigningSecret::new(scheme, &chance).unwrap();
    let verifying = secret.text_for_receiver().parse().unwrap();
    (SigningKey { id: Uuid::from_u128(7).into(), secret, created_at: NOW, valid_until: None }, verifying)
}

/// A request that is signed in both ways.
fn signed(key: &SigningKey, path: &str, id: &str, body: Vec<u8>) -> Request {
    let url = Url::parse(&format!("https://receiver.example/{path}")).unwrap();
    let mut request = Request { url, headers: HeaderMap::new(), body };
    request.set("content-type", "application/json");
    request.set("webhook-id", id);
    request.set("webhook-timestamp", &NOW.as_seconds().to_string());
    let signature = standard::header_value(std::iter::once(&key.secret), id, NOW.as_seconds(), &request.body);
    request.set(standard::HEADER, &signature);
    request.set(digest::HEADER, &digest::header_value(&request.body));
    let message = Message { method: "POST", url: &request.url, headers: &request.headers };
    let signed = http_message::sign(message, std::iter::once(key), NOW);
    request.set(http_message::INPUT_HEADER, &signed.input);
    request.set(http_message::HEADER, &signed.signatures);
    request
}

fn scheme() -> impl Strategy<Value = Scheme> {
    prop_oneof![Just(Scheme::HmacSha256), Just(Scheme::Ed25519)]
}

#[test]
fn what_was_signed_is_genuine_for_its_key_alone() {
    for_all(
        &(scheme(), any::<[u8; 32]>(), any::<[u8; 32]>(), "[a-z0-9/?=%2]{0,20}", any::<Vec<u8>>()),
        |(scheme, chance, other, path, body)| {
            let ((key, verifying), (_, others)) = (keys(scheme, chance), keys(scheme, other));
            let request = signed(&key, &path, "event-1", body);

            prop_assert!(request.is_genuine(&verifying));
            prop_assert_eq!(request.is_genuine(&others), chance == other);
            Ok(())
        },
    );
}

#[test]
fn what_was_altered_is_not_genuine() {
    let alterations = (0_usize..6, any::<prop::sample::Index>(), 1_u8..=255);
    for_all(
        &(scheme(), any::<[u8; 32]>(), prop::collection::vec(any::<u8>(), 1..64), alterations),
        |(scheme, chance, body, (what, at, flip))| {
            let (key, verifying) = keys(scheme, chance);
            let mut request = signed(&key, "x", "event-1", body);
            match what {
                0 => {
                    let at = at.index(request.body.len());
                    request.body[at] ^= flip;
                }
                1 => request.body.push(flip),
                2 => request.set("webhook-id", "event-2"),
                3 => request.set("webhook-timestamp", &(NOW.as_seconds() + i64::from(flip)).to_string()),
                4 => request.url = Url::parse(&format!("https://receiver.example/y{flip}")).unwrap(),
                _ => request.body.truncate(request.body.len() - 1),
            }
            prop_assert!(!request.is_genuine(&verifying), "{what}");
            Ok(())
        },
    );
}

#[test]
fn a_signature_with_another_letter_is_not_genuine() {
    for_all(
        &(scheme(), any::<[u8; 32]>(), any::<bool>(), any::<prop::sample::Index>(), "[A-Za-z0-9+/=:,;\" ()]"),
        |(scheme, chance, by_message, at, letter)| {
            let (key, verifying) = keys(scheme, chance);
            let request = signed(&key, "x", "event-1", b"{}".to_vec());
            let name = if by_message { http_message::HEADER } else { standard::HEADER };
            let before = request.headers[name].to_str().unwrap().to_owned();
            // What comes before the signature itself is a name that anybody may choose.
            let from = before.find(if by_message { ":" } else { "," }).unwrap() + 1;
            // The last letters of Base64 may stand for bits that count for nothing.
            let at = from + at.index(before.len() - from - 4);
            let after = format!("{}{letter}{}", &before[..at], &before[at + 1..]);
            let mut altered = request.clone();
            altered.set(name, &after);

            prop_assert_eq!(altered.is_genuine(&verifying), after == before, "{}", after);
            Ok(())
        },
    );
}

/// Headers that look like those of a signature.
fn rubbish() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    const NAMES: &[&str] =
        &["webhook-id", "webhook-timestamp", "webhook-signature", "signature-input", "signature", "content-digest", "content-type"];
    let value = prop_oneof![
        "[ -~]{0,60}",
        "v1a?,[A-Za-z0-9+/=]{0,90}( v1a?,[A-Za-z0-9+/=]{0,90})?",
        "[a-z]{1,3}=\\((\"[@a-z-]{0,12}\" ?){0,4}\\)(;[a-z]{1,7}=[\"A-Za-z0-9.-]{0,12}){0,4}",
        "[a-z]{1,3}=:[A-Za-z0-9+/=]{0,90}:(, [a-z0-9-]{1,8}=:[A-Za-z0-9+/=]{0,90}:)?",
        "-?[0-9]{1,25}",
    ];
    prop::collection::vec((prop::sample::select(NAMES), value), 0..10)
}

#[test]
fn rubbish_is_never_genuine() {
    for_all(&(scheme(), rubbish(), any::<Vec<u8>>()), |(scheme, headers, body)| -> Held {
        let (_, verifying) = keys(scheme, [7; 32]);
        let mut request = Request { url: Url::parse("https://receiver.example/").unwrap(), headers: HeaderMap::new(), body };
        for (name, value) in headers {
            request.headers.append(name, HeaderValue::try_from(value).unwrap());
        }
        prop_assert!(!request.is_genuine(&verifying));
        Ok(())
    });
}

#[test]
fn any_text_is_a_key_for_receivers_or_none() {
    for_all(&prop_oneof![any::<String>(), "wh(sec|pk|sk)_[A-Za-z0-9+/=_-]{0,100}"], |text| {
        drop(text.parse::<VerifyingKey>());
        Ok(())
    });
}
