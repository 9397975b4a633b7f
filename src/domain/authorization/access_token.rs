//! Reads the answer of a login: the access token, and how long it lives.
//!
//! The answer comes from a stranger: whatever it holds, reading it gives a token or an error, never a panic. Signatures
//! of tokens are not verified; a false lifetime costs the receiver's own deliveries a login.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderValue;
use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::domain::time::Timestamp;

/// Where the access token is when the webhook does not say.
const DEFAULT_ATTRIBUTE: &str = "access_token";

/// Where an answer states the lifetime of its token, in seconds.
const LIFETIME_ATTRIBUTE: &str = "expires_in";

const UTF8_BOM: &[u8] = b"\xEF\xBB\xBF";

const BASE64_URL: GeneralPurpose =
    GeneralPurpose::new(&URL_SAFE, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// What a login gave.
#[derive(Clone)]
pub struct AccessTokenAnswer {
    /// The access token; always fit to stand in a header.
    pub value: SecretString,
    /// How long it lives from now on, as far as the answer says.
    pub lifetime: Option<Duration>,
}

/// Why the answer of a login holds no usable access token. Never repeats what the answer holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenAnswerError {
    /// The answer is no JSON object.
    #[error("the login's answer is not a JSON object")]
    NotAnObject,
    /// The answer has no such attribute.
    #[error("the login's answer has no attribute {attribute:?}")]
    Missing {
        /// The attribute that was looked for.
        attribute: String,
    },
    /// The attribute is no text, or an empty one.
    #[error("the attribute {attribute:?} of the login's answer is not a text that could be a token")]
    NotAToken {
        /// The attribute that was found.
        attribute: String,
    },
    /// The text holds characters that no header can carry.
    #[error("the attribute {attribute:?} of the login's answer holds characters that no header can carry")]
    NotAHeaderValue {
        /// The attribute that was found.
        attribute: String,
    },
}

/// Reads the access token out of the body that a login answered with.
///
/// `attribute` (`access_token` when absent or empty) is tried as a key of the object, then as a path of keys and array
/// indices parted by dots. The lifetime is `expires_in` beside the token, else at the top, else the `exp` of a JWT.
///
/// # Errors
///
/// Says why there is no usable token.
pub fn read_access_token(body: &[u8], attribute: Option<&str>, now: Timestamp) -> Result<AccessTokenAnswer, TokenAnswerError> {
    let body = body.strip_prefix(UTF8_BOM).unwrap_or(body);
    let answer: Map<String, Value> = serde_json::from_slice(body).map_err(|_| TokenAnswerError::NotAnObject)?;
    let attribute = attribute.filter(|name| !name.is_empty()).unwrap_or(DEFAULT_ATTRIBUTE);
    let found = find(&answer, attribute).ok_or_else(|| TokenAnswerError::Missing { attribute: attribute.to_owned() })?;
    let token = usable(found.value, attribute)?;
    let lifetime = found.holder.and_then(stated_lifetime).or_else(|| stated_lifetime(&answer)).or_else(|| jwt_lifetime(token, now));
    Ok(AccessTokenAnswer { value: token.into(), lifetime })
}

/// A value of the answer and the object right around it; an array has no attributes beside its elements.
struct Found<'a> {
    value: &'a Value,
    holder: Option<&'a Map<String, Value>>,
}

fn find<'a>(answer: &'a Map<String, Value>, attribute: &str) -> Option<Found<'a>> {
    if let Some(value) = answer.get(attribute) {
        return Some(Found { value, holder: Some(answer) });
    }
    let (first, rest) = attribute.split_once('.')?;
    let start = Found { value: answer.get(first)?, holder: Some(answer) };
    rest.split('.').try_fold(start, |found, part| {
        let holder = found.value.as_object();
        let value = match found.value {
            Value::Object(object) => object.get(part)?,
            Value::Array(elements) => elements.get(part.parse::<usize>().ok()?)?,
            _ => return None,
        };
        Some(Found { value, holder })
    })
}

fn usable<'a>(value: &'a Value, attribute: &str) -> Result<&'a str, TokenAnswerError> {
    let token = value.as_str().filter(|text| !text.trim().is_empty());
    let token = token.ok_or_else(|| TokenAnswerError::NotAToken { attribute: attribute.to_owned() })?;
    if HeaderValue::from_bytes(token.as_bytes()).is_err() {
        return Err(TokenAnswerError::NotAHeaderValue { attribute: attribute.to_owned() });
    }
    Ok(token)
}

fn stated_lifetime(holder: &Map<String, Value>) -> Option<Duration> {
    match holder.get(LIFETIME_ATTRIBUTE)? {
        Value::Number(number) => seconds(number.as_f64()?),
        // Only digits may begin the text: the reader of numbers knows `inf` and `nan` too.
        Value::String(text) if text.trim_start().starts_with(|c: char| c.is_ascii_digit()) => seconds(text.trim().parse().ok()?),
        _ => None,
    }
}

/// `None` for what is negative or no number; saturates.
fn seconds(number: f64) -> Option<Duration> {
    (number >= 0.0).then(|| Duration::try_from_secs_f64(number).unwrap_or(Duration::MAX))
}

/// The time until the `exp` of a JWT; zero once that has passed.
fn jwt_lifetime(token: &str, now: Timestamp) -> Option<Duration> {
    let mut parts = token.split('.');
    let (Some(_), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return None;
    };
    let payload = BASE64_URL.decode(payload).ok()?;
    let claims: Map<String, Value> = serde_json::from_slice(&payload).ok()?;
    let expiry = seconds(claims.get("exp")?.as_f64()?.max(0.0))?;
    Some((Timestamp::from_micros(0) + expiry).since(now))
}

impl fmt::Debug for AccessTokenAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessTokenAnswer").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;
    use serde_json::json;

    use super::*;

    /// 2024-04-11T17:12:33Z.
    const NOW: Timestamp = Timestamp::from_micros(1_712_855_553_000_000);

    fn read(body: &Value, attribute: Option<&str>) -> Result<String, TokenAnswerError> {
        read_access_token(body.to_string().as_bytes(), attribute, NOW).map(|answer| answer.value.expose_secret().to_owned())
    }

    fn lifetime(body: &Value, attribute: &str) -> Option<Duration> {
        read_access_token(body.to_string().as_bytes(), Some(attribute), NOW).unwrap().lifetime
    }

    fn lifetime_of(token: &str) -> Option<Duration> {
        lifetime(&json!({"access_token": token}), "access_token")
    }

    fn jwt(claims: &str) -> String {
        format!("eyJhbGciOiJub25lIn0.{}.c2ln", BASE64_URL.encode(claims).trim_end_matches('='))
    }

    #[test]
    fn the_token_is_in_access_token_unless_the_webhook_says_otherwise() {
        let body = json!({"access_token": "abc", "id_token": "def"});

        assert_eq!(read(&body, None).unwrap(), "abc");
        assert_eq!(read(&body, Some("")).unwrap(), "abc");
        assert_eq!(read(&body, Some("id_token")).unwrap(), "def");
    }

    #[test]
    fn a_literal_key_wins_over_a_path() {
        let body = json!({"data.token": "literal", "data": {"token": "path"}});

        assert_eq!(read(&body, Some("data.token")).unwrap(), "literal");
    }

    #[test]
    fn a_path_leads_through_objects_and_arrays() {
        let body = json!({"data": {"tokens": [{"value": "first"}, {"value": "second"}], "0": {"": "odd"}}, "list": ["a", "b"]});

        assert_eq!(read(&body, Some("data.tokens.1.value")).unwrap(), "second");
        assert_eq!(read(&body, Some("data.0.")).unwrap(), "odd");
        assert_eq!(read(&body, Some("list.1")).unwrap(), "b");
        for path in [
            "data.tokens.2.value",
            "data.tokens.-1.value",
            "data.tokens.x",
            "list.1.x",
            "nothing",
            "data.nothing.x",
            ".",
            "..",
            ".data",
            "list.",
        ] {
            assert_eq!(read(&body, Some(path)), Err(TokenAnswerError::Missing { attribute: path.to_owned() }), "{path}");
        }
    }

    #[test]
    fn only_a_json_object_is_an_answer() {
        for body in [
            "",
            "abc",
            r#""abc""#,
            "[]",
            r#"[{"access_token": "abc"}]"#,
            "null",
            "1",
            r#"{"access_token": "abc""#,
            r#"{"access_token": "abc"} x"#,
        ] {
            assert_eq!(read_access_token(body.as_bytes(), None, NOW).unwrap_err(), TokenAnswerError::NotAnObject, "{body}");
        }
        let deep = format!("{}{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
        assert_eq!(read_access_token(deep.as_bytes(), None, NOW).unwrap_err(), TokenAnswerError::NotAnObject);
        assert!(read_access_token(b"\xEF\xBB\xBF{\"access_token\": \"abc\"}\r\n", None, NOW).is_ok());
    }

    #[test]
    fn only_a_text_is_a_token() {
        for value in [json!(null), json!(7), json!(true), json!(["abc"]), json!({"a": "b"}), json!(""), json!("  ")] {
            let error = TokenAnswerError::NotAToken { attribute: "access_token".to_owned() };
            assert_eq!(read(&json!({"access_token": value}), None), Err(error), "{value}");
        }
        for value in ["a\r\nX-Evil: 1", "a\nb", "a\0b", "\u{7f}"] {
            let error = TokenAnswerError::NotAHeaderValue { attribute: "access_token".to_owned() };
            assert_eq!(read(&json!({"access_token": value}), None), Err(error), "{value:?}");
        }
    }

    #[test]
    fn neither_debug_nor_errors_show_the_token() {
        let answer = read_access_token(br#"{"access_token": "hush", "expires_in": 60}"#, None, NOW).unwrap();
        let error = read_access_token(br#"{"access_token": "hush\n"}"#, None, NOW).unwrap_err();

        assert_eq!(format!("{answer:?}"), "AccessTokenAnswer { lifetime: Some(60s), .. }");
        assert!(!format!("{error:?} {error}").contains("hush"));
    }

    #[test]
    fn the_stated_lifetime_is_read_in_every_form_that_servers_write() {
        let cases = [
            (json!(3600), Some(Duration::from_hours(1))),
            (json!("3600"), Some(Duration::from_hours(1))),
            (json!(" 3600 "), Some(Duration::from_hours(1))),
            (json!(3600.5), Some(Duration::from_millis(3_600_500))),
            (json!("3.6e3"), Some(Duration::from_hours(1))),
            (json!(0), Some(Duration::ZERO)),
            (json!(-0.0), Some(Duration::ZERO)),
            (json!(1e300), Some(Duration::MAX)),
            (json!("1e400"), Some(Duration::MAX)),
            (json!("99999999999999999999999999"), Some(Duration::MAX)),
            (json!(-1), None),
            (json!("-1"), None),
            (json!(null), None),
            (json!(true), None),
            (json!(""), None),
            (json!("NaN"), None),
            (json!("inf"), None),
            (json!("+inf"), None),
            (json!("1h"), None),
            (json!([3600]), None),
            (json!({"seconds": 3600}), None),
        ];
        for (stated, expected) in cases {
            assert_eq!(lifetime(&json!({"access_token": "abc", "expires_in": stated}), "access_token"), expected, "{stated}");
        }
        assert_eq!(
            lifetime(&json!({"access_token": "abc", "expires_in": u64::MAX}), "access_token").map(|known| known > Duration::from_hours(1)),
            Some(true)
        );
    }

    #[test]
    fn the_lifetime_beside_the_token_wins_over_the_one_at_the_top() {
        let body = |beside: Value| json!({"expires_in": 10, "data": {"expires_in": beside, "token": "abc", "list": ["def"]}});

        assert_eq!(lifetime(&body(json!(20)), "data.token"), Some(Duration::from_secs(20)));
        assert_eq!(lifetime(&body(json!("soon")), "data.token"), Some(Duration::from_secs(10)));
        assert_eq!(lifetime(&body(json!(20)), "data.list.0"), Some(Duration::from_secs(10)));
        assert_eq!(lifetime(&json!({"other": {"expires_in": 20}, "data": {"token": "abc"}}), "data.token"), None);
    }

    #[test]
    fn a_jwt_says_itself_when_it_ends() {
        assert_eq!(lifetime_of(&jwt(r#"{"exp": 1712855613}"#)), Some(Duration::from_mins(1)));
        assert_eq!(lifetime_of(&jwt(r#"{"exp": 1712855613.5}"#)), Some(Duration::from_millis(60_500)));
        assert_eq!(lifetime_of(&jwt(r#"{"exp": 1712855552}"#)), Some(Duration::ZERO));
        assert_eq!(lifetime_of(&jwt(r#"{"exp": -5}"#)), Some(Duration::ZERO));
        assert!(lifetime_of(&jwt(r#"{"exp": 1e300}"#)) > Some(Duration::from_hours(1_000_000)));
        assert_eq!(lifetime_of(&format!("a.{}.", BASE64_URL.encode(r#"{"exp": 1712855613}"#))), Some(Duration::from_mins(1)));
    }

    #[test]
    fn the_stated_lifetime_wins_over_that_of_the_jwt() {
        let token = jwt(r#"{"exp": 1712855613}"#);

        assert_eq!(lifetime(&json!({"access_token": token, "expires_in": 5}), "access_token"), Some(Duration::from_secs(5)));
        assert_eq!(lifetime(&json!({"access_token": token, "expires_in": "rubbish"}), "access_token"), Some(Duration::from_mins(1)));
    }

    #[test]
    fn what_only_looks_like_a_jwt_states_no_lifetime() {
        let encoded = |claims: &str| BASE64_URL.encode(claims);
        let good = encoded(r#"{"exp": 1712855613}"#);
        let tokens = [
            "abc".to_owned(),
            "a.b.c".to_owned(),
            "..".to_owned(),
            "a.%%%.c".to_owned(),
            format!("a.{good}"),
            format!("a.{good}.c.d.e"),
            jwt(r#"{"exp": "1712855613"}"#),
            jwt(r#"{"exp": null}"#),
            jwt(r"{}"),
            jwt(r"[1712855613]"),
            jwt("rubbish"),
            jwt(r#"{"exp": 1712855613"#),
        ];
        for token in tokens {
            assert_eq!(lifetime_of(&token), None, "{token}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_and_no_attribute_makes_reading_panic(body: Vec<u8>, text: String, attribute: Option<String>, now: i64) {
            let now = Timestamp::from_micros(now);
            let object = json!({"access_token": text, "expires_in": text, "data": {"token": body}}).to_string();

            let bodies = [&body[..], text.as_bytes(), object.as_bytes()];
            for answer in bodies.into_iter().filter_map(|body| read_access_token(body, attribute.as_deref(), now).ok()) {
                prop_assert!(HeaderValue::from_bytes(answer.value.expose_secret().as_bytes()).is_ok());
            }
        }

        #[test]
        fn no_jwt_makes_reading_panic(claims: Vec<u8>, exp: f64, now: i64) {
            for claims in [claims, json!({"exp": exp}).to_string().into_bytes()] {
                let token = format!("a.{}.c", BASE64_URL.encode(claims));

                let answer = read_access_token(json!({"access_token": token}).to_string().as_bytes(), None, Timestamp::from_micros(now)).unwrap();

                prop_assert_eq!(answer.value.expose_secret(), &token);
            }
        }

        #[test]
        fn every_whole_lifetime_is_read_back(seconds in 0_u32..) {
            for stated in [json!(seconds), json!(seconds.to_string())] {
                prop_assert_eq!(lifetime(&json!({"access_token": "abc", "expires_in": stated}), "access_token"), Some(Duration::from_secs(seconds.into())));
            }
        }
    }
}
