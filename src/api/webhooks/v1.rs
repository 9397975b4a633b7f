//! `/v1/webhooks`: every field, every webhook, and holding deliveries back.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};

use super::super::auth::{Allowed, ManageWebhooks, Operate, Read};
use super::super::body::JsonBody;
use super::super::error::ApiError;
use super::super::path::PathId;
use super::super::query::{PageView, Query};
use super::super::state::Api;
use super::edition::Edition;
use super::view::{V1View, View};
use super::{actions, by_id, signing};
use crate::domain::ids::WebhookId;
use crate::domain::webhook::WebhookState;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/v1/webhooks", get(list).post(create))
        .route("/v1/webhooks/{id}", by_id::routes::<V1View>())
        .route("/v1/webhooks/{id}/pause", post(pause))
        .route("/v1/webhooks/{id}/resume", post(resume))
        .route("/v1/webhooks/{id}/rotate-secret", post(signing::rotate_secret))
}

async fn create(State(api): State<Api>, caller: Allowed<ManageWebhooks>, body: JsonBody) -> Result<(StatusCode, Json<V1View>), ApiError> {
    let webhook = actions::create(&api, &caller, body.object()?, Edition::V1).await?;
    Ok((StatusCode::CREATED, Json(V1View::of(&api, webhook))))
}

async fn list(State(api): State<Api>, caller: Allowed<Read>, mut query: Query) -> Result<Json<PageView<V1View>>, ApiError> {
    let page = query.page::<WebhookId>();
    query.finish()?;
    let webhooks = api.store.webhooks(caller.scope(), page.to_store()).await?;
    Ok(Json(page.show(webhooks, |webhook| webhook.id.as_uuid(), |webhook| V1View::of(&api, webhook))))
}

/// Its deliveries wait from now on.
async fn pause(State(api): State<Api>, caller: Allowed<Operate>, PathId(id): PathId<WebhookId>) -> Result<Json<V1View>, ApiError> {
    let webhook = actions::set_state(&api, &caller, id, WebhookState::Paused).await?;
    Ok(Json(V1View::of(&api, webhook)))
}

/// Its deliveries go out again; so do those of a webhook that the dispatcher disabled.
async fn resume(State(api): State<Api>, caller: Allowed<Operate>, PathId(id): PathId<WebhookId>) -> Result<Json<V1View>, ApiError> {
    let webhook = actions::set_state(&api, &caller, id, WebhookState::Active).await?;
    Ok(Json(V1View::of(&api, webhook)))
}
