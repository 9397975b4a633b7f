//! Sienge's own way to manage hooks, exactly as its customers know it: paths, HTTP Basic, statuses and bodies.
//!
//! A hook is a webhook in the way of the catalogue `sienge`; everything else about it is done under `/v1`.

mod caller;
mod hooks;
mod refusal;

use axum::Router;
use axum::routing::get;

use super::state::Api;

/// The catalogue whose webhooks are hooks.
const CATALOG: &str = "sienge";

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/{tenant}/public/api/v1/hooks", get(hooks::list).post(hooks::create))
        .route("/{tenant}/public/api/v1/hooks/{hook_id}", get(hooks::show).delete(hooks::remove))
}
