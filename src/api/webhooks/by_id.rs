//! One webhook by its id: shown, changed and deleted alike under every path, in the words of the path's edition.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{MethodRouter, get};

use super::super::auth::{Allowed, ManageWebhooks, Read};
use super::super::body::JsonBody;
use super::super::error::ApiError;
use super::super::path::PathId;
use super::super::state::Api;
use super::actions;
use super::change::Change;
use super::view::View;
use crate::domain::ids::WebhookId;

pub(super) fn routes<V: View>() -> MethodRouter<Api> {
    get(show::<V>).put(replace::<V>).patch(merge::<V>).delete(delete::<V>)
}

async fn show<V: View>(State(api): State<Api>, caller: Allowed<Read>, PathId(id): PathId<WebhookId>) -> Result<Json<V>, ApiError> {
    let webhook = actions::find(&api, caller.scope(), id, V::EDITION).await?;
    Ok(Json(V::of(&api, webhook)))
}

async fn replace<V: View>(
    State(api): State<Api>,
    caller: Allowed<ManageWebhooks>,
    PathId(id): PathId<WebhookId>,
    body: JsonBody,
) -> Result<Json<V>, ApiError> {
    let webhook = actions::update(&api, &caller, id, body.object()?, (Change::Replace, V::EDITION)).await?;
    Ok(Json(V::of(&api, webhook)))
}

async fn merge<V: View>(
    State(api): State<Api>,
    caller: Allowed<ManageWebhooks>,
    PathId(id): PathId<WebhookId>,
    body: JsonBody,
) -> Result<Json<V>, ApiError> {
    let webhook = actions::update(&api, &caller, id, body.object()?, (Change::Merge, V::EDITION)).await?;
    Ok(Json(V::of(&api, webhook)))
}

async fn delete<V: View>(
    State(api): State<Api>,
    caller: Allowed<ManageWebhooks>,
    PathId(id): PathId<WebhookId>,
) -> Result<StatusCode, ApiError> {
    actions::delete(&api, &caller, id, V::EDITION).await?;
    Ok(StatusCode::NO_CONTENT)
}
