//! A webhook as callers see it. `authorizationBody` has no place here, and other secrets come masked.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::{Map, Value};

use super::super::error::ApiError;
use super::super::openapi::Time;
use super::super::state::Api;
use super::client_certificate::ClientCertificateView;
use super::fields::{OcrFields, V1Fields};
use super::lane_view::LaneView;
use super::signing::SigningView;
use crate::domain::authorization::mask_authorization;
use crate::domain::catalog::CatalogName;
use crate::domain::event::EventType;
use crate::domain::headers::{Headers, MASK};
use crate::domain::ids::{ClientId, WebhookId};
use crate::domain::lane::ServedLane;
use crate::domain::method::Method;
use crate::domain::rate_limit::RateLimit;
use crate::domain::retry::RetryPolicy;
use crate::domain::webhook::{DisableReason, Webhook, WebhookState};
use crate::management::edition::Edition;

/// The OCR service's document: exactly these keys, in this order, null for what is absent.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "OcrWebhook")]
pub(super) struct OcrView {
    /// Its id.
    id: WebhookId,
    /// Whose it is.
    client_id: ClientId,
    /// What people call it.
    name: String,
    /// The code of what it is called for; null for a webhook that names its events itself.
    r#type: Option<i64>,
    /// How it is called.
    method: Method,
    /// Headers that are sent along; those that hold secrets masked.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    headers: Option<Map<String, Value>>,
    /// The word before a fetched access token.
    header_auth: Option<String>,
    /// Where it is called, with `:id` for the subject of the event.
    url: String,
    /// The fixed `Authorization` header, masked.
    authorization: Option<String>,
    /// Where an access token is fetched.
    authorization_url: Option<String>,
    /// How it is fetched.
    authorization_method: Option<Method>,
    /// Headers of the login; those that hold secrets masked.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    authorization_headers: Option<Map<String, Value>>,
    /// Which attribute of the answer holds the access token.
    authorization_response_token_attr: Option<String>,
    /// When it was made.
    #[schemars(with = "Time")]
    created_at: String,
    /// When its definition was last changed.
    #[schemars(with = "Time")]
    updated_at: String,
}

/// The OCR service's fields of a webhook and what there is besides.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Webhook")]
pub(super) struct V1View {
    #[serde(flatten)]
    ocr: OcrView,
    /// The event types that it is called for.
    #[schemars(with = "Vec<EventType>")]
    events: Vec<String>,
    /// The catalogue in whose way it is called; null for the dispatcher's own way.
    #[schemars(with = "Option<CatalogName>")]
    catalog: Option<String>,
    /// Whether it is called.
    #[schemars(with = "WebhookState")]
    state: &'static str,
    /// Why the dispatcher disabled it; null if it did not.
    #[schemars(with = "Option<DisableReason>")]
    disable_reason: Option<&'static str>,
    /// Its own schedule of attempts; null for the configuration's.
    #[schemars(with = "Option<RetryView>")]
    retry: Option<RetryPolicy>,
    /// Its own limit for an attempt in milliseconds; null for the configuration's.
    #[schemars(with = "Option<u64>")]
    timeout_ms: Option<u128>,
    /// Its own limit of requests under way; null for the configuration's.
    max_in_flight: Option<u32>,
    /// How many requests may start in a while; null for any number.
    #[schemars(with = "Option<RateLimitView>")]
    rate_limit: Option<RateLimit>,
    /// Whether requests carry an HTTP message signature (RFC 9421).
    http_signature: HttpSignatureView,
    /// By which its requests show who calls (mutual TLS); null without one.
    client_certificate: Option<ClientCertificateView>,
    /// The key of that certificate, masked.
    client_key: Option<&'static str>,
    /// What is known of the keys that sign; null if nothing is signed.
    signing: Option<SigningView>,
    /// How its lane stands on the node that serves it.
    lane: LaneView,
}

/// Whether there is an HTTP message signature.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "HttpSignature")]
struct HttpSignatureView {
    /// Whether there is one.
    enabled: bool,
}

/// A schedule of attempts.
#[derive(JsonSchema)]
#[schemars(rename = "Retry", rename_all = "camelCase")]
#[expect(dead_code, reason = "it tells callers how a `RetryPolicy` is written")]
pub(in super::super) struct RetryView {
    /// How long to wait after the first, the second, … failed attempt.
    delays_seconds: Vec<u64>,
    /// By which part of it chance lengthens or shortens each delay.
    jitter: f64,
}

/// At most so many starts in any period of so many seconds.
#[derive(JsonSchema)]
#[schemars(rename = "RateLimit", rename_all = "camelCase")]
#[expect(dead_code, reason = "it tells callers how a `RateLimit` is written")]
struct RateLimitView {
    /// How many requests.
    requests: u32,
    /// In how many seconds.
    per_seconds: u32,
}

/// A way to show a webhook.
pub(super) trait View: Serialize + JsonSchema + Sized + Send + 'static {
    /// What callers write to make or change one.
    type Fields: JsonSchema + 'static;

    /// Which fields it is about.
    const EDITION: Edition;

    /// What callers see of `webhook`.
    fn of(api: &Api, webhook: Webhook) -> impl Future<Output = Result<Self, ApiError>> + Send;
}

impl View for OcrView {
    type Fields = OcrFields;

    const EDITION: Edition = Edition::Ocr;

    async fn of(api: &Api, webhook: Webhook) -> Result<Self, ApiError> {
        Ok(Self::shown(api, webhook))
    }
}

impl OcrView {
    /// What callers of the OCR service's routes see of `webhook`.
    pub(super) fn shown(api: &Api, webhook: Webhook) -> Self {
        let (created_at, updated_at) = (api.written(webhook.created_at), api.written(webhook.updated_at));
        let definition = webhook.definition;
        let authorization = definition.authorization;
        Self {
            id: webhook.id,
            client_id: webhook.client_id,
            name: definition.name,
            r#type: definition.type_code,
            method: definition.method,
            headers: definition.headers.as_ref().map(masked),
            header_auth: authorization.header_auth,
            url: definition.url.as_str().to_owned(),
            authorization: authorization.fixed.map(|fixed| mask_authorization(fixed.expose_secret())),
            authorization_url: authorization.url.map(|url| url.as_str().to_owned()),
            authorization_method: authorization.method,
            authorization_headers: authorization.headers.as_ref().map(masked),
            authorization_response_token_attr: authorization.response_token_attr,
            created_at,
            updated_at,
        }
    }
}

impl View for V1View {
    type Fields = V1Fields;

    const EDITION: Edition = Edition::V1;

    async fn of(api: &Api, webhook: Webhook) -> Result<Self, ApiError> {
        let lane = api.lanes.view(&webhook).await?;
        Ok(Self::shown(api, webhook, &lane))
    }
}

impl V1View {
    /// What callers see of `webhook`, whose lane stands so.
    pub(super) fn shown(api: &Api, webhook: Webhook, lane: &ServedLane) -> Self {
        let delivery = webhook.definition.delivery.clone();
        let certificate = webhook.definition.authorization.client_certificate.as_deref();
        let certificate = certificate.map(|certificate| ClientCertificateView::of(api, certificate));
        Self {
            events: webhook.definition.events.iter().map(EventType::to_string).collect(),
            catalog: webhook.definition.catalog.as_ref().map(CatalogName::to_string),
            state: webhook.state.as_str(),
            disable_reason: match webhook.state {
                WebhookState::Disabled(reason) => Some(reason.as_str()),
                WebhookState::Active | WebhookState::Paused => None,
            },
            retry: delivery.retry,
            timeout_ms: delivery.timeout.map(|timeout| timeout.as_millis()),
            max_in_flight: delivery.max_in_flight,
            rate_limit: delivery.rate_limit,
            http_signature: HttpSignatureView { enabled: delivery.http_signature },
            client_key: certificate.is_some().then_some(MASK),
            client_certificate: certificate,
            signing: SigningView::of(api, &webhook.signing_keys),
            lane: LaneView::of(api, lane),
            ocr: OcrView::shown(api, webhook),
        }
    }
}

fn masked(headers: &Headers) -> Map<String, Value> {
    headers.masked().map(|(name, value)| (name.to_owned(), value.into())).collect()
}
