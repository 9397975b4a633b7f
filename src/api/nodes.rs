//! `/v1/nodes`: the processes that share the store, for root keys.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use super::auth::Allowed;
use super::error::ApiError;
use super::openapi::{Operation, Routes, Time};
use super::state::Api;
use crate::domain::ids::NodeId;
use crate::domain::node::NodeRole;
use crate::domain::permission::ManageClients;
use crate::store::records::KnownNode;

pub(super) fn routes() -> Routes {
    Routes::of("Nodes", "The processes that share the store.").get("/v1/nodes", Operation::new("listNodes", "Lists the nodes"), list)
}

/// The nodes.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Nodes")]
struct NodesView {
    /// All of them: there are never so many that they would need pages.
    items: Vec<NodeView>,
}

/// A running process.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Node")]
struct NodeView {
    /// Its id; another one after every start.
    id: NodeId,
    /// What it calls itself.
    name: String,
    /// What it does.
    #[schemars(with = "NodeRole")]
    role: &'static str,
    /// Which version of the program it is.
    version: String,
    /// When it started.
    #[schemars(with = "Time")]
    started_at: String,
    /// Seconds since its last heartbeat, by the clock of the store.
    silent_seconds: f64,
    /// Deliveries that it has claimed.
    in_flight: u64,
}

async fn list(State(api): State<Api>, _: Allowed<ManageClients>) -> Result<Json<NodesView>, ApiError> {
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
