//! Hooks made, listed, shown and deleted. There is no way to change one.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::super::body::JsonBody;
use super::super::error::ApiError;
use super::super::query::Query;
use super::super::state::Api;
use super::CATALOG;
use super::caller::Manager;
use super::refusal::Refusal;
use crate::domain::event::EventType;
use crate::domain::ids::{ClientId, WebhookId};
use crate::domain::webhook::Webhook;
use crate::management::edition::Edition;
use crate::management::webhooks;
use crate::store::records::{Page, Scope};

/// How many webhooks are read at once for a list.
const READ_AT_ONCE: u32 = 200;

/// How many hooks an answer holds, unless it is asked for another number, and at most.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 200;

/// A hook. Its token is never shown.
#[derive(Serialize)]
pub(super) struct Hook {
    id: WebhookId,
    url: String,
    events: Vec<String>,
}

/// A part of all hooks.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Hooks {
    result_set_metadata: ResultSetMetadata,
    results: Vec<Hook>,
}

#[derive(Serialize)]
struct ResultSetMetadata {
    count: usize,
    offset: usize,
    limit: usize,
}

impl Hook {
    fn of(webhook: &Webhook) -> Self {
        let definition = &webhook.definition;
        let events = definition.events.iter().map(EventType::to_string).collect();
        Self { id: webhook.id, url: definition.url.as_str().to_owned(), events }
    }
}

pub(super) async fn create(State(api): State<Api>, manager: Manager, body: Result<JsonBody<()>, ApiError>) -> Result<Json<Hook>, Refusal> {
    let body = body?.object()?;
    refuse_unknown_codes(&api, &body)?;
    let mut definition = Map::from_iter([
        ("name".to_owned(), json!("Sienge hook")),
        ("catalog".to_owned(), json!(CATALOG)),
        ("url".to_owned(), body.get("url").cloned().unwrap_or_default()),
        ("events".to_owned(), body.get("events").cloned().unwrap_or_default()),
    ]);
    if let Some(token) = body.get("token").filter(|token| !token.is_null()) {
        let token = token.as_str().ok_or_else(|| Refusal::bad_request("token must be text"))?;
        definition.insert("authorization".to_owned(), json!(format!("Bearer {token}")));
    }
    let webhook = webhooks::create(api.desk(), &manager.caller.by(api.clock.now()), manager.client_id, definition, Edition::V1)
        .await
        .map_err(ApiError::from)?;
    Ok(Json(Hook::of(&webhook)))
}

fn refuse_unknown_codes(api: &Api, body: &Map<String, Value>) -> Result<(), Refusal> {
    let Some(catalog) = api.catalogs.named(CATALOG) else { return Err(ApiError::NotFound.into()) };
    let codes = body.get("events").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let unknown = codes.iter().filter_map(Value::as_str).filter(|code| catalog.canonical(code).is_none());
    let unknown: Vec<&str> = unknown.collect();
    if unknown.is_empty() { Ok(()) } else { Err(Refusal::bad_request(format!("unknown events: {}", unknown.join(", ")))) }
}

pub(super) async fn list(State(api): State<Api>, manager: Manager, query: Result<Query<()>, ApiError>) -> Result<Json<Hooks>, Refusal> {
    let mut query = query?;
    let limit = query.parsed::<usize>("limit").unwrap_or(DEFAULT_LIMIT);
    let offset = query.parsed::<usize>("offset").unwrap_or(0);
    query.finish()?;
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Refusal::bad_request(format!("limit must be 1 to {MAX_LIMIT}")));
    }
    let hooks = hooks_of(&api, manager.client_id).await?;
    let result_set_metadata = ResultSetMetadata { count: hooks.len(), offset, limit };
    Ok(Json(Hooks { result_set_metadata, results: hooks.into_iter().skip(offset).take(limit).collect() }))
}

pub(super) async fn show(State(api): State<Api>, manager: Manager, path: HookPath) -> Result<Json<Hook>, Refusal> {
    Ok(Json(Hook::of(&find(&api, manager.client_id, path).await?)))
}

pub(super) async fn remove(State(api): State<Api>, manager: Manager, path: HookPath) -> Result<StatusCode, Refusal> {
    let hook = find(&api, manager.client_id, path).await?;
    let now = api.clock.now();
    let scope = Scope::Client(manager.client_id);
    let deleted = api.store.delete_webhook(scope, hook.id, now, Some(manager.caller.actor(now))).await.map_err(ApiError::from)?;
    if deleted { Ok(StatusCode::OK) } else { Err(ApiError::NotFound.into()) }
}

/// Tenant and hook of a path.
type HookPath = Path<(String, String)>;

async fn find(api: &Api, client_id: ClientId, Path((_, id)): HookPath) -> Result<Webhook, Refusal> {
    let id = id.parse().map_err(|_| Refusal::bad_request("hookId must be a UUID"))?;
    let webhook = api.store.webhook(Scope::Client(client_id), id).await.map_err(ApiError::from)?;
    webhook.filter(is_hook).ok_or_else(|| ApiError::NotFound.into())
}

fn is_hook(webhook: &Webhook) -> bool {
    webhook.definition.catalog.as_ref().is_some_and(|catalog| catalog.as_str() == CATALOG)
}

/// All hooks of a client, the oldest first.
async fn hooks_of(api: &Api, client_id: ClientId) -> Result<Vec<Hook>, ApiError> {
    let (mut hooks, mut before) = (Vec::new(), None);
    loop {
        let page = api.store.webhooks(Scope::Client(client_id), Page { limit: READ_AT_ONCE, before }).await?;
        before = page.last().map(|last| last.id);
        hooks.extend(page.iter().filter(|webhook| is_hook(webhook)).map(Hook::of));
        if before.is_none() {
            hooks.reverse();
            return Ok(hooks);
        }
    }
}
