//! Deliveries and dead letters: what became of events, and a person's hand in it.

mod filter;
mod view;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};

use self::view::{DetailView, SummaryView};
use super::auth::{Allowed, Operate, Read};
use super::error::{ApiError, Conflict};
use super::path::PathId;
use super::query::{PageView, Query};
use super::state::Api;
use crate::domain::delivery::DeliveryState;
use crate::domain::ids::DeliveryId;
use crate::store::records::{DeliveryChange, DeliveryDetail, Scope};

pub(super) use self::view::DeliveryView;

/// A page of deliveries.
type List = Json<PageView<SummaryView>>;

/// A delivery that was changed.
type Changed = (StatusCode, Json<SummaryView>);

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/v1/deliveries", get(list))
        .route("/v1/deliveries/{id}", get(show))
        .route("/v1/deliveries/{id}/redeliver", post(redeliver))
        .route("/v1/deliveries/{id}/cancel", post(cancel))
        .route("/v1/dead-letters", get(dead_letters))
}

async fn list(State(api): State<Api>, caller: Allowed<Read>, mut query: Query) -> Result<List, ApiError> {
    let state = query.parsed("state");
    page(&api, caller.scope(), state, query).await
}

async fn dead_letters(State(api): State<Api>, caller: Allowed<Read>, query: Query) -> Result<List, ApiError> {
    page(&api, caller.scope(), Some(DeliveryState::DeadLettered), query).await
}

async fn page(api: &Api, scope: Scope, state: Option<DeliveryState>, mut query: Query) -> Result<List, ApiError> {
    let filter = filter::read(&mut query, scope, state);
    let page = query.page::<DeliveryId>();
    query.finish()?;
    let deliveries = api.store.deliveries(filter, page.to_store()).await?;
    let id = |summary: &crate::store::records::DeliverySummary| summary.delivery.id.as_uuid();
    Ok(Json(page.show(deliveries, id, |summary| SummaryView::of(api, summary))))
}

async fn show(State(api): State<Api>, caller: Allowed<Read>, PathId(id): PathId<DeliveryId>) -> Result<Json<DetailView>, ApiError> {
    let detail = find(&api, caller.scope(), id).await?;
    Ok(Json(DetailView::of(&api, detail)))
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
            Ok((StatusCode::ACCEPTED, Json(SummaryView::of(api, detail.summary))))
        }
        DeliveryChange::NotFound => Err(ApiError::NotFound),
        DeliveryChange::NotAllowedIn(state) => Err(not_allowed(state).into()),
        DeliveryChange::WebhookDeleted => Err(Conflict::WebhookDeleted.into()),
    }
}

async fn find(api: &Api, scope: Scope, id: DeliveryId) -> Result<DeliveryDetail, ApiError> {
    api.store.delivery(scope, id).await?.ok_or(ApiError::NotFound)
}
