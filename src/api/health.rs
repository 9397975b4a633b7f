//! Whether the process lives, and whether it can do its work. Open to everybody.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use super::error::ApiError;
use super::openapi::{Operation, Routes};
use super::state::Api;

const ALIVE: &str = "/healthz";
const READY: &str = "/readyz";

pub(super) fn routes() -> Routes {
    let readiness = Operation::new("showReadiness", "Says whether the process can do its work")
        .detail(
            "It cannot while the store is out of reach or of another version. That the store is full does not make it unready: \
             what is there is still delivered and shown, and only new events are told to come again later; `intake` says so.",
        )
        .also_refuses([503]);
    Routes::of("Health", "Whether the process lives, and whether it can do its work. No key is needed.")
        .get(ALIVE, Operation::new("showHealth", "Says that the process lives"), alive)
        .get(READY, readiness, ready)
}

/// Whether this is asked for at `path`.
pub(super) fn is_path(path: &str) -> bool {
    path == ALIVE || path == READY
}

/// That all is well.
#[derive(Serialize, JsonSchema)]
struct Health {
    /// Always `ok`.
    status: &'static str,
}

/// That the process can do its work, and whether that is all of it.
#[derive(Serialize, JsonSchema)]
struct Readiness {
    /// Always `ok`.
    status: &'static str,
    /// `open`, or `full` while new events are answered 503 for want of room.
    intake: &'static str,
}

async fn alive() -> Json<Health> {
    Json(Health { status: "ok" })
}

async fn ready(State(api): State<Api>) -> Result<Json<Readiness>, ApiError> {
    api.store.check().await.map_err(ApiError::NotReady)?;
    Ok(Json(Readiness { status: "ok", intake: if api.intake.has_room() { "open" } else { "full" } }))
}
