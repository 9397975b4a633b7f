//! What a customer of each system checks of a request before it trusts it. Pure.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::System;
use crate::domain::signature::{RsaAlgorithm, verifies_rsa};

/// The token of the Sienge hook.
pub(super) const HOOK_TOKEN: &str = "token-of-the-hook";

/// A customer with what it knows beforehand.
pub(super) struct Customer {
    pub(super) system: System,
    /// The sender's public key as PEM, where the system signs.
    pub(super) public_key: Option<String>,
}

/// What a customer makes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Which event it tells of; empty where that cannot be seen.
    pub(super) code: String,
    /// The payload without what the system adds.
    pub(super) payload: Value,
    /// What is wrong with it.
    pub(super) problem: Option<String>,
}

impl Customer {
    /// Looks at a request.
    pub(super) fn look_at(&self, headers: &HeaderMap, body: &[u8]) -> Seen {
        let mut payload: Value = serde_json::from_slice(body).unwrap_or_default();
        let (code, problem) = match self.system {
            System::Sienge => sienge(headers),
            System::Grafeno => self.grafeno(headers, &mut payload),
            System::Senior => senior(headers, &payload),
        };
        let problem = problem.or_else(|| (!payload.is_object()).then(|| "the body is no JSON object".to_owned()));
        Seen { code, payload, problem }
    }

    /// The signature covers the header, so the header has to name the same change as the body.
    fn grafeno(&self, headers: &HeaderMap, payload: &mut Value) -> (String, Option<String>) {
        let unique_key = text(headers, "x-unique-key");
        let signature = payload.as_object_mut().and_then(|object| object.shift_remove("signature"));
        let code = payload["change"].as_str().unwrap_or_default().to_owned();
        let bytes = signature
            .as_ref()
            .and_then(Value::as_str)
            .filter(|signature| is_in_lines(signature))
            .map(|signature| signature.replace('\n', ""));
        let bytes = bytes.and_then(|signature| BASE64_STANDARD.decode(signature).ok()).unwrap_or_default();
        let key = self.public_key.as_deref().unwrap_or_default();
        let problem = if !unique_key.ends_with(&format!("-{code}")) {
            Some("x-unique-key does not name the change".to_owned())
        } else if verifies_rsa(key, RsaAlgorithm::Pkcs1Sha256, unique_key.as_bytes(), &bytes) {
            None
        } else {
            Some("the signature does not verify".to_owned())
        };
        (code, problem)
    }
}

fn sienge(headers: &HeaderMap) -> (String, Option<String>) {
    let expected = [
        ("user-agent", "sienge-hooks"),
        ("content-type", "application/json"),
        ("x-sienge-tenant", "demo"),
        ("authorization", &format!("Bearer {HOOK_TOKEN}")),
    ];
    let wrong = expected.iter().find(|(name, value)| text(headers, name) != *value).map(|(name, _)| format!("{name} is wrong"));
    let missing = ["x-sienge-id", "x-sienge-hook-id"].into_iter().find(|name| text(headers, name).len() != 36);
    (text(headers, "x-sienge-event").to_owned(), wrong.or_else(|| missing.map(|name| format!("{name} is no UUID"))))
}

fn senior(headers: &HeaderMap, payload: &Value) -> (String, Option<String>) {
    let switched_on = headers.keys().find(|name| name.as_str().starts_with("x-senior-") || name.as_str().starts_with("webhook-"));
    let nested = |value: &Value| value.as_str().is_some_and(|text| text == "****");
    let masked = payload.as_object().is_some_and(|object| object.values().any(nested));
    let problem = switched_on.map(|name| format!("{name} was not asked for")).or_else(|| masked.then(|| "a value is masked".to_owned()));
    (payload["event_type"].as_str().unwrap_or_default().to_owned(), problem)
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Whether a text is in lines of at most 60 columns, each of which ends.
fn is_in_lines(text: &str) -> bool {
    text.ends_with('\n') && text.lines().all(|line| (1..=60).contains(&line.len()))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;
    use crate::domain::signature::{RsaSecret, in_lines};

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn grafenos_customer_takes_what_its_key_verifies_and_nothing_else() {
        let secret = RsaSecret::generate().unwrap();
        let customer = Customer { system: System::Grafeno, public_key: Some(secret.public_pem().unwrap()) };
        let signature = in_lines(&secret.sign(RsaAlgorithm::Pkcs1Sha256, b"id-approved").unwrap(), 60);
        let body = |change: &str, signature: &str| serde_json::json!({"signature": signature, "change": change}).to_string();
        let problem = |key: &str, body: String| customer.look_at(&headers(&[("x-unique-key", key)]), body.as_bytes()).problem;

        assert_eq!(problem("id-approved", body("approved", &signature)), None);
        assert!(problem("id2-approved", body("approved", &signature)).is_some());
        assert!(problem("id-approved", body("rejected", &signature)).is_some());
        assert!(problem("id-approved", body("approved", &signature.replace('\n', ""))).is_some());
    }

    #[test]
    fn sienges_customer_misses_a_header() {
        let customer = Customer { system: System::Sienge, public_key: None };
        let id = "0198c0de-0000-7000-8000-000000000001";
        let all = [
            ("user-agent", "sienge-hooks"),
            ("content-type", "application/json"),
            ("x-sienge-tenant", "demo"),
            ("authorization", "Bearer token-of-the-hook"),
            ("x-sienge-id", id),
            ("x-sienge-hook-id", id),
        ];

        assert_eq!(customer.look_at(&headers(&all), b"{}").problem, None);
        for left_out in 0..all.len() {
            let mut some = all.to_vec();
            some.remove(left_out);
            assert!(customer.look_at(&headers(&some), b"{}").problem.is_some(), "{}", all[left_out].0);
        }
    }

    #[test]
    fn seniors_customer_wants_no_mask_and_no_header_that_is_off() {
        let customer = Customer { system: System::Senior, public_key: None };
        let body = br#"{"event_type":"X","authorization":"Bearer a"}"#;

        assert_eq!(customer.look_at(&headers(&[]), body).problem, None);
        assert!(customer.look_at(&headers(&[("x-senior-tenant", "acme")]), body).problem.is_some());
        assert!(customer.look_at(&headers(&[]), br#"{"event_type":"X","authorization":"****"}"#).problem.is_some());
    }
}
