//! `/v1/clients`: the tenants, managed by root keys.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::answer::{Created, NoContent};
use super::auth::Allowed;
use super::body::JsonBody;
use super::error::ApiError;
use super::fields::{Fields, name};
use super::openapi::{Name, Operation, Routes, Time};
use super::path::PathId;
use super::query::{PageParameters, PageView, Query};
use super::state::Api;
use crate::domain::client::Client;
use crate::domain::ids::ClientId;
use crate::domain::permission::ManageClients;
use crate::management::keys;

pub(super) fn routes() -> Routes {
    let remove_detail = "Its keys open nothing any more, its webhooks are deleted and its pending deliveries cancelled.";
    Routes::of("Clients", "The tenants that own webhooks, events and keys.")
        .get("/v1/clients", Operation::new("listClients", "Lists the clients"), list)
        .post("/v1/clients", Operation::new("createClient", "Makes a client"), create)
        .delete("/v1/clients/{id}", Operation::new("deleteClient", "Deletes a client").detail(remove_detail), remove)
}

/// A client to be made.
#[derive(JsonSchema)]
#[schemars(example = json!({"name": "Acme"}))]
#[expect(dead_code, reason = "it tells callers what `create` reads")]
struct ClientFields {
    /// What people call it: one line.
    #[schemars(with = "Name")]
    name: String,
}

/// A client.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Client")]
struct ClientView {
    /// Its id: `clientId` elsewhere.
    id: ClientId,
    /// What people call it.
    name: String,
    /// When it was made.
    #[schemars(with = "Time")]
    created_at: String,
}

async fn create(
    State(api): State<Api>,
    caller: Allowed<ManageClients>,
    body: JsonBody<ClientFields>,
) -> Result<Created<ClientView>, ApiError> {
    let object = body.object()?;
    let mut fields = Fields::of(&object);
    let name = fields.required("name", name);
    let name = fields.finish(name)?;
    let now = api.clock.now();
    let client = Client { id: api.ids.next(now), name, created_at: now };
    api.store.insert_client(client.clone(), Some(caller.actor(now))).await?;
    Ok(Created(ClientView::of(&api, client)))
}

async fn list(
    State(api): State<Api>,
    _: Allowed<ManageClients>,
    mut query: Query<PageParameters>,
) -> Result<Json<PageView<ClientView>>, ApiError> {
    let page = query.page::<ClientId>();
    query.finish()?;
    let clients = api.store.clients(page.to_store()).await?;
    Ok(Json(page.show(clients, |client| client.id.as_uuid(), |client| ClientView::of(&api, client))))
}

/// Its keys open nothing any more, here at once and on other nodes within seconds.
async fn remove(State(api): State<Api>, caller: Allowed<ManageClients>, PathId(id): PathId<ClientId>) -> Result<NoContent, ApiError> {
    let deleted = keys::delete_client(api.desk(), &caller.by(api.clock.now()), id).await?;
    if deleted { Ok(NoContent) } else { Err(ApiError::NotFound) }
}

impl ClientView {
    fn of(api: &Api, client: Client) -> Self {
        Self { id: client.id, name: client.name, created_at: api.written(client.created_at) }
    }
}
