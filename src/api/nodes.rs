//! `/v1/nodes`: the processes that share the store, for root keys.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use super::auth::{Allowed, ManageClients};
use super::error::ApiError;
use super::query::Query;
use super::state::Api;
use crate::domain::ids::NodeId;
use crate::store::records::KnownNode;

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/v1/nodes", get(list))
}

#[derive(Serialize)]
struct NodesView {
    items: Vec<NodeView>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeView {
    id: NodeId,
    name: String,
    role: &'static str,
    version: String,
    started_at: String,
    /// Seconds since its last heartbeat, by the clock of the store.
    silent_seconds: f64,
    in_flight: u64,
}

/// All of them: there are never so many that they would need pages.
async fn list(State(api): State<Api>, _: Allowed<ManageClients>, query: Query) -> Result<Json<NodesView>, ApiError> {
    query.finish()?;
    let items = api.store.nodes().await?.into_iter().map(|known| NodeView::of(&api, known)).collect();
    Ok(Json(NodesView { items }))
}

impl NodeView {
    fn of(api: &Api, known: KnownNode) -> Self {
        let KnownNode { node, silent_for, claims } = known;
        Self {
            id: node.id,
            name: node.name,
            role: node.role.as_str(),
            version: node.version,
            started_at: api.written(node.started_at),
            silent_seconds: (silent_for.as_secs_f64() * 1_000.0).round() / 1_000.0,
            in_flight: claims,
        }
    }
}
