//! Whether the process lives, and whether it can do its work. Open to everybody.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use super::error::ApiError;
use super::state::Api;

const ALIVE: &str = "/healthz";
const READY: &str = "/readyz";

pub(super) fn routes() -> Router<Api> {
    Router::new().route(ALIVE, get(alive)).route(READY, get(ready))
}

/// Whether this is asked for at `path`.
pub(super) fn is_path(path: &str) -> bool {
    path == ALIVE || path == READY
}

#[derive(Serialize)]
struct Health {
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
