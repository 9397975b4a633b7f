//! A webhook as callers see it. `authorizationBody` has no place here, and other secrets come masked.

use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::{Map, Value};

use super::super::state::Api;
use super::edition::Edition;
use super::lane_view::LaneView;
use super::signing::SigningView;
use crate::domain::authorization::mask_authorization;
use crate::domain::event::EventType;
use crate::domain::headers::Headers;
use crate::domain::ids::{ClientId, WebhookId};
use crate::domain::method::Method;
use crate::domain::rate_limit::RateLimit;
use crate::domain::retry::RetryPolicy;
use crate::domain::webhook::{Webhook, WebhookState};

/// The OCR service's document: exactly these keys, in this order, null for what is absent.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OcrView {
    id: WebhookId,
    client_id: ClientId,
    name: String,
    r#type: Option<i64>,
    method: Method,
    headers: Option<Map<String, Value>>,
    header_auth: Option<String>,
    url: String,
    authorization: Option<String>,
    authorization_url: Option<String>,
    authorization_method: Option<Method>,
    authorization_headers: Option<Map<String, Value>>,
    authorization_response_token_attr: Option<String>,
    created_at: String,
    updated_at: String,
}

/// The same and what `/v1` has besides.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct V1View {
    #[serde(flatten)]
    ocr: OcrView,
    events: Vec<String>,
    state: &'static str,
    disable_reason: Option<&'static str>,
    retry: Option<RetryPolicy>,
    timeout_ms: Option<u128>,
    max_in_flight: Option<u32>,
    rate_limit: Option<RateLimit>,
    http_signature: HttpSignatureView,
    signing: Option<SigningView>,
    lane: LaneView,
}

#[derive(Serialize)]
struct HttpSignatureView {
    enabled: bool,
}

/// A way to show a webhook.
pub(super) trait View: Serialize + Send + 'static {
    /// Which fields it is about.
    const EDITION: Edition;

    /// What callers see of `webhook`.
    fn of(api: &Api, webhook: Webhook) -> Self;
}

impl View for OcrView {
    const EDITION: Edition = Edition::Ocr;

    fn of(api: &Api, webhook: Webhook) -> Self {
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
    const EDITION: Edition = Edition::V1;

    fn of(api: &Api, webhook: Webhook) -> Self {
        let delivery = webhook.definition.delivery.clone();
        Self {
            events: webhook.definition.events.iter().map(EventType::to_string).collect(),
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
            signing: SigningView::of(api, &webhook.signing_keys),
            lane: LaneView::of(api, &api.lanes.view(&webhook)),
            ocr: OcrView::of(api, webhook),
        }
    }
}

fn masked(headers: &Headers) -> Map<String, Value> {
    headers.masked().map(|(name, value)| (name.to_owned(), value.into())).collect()
}
