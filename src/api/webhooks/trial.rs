//! `test` and `preview`: a webhook's request as it would be sent, or sent once to see what comes back.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::super::auth::{Allowed, Caller};
use super::super::body::{JsonBody, OptionalBody};
use super::super::deliveries::AttemptView;
use super::super::error::ApiError;
use super::super::fields::{Fields, event_type, text};
use super::super::path::PathId;
use super::super::state::Api;
use super::fields::V1Fields;
use crate::domain::event::{Event, EventType, MAX_SUBJECT_CHARS};
use crate::domain::ids::{EventId, WebhookId};
use crate::domain::method::Method;
use crate::domain::permission::{ManageWebhooks, Operate};
use crate::domain::trial::{LoginPreview, RequestPreview, Unpresentable};
use crate::domain::webhook::Webhook;
use crate::management::edition::Edition;
use crate::management::trial::{WantedExample, example_for};
use crate::management::{definition, webhooks};

/// What the example is about.
#[derive(JsonSchema)]
#[schemars(example = json!({"subject": "7"}))]
#[expect(dead_code, reason = "it tells callers what `wanted_example` reads")]
pub(super) struct ExampleFields {
    /// The text that takes the place of `:id`; an id that no document has when it is left out.
    #[schemars(length(min = 1, max = MAX_SUBJECT_CHARS))]
    subject: Option<String>,
    /// What is said to have happened; the first type that the webhook wants when it is left out.
    r#type: Option<EventType>,
}

/// A webhook that is not stored, and what the example is about.
#[derive(JsonSchema)]
#[schemars(example = json!({
    "definition": {"name": "ERP", "type": 0, "method": "POST", "url": "https://example.com/documents/:id"}, "subject": "7"
}))]
#[expect(dead_code, reason = "it tells callers what `preview_unsaved` reads")]
pub(super) struct UnsavedFields {
    /// The webhook.
    definition: V1Fields,
    #[schemars(flatten)]
    about: ExampleFields,
}

/// A request as it would be sent, its secrets masked.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RequestPreview")]
pub(super) struct PreviewView {
    #[serde(flatten)]
    request: RequestView,
    /// The login before it; null if the webhook does not log in.
    login: Option<RequestView>,
}

/// A request, its secrets masked.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MaskedRequest")]
struct RequestView {
    /// How.
    method: Method,
    /// Where to.
    url: String,
    /// What is sent along; HTTP adds its own.
    #[schemars(with = "std::collections::BTreeMap<String, String>")]
    headers: Map<String, Value>,
    /// What it carries.
    body: Option<String>,
}

/// What came of a test.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "WebhookTest")]
pub(super) struct TestView {
    /// The `webhook-id` of the request.
    event_id: EventId,
    /// What was said to have happened.
    #[schemars(with = "EventType")]
    r#type: String,
    /// To what.
    subject: String,
    /// What came of it.
    attempt: AttemptView,
}

/// Sends an example to the receiver.
pub(super) async fn test(
    State(api): State<Api>,
    caller: Allowed<Operate>,
    PathId(id): PathId<WebhookId>,
    body: OptionalBody<ExampleFields>,
) -> Result<Json<TestView>, ApiError> {
    let webhook = webhooks::find(api.desk(), caller.scope(), id, Edition::V1).await?;
    let event = wanted_example(&api, &webhook, &body.object()?)?;
    let attempt = api.trials.test(webhook, &event).await?;
    tracing::info!(webhook.id = %id, event.id = %event.id, by = %caller.actor(api.clock.now()).key_id, "a webhook was tested");
    let attempt = AttemptView::of(&api, &attempt);
    Ok(Json(TestView { event_id: event.id, r#type: event.event_type.to_string(), subject: event.subject, attempt }))
}

/// Shows what would be sent.
pub(super) async fn preview(
    State(api): State<Api>,
    caller: Allowed<Operate>,
    PathId(id): PathId<WebhookId>,
    body: OptionalBody<ExampleFields>,
) -> Result<Json<PreviewView>, ApiError> {
    let webhook = webhooks::find(api.desk(), caller.scope(), id, Edition::V1).await?;
    show(&api, webhook, &body.object()?).await
}

/// Shows what a webhook would send that is not stored (yet): `{"definition": {…}, "subject"?, "type"?}`.
pub(super) async fn preview_unsaved(
    State(api): State<Api>,
    caller: Allowed<ManageWebhooks>,
    body: JsonBody<UnsavedFields>,
) -> Result<Json<PreviewView>, ApiError> {
    let object = body.object()?;
    let webhook = unsaved(&api, &caller, &object)?;
    show(&api, webhook, &object).await
}

async fn show(api: &Api, webhook: Webhook, object: &Map<String, Value>) -> Result<Json<PreviewView>, ApiError> {
    let event = wanted_example(api, &webhook, object)?;
    let preview = api.trials.preview(webhook, &event).await.map_err(|refused| match refused {
        Unpresentable::Request(words) => ApiError::field("subject", format!("makes no request: {words}")),
        Unpresentable::Login(words) => ApiError::field("authorizationBody", format!("makes no login: {words}")),
    })?;
    Ok(Json(preview.into()))
}

fn unsaved(api: &Api, caller: &Caller, object: &Map<String, Value>) -> Result<Webhook, ApiError> {
    let Some(written) = object.get("definition").and_then(Value::as_object) else {
        return Err(ApiError::field("definition", "must be a JSON object"));
    };
    let definition = definition::parse(&Edition::V1.known(written.clone()), Edition::V1, api.desk().rules)?;
    Ok(webhooks::unsaved(api.desk(), caller.client_id()?, definition, api.clock.now()))
}

/// The example that is asked for.
fn wanted_example(api: &Api, webhook: &Webhook, object: &Map<String, Value>) -> Result<Event, ApiError> {
    let mut fields = Fields::of(object);
    let subject = fields.optional("subject", |value| text(value, 1..=MAX_SUBJECT_CHARS));
    let event_type = fields.optional("type", event_type);
    fields.finish(Some(()))?;
    let wanted = WantedExample { subject: subject.map(str::to_owned), event_type };
    Ok(example_for(api.desk(), webhook, wanted, api.clock.now()))
}

impl From<RequestPreview> for PreviewView {
    fn from(preview: RequestPreview) -> Self {
        let RequestPreview { method, url, headers, body, login } = preview;
        let login = login.map(|LoginPreview { method, url, headers, body }| RequestView::of(method, url, headers, body.as_deref()));
        Self { request: RequestView::of(method, url, headers, body.as_deref()), login }
    }
}

impl RequestView {
    fn of(method: Method, url: String, headers: Vec<(String, String)>, body: Option<&[u8]>) -> Self {
        let headers = headers.into_iter().map(|(name, value)| (name, value.into())).collect();
        Self { method, url, headers, body: body.map(|body| String::from_utf8_lossy(body).into_owned()) }
    }
}
