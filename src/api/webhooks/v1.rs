//! `/v1/webhooks`: every field, every webhook, holding deliveries back, and trying out.

use axum::Json;
use axum::extract::State;

use super::super::answer::Created;
use super::super::auth::Allowed;
use super::super::body::JsonBody;
use super::super::error::{ApiError, Conflict};
use super::super::openapi::{Operation, Routes};
use super::super::path::PathId;
use super::super::query::{PageParameters, PageView, Query};
use super::super::state::Api;
use super::by_id::Names;
use super::fields::V1Fields;
use super::view::{V1View, View};
use super::{by_id, signing, trial};
use crate::domain::ids::WebhookId;
use crate::domain::permission::{ManageWebhooks, Operate, Read};
use crate::domain::webhook::WebhookState;
use crate::management::edition::Edition;
use crate::management::webhooks;

const NAMES: Names = Names { show: "showWebhook", replace: "replaceWebhook", merge: "changeWebhook", delete: "deleteWebhook" };

pub(in super::super) fn routes() -> Routes {
    let create = Operation::new("createWebhook", "Makes a webhook").conflicts([Conflict::TypeTaken]);
    let pause = Operation::new("pauseWebhook", "Holds the deliveries of a webhook back").detail("They wait; none is dropped.");
    let resume = Operation::new("resumeWebhook", "Sends the deliveries of a webhook again")
        .detail("Also those of one that the dispatcher disabled.");
    let rotate = Operation::new("rotateSigningKey", "Makes a new key that signs the requests of a webhook")
        .detail("The key is in this answer alone. Until `previousValidUntil` the keys before it sign as well.")
        .conflicts([Conflict::TooManySigningKeys]);
    let test = Operation::new("testWebhook", "Sends an example to the receiver of a webhook, and tells what came back")
        .detail(
            "It goes the way of a delivery (login, signature, deadline), but out of the queue: it is kept nowhere, and tried once. \
             Its header `webhook-test: true` says what it is.",
        )
        .also_refuses([429]);
    let preview = Operation::new("previewWebhook", "Shows the request that a webhook would send")
        .detail("Nothing is sent. Secrets and signatures are masked.");
    let preview_unsaved = Operation::new("previewDefinition", "Shows the request that a webhook would send which is not stored")
        .detail("Nothing is sent, and nothing is stored. Secrets are masked.");
    let routes = Routes::of("Webhooks", "Where and how events are sent.")
        .get("/v1/webhooks", Operation::new("listWebhooks", "Lists the webhooks"), list)
        .post("/v1/webhooks", create, self::create);
    by_id::routes::<V1View>(routes, "/v1/webhooks/{id}", &NAMES)
        .post("/v1/webhooks/{id}/pause", pause, self::pause)
        .post("/v1/webhooks/{id}/resume", resume, self::resume)
        .post("/v1/webhooks/{id}/rotate-secret", rotate, signing::rotate_secret)
        .post("/v1/webhooks/{id}/test", test, trial::test)
        .post("/v1/webhooks/{id}/preview", preview, trial::preview)
        .post("/v1/webhooks/preview", preview_unsaved, trial::preview_unsaved)
}

async fn create(State(api): State<Api>, caller: Allowed<ManageWebhooks>, body: JsonBody<V1Fields>) -> Result<Created<V1View>, ApiError> {
    let webhook = webhooks::create(api.desk(), &caller.by(api.clock.now()), caller.client_id()?, body.object()?, Edition::V1).await?;
    Ok(Created(V1View::of(&api, webhook).await?))
}

async fn list(State(api): State<Api>, caller: Allowed<Read>, mut query: Query<PageParameters>) -> Result<Json<PageView<V1View>>, ApiError> {
    let page = query.page::<WebhookId>();
    query.finish()?;
    let webhooks = api.store.webhooks(caller.scope(), page.to_store()).await?;
    let lanes = api.lanes.views(&webhooks).await?;
    let shown: Vec<_> = webhooks.into_iter().zip(lanes).collect();
    Ok(Json(page.show(shown, |(webhook, _)| webhook.id.as_uuid(), |(webhook, lane)| V1View::shown(&api, webhook, &lane))))
}

/// Its deliveries wait from now on.
async fn pause(State(api): State<Api>, caller: Allowed<Operate>, PathId(id): PathId<WebhookId>) -> Result<Json<V1View>, ApiError> {
    let webhook = webhooks::set_state(api.desk(), &caller.by(api.clock.now()), id, WebhookState::Paused).await?;
    Ok(Json(V1View::of(&api, webhook).await?))
}

/// Its deliveries go out again; so do those of a webhook that the dispatcher disabled.
async fn resume(State(api): State<Api>, caller: Allowed<Operate>, PathId(id): PathId<WebhookId>) -> Result<Json<V1View>, ApiError> {
    let webhook = webhooks::set_state(api.desk(), &caller.by(api.clock.now()), id, WebhookState::Active).await?;
    Ok(Json(V1View::of(&api, webhook).await?))
}
