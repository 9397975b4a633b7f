//! Builds the login call: which headers, query and body it has.
//!
//! Not for making the call, and not for reading its answer.

use std::fmt;

use bytes::Bytes;
use serde_json::{Map, Value};
use url::form_urlencoded::Serializer;
use url::{Position, Url};

use crate::domain::headers::Headers;
use crate::domain::method::Method;
use crate::domain::target_url::{LoginUrl, MAX_SENT_LENGTH};

/// A login call, ready to be made. Its `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct LoginCall {
    /// How to call.
    pub method: Method,
    /// Where to call, with what is sent as query.
    pub url: Url,
    /// What to send along, in order; holds a `Content-Type` whenever there is a body.
    pub headers: Vec<(String, String)>,
    /// What to send; never with `GET` or `DELETE`.
    pub body: Option<Bytes>,
}

/// Why a login call cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsendableLogin {
    /// What is sent as query makes a url that no HTTP request can carry.
    #[error("the login url with its query is longer than {MAX_SENT_LENGTH} bytes")]
    QueryTooLong,
}

/// Builds the login call of a webhook.
///
/// `body` is sent in the form that the `Content-Type` of `headers` names: a form, or JSON for every other type and for
/// none. `GET` and `DELETE` send it as query, behind the query that the url has already.
///
/// # Errors
///
/// Says why no request can carry the call; a retry cannot help.
pub fn login_call(
    url: &LoginUrl,
    method: Method,
    headers: Option<&Headers>,
    body: Option<&Map<String, Value>>,
) -> Result<LoginCall, UnsendableLogin> {
    let mut call = LoginCall { method, url: url.url().clone(), headers: owned(headers), body: None };
    match body {
        Some(fields) if method.carries_body() => call.set_body(fields, headers.and_then(Headers::content_type)),
        Some(fields) => call.append_query(fields)?,
        None => {}
    }
    Ok(call)
}

impl LoginCall {
    fn set_body(&mut self, fields: &Map<String, Value>, content_type: Option<&str>) {
        let is_form = content_type.is_some_and(is_form);
        let text = if is_form { form(fields) } else { json(fields) };
        if content_type.is_none() {
            self.headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
        }
        self.body = Some(text.into());
    }

    fn append_query(&mut self, fields: &Map<String, Value>) -> Result<(), UnsendableLogin> {
        if fields.is_empty() {
            return Ok(());
        }
        let query = match self.url.query() {
            Some(present) if !present.is_empty() => format!("{present}&{}", form(fields)),
            _ => form(fields),
        };
        self.url.set_query(Some(&query));
        if self.url.as_str().len() > MAX_SENT_LENGTH { Err(UnsendableLogin::QueryTooLong) } else { Ok(()) }
    }
}

fn owned(headers: Option<&Headers>) -> Vec<(String, String)> {
    headers.into_iter().flat_map(Headers::iter).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn is_form(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn json(fields: &Map<String, Value>) -> String {
    Value::from(fields.clone()).to_string()
}

fn form(fields: &Map<String, Value>) -> String {
    let pairs = fields.iter().map(|(name, value)| (name, field(value)));
    Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// A form knows text only: text is sent as it is, null as nothing, everything else as its JSON.
fn field(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl fmt::Debug for LoginCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("LoginCall")
            .field("method", &self.method)
            .field("url", &&self.url[..Position::AfterPath])
            .field("headers", &names)
            .field("body_length", &self.body.as_ref().map(Bytes::len))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const FORM: &str = "application/x-www-form-urlencoded";

    fn fields(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    fn headers(entries: &[(&str, &str)]) -> Headers {
        Headers::check(entries.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()))).unwrap()
    }

    fn call(method: Method, url: &str, content_type: Option<&str>, body: Value) -> LoginCall {
        let headers = content_type.map(|value| headers(&[("content-TYPE", value)]));
        login_call(&LoginUrl::parse(url).unwrap(), method, headers.as_ref(), Some(&fields(body))).unwrap()
    }

    fn sent_body(content_type: Option<&str>, body: Value) -> String {
        let body = call(Method::Post, "http://localhost:5000/login", content_type, body).body.unwrap();
        String::from_utf8(body.into()).unwrap()
    }

    #[test]
    fn the_documented_example_is_sent_as_a_form() {
        let call = call(Method::Post, "http://localhost:5000/login", Some(FORM), json!({"username": "root", "password": "root"}));

        assert_eq!(call.method, Method::Post);
        assert_eq!(call.url.as_str(), "http://localhost:5000/login");
        assert_eq!(call.headers, [("content-TYPE".to_owned(), FORM.to_owned())]);
        assert_eq!(call.body.unwrap(), "username=root&password=root");
    }

    #[test]
    fn without_a_content_type_json_is_sent_and_said() {
        let call = call(Method::Put, "http://localhost:5000/login", None, json!({"b": 1, "a": [true]}));

        assert_eq!(call.headers, [("Content-Type".to_owned(), "application/json".to_owned())]);
        assert_eq!(call.body.unwrap(), r#"{"b":1,"a":[true]}"#);
    }

    #[test]
    fn the_content_type_chooses_the_encoding_whatever_its_case_and_parameters() {
        for form in [
            FORM,
            "Application/X-WWW-Form-URLEncoded",
            "application/x-www-form-urlencoded; charset=UTF-8",
            " application/x-www-form-urlencoded ;x",
        ] {
            assert_eq!(sent_body(Some(form), json!({"a": "b"})), "a=b", "{form}");
        }
        for json in ["application/json", "application/json; charset=utf-8", "text/plain", "application/x-www-form-urlencoded2", ""] {
            assert_eq!(sent_body(Some(json), json!({"a": "b"})), r#"{"a":"b"}"#, "{json}");
        }
    }

    #[test]
    fn a_form_writes_every_kind_of_value_as_text() {
        let body = json!({"text": "a b&c=é+", "number": 1.5, "yes": true, "nothing": null, "nested": {"a": [1, "x"]}, "a key&": ""});

        let expected = "text=a+b%26c%3D%C3%A9%2B&number=1.5&yes=true&nothing=&nested=%7B%22a%22%3A%5B1%2C%22x%22%5D%7D&a+key%26=";
        assert_eq!(sent_body(Some(FORM), body), expected);
    }

    #[test]
    fn get_and_delete_send_fields_behind_the_query_that_is_there() {
        let sent = |method, url| call(method, url, Some(FORM), json!({"user": "r&d", "pin": 7}));

        let bare = sent(Method::Get, "http://a.example/login");
        assert_eq!((bare.url.as_str(), &bare.body), ("http://a.example/login?user=r%26d&pin=7", &None));
        assert_eq!(sent(Method::Delete, "http://a.example/login?").url.as_str(), "http://a.example/login?user=r%26d&pin=7");
        let behind = sent(Method::Get, "http://a.example/login?b=%7e+%2B&a&b='/:id");
        assert_eq!(behind.url.as_str(), "http://a.example/login?b=%7e+%2B&a&b=%27/:id&user=r%26d&pin=7");
    }

    #[test]
    fn a_call_without_fields_sends_nothing_and_adds_no_header() {
        let url = LoginUrl::parse("http://a.example/login?a=1").unwrap();
        for method in Method::ALL {
            let call = login_call(&url, method, None, None).unwrap();

            assert_eq!((call.url.as_str(), call.headers, call.body), ("http://a.example/login?a=1", vec![], None));
        }
        assert_eq!(call(Method::Get, "http://a.example/?a=1", None, json!({})).url.as_str(), "http://a.example/?a=1");
        assert_eq!(sent_body(None, json!({})), "{}");
    }

    #[test]
    fn headers_go_along_in_order() {
        let url = LoginUrl::parse("http://a.example/login").unwrap();
        let headers = headers(&[("X-Tenant", "7"), ("Accept", "*/*")]);

        let call = login_call(&url, Method::Get, Some(&headers), None).unwrap();

        assert_eq!(call.headers, [("X-Tenant".to_owned(), "7".to_owned()), ("Accept".to_owned(), "*/*".to_owned())]);
    }

    #[test]
    fn a_query_that_no_request_can_carry_is_not_sent() {
        let url = LoginUrl::parse("http://a.example/login").unwrap();
        let body = fields(json!({"a": "x".repeat(70_000)}));

        assert_eq!(login_call(&url, Method::Get, None, Some(&body)), Err(UnsendableLogin::QueryTooLong));
        assert!(login_call(&url, Method::Post, None, Some(&body)).is_ok());
    }

    #[test]
    fn debug_shows_no_value() {
        let url = LoginUrl::parse("http://a.example/login?key=hush").unwrap();
        let headers = headers(&[("X-Tenant", "hush")]);

        let call = login_call(&url, Method::Post, Some(&headers), Some(&fields(json!({"password": "hush"})))).unwrap();

        let expected =
            r#"LoginCall { method: Post, url: "http://a.example/login", headers: ["X-Tenant", "Content-Type"], body_length: Some(19) }"#;
        assert_eq!(format!("{call:?}"), expected);
    }

    proptest! {
        #[test]
        fn whatever_the_fields_hold_the_receiver_reads_them_back(pairs in proptest::collection::vec((any::<String>(), any::<String>()), 1..5)) {
            let body: Map<_, _> = pairs.into_iter().map(|(name, text)| (name, Value::from(text))).collect();
            let url = LoginUrl::parse("http://a.example/login?first=%7E").unwrap();

            let sent = login_call(&url, Method::Get, None, Some(&body)).unwrap().url;

            prop_assert!(sent.as_str().starts_with("http://a.example/login?first=%7E&"));
            let read: Map<_, _> = sent.query_pairs().skip(1).map(|(name, text)| (name.into_owned(), Value::from(text))).collect();
            prop_assert_eq!(read, body);
        }
    }
}
