//! The urls that a webhook calls: which may be stored, and how a subject takes the place of `:id`.
//!
//! A subject is any text; whatever it holds, it can change neither scheme, host and port nor the structure of path and
//! query. Not for deciding whether an address may be called: that is `domain::address_policy`.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::{ParseError, Position, Url};

use super::headers::MASK;

/// What a subject takes the place of.
const PLACEHOLDER: &str = ":id";

/// How many bytes a url may have, as typed.
pub const MAX_URL_LENGTH: usize = 2048;

/// How many bytes a url may have when it is sent: the most that the HTTP client takes.
pub const MAX_SENT_LENGTH: usize = u16::MAX as usize - 1;

/// Everything but what RFC 3986 calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Whether a webhook's url must have a place for the subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdInUrl {
    /// A url without `:id` is refused.
    Required,
    /// A url without `:id` is sent as it is.
    Optional,
}

/// Why a url may not be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetUrlError {
    /// It has more than [`MAX_URL_LENGTH`] bytes.
    #[error("must have at most {MAX_URL_LENGTH} bytes")]
    TooLong,
    /// It holds white space, control characters or backslashes, which readers of urls take differently.
    #[error("must not hold white space, control characters or backslashes")]
    ForbiddenCharacter,
    /// It begins with neither `http://` nor `https://`.
    #[error("must begin with http:// or https://")]
    Scheme,
    /// No host follows the scheme.
    #[error("must name a host")]
    NoHost,
    /// It is no url, or none that an HTTP request can carry.
    #[error("must be a valid url")]
    Invalid,
    /// It holds a user name or a password.
    #[error("must not hold a user name or password")]
    UserInfo,
    /// It names port 0.
    #[error("must not name port 0")]
    PortZero,
    /// It has a fragment, which would never reach the receiver.
    #[error("must not have a fragment (#)")]
    Fragment,
    /// It has no place for the subject.
    #[error("must hold :id in its path or query, not followed by a letter, a digit or _")]
    NoPlaceholder,
}

/// Why a request to a stored url cannot be built for a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsendableUrl {
    /// The subject makes a path segment `.` or `..`, which every reader of urls removes, encoded or not.
    #[error("the id makes a path segment of dots only, which no url can carry")]
    DotSegment,
    /// The url with its subjects in place is longer than an HTTP request can carry.
    #[error("the url with the id in place is longer than {MAX_SENT_LENGTH} bytes")]
    TooLong,
}

/// The url of a webhook, with places for the subject.
#[derive(Clone, PartialEq, Eq)]
pub struct TargetUrl {
    typed: String,
    template: Url,
    /// Where in the template's text each placeholder begins, rising.
    places: Vec<usize>,
}

impl TargetUrl {
    /// Reads the url of a webhook. `:id` in its path or query marks where the subject goes.
    ///
    /// # Errors
    ///
    /// Says which rule the text breaks.
    pub fn parse(text: &str, id: IdInUrl) -> Result<Self, TargetUrlError> {
        let template = checked(text)?;
        let places = places(&template);
        if places.is_empty() && id == IdInUrl::Required {
            return Err(TargetUrlError::NoPlaceholder);
        }
        Ok(Self { typed: text.to_owned(), template, places })
    }

    /// The text as typed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.typed
    }

    /// The url with its placeholders still in it, to judge its host and port.
    #[must_use]
    pub const fn template(&self) -> &Url {
        &self.template
    }

    /// The url to call for `subject`, which is percent-encoded except for RFC 3986's unreserved characters.
    ///
    /// # Errors
    ///
    /// Some subjects fit into no url; a retry cannot help.
    pub fn for_subject(&self, subject: &str) -> Result<Url, UnsendableUrl> {
        let text = self.fill(&Cow::from(utf8_percent_encode(subject, RESERVED)));
        if text.len() > MAX_SENT_LENGTH {
            return Err(UnsendableUrl::TooLong);
        }
        // The template is in the parser's own form and the encoded subject is inert in it, so the parser gives back the
        // very text, unless it removed a dot segment.
        Url::parse(&text).ok().filter(|url| url.as_str() == text).ok_or(UnsendableUrl::DotSegment)
    }

    fn fill(&self, encoded: &str) -> String {
        let template = self.template.as_str();
        let mut text = String::with_capacity(template.len() + self.places.len() * encoded.len());
        let mut copied = 0;
        for &place in &self.places {
            text.push_str(&template[copied..place]);
            text.push_str(encoded);
            copied = place + PLACEHOLDER.len();
        }
        text.push_str(&template[copied..]);
        text
    }
}

/// The url of a login call; `:id` has no meaning in it.
#[derive(Clone, PartialEq, Eq)]
pub struct LoginUrl {
    typed: String,
    url: Url,
}

impl LoginUrl {
    /// Reads the url of a login call.
    ///
    /// # Errors
    ///
    /// Says which rule the text breaks; never [`TargetUrlError::NoPlaceholder`].
    pub fn parse(text: &str) -> Result<Self, TargetUrlError> {
        Ok(Self { typed: text.to_owned(), url: checked(text)? })
    }

    /// The text as typed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.typed
    }

    /// The url to call.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.url
    }
}

/// The rules that every stored url keeps.
fn checked(text: &str) -> Result<Url, TargetUrlError> {
    if text.len() > MAX_URL_LENGTH {
        return Err(TargetUrlError::TooLong);
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
        return Err(TargetUrlError::ForbiddenCharacter);
    }
    // The parser alone would take `http:/host` and `http:///host` for `http://host`.
    let rest = without_scheme(text).ok_or(TargetUrlError::Scheme)?;
    if rest.is_empty() || rest.starts_with('/') {
        return Err(TargetUrlError::NoHost);
    }
    let url = Url::parse(text).map_err(|error| match error {
        ParseError::EmptyHost => TargetUrlError::NoHost,
        _ => TargetUrlError::Invalid,
    })?;
    check_parts(&url)?;
    Ok(url)
}

fn without_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)).then_some(rest)
}

fn check_parts(url: &Url) -> Result<(), TargetUrlError> {
    if !url.username().is_empty() || url.password().is_some() {
        Err(TargetUrlError::UserInfo)
    } else if url.port() == Some(0) {
        Err(TargetUrlError::PortZero)
    } else if url.fragment().is_some() {
        Err(TargetUrlError::Fragment)
    } else if url.as_str().parse::<http::Uri>().is_err() {
        Err(TargetUrlError::Invalid)
    } else {
        Ok(())
    }
}

/// Where placeholders begin in the path and query of `url` (a checked one has no fragment), counted from the start of its text.
fn places(url: &Url) -> Vec<usize> {
    let start = url[..Position::BeforePath].len();
    let searched = &url[Position::BeforePath..];
    let found = searched.match_indices(PLACEHOLDER).filter(|(at, _)| {
        let next = searched.as_bytes().get(at + PLACEHOLDER.len());
        !next.is_some_and(|&byte| byte.is_ascii_alphanumeric() || byte == b'_')
    });
    found.map(|(at, _)| start + at).collect()
}

/// The text of a url with `****` for every value of its query, which may be a secret: for everybody but the owner of the
/// url.
#[must_use]
pub fn masked(typed: &str) -> String {
    let Some((before, query)) = typed.split_once('?') else { return typed.to_owned() };
    let masked = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, value)) if !value.is_empty() && value != PLACEHOLDER => format!("{name}={MASK}"),
        None if !pair.is_empty() && pair != PLACEHOLDER => MASK.to_owned(),
        _ => pair.to_owned(),
    });
    format!("{before}?{}", masked.collect::<Vec<_>>().join("&"))
}

impl fmt::Display for TargetUrl {
    /// Masked.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&masked(&self.typed))
    }
}

impl fmt::Debug for TargetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for LoginUrl {
    /// Masked.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&masked(&self.typed))
    }
}

impl fmt::Debug for LoginUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    use super::*;

    fn target(text: &str) -> TargetUrl {
        TargetUrl::parse(text, IdInUrl::Required).unwrap()
    }

    fn refused(text: &str) -> TargetUrlError {
        TargetUrl::parse(text, IdInUrl::Required).expect_err(text)
    }

    fn sent(template: &str, subject: &str) -> String {
        target(template).for_subject(subject).unwrap().into()
    }

    #[test]
    fn what_is_shown_of_a_url_tells_no_value_of_its_query() {
        for (text, shown) in [
            ("https://a.example/x", "https://a.example/x"),
            ("https://a.example/:id?id=:id&key=hush&empty=&flag", "https://a.example/:id?id=:id&key=****&empty=&****"),
            ("https://a.example/x?hush=hush=hush?hush&:id", "https://a.example/x?hush=****&:id"),
            ("https://a.example/x?doc=pre:id", "https://a.example/x?doc=****"),
        ] {
            let (target, login) = (TargetUrl::parse(text, IdInUrl::Optional).unwrap(), LoginUrl::parse(text).unwrap());

            assert_eq!([target.to_string(), format!("{target:?}"), login.to_string(), format!("{login:?}")], [shown; 4]);
            assert_eq!([target.as_str(), login.as_str()], [text; 2]);
        }
    }

    #[test]
    fn the_subject_takes_every_place_in_path_and_query() {
        assert_eq!(sent("http://localhost:5000/ocr_feedback/:id", "bc1b-7"), "http://localhost:5000/ocr_feedback/bc1b-7");
        assert_eq!(sent("https://a.example/:id/x/:id?id=:id&y=:id-z", "7"), "https://a.example/7/x/7?id=7&y=7-z");
        assert_eq!(sent("https://a.example/:id:id/::id", "7"), "https://a.example/77/:7");
        assert_eq!(sent("https://a.example?:id", "7"), "https://a.example/?7");
    }

    #[test]
    fn only_unreserved_characters_of_a_subject_are_sent_as_they_are() {
        let subject = "aZ09-._~ /?#[]@!$&'()*+,;=:%\\\"<>^`{|}é\n";

        assert_eq!(
            sent("https://a.example/x/:id", subject),
            "https://a.example/x/aZ09-._~%20%2F%3F%23%5B%5D%40%21%24%26%27%28%29%2A%2B%2C%3B%3D%3A%25%5C%22%3C%3E%5E%60%7B%7C%7D%C3%A9%0A"
        );
        assert_eq!(sent("https://a.example/?q=:id", "a&b=c+d"), "https://a.example/?q=a%26b%3Dc%2Bd");
        assert_eq!(sent("https://a.example/:id", "%2e%2E"), "https://a.example/%252e%252E");
        assert_eq!(sent("https://a.example/:id/:id", ":id"), "https://a.example/%3Aid/%3Aid");
    }

    #[test]
    fn a_longer_word_is_no_placeholder() {
        assert_eq!(sent("https://a.example/:identifier/:id2/:id_/:id", "7"), "https://a.example/:identifier/:id2/:id_/7");
        for text in [
            "https://a.example/:identifier",
            "https://a.example/:id_",
            "https://a.example/:ID",
            "https://a.example/id",
            "https://a.example/%3Aid",
        ] {
            assert_eq!(refused(text), TargetUrlError::NoPlaceholder, "{text}");
        }
    }

    #[test]
    fn a_placeholder_counts_in_path_and_query_only() {
        assert_eq!(refused("https://:id@a.example/"), TargetUrlError::UserInfo);
        assert_eq!(refused("https://a.example:id/"), TargetUrlError::Invalid);
        assert_eq!(refused("https://:id/"), TargetUrlError::NoHost);
        assert_eq!(refused("https://a.example/#:id"), TargetUrlError::Fragment);
        assert_eq!(refused("https://a.example/:id/.."), TargetUrlError::NoPlaceholder);
    }

    #[test]
    fn a_placeholder_may_be_optional() {
        let url = TargetUrl::parse("https://a.example/hook", IdInUrl::Optional).unwrap();

        assert_eq!(url.for_subject("7").unwrap().as_str(), "https://a.example/hook");
        assert_eq!(url.for_subject("..").unwrap().as_str(), "https://a.example/hook");
    }

    #[test]
    fn the_text_is_kept_as_typed() {
        let text = "HTTP://A.Example:80/x/../:id?q='";
        let url = target(text);

        assert_eq!(url.as_str(), text);
        assert_eq!(url.template().host_str(), Some("a.example"));
        assert_eq!(url.for_subject("7").unwrap().as_str(), "http://a.example/7?q=%27");
    }

    #[test]
    fn a_url_that_breaks_a_rule_is_refused_with_the_rule() {
        use TargetUrlError::{ForbiddenCharacter, Fragment, Invalid, NoHost, PortZero, Scheme, TooLong, UserInfo};
        let cases = [
            ("", Scheme),
            ("hello", Scheme),
            ("/x/:id", Scheme),
            ("//a.example/:id", Scheme),
            ("ftp://a.example/:id", Scheme),
            ("localhost:5000/:id", Scheme),
            ("http:a.example/:id", Scheme),
            ("http:/a.example/:id", Scheme),
            ("javascript://a.example/:id", Scheme),
            ("file:///etc/:id", Scheme),
            ("http://", NoHost),
            ("http:///a.example/:id", NoHost),
            ("http://?:id", NoHost),
            ("http://#:id", NoHost),
            ("http://:80/:id", NoHost),
            ("http://a.example:65536/:id", Invalid),
            ("http://a.example:x/:id", Invalid),
            ("http://[::1/:id", Invalid),
            ("http://[fe80::1%25eth0]/:id", Invalid),
            ("http://a%00.example/:id", Invalid),
            ("http://1.2.3.256/:id", Invalid),
            ("http://user@a.example/:id", UserInfo),
            ("http://user:pw@a.example/:id", UserInfo),
            ("http://:pw@a.example/:id", UserInfo),
            ("http://a.example:0/:id", PortZero),
            ("http://a.example/:id#", Fragment),
            ("http://a.example/:id#top", Fragment),
            (" http://a.example/:id", ForbiddenCharacter),
            ("http://a.example/:id\n", ForbiddenCharacter),
            ("http://a.example/\t:id", ForbiddenCharacter),
            ("http://a.example/\0:id", ForbiddenCharacter),
            ("http://a.example/\u{a0}:id", ForbiddenCharacter),
            ("http://a.example\\@b.example/:id", ForbiddenCharacter),
        ];
        for (text, error) in cases {
            assert_eq!(refused(text), error, "{text:?}");
        }
        let long = |length: usize| format!("http://a.example/:id?{:x<1$}", "", length - 21);
        assert_eq!(refused(&long(2049)), TooLong);
        assert_eq!(target(&long(2048)).as_str().len(), 2048);
    }

    #[test]
    fn a_subject_that_makes_a_dot_segment_cannot_be_sent_in_a_path() {
        let cases = [
            ("https://a.example/x/:id", "."),
            ("https://a.example/x/:id", ".."),
            ("https://a.example/x/:id/y", ".."),
            ("https://a.example/x/.:id", "."),
            ("https://a.example/x/%2e:id", "."),
            ("https://a.example/x/:id:id", "."),
            ("https://a.example/:id", "."),
            ("https://a.example/.:id", ""),
        ];
        for (template, subject) in cases {
            assert_eq!(target(template).for_subject(subject), Err(UnsendableUrl::DotSegment), "{template} {subject}");
        }
    }

    #[test]
    fn dots_are_sent_where_they_make_no_dot_segment() {
        assert_eq!(sent("https://a.example/x?id=:id", ".."), "https://a.example/x?id=..");
        assert_eq!(sent("https://a.example/x/:id", "..."), "https://a.example/x/...");
        assert_eq!(sent("https://a.example/x/v:id", ".."), "https://a.example/x/v..");
        assert_eq!(sent("https://a.example/x/:id", "../y"), "https://a.example/x/..%2Fy");
        assert_eq!(sent("https://a.example/:id/", ""), "https://a.example//");
    }

    #[test]
    fn a_url_that_grows_too_long_for_http_is_not_sent() {
        let url = target(&format!("https://a.example/?{}", ":id".repeat(600)));

        assert_eq!(url.for_subject(&"文".repeat(255)), Err(UnsendableUrl::TooLong));
        assert!(url.for_subject(&"a".repeat(100)).is_ok());
    }

    #[test]
    fn a_login_url_keeps_the_same_rules_and_gives_id_no_meaning() {
        let url = LoginUrl::parse("http://localhost:5000/login?for=:id").unwrap();

        assert_eq!(url.url().as_str(), "http://localhost:5000/login?for=:id");
        assert_eq!(url.as_str(), url.url().as_str());
        assert_eq!(LoginUrl::parse("ftp://a.example"), Err(TargetUrlError::Scheme));
        assert_eq!(LoginUrl::parse("http://a:b@a.example"), Err(TargetUrlError::UserInfo));
    }

    /// Any text, and often text made of what urls are made of.
    fn subjects() -> impl Strategy<Value = String> {
        prop_oneof![any::<String>(), "[.]{0,4}", "[./%:?#&=+2eE@\\\\id ]{0,12}", ".{0,255}"]
    }

    proptest! {
        #[test]
        fn no_subject_changes_the_structure_of_a_url(subject in subjects()) {
            let target = target("https://a.example:8443/a/:id/b:id?x=:id&y=1&z=-:id");

            match target.for_subject(&subject) {
                Ok(url) => {
                    prop_assert_eq!(&url[..Position::BeforePath], "https://a.example:8443");
                    prop_assert_eq!(url.fragment(), None);
                    let segments: Vec<_> = url.path_segments().unwrap().map(|part| percent_decode_str(part).decode_utf8().unwrap()).collect();
                    prop_assert_eq!(segments, ["a", &subject, &format!("b{subject}")]);
                    let query: Vec<_> = url.query_pairs().map(|(_, value)| value.into_owned()).collect();
                    prop_assert_eq!(query, [subject.clone(), "1".to_owned(), format!("-{subject}")]);
                    prop_assert!(url.as_str().parse::<http::Uri>().is_ok());
                }
                Err(error) => {
                    prop_assert_eq!(error, UnsendableUrl::DotSegment);
                    prop_assert!(subject == "." || subject == "..");
                }
            }
        }

        #[test]
        fn whatever_is_accepted_can_be_sent(text in "https?://[a-zA-Z0-9.:@\\[\\]_\"{}`é-]{1,12}(/[!-~é]{0,20})?", subject in subjects()) {
            if let Ok(target) = TargetUrl::parse(&text, IdInUrl::Optional) {
                prop_assert_eq!(target.as_str(), &text);
                if let Ok(url) = target.for_subject(&subject) {
                    prop_assert!(url.as_str().parse::<http::Uri>().is_ok());
                    prop_assert_eq!(&url[..Position::BeforePath], &target.template()[..Position::BeforePath]);
                }
            }
        }

        #[test]
        fn reading_a_url_never_panics(text: String) {
            let outcome = TargetUrl::parse(&text, IdInUrl::Required);

            prop_assert_eq!(outcome.is_err(), LoginUrl::parse(&text).is_err() || outcome == Err(TargetUrlError::NoPlaceholder));
        }
    }
}
