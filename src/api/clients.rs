//! `/v1/clients`: the tenants, managed by root keys.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{delete, get};
use axum::{Json, Router};
use serde::Serialize;

use super::auth::{Allowed, ManageClients};
use super::body::JsonBody;
use super::error::ApiError;
use super::fields::{Fields, name};
use super::path::PathId;
use super::query::{PageView, Query};
use super::state::Api;
use crate::domain::client::Client;
use crate::domain::ids::ClientId;

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/v1/clients", get(list).post(create)).route("/v1/clients/{id}", delete(remove))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClientView {
    id: ClientId,
    name: String,
    created_at: String,
}

async fn create(
    State(api): State<Api>,
    caller: Allowed<ManageClients>,
    body: JsonBody,
) -> Result<(StatusCode, Json<ClientView>), ApiError> {
    let object = body.object()?;
    let mut fields = Fields::of(&object);
    let name = fields.required("name", name);
    let name = fields.finish(name)?;
    let now = api.clock.now();
    let client = Client { id: api.ids.next(now), name, created_at: now };
    api.store.insert_client(client.clone(), Some(caller.actor(now))).await?;
    Ok((StatusCode::CREATED, Json(ClientView::of(&api, client))))
}

async fn list(State(api): State<Api>, _: Allowed<ManageClients>, mut query: Query) -> Result<Json<PageView<ClientView>>, ApiError> {
    let page = query.page::<ClientId>();
    query.finish()?;
    let clients = api.store.clients(page.to_store()).await?;
    Ok(Json(page.show(clients, |client| client.id.as_uuid(), |client| ClientView::of(&api, client))))
}

/// Its keys open nothing any more, here at once and on other nodes within seconds.
async fn remove(State(api): State<Api>, caller: Allowed<ManageClients>, PathId(id): PathId<ClientId>) -> Result<StatusCode, ApiError> {
    let now = api.clock.now();
    let deleted = api.store.delete_client(id, now, Some(caller.actor(now))).await?;
    api.keys.forget();
    if deleted { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::NotFound) }
}

impl ClientView {
    fn of(api: &Api, client: Client) -> Self {
        Self { id: client.id, name: client.name, created_at: api.written(client.created_at) }
    }
}
