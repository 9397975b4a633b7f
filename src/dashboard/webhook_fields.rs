//! The fields of a webhook's form: filled from a definition, filled by a person, and written as the JSON object that the
//! one parser of definitions reads.
//!
//! A secret is never in a field. One that is left empty keeps what is stored; a ticked box clears it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::pairs::Pairs;
use super::webhook::header_lines;
use crate::domain::event::EventType;
use crate::domain::target_url::LoginUrl;
use crate::domain::webhook::{DOCUMENT_FINISHED, WebhookDefinition};
use crate::management::fields::FieldError;

/// A webhook's form as it is filled in. Each field has the name under which the parser refuses it.
#[derive(Clone, Debug, Default)]
pub(super) struct WebhookFields {
    pub(super) name: String,
    /// Whether it is called for finished documents; else for `events`.
    pub(super) is_for_documents: bool,
    pub(super) events: String,
    pub(super) method: String,
    pub(super) url: String,
    pub(super) headers: String,
    pub(super) header_auth: String,
    /// An empty scheme is one too: the bare token.
    pub(super) is_header_auth_set: bool,
    pub(super) authorization: Secret,
    pub(super) authorization_url: String,
    pub(super) authorization_method: String,
    pub(super) authorization_headers: String,
    pub(super) authorization_body: Secret,
    pub(super) response_token_attr: String,
    pub(super) timeout_ms: String,
    pub(super) max_in_flight: String,
    pub(super) rate_requests: String,
    pub(super) rate_seconds: String,
    pub(super) retry_delays: String,
    pub(super) retry_jitter: String,
    pub(super) http_signature: bool,
}

/// A field that holds nothing of what is stored.
#[derive(Clone, Debug, Default)]
pub(super) struct Secret {
    typed: String,
    clear: bool,
    /// Whether something is stored.
    pub(super) is_stored: bool,
}

impl WebhookFields {
    /// A form for a new webhook.
    pub(super) fn new() -> Self {
        Self { is_for_documents: true, method: "POST".to_owned(), ..Self::default() }
    }

    /// A form that says what is stored.
    pub(super) fn stored(definition: &WebhookDefinition) -> Self {
        let (authorization, delivery) = (&definition.authorization, &definition.delivery);
        let number = |number: Option<u128>| number.map(|number| number.to_string()).unwrap_or_default();
        let seconds =
            |delays: &[std::time::Duration]| delays.iter().map(|delay| delay.as_secs().to_string()).collect::<Vec<_>>().join(", ");
        Self {
            name: definition.name.clone(),
            is_for_documents: definition.type_code.is_some(),
            events: definition.events.iter().map(EventType::as_str).collect::<Vec<_>>().join(", "),
            method: definition.method.as_str().to_owned(),
            url: definition.url.as_str().to_owned(),
            headers: definition.headers.as_ref().map(|headers| header_lines(headers).join("\n")).unwrap_or_default(),
            header_auth: authorization.header_auth.clone().unwrap_or_default(),
            is_header_auth_set: authorization.header_auth.is_some(),
            authorization: Secret::stored(authorization.fixed.is_some()),
            authorization_url: authorization.url.as_ref().map(LoginUrl::as_str).unwrap_or_default().to_owned(),
            authorization_method: authorization.method.map(|method| method.as_str().to_owned()).unwrap_or_default(),
            authorization_headers: authorization.headers.as_ref().map(|headers| header_lines(headers).join("\n")).unwrap_or_default(),
            authorization_body: Secret::stored(authorization.body.is_some()),
            response_token_attr: authorization.response_token_attr.clone().unwrap_or_default(),
            timeout_ms: number(delivery.timeout.map(|timeout| timeout.as_millis())),
            max_in_flight: number(delivery.max_in_flight.map(u128::from)),
            rate_requests: number(delivery.rate_limit.map(|limit| limit.requests().into())),
            rate_seconds: number(delivery.rate_limit.map(|limit| limit.period().as_secs().into())),
            retry_delays: delivery.retry.as_ref().map(|retry| seconds(retry.delays())).unwrap_or_default(),
            retry_jitter: delivery.retry.as_ref().map(|retry| retry.jitter().to_string()).unwrap_or_default(),
            http_signature: delivery.http_signature,
        }
    }

    /// A form that somebody filled in, beside what is stored.
    pub(super) fn filled(form: &Pairs, stored: Option<&WebhookDefinition>) -> Self {
        let text = |name| form.typed(name).trim().to_owned();
        let authorization = stored.map(|definition| &definition.authorization);
        let secret =
            |name: &str, clear: &str, is_stored| Secret { typed: form.typed(name).trim().to_owned(), clear: form.is_set(clear), is_stored };
        Self {
            name: text("name"),
            is_for_documents: form.get("kind") != Some("events"),
            events: text("events"),
            method: text("method"),
            url: text("url"),
            headers: text("headers"),
            header_auth: text("headerAuth"),
            is_header_auth_set: form.is_set("headerAuthSet"),
            authorization: secret("authorization", "authorizationClear", authorization.is_some_and(|own| own.fixed.is_some())),
            authorization_url: text("authorizationUrl"),
            authorization_method: text("authorizationMethod"),
            authorization_headers: text("authorizationHeaders"),
            authorization_body: secret("authorizationBody", "authorizationBodyClear", authorization.is_some_and(|own| own.body.is_some())),
            response_token_attr: text("authorizationResponseTokenAttr"),
            timeout_ms: text("timeoutMs"),
            max_in_flight: text("maxInFlight"),
            rate_requests: text("rateLimit"),
            rate_seconds: text("rateLimitSeconds"),
            retry_delays: text("retry"),
            retry_jitter: text("retryJitter"),
            http_signature: form.is_set("httpSignature"),
        }
    }

    /// The object to be parsed, and what no object could say. A field that is null is absent, or cleared.
    pub(super) fn object(&self) -> (Map<String, Value>, Vec<FieldError>) {
        let mut errors = Vec::new();
        let mut object = Map::new();
        let mut put = |name: &str, value: Value| drop(object.insert(name.to_owned(), value));
        put("name", text(&self.name));
        put("type", if self.is_for_documents { json!(DOCUMENT_FINISHED) } else { Value::Null });
        put("events", if self.is_for_documents { Value::Null } else { list(&self.events) });
        put("method", text(&self.method));
        put("url", text(&self.url));
        put("headers", headers("headers", &self.headers, &mut errors));
        put("headerAuth", if self.is_header_auth_set { json!(self.header_auth) } else { text(&self.header_auth) });
        put("authorizationUrl", text(&self.authorization_url));
        put("authorizationMethod", text(&self.authorization_method));
        put("authorizationHeaders", headers("authorizationHeaders", &self.authorization_headers, &mut errors));
        put("authorizationResponseTokenAttr", text(&self.response_token_attr));
        put("timeoutMs", number(&self.timeout_ms));
        put("maxInFlight", number(&self.max_in_flight));
        put("rateLimit", self.rate_limit());
        put("retry", self.retry());
        put("httpSignature", json!({ "enabled": self.http_signature }));
        self.authorization.put_text("authorization", &mut object);
        self.authorization_body.put_object("authorizationBody", &mut object, &mut errors);
        (object, errors)
    }

    fn rate_limit(&self) -> Value {
        if self.rate_requests.is_empty() && self.rate_seconds.is_empty() {
            return Value::Null;
        }
        json!({ "requests": number(&self.rate_requests), "perSeconds": number(&self.rate_seconds) })
    }

    fn retry(&self) -> Value {
        if self.retry_delays.is_empty() && self.retry_jitter.is_empty() {
            return Value::Null;
        }
        let jitter = self.retry_jitter.parse::<f64>().map_or_else(|_| text(&self.retry_jitter), |jitter| json!(jitter));
        let delays: Vec<Value> = items(&self.retry_delays).map(number).collect();
        json!({ "delaysSeconds": delays, "jitter": jitter })
    }
}

impl Secret {
    fn stored(is_stored: bool) -> Self {
        Self { is_stored, ..Self::default() }
    }

    fn put_text(&self, name: &str, object: &mut Map<String, Value>) {
        if self.clear || !self.typed.is_empty() {
            object.insert(name.to_owned(), text(&self.typed));
        }
    }

    fn put_object(&self, name: &'static str, object: &mut Map<String, Value>, errors: &mut Vec<FieldError>) {
        if self.typed.is_empty() {
            return self.put_text(name, object);
        }
        match serde_json::from_str::<Value>(&self.typed) {
            Ok(value) => drop(object.insert(name.to_owned(), value)),
            Err(_) => errors.push(FieldError::new(name, "must be a JSON object")),
        }
    }
}

/// Text; null for none.
fn text(typed: &str) -> Value {
    if typed.is_empty() { Value::Null } else { typed.into() }
}

/// A number; what is none stays text, for the parser to refuse.
fn number(typed: &str) -> Value {
    typed.parse::<u64>().map_or_else(|_| text(typed), |number| json!(number))
}

/// What stands between commas, spaces or line ends.
fn items(typed: &str) -> impl Iterator<Item = &str> {
    typed.split([',', ' ', '\n', '\r', '\t']).filter(|item| !item.is_empty())
}

fn list(typed: &str) -> Value {
    if typed.is_empty() { Value::Null } else { items(typed).map(Value::from).collect() }
}

/// Headers as an object: one a line, name and value parted by a colon.
fn headers(field: &'static str, typed: &str, errors: &mut Vec<FieldError>) -> Value {
    let mut object = Map::new();
    let mut seen = BTreeSet::new();
    for line in typed.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let Some((name, value)) = line.split_once(':') else {
            errors.push(FieldError::new(field, "must have a name, a colon and a value on each line"));
            continue;
        };
        if !seen.insert(name.trim().to_ascii_lowercase()) {
            errors.push(FieldError::new(field, format!("{} is set twice", name.trim())));
        }
        object.insert(name.trim().to_owned(), value.trim().into());
    }
    if object.is_empty() { Value::Null } else { Value::Object(object) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(form: &str) -> WebhookFields {
        WebhookFields::filled(&Pairs::parse(form.as_bytes()), None)
    }

    #[test]
    fn a_form_says_what_a_caller_of_the_api_could_have_sent() {
        let fields = filled(
            "name=+a+&kind=type&events=ignored&method=post&url=https%3A%2F%2Fx.example%2F%3Aid&headers=A%3A+1%0D%0AB%3A2%3A3\
             &timeoutMs=500&retry=5,+10&retryJitter=0.1&rateLimit=7&rateLimitSeconds=&httpSignature=on&authorizationBody=%7B%22a%22%3A1%7D",
        );

        let (object, errors) = fields.object();

        let expected = json!({
            "name": "a", "type": 0, "events": null, "method": "post", "url": "https://x.example/:id", "headers": {"A": "1", "B": "2:3"},
            "headerAuth": null, "authorizationUrl": null, "authorizationMethod": null, "authorizationHeaders": null,
            "authorizationResponseTokenAttr": null, "timeoutMs": 500, "maxInFlight": null, "rateLimit": {"requests": 7, "perSeconds": null},
            "retry": {"delaysSeconds": [5, 10], "jitter": 0.1}, "httpSignature": {"enabled": true}, "authorizationBody": {"a": 1},
        });
        assert_eq!(Value::Object(object), expected);
        assert_eq!(errors, []);
    }

    #[test]
    fn secrets_stay_unless_they_are_typed_or_cleared() {
        let (kept, typed, cleared) = (
            filled("name=a").object().0,
            filled("authorization=Bearer+x").object().0,
            filled("authorizationClear=1&authorizationBodyClear=1").object().0,
        );

        assert!(!kept.contains_key("authorization") && !kept.contains_key("authorizationBody"));
        assert_eq!(typed["authorization"], "Bearer x");
        assert_eq!((&cleared["authorization"], &cleared["authorizationBody"]), (&Value::Null, &Value::Null));
    }

    #[test]
    fn what_no_object_could_say_is_named() {
        let (object, errors) = filled("headers=A%3A1%0AB%0Aa%3A2&authorizationBody=%7B&timeoutMs=soon").object();

        let told: Vec<String> = errors.iter().map(|error| format!("{} {}", error.field, error.message)).collect();
        assert_eq!(
            told,
            [
                "headers must have a name, a colon and a value on each line",
                "headers a is set twice",
                "authorizationBody must be a JSON object"
            ]
        );
        assert_eq!(object["timeoutMs"], "soon");
    }
}
