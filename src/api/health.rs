//! Whether the process lives, and whether it can do its work. Open to everybody.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use super::error::ApiError;
use super::state::Api;

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/healthz", get(alive)).route("/readyz", get(ready))
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
