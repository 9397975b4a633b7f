//! Deliveries and dead letters: what became of events, and a person's hand in it.

mod filter;
mod view;

use axum::Json;
use axum::extract::State;

use self::filter::{DeadLetterParameters, DeliveryParameters};
use self::view::{DetailView, SummaryView};
use super::answer::Accepted;
use super::auth::Allowed;
use super::error::{ApiError, Conflict};
use super::openapi::{Operation, Routes};
use super::path::PathId;
use super::query::{PageView, Query};
use super::state::Api;
use crate::domain::delivery::DeliveryState;
use crate::domain::ids::DeliveryId;
use crate::domain::permission::{Operate, Read};
use crate::store::records::{DeliveryChange, DeliveryDetail, Scope};

pub(super) use self::view::{AttemptView, DeliveryView};

/// A page of deliveries.
type List = Json<PageView<SummaryView>>;

/// A delivery that was changed.
type Changed = Accepted<SummaryView>;

pub(super) fn routes() -> Routes {
    let show = Operation::new("showDelivery", "Shows a delivery with its attempts, and why it stands where it stands");
    let redeliver = Operation::new("redeliverDelivery", "Sends a delivery again")
        .detail("It is pending again, with a new series of attempts. Receivers see the same `webhook-id`.")
        .conflicts([Conflict::NotRedeliverable(DeliveryState::InFlight), Conflict::WebhookDeleted]);
    let cancel = Operation::new("cancelDelivery", "Calls a pending delivery off")
        .conflicts([Conflict::NotCancellable(DeliveryState::Delivered), Conflict::WebhookDeleted]);
    Routes::of("Deliveries", "Events on their way to webhooks, and those that were given up.")
        .get("/v1/deliveries", Operation::new("listDeliveries", "Lists deliveries"), list)
        .get("/v1/deliveries/{id}", show, self::show)
        .post("/v1/deliveries/{id}/redeliver", redeliver, self::redeliver)
        .post("/v1/deliveries/{id}/cancel", cancel, self::cancel)
        .get("/v1/dead-letters", Operation::new("listDeadLetters", "Lists the deliveries that were given up"), dead_letters)
}

async fn list(State(api): State<Api>, caller: Allowed<Read>, mut query: Query<DeliveryParameters>) -> Result<List, ApiError> {
    let state = query.parsed("state");
    page(&api, caller.scope(), state, query).await
}

async fn dead_letters(State(api): State<Api>, caller: Allowed<Read>, query: Query<DeadLetterParameters>) -> Result<List, ApiError> {
    page(&api, caller.scope(), Some(DeliveryState::DeadLettered), query).await
}

async fn page<P>(api: &Api, scope: Scope, state: Option<DeliveryState>, mut query: Query<P>) -> Result<List, ApiError> {
    let filter = filter::read(&mut query, scope, state);
    let page = query.page::<DeliveryId>();
    query.finish()?;
    let deliveries = api.store.deliveries(filter, page.to_store()).await?;
    let id = |summary: &crate::store::records::DeliverySummary| summary.delivery.id.as_uuid();
    Ok(Json(page.show(deliveries, id, |summary| SummaryView::of(api, summary))))
}

async fn show(State(api): State<Api>, caller: Allowed<Read>, PathId(id): PathId<DeliveryId>) -> Result<Json<DetailView>, ApiError> {
    let detail = find(&api, caller.scope(), id).await?;
    let served = api.lanes.view(&detail.webhook).await?;
    Ok(Json(DetailView::of(&api, detail, &served.lane)))
}

async fn redeliver(State(api): State<Api>, caller: Allowed<Operate>, PathId(id): PathId<DeliveryId>) -> Result<Changed, ApiError> {
    let now = api.clock.now();
    let change = api.store.redeliver(caller.scope(), id, now, Some(caller.actor(now))).await?;
    changed(&api, caller.scope(), id, change, Conflict::NotRedeliverable).await
}

async fn cancel(State(api): State<Api>, caller: Allowed<Operate>, PathId(id): PathId<DeliveryId>) -> Result<Changed, ApiError> {
    let now = api.clock.now();
    let change = api.store.cancel(caller.scope(), id, now, Some(caller.actor(now))).await?;
    changed(&api, caller.scope(), id, change, Conflict::NotCancellable).await
}

async fn changed(
    api: &Api,
    scope: Scope,
    id: DeliveryId,
    change: DeliveryChange,
    not_allowed: fn(DeliveryState) -> Conflict,
) -> Result<Changed, ApiError> {
    match change {
        DeliveryChange::Changed => {
            let detail = find(api, scope, id).await?;
            Ok(Accepted(SummaryView::of(api, detail.summary)))
        }
        DeliveryChange::NotFound => Err(ApiError::NotFound),
        DeliveryChange::NotAllowedIn(state) => Err(not_allowed(state).into()),
        DeliveryChange::WebhookDeleted => Err(Conflict::WebhookDeleted.into()),
    }
}

async fn find(api: &Api, scope: Scope, id: DeliveryId) -> Result<DeliveryDetail, ApiError> {
    api.store.delivery(scope, id).await?.ok_or(ApiError::NotFound)
}
