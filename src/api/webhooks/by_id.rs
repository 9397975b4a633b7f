//! One webhook by its id: shown, changed and deleted alike under every path, in the words of the path's edition.

use axum::Json;
use axum::extract::State;

use super::super::answer::NoContent;
use super::super::auth::Allowed;
use super::super::body::JsonBody;
use super::super::error::{ApiError, Conflict};
use super::super::openapi::{Operation, Routes};
use super::super::path::PathId;
use super::super::state::Api;
use super::fields::Patch;
use super::view::View;
use crate::domain::ids::WebhookId;
use crate::domain::permission::{ManageWebhooks, Read};
use crate::management::change::Change;
use crate::management::webhooks;

/// What the operations on one webhook are called under a path.
pub(super) struct Names {
    pub(super) show: &'static str,
    pub(super) replace: &'static str,
    pub(super) merge: &'static str,
    pub(super) delete: &'static str,
}

/// These routes and those for one webhook.
pub(super) fn routes<V: View>(routes: Routes, path: &'static str, names: &Names) -> Routes {
    let conflicts = [Conflict::TypeTaken, Conflict::ChangedMeanwhile];
    let replace = Operation::new(names.replace, "Replaces a webhook")
        .detail("What is left out is absent afterwards, but `authorization` and `authorizationBody` stay; null takes them away.")
        .conflicts(conflicts);
    let merge = Operation::new(names.merge, "Changes some fields of a webhook").conflicts(conflicts);
    let delete = Operation::new(names.delete, "Deletes a webhook").detail("Its pending deliveries become cancelled.");
    routes
        .get(path, Operation::new(names.show, "Shows a webhook"), show::<V>)
        .put(path, replace, self::replace::<V>)
        .patch(path, merge, self::merge::<V>)
        .delete(path, delete, self::delete::<V>)
}

async fn show<V: View>(State(api): State<Api>, caller: Allowed<Read>, PathId(id): PathId<WebhookId>) -> Result<Json<V>, ApiError> {
    let webhook = webhooks::find(api.desk(), caller.scope(), id, V::EDITION).await?;
    Ok(Json(V::of(&api, webhook).await?))
}

async fn replace<V: View>(
    State(api): State<Api>,
    caller: Allowed<ManageWebhooks>,
    PathId(id): PathId<WebhookId>,
    body: JsonBody<V::Fields>,
) -> Result<Json<V>, ApiError> {
    let webhook = webhooks::update(api.desk(), &caller.by(api.clock.now()), id, body.object()?, (Change::Replace, V::EDITION)).await?;
    Ok(Json(V::of(&api, webhook).await?))
}

async fn merge<V: View>(
    State(api): State<Api>,
    caller: Allowed<ManageWebhooks>,
    PathId(id): PathId<WebhookId>,
    body: JsonBody<Patch<V::Fields>>,
) -> Result<Json<V>, ApiError> {
    let webhook = webhooks::update(api.desk(), &caller.by(api.clock.now()), id, body.object()?, (Change::Merge, V::EDITION)).await?;
    Ok(Json(V::of(&api, webhook).await?))
}

async fn delete<V: View>(
    State(api): State<Api>,
    caller: Allowed<ManageWebhooks>,
    PathId(id): PathId<WebhookId>,
) -> Result<NoContent, ApiError> {
    webhooks::delete(api.desk(), &caller.by(api.clock.now()), id, V::EDITION).await?;
    Ok(NoContent)
}
