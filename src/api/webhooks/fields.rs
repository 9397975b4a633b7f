//! The fields that callers write, as they are described. What is read of them, and the rules, are `definition`'s.
#![expect(dead_code, reason = "it tells callers what `definition` reads")]

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::super::openapi::{HEADER_TEXT, Name, object};
use crate::domain::catalog::CatalogName;
use crate::domain::client_certificate::{MAX_CHAIN_BYTES, MAX_KEY_BYTES};
use crate::domain::event::EventType;
use crate::domain::headers::Headers;
use crate::domain::method::Method;
use crate::domain::rate_limit::RateLimit;
use crate::domain::retry::RetryPolicy;
use crate::domain::signature::Scheme;
use crate::domain::target_url::MAX_URL_LENGTH;
use crate::domain::webhook::DOCUMENT_FINISHED;
use crate::management::definition::{
    MAX_AUTHORIZATION_BYTES, MAX_EVENTS, MAX_HEADER_AUTH_CHARS, MAX_IN_FLIGHT, MAX_TIMEOUT_MS, MIN_TIMEOUT_MS,
};
use crate::management::signing::MAX_OVERLAP_SECONDS;

/// An address with a host.
const URL: &str = r"^[Hh][Tt][Tt][Pp][Ss]?://[^\x00-\x20\x7f/?#@:\\][^\x00-\x20\x7f\\]*$";

/// A webhook as the OCR service's document has it. Null is the same as absent; unknown fields are ignored.
#[derive(JsonSchema)]
#[schemars(example = ocr_example())]
pub(super) struct OcrFields {
    /// What people call it: one line.
    #[schemars(with = "Name")]
    name: String,
    /// The code of what it is called for: 0, a document is finished. A client has one webhook of a type.
    #[schemars(range(min = DOCUMENT_FINISHED, max = DOCUMENT_FINISHED))]
    r#type: i64,
    #[schemars(flatten)]
    call: CallFields,
}

/// A webhook with everything that can be set. Null is the same as absent; unknown fields are ignored.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", example = v1_example())]
pub(super) struct V1Fields {
    /// What people call it: one line.
    #[schemars(with = "Name")]
    name: String,
    /// Instead of `events`: the OCR service's code 0, a document is finished. A client has one webhook of a type.
    #[schemars(range(min = DOCUMENT_FINISHED, max = DOCUMENT_FINISHED))]
    r#type: Option<i64>,
    /// The event types that it is called for; must be given when `type` is not.
    #[schemars(length(min = 1, max = MAX_EVENTS))]
    events: Option<Vec<EventType>>,
    /// The catalogue in whose way it is called: `events` are codes of it then, and `method` may be left out where it has one.
    catalog: Option<CatalogName>,
    #[schemars(flatten)]
    call: CallFields,
    /// When a failed attempt is tried again; the configuration's schedule when it is left out.
    retry: Option<RetryFields>,
    /// Milliseconds that one attempt may take, from login to the end of the answer.
    #[schemars(range(min = MIN_TIMEOUT_MS, max = MAX_TIMEOUT_MS))]
    timeout_ms: Option<u32>,
    /// How many requests may be under way at once.
    #[schemars(range(min = 1, max = MAX_IN_FLIGHT))]
    max_in_flight: Option<u32>,
    /// How many requests may start in a while; any number when it is left out.
    rate_limit: Option<RateLimitFields>,
    /// Whether requests carry an HTTP message signature (RFC 9421) too.
    http_signature: Option<HttpSignatureFields>,
    /// By which login and delivery show who calls, to servers that ask (mutual TLS): a chain of certificates in PEM form, the
    /// client's own first. What is shown of it may be sent back to keep it; null takes it away.
    #[schemars(length(max = MAX_CHAIN_BYTES))]
    client_certificate: Option<String>,
    /// The private key of that certificate in PEM form (PKCS#8, SEC1 or PKCS#1), not encrypted. Shown masked ever after.
    #[schemars(length(max = MAX_KEY_BYTES))]
    client_key: Option<String>,
}

/// Where and how to call.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
struct CallFields {
    /// How to send, in any letter case. GET and DELETE carry no body.
    method: Method,
    /// Headers to send along.
    #[schemars(with = "Option<HeaderFields>")]
    headers: Option<()>,
    /// The word before a fetched access token: `Bearer` when it is left out, none when it is empty.
    #[schemars(length(max = MAX_HEADER_AUTH_CHARS), regex(pattern = HEADER_TEXT))]
    header_auth: Option<String>,
    /// Where to send: http or https, without user and password. `:id`, in path or query and not followed by a letter, digit
    /// or `_`, is replaced by the event's subject; a webhook with a `type` must have it.
    #[schemars(length(max = MAX_URL_LENGTH), regex(pattern = URL))]
    url: String,
    /// A fixed `Authorization` header, sent as it is. It wins over `authorizationUrl`. Shown masked ever after.
    #[schemars(length(min = 1, max = MAX_AUTHORIZATION_BYTES), regex(pattern = HEADER_TEXT))]
    authorization: Option<String>,
    /// Where to fetch an access token before a delivery.
    #[schemars(length(max = MAX_URL_LENGTH), regex(pattern = URL))]
    authorization_url: Option<String>,
    /// How to log in, in any letter case; POST when it is left out.
    authorization_method: Option<Method>,
    /// Headers of the login. Their `Content-Type` says whether the body is sent as JSON or as a form.
    #[schemars(with = "Option<HeaderFields>")]
    authorization_headers: Option<()>,
    /// What to log in with; with GET and DELETE it becomes the query. Never shown.
    authorization_body: Option<Map<String, Value>>,
    /// Which attribute of the answer holds the access token: a key or a dotted path; `access_token` when it is left out.
    #[schemars(with = "Option<Name>")]
    authorization_response_token_attr: Option<String>,
}

/// A schedule of attempts.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
struct RetryFields {
    /// How long to wait after the first, the second, … failed attempt. An empty list: one attempt, no other.
    #[schemars(length(max = RetryPolicy::MAX_DELAYS), inner(range(min = 1, max = RetryPolicy::MAX_DELAY.as_secs())))]
    delays_seconds: Vec<u64>,
    /// By which part of it chance lengthens or shortens each delay; 0.2 when it is left out.
    #[schemars(range(min = 0.0, max = RetryPolicy::MAX_JITTER))]
    jitter: Option<f64>,
}

/// At most so many starts in any period of so many seconds.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
struct RateLimitFields {
    /// How many requests.
    #[schemars(range(min = 1, max = RateLimit::MAX_REQUESTS))]
    requests: u32,
    /// In how many seconds; 1 when it is left out.
    #[schemars(range(min = 1, max = RateLimit::MAX_SECONDS))]
    per_seconds: Option<u32>,
}

/// Whether there is an HTTP message signature.
#[derive(JsonSchema)]
struct HttpSignatureFields {
    /// Whether there is one.
    enabled: bool,
}

/// What a new signing key is to be.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", example = json!({"scheme": "ed25519", "overlapSeconds": 3_600}))]
pub(super) struct RotationFields {
    /// How signatures are made; `hmac-sha256` when it is left out.
    scheme: Option<Scheme>,
    /// How long the keys before this one sign along with it; a day when it is left out.
    #[schemars(range(max = MAX_OVERLAP_SECONDS))]
    overlap_seconds: Option<u32>,
}

/// Some of the fields of `F`, as a JSON merge patch (RFC 7396): what is left out stays, null takes away.
pub(super) struct Patch<F>(F);

impl<F: JsonSchema> JsonSchema for Patch<F> {
    fn schema_name() -> Cow<'static, str> {
        format!("PatchOf{}", F::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = F::json_schema(generator);
        schema.remove("required");
        schema.insert("description".to_owned(), json!("Some of the fields; what is left out stays, null takes away (RFC 7396)."));
        schema.insert("examples".to_owned(), json!([{"name": "Another name", "headers": {"X-Tenant": null, "X-Source": "ocr"}}]));
        schema
    }
}

/// Names and values of headers. For schemas alone.
enum HeaderFields {}

impl JsonSchema for HeaderFields {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "HeaderFields".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        object([
            ("type", json!("object")),
            ("maxProperties", json!(Headers::MAX_COUNT)),
            ("propertyNames", json!({"pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", "maxLength": Headers::MAX_NAME_LENGTH})),
            ("additionalProperties", json!({"type": "string", "maxLength": Headers::MAX_VALUE_LENGTH, "pattern": HEADER_TEXT})),
        ])
    }
}

fn ocr_example() -> Value {
    json!({
        "name": "Webhook 1",
        "type": 0,
        "method": "POST",
        "headers": {"Content-Type": "application/json"},
        "headerAuth": "Bearer",
        "url": "https://app.example/ocr_feedback/:id",
        "authorizationUrl": "https://app.example/login",
        "authorizationMethod": "POST",
        "authorizationHeaders": {"Content-Type": "application/x-www-form-urlencoded"},
        "authorizationBody": {"username": "root", "password": "root"},
        "authorizationResponseTokenAttr": "access_token",
    })
}

fn v1_example() -> Value {
    json!({
        "name": "Invoices",
        "events": ["invoice.paid"],
        "method": "PUT",
        "headers": {"X-Source": "billing"},
        "url": "https://app.example/invoices/:id",
        "authorization": "Bearer s3cr3t",
        "retry": {"delaysSeconds": [5, 60, 3_600], "jitter": 0.1},
        "timeoutMs": 10_000,
        "maxInFlight": 8,
        "rateLimit": {"requests": 50, "perSeconds": 1},
        "httpSignature": {"enabled": true},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::management::edition::Edition;

    fn described<F: JsonSchema>() -> Vec<String> {
        let schema = F::json_schema(&mut SchemaGenerator::default()).to_value();
        schema["properties"].as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn the_described_fields_are_those_that_are_written() {
        let (ocr, v1) = (described::<OcrFields>(), described::<V1Fields>());

        assert_eq!((ocr.len(), v1.len()), (Edition::Ocr.written().count(), Edition::V1.written().count()));
        assert!(ocr.iter().all(|field| Edition::Ocr.writes(field)), "{ocr:?}");
        assert!(v1.iter().all(|field| Edition::V1.writes(field)), "{v1:?}");
    }
}
