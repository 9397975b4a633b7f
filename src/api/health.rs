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
        .detail("It cannot while the store is out of reach or of another version.")
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

const OK: Json<Health> = Json(Health { status: "ok" });

async fn alive() -> Json<Health> {
    OK
}

async fn ready(State(api): State<Api>) -> Result<Json<Health>, ApiError> {
    api.store.check().await.map_err(ApiError::NotReady)?;
    Ok(OK)
}
