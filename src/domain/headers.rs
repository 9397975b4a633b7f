//! The headers that an admin gives a webhook or its login: which may be set, and which values are secret.
//!
//! Names keep the case and the order in which they were typed. Not for headers that the dispatcher itself computes, and
//! not for those of answers.

use std::collections::HashSet;
use std::fmt;

use http::HeaderName;

/// What stands in answers where a secret value is.
pub const MASK: &str = "****";

/// Names that would break the framing of a request, or that belong to the connection or to the dispatcher.
const REFUSED_NAMES: [&str; 11] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "proxy-connection",
    "proxy-authorization",
    "expect",
];

/// Headers with this beginning are the dispatcher's own.
const OWN_PREFIX: &str = "webhook-";

/// A name that holds one of these, lower-cased and with `-` for `_`, has a secret value.
const SECRET_WORDS: [&str; 16] = [
    "authorization",
    "cookie",
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "api-key",
    "apikey",
    "access-key",
    "credential",
    "session",
    "signature",
    "private",
    "bearer",
    "jwt",
];

/// Checked headers, in the order and letter case in which they were typed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

/// What is wrong with one header. The message never repeats the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("header {name:?} {message}")]
pub struct HeaderError {
    /// The name as typed, cut to [`Headers::MAX_NAME_LENGTH`].
    pub name: String,
    /// What is wrong, to be read after the name.
    pub message: &'static str,
}

impl Headers {
    /// How many headers one webhook or login may set.
    pub const MAX_COUNT: usize = 50;
    /// How many bytes a name may have.
    pub const MAX_NAME_LENGTH: usize = 128;
    /// How many bytes a value may have.
    pub const MAX_VALUE_LENGTH: usize = 4096;

    /// Takes headers that can be sent as they are.
    ///
    /// Every accepted name and value converts to [`http::HeaderName`] and [`http::HeaderValue`].
    ///
    /// # Errors
    ///
    /// Names every header that breaks a rule.
    pub fn check(entries: impl IntoIterator<Item = (String, String)>) -> Result<Self, Vec<HeaderError>> {
        let mut seen = HashSet::new();
        let mut accepted = Vec::new();
        let mut errors = Vec::new();
        for (place, (name, value)) in entries.into_iter().enumerate() {
            if place == Self::MAX_COUNT {
                errors.push(HeaderError::new(&name, "is one too many: at most 50 may be set"));
                break;
            }
            let lower = name.to_ascii_lowercase();
            let problem = name_problem(&lower).or_else(|| value_problem(&value));
            let problem = problem.or_else(|| (!seen.insert(lower)).then_some("is set twice"));
            match problem {
                Some(message) => errors.push(HeaderError::new(&name, message)),
                None => accepted.push((name, value)),
            }
        }
        if errors.is_empty() { Ok(Self(accepted)) } else { Err(errors) }
    }

    /// The value under `name`, whatever its letter case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Names and values as typed.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether no header is set.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of `Content-Type`.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.get("content-type")
    }

    /// Names as typed and values fit for answers: secret ones read [`MASK`].
    pub fn masked(&self) -> impl Iterator<Item = (&str, &str)> {
        self.iter().map(|(name, value)| (name, if holds_secret(name) { MASK } else { value }))
    }

    /// Puts stored secrets back where a caller returned the mask that it was shown.
    ///
    /// So reading a webhook, changing a field and writing it back destroys no secret. A mask under a name that stores
    /// nothing stays as typed.
    #[must_use]
    pub fn restore_masked(&self, stored: &Self) -> Self {
        let restored = self.iter().map(|(name, value)| {
            let kept = (value == MASK && holds_secret(name)).then(|| stored.get(name)).flatten();
            (name.to_owned(), kept.unwrap_or(value).to_owned())
        });
        Self(restored.collect())
    }
}

/// Whether the value of a header of this name is a secret, to be masked in answers and logs.
#[must_use]
pub fn holds_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    name.ends_with("-key") || name == "x-auth" || SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// Whether a header of this name, in lower case, is the business of the connection alone.
#[must_use]
pub fn is_of_the_connection(name: &str) -> bool {
    REFUSED_NAMES.contains(&name)
}

fn name_problem(lower: &str) -> Option<&'static str> {
    if lower.len() > Headers::MAX_NAME_LENGTH {
        Some("has a name of more than 128 bytes")
    } else if HeaderName::from_bytes(lower.as_bytes()).is_err() {
        Some("has a name that HTTP does not allow")
    } else if is_of_the_connection(lower) || lower.starts_with(OWN_PREFIX) {
        Some("is set by the dispatcher itself")
    } else {
        None
    }
}

fn value_problem(value: &str) -> Option<&'static str> {
    if value.len() > Headers::MAX_VALUE_LENGTH {
        Some("has a value of more than 4096 bytes")
    } else if value.chars().any(|c| c.is_control() && c != '\t') {
        Some("has a value with control characters")
    } else {
        None
    }
}

impl HeaderError {
    fn new(name: &str, message: &'static str) -> Self {
        Self { name: name.chars().take(Headers::MAX_NAME_LENGTH).collect(), message }
    }
}

impl fmt::Debug for Headers {
    /// Names only: any value may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn check(entries: &[(&str, &str)]) -> Result<Headers, Vec<HeaderError>> {
        Headers::check(entries.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())))
    }

    fn names(errors: Vec<HeaderError>) -> Vec<String> {
        errors.into_iter().map(|error| error.name).collect()
    }

    #[test]
    fn order_and_letter_case_are_kept() {
        let headers = check(&[("X-Zeta", "1"), ("content-TYPE", "application/json"), ("X-Alpha", "")]).unwrap();

        assert_eq!(headers.iter().collect::<Vec<_>>(), [("X-Zeta", "1"), ("content-TYPE", "application/json"), ("X-Alpha", "")]);
        assert_eq!(headers.get("x-ZETA"), Some("1"));
        assert_eq!(headers.get("x-beta"), None);
        assert_eq!(headers.content_type(), Some("application/json"));
        assert!(!headers.is_empty());
        assert!(Headers::default().is_empty());
    }

    #[test]
    fn names_that_belong_to_the_connection_or_to_the_dispatcher_are_refused() {
        for name in REFUSED_NAMES.iter().chain(&["Host", "TE", "Webhook-Id", "webhook-anything", "WEBHOOK-SIGNATURE"]) {
            let errors = check(&[(name, "x")]).unwrap_err();

            assert_eq!((errors[0].name.as_str(), errors[0].message), (*name, "is set by the dispatcher itself"));
        }
        for name in ["Authorization", "Date", "User-Agent", "X-Host", "X-Webhook-Id", "webhooks", "Idempotency-Key"] {
            assert!(check(&[(name, "x")]).is_ok(), "{name}");
        }
    }

    #[test]
    fn names_that_are_no_token_are_refused() {
        for name in ["", " ", "a b", "a:", "a\r\nb", "é", "a\0", "(a)", "a,b", "\"a\""] {
            assert_eq!(check(&[(name, "x")]).unwrap_err()[0].message, "has a name that HTTP does not allow", "{name:?}");
        }
        assert!(check(&[("!#$%&'*+-.^_`|~09azAZ", "x")]).is_ok());
    }

    #[test]
    fn values_that_could_smuggle_a_line_are_refused() {
        for value in ["a\r\nX: y", "a\nb", "a\rb", "a\0b", "\u{7f}", "\u{1b}[31m", "a\u{85}b"] {
            assert_eq!(check(&[("X-A", value)]).unwrap_err()[0].message, "has a value with control characters", "{value:?}");
        }
        for value in ["", "a\tb", " a ", "é ü 文", "\"quoted\"; q=0.5"] {
            assert!(check(&[("X-A", value)]).is_ok(), "{value:?}");
        }
    }

    #[test]
    fn the_limits_are_exact() {
        let name = |length: usize| "n".repeat(length);
        let value = |length: usize| "v".repeat(length);
        let many = |count: usize| Headers::check((0..count).map(|number| (format!("X-{number}"), String::new())));

        assert!(check(&[(&name(128), &value(4096))]).is_ok());
        assert_eq!(check(&[(&name(129), "")]).unwrap_err(), [HeaderError::new(&name(128), "has a name of more than 128 bytes")]);
        assert_eq!(check(&[("X-A", &value(4097))]).unwrap_err(), [HeaderError::new("X-A", "has a value of more than 4096 bytes")]);
        assert!(many(50).is_ok());
        assert_eq!(many(1_000).unwrap_err(), [HeaderError::new("X-50", "is one too many: at most 50 may be set")]);
    }

    #[test]
    fn every_broken_header_is_named_and_its_value_is_not_repeated() {
        let errors = check(&[("Host", "a"), ("X-A", "hush\n"), ("X-B", "b"), ("x-b", "c"), ("bad name", "d")]).unwrap_err();

        assert!(!format!("{errors:?} {}", errors[1]).contains("hush"));
        assert_eq!(names(errors), ["Host", "X-A", "x-b", "bad name"]);
    }

    #[test]
    fn debug_shows_names_and_no_value() {
        let headers = check(&[("X-Plain", "hush")]).unwrap();

        assert_eq!(format!("{headers:?}"), r#"["X-Plain"]"#);
    }

    #[test]
    fn secret_looking_names_are_masked_and_others_are_not() {
        let secret = [
            "Authorization",
            "X-Authorization",
            "Cookie",
            "Set-Cookie",
            "X-Auth-Token",
            "X-AUTH",
            "client_secret",
            "X-Password",
            "passwd",
            "X-API-KEY",
            "apikey",
            "api_key",
            "Ocp-Apim-Subscription-Key",
            "encryption_key",
            "AWS-Access-Key-Id",
            "access_key_id",
            "X-Credentials",
            "X-Session-Id",
            "X-Hub-Signature-256",
            "Private-Thing",
            "X-JWT",
        ];
        for name in secret {
            assert!(holds_secret(name), "{name}");
        }
        for name in ["Content-Type", "Accept", "X-Tenant", "X-Keyboard", "X-Author", "User-Agent", "Key-Id", "monkey", "X-Request-Id"] {
            assert!(!holds_secret(name), "{name}");
        }
    }

    #[test]
    fn masking_hides_secret_values_only() {
        let headers = check(&[("X-Api-Key", "hush"), ("Accept", "*/*")]).unwrap();

        assert_eq!(headers.masked().collect::<Vec<_>>(), [("X-Api-Key", "****"), ("Accept", "*/*")]);
    }

    #[test]
    fn a_returned_mask_keeps_the_stored_secret_and_nothing_else() {
        let stored = check(&[("X-Api-Key", "hush"), ("Accept", "text/plain"), ("X-Token", "old")]).unwrap();
        let returned = check(&[("x-api-KEY", "****"), ("Accept", "****"), ("X-Token", "new"), ("X-Secret", "****")]).unwrap();

        let restored = returned.restore_masked(&stored);

        let expected = [("x-api-KEY", "hush"), ("Accept", "****"), ("X-Token", "new"), ("X-Secret", "****")];
        assert_eq!(restored.iter().collect::<Vec<_>>(), expected);
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_can_be_sent(name: String, value: String) {
            if let Ok(headers) = check(&[(&name, &value)]) {
                prop_assert_eq!(headers.iter().count(), 1);
                prop_assert!(HeaderName::from_bytes(name.as_bytes()).is_ok());
                prop_assert!(HeaderValue::from_bytes(value.as_bytes()).is_ok());
            }
        }

        #[test]
        fn writing_masked_headers_back_changes_nothing(entries in proptest::collection::hash_map("x-[a-z]{1,8}(-key)?", "[ -~]{0,20}", 0..10)) {
            let stored = Headers::check(entries).unwrap();
            let shown = Headers::check(stored.masked().map(|(name, value)| (name.to_owned(), value.to_owned()))).unwrap();

            prop_assert_eq!(shown.restore_masked(&stored), stored);
        }
    }
}
