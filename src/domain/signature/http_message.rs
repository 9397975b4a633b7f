//! HTTP message signatures (RFC 9421), as far as webhooks need them: requests, components without parameters.

use http::HeaderMap;
use url::{Position, Url};

use super::key::{BASE64, VerifyingKey};
use super::keys::SigningKey;
use super::structured::{Bare, TextList, dictionary_of_items, dictionary_of_text_lists, quoted};
use crate::domain::time::Timestamp;
use base64::Engine as _;

/// The header that says what is signed, and how.
pub const INPUT_HEADER: &str = "signature-input";

/// The header that carries the signatures.
pub const HEADER: &str = "signature";

/// Parts signatures of webhooks from those that other programs make with the same key.
const TAG: &str = "webhook";

/// What is signed of a request, if it has it.
const COVERED: [&str; 5] = ["@method", "@target-uri", "content-digest", "content-type", "webhook-id"];

/// A request, without its body.
#[derive(Clone, Copy)]
pub struct Message<'m> {
    /// The method, in capitals.
    pub method: &'m str,
    /// Where it goes.
    pub url: &'m Url,
    /// Its headers.
    pub headers: &'m HeaderMap,
}

/// The values of both headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureHeaders {
    /// Of [`INPUT_HEADER`].
    pub input: String,
    /// Of [`HEADER`].
    pub signatures: String,
}

/// One signature of a request, as a receiver reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What the request calls it.
    pub label: String,
    /// The components that it covers.
    pub covers: Vec<String>,
    /// The key that it names.
    pub key_id: Option<String>,
    /// When it was made, in seconds.
    pub created: Option<i64>,
    /// Until when it is good, in seconds.
    pub expires: Option<i64>,
    /// Whether it is by the key, and if not, why.
    pub verdict: Result<(), Refusal>,
}

/// Why a signature proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It covers something that is not there, or that is not known here.
    #[error("it covers {0}, which the request does not have")]
    Missing(String),
    /// It says that it is made in another way than the key is for.
    #[error("it is made in another way than this key is for")]
    OtherAlgorithm,
    /// No signature has its label.
    #[error("there is no signature of that name")]
    NoSignature,
    /// It is by another key, or over something else.
    #[error("it is by another key, or what it covers was changed")]
    Wrong,
}

/// Signs a request by each key, at `now`.
#[must_use]
pub fn sign<'k>(message: Message<'_>, keys: impl Iterator<Item = &'k SigningKey>, now: Timestamp) -> SignatureHeaders {
    let covered: Vec<&str> = COVERED.into_iter().filter(|name| component(message, name).is_some()).collect();
    let list = covered.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(" ");
    let (mut inputs, mut signatures) = (Vec::new(), Vec::new());
    for (index, key) in keys.enumerate() {
        let algorithm = key.secret.scheme().as_str();
        let input = format!(r#"({list});created={};keyid="{}";alg="{algorithm}";tag="{TAG}""#, now.as_seconds(), key.id);
        let base = base(message, covered.iter().copied(), &input).unwrap_or_default();
        signatures.push(format!("sig{}=:{}:", index + 1, BASE64.encode(key.secret.sign(&[base.as_bytes()]))));
        inputs.push(format!("sig{}={input}", index + 1));
    }
    SignatureHeaders { input: inputs.join(", "), signatures: signatures.join(", ") }
}

/// What the signatures of a request are, each judged by `key`; `None` if its headers cannot be read. Times are left to the
/// caller, and so is the body, which only `content-digest` binds.
#[must_use]
pub fn verify(message: Message<'_>, key: &VerifyingKey) -> Option<Vec<Found>> {
    let inputs = dictionary_of_text_lists(&field(message.headers, INPUT_HEADER)?)?;
    let signatures = dictionary_of_items(&field(message.headers, HEADER)?)?;
    Some(inputs.iter().map(|input| judge(message, input, &signatures, key)).collect())
}

fn judge(message: Message<'_>, input: &TextList, signatures: &[(String, Bare)], key: &VerifyingKey) -> Found {
    let parameter = |name: &str| input.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value);
    let number = |name: &str| parameter(name).and_then(|value| if let Bare::Integer(number) = value { Some(*number) } else { None });
    let text = |name: &str| parameter(name).and_then(|value| if let Bare::Text(text) = value { Some(text.clone()) } else { None });
    let signature = signatures.iter().find(|(label, _)| *label == input.name).map(|(_, value)| value);
    let with_parameters = input.texts.iter().find(|(_, parameters)| !parameters.is_empty());
    let names = input.texts.iter().map(|(name, _)| name.as_str());
    let verdict = match (signature, with_parameters, text("alg")) {
        (_, Some((name, parameters)), _) => Err(Refusal::Missing(format!("{name}{parameters}"))),
        (_, _, Some(algorithm)) if algorithm != key.scheme().as_str() => Err(Refusal::OtherAlgorithm),
        (Some(Bare::Bytes(signature)), ..) => base(message, names, &input.written)
            .and_then(|base| if key.verifies(&[base.as_bytes()], signature) { Ok(()) } else { Err(Refusal::Wrong) }),
        _ => Err(Refusal::NoSignature),
    };
    let covers = input.texts.iter().map(|(name, _)| name.clone()).collect();
    Found { label: input.name.clone(), covers, key_id: text("keyid"), created: number("created"), expires: number("expires"), verdict }
}

/// The text that is signed: a line for each component, and one for what is said of the signature.
fn base<'n>(message: Message<'_>, names: impl Iterator<Item = &'n str>, input: &str) -> Result<String, Refusal> {
    let line = |name: &'n str| {
        let value = component(message, name).ok_or_else(|| Refusal::Missing(name.to_owned()))?;
        Ok(format!("{}: {value}\n", quoted(name)))
    };
    let lines: String = names.map(line).collect::<Result<_, Refusal>>()?;
    Ok(format!("{lines}\"@signature-params\": {input}"))
}

/// The value of a component; `None` if the request has none.
fn component(message: Message<'_>, name: &str) -> Option<String> {
    let url = message.url;
    match name {
        "@method" => Some(message.method.to_owned()),
        "@target-uri" => Some(url[..Position::AfterQuery].to_owned()),
        "@authority" => Some(url[Position::BeforeHost..Position::AfterPort].to_ascii_lowercase()),
        "@scheme" => Some(url.scheme().to_owned()),
        "@request-target" => Some(url[Position::BeforePath..Position::AfterQuery].to_owned()),
        "@path" => Some(url.path().to_owned()),
        "@query" => Some(format!("?{}", url.query().unwrap_or_default())),
        name if name.starts_with('@') || name.bytes().any(|byte| byte.is_ascii_uppercase()) => None,
        name => field(message.headers, name),
    }
}

/// All values of a header, as one.
fn field(headers: &HeaderMap, name: &str) -> Option<String> {
    let values: Option<Vec<&str>> =
        headers.get_all(name).iter().map(|value| std::str::from_utf8(value.as_bytes()).ok().map(str::trim)).collect();
    values.filter(|values| !values.is_empty()).map(|values| values.join(", "))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::super::digest;
    use super::super::key::{Scheme, SigningSecret};
    use super::*;

    const SHARED: &str = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";
    const PUBLIC: &str = "whpk_JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=";
    const SEED: &str = "n4Ni+HpISpVObnQMW0wOhCKROaIKqKtW/2ZYb2p9KcU=";

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap())).collect()
    }

    /// The request of RFC 9421, appendix B.2, with these headers of a signature.
    fn published(input: &str, signature: &str) -> HeaderMap {
        headers(&[
            ("Host", "example.com"),
            ("Date", "Tue, 20 Apr 2021 02:07:55 GMT"),
            ("Content-Type", "application/json"),
            ("Content-Digest", "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:"),
            ("Content-Length", "18"),
            ("Signature-Input", input),
            ("Signature", signature),
        ])
    }

    fn found(method: &str, url: &str, headers: &HeaderMap, key: &str) -> Found {
        let url = Url::parse(url).unwrap();
        let mut all = verify(Message { method, url: &url, headers }, &key.parse().unwrap()).unwrap();
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    const URL: &str = "https://example.com/foo?param=Value&Pet=dog";
    const B_2_5: (&str, &str) = (
        r#"sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret""#,
        "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:",
    );
    const B_2_6: (&str, &str) = (
        r#"sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519""#,
        "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:",
    );

    #[test]
    fn the_signatures_of_the_rfc_verify() {
        let shared = found("POST", URL, &published(B_2_5.0, B_2_5.1), &format!("whsec_{SHARED}"));
        let public = found("POST", URL, &published(B_2_6.0, B_2_6.1), PUBLIC);

        assert_eq!((shared.verdict, shared.created, shared.key_id.as_deref()), (Ok(()), Some(1_618_884_473), Some("test-shared-secret")));
        assert_eq!((public.verdict, public.label.as_str(), public.covers.len()), (Ok(()), "sig-b26", 6));
    }

    #[test]
    fn whatever_is_covered_cannot_be_changed() {
        let with = |name: &'static str, value: &'static str| {
            let mut headers = published(B_2_6.0, B_2_6.1);
            headers.insert(name, HeaderValue::from_static(value));
            headers
        };
        let intact = published(B_2_6.0, B_2_6.1);

        for (method, url, headers) in [
            ("PUT", URL, intact.clone()),
            ("POST", "https://example.com/fo?param=Value&Pet=dog", intact.clone()),
            ("POST", "https://example.com:8443/foo", intact.clone()),
            ("POST", URL, with("date", "Tue, 20 Apr 2021 02:07:56 GMT")),
            ("POST", URL, with("content-length", "19")),
            ("POST", URL, published(&B_2_6.0.replace("4473", "4474"), B_2_6.1)),
        ] {
            assert_eq!(found(method, url, &headers, PUBLIC).verdict, Err(Refusal::Wrong), "{method} {url}");
        }
        // What it does not cover may differ.
        assert_eq!(found("POST", "http://example.com/foo?other", &with("content-digest", "none"), PUBLIC).verdict, Ok(()));
    }

    #[test]
    fn what_proves_nothing_says_why() {
        let verdict = |input: &str, signature: &str| found("POST", URL, &published(input, signature), PUBLIC).verdict.unwrap_err();

        assert_eq!(verdict(r#"a=("x-none")"#, "a=:AAAA:"), Refusal::Missing("x-none".to_owned()));
        assert_eq!(verdict(r#"a=("@query-param";name="Pet")"#, "a=:AAAA:"), Refusal::Missing("@query-param;name=\"Pet\"".to_owned()));
        assert_eq!(verdict(r#"a=("date");alg="hmac-sha256""#, "a=:AAAA:"), Refusal::OtherAlgorithm);
        assert_eq!(verdict(r#"a=("date")"#, "b=:AAAA:"), Refusal::NoSignature);
        assert_eq!(verdict(r#"a=("date")"#, "a=:AAAA:"), Refusal::Wrong);
    }

    fn key(number: u8, scheme: Scheme, secret: &str) -> SigningKey {
        let secret = SigningSecret::new(scheme, &BASE64.decode(secret).unwrap()).unwrap();
        SigningKey { id: Uuid::from_u128(number.into()).into(), secret, created_at: Timestamp::from_micros(0), valid_until: None }
    }

    #[test]
    fn a_request_is_signed_by_each_key_over_what_it_has() {
        let keys = [key(2, Scheme::Ed25519, SEED), key(1, Scheme::HmacSha256, SHARED)];
        let url = Url::parse("http://receiver.example:5000/a/doc%201?x=:y").unwrap();
        let now = Timestamp::from_micros(1_712_855_553_741_194);
        let mut sent =
            headers(&[("content-type", "application/json"), ("webhook-id", "evt-1"), ("content-digest", &digest::header_value(b"{}"))]);

        let signed = sign(Message { method: "PUT", url: &url, headers: &sent }, keys.iter(), now);

        let list = r#"("@method" "@target-uri" "content-digest" "content-type" "webhook-id")"#;
        let input = |label: &str, id: u8, algorithm: &str| {
            format!(r#"{label}={list};created=1712855553;keyid="00000000-0000-0000-0000-00000000000{id}";alg="{algorithm}";tag="webhook""#)
        };
        assert_eq!(signed.input, format!("{}, {}", input("sig1", 2, "ed25519"), input("sig2", 1, "hmac-sha256")));
        sent.insert(INPUT_HEADER, signed.input.parse().unwrap());
        sent.insert(HEADER, signed.signatures.parse().unwrap());
        let message = Message { method: "PUT", url: &url, headers: &sent };
        for (text, verdicts) in
            [(PUBLIC.to_owned(), [Ok(()), Err(Refusal::OtherAlgorithm)]), (SHARED.to_owned(), [Err(Refusal::OtherAlgorithm), Ok(())])]
        {
            let found = verify(message, &text.parse().unwrap()).unwrap();
            assert_eq!(found.into_iter().map(|found| found.verdict).collect::<Vec<_>>(), verdicts);
        }
    }

    #[test]
    fn a_request_without_a_body_is_signed_without_it() {
        let url = Url::parse("http://receiver.example/").unwrap();
        let sent = headers(&[("webhook-id", "evt-1")]);

        let signed = sign(
            Message { method: "GET", url: &url, headers: &sent },
            [key(1, Scheme::HmacSha256, SHARED)].iter(),
            Timestamp::from_micros(0),
        );

        assert!(signed.input.starts_with(r#"sig1=("@method" "@target-uri" "webhook-id");created=0;"#), "{}", signed.input);
    }

    proptest! {
        #[test]
        fn whatever_headers_hold_is_read_without_harm(input in "[ -~]{0,60}", signature in "[ -~]{0,60}") {
            let url = Url::parse(URL).unwrap();
            let headers = published(&input, &signature);

            let found = verify(Message { method: "POST", url: &url, headers: &headers }, &PUBLIC.parse().unwrap());

            prop_assert!(found.into_iter().flatten().all(|found| found.verdict.is_err()));
        }
    }
}
