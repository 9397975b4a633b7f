//! `/v1/events`: events with their deliveries. Handing them in is `enqueue`'s.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use serde_json::value::RawValue;

use super::auth::{Allowed, Read};
use super::deliveries::DeliveryView;
use super::enqueue;
use super::error::ApiError;
use super::path::PathId;
use super::query::{PageView, Query};
use super::state::Api;
use crate::domain::ids::{ClientId, EventId};
use crate::store::records::{EventDetail, EventFilter};

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/v1/events", get(list).merge(enqueue::events())).route("/v1/events/{id}", get(show))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventView {
    id: EventId,
    client_id: ClientId,
    r#type: String,
    subject: String,
    created_at: String,
    deliveries: Vec<DeliveryView>,
}

/// An event with its payload, in the very bytes that came; lists leave it out, for it may be large.
#[derive(Serialize)]
struct EventWithPayload {
    #[serde(flatten)]
    event: EventView,
    payload: Option<Box<RawValue>>,
}

async fn list(State(api): State<Api>, caller: Allowed<Read>, mut query: Query) -> Result<Json<PageView<EventView>>, ApiError> {
    let filter = EventFilter { scope: caller.scope(), event_type: query.parsed("type"), subject: query.text("subject") };
    let page = query.page::<EventId>();
    query.finish()?;
    let mut found = Vec::new();
    for event in api.store.events(filter, page.to_store()).await? {
        // Retention may take an event away between the two reads.
        found.extend(api.store.event(caller.scope(), event.id).await?);
    }
    Ok(Json(page.show(found, |detail| detail.event.id.as_uuid(), |detail| EventView::of(&api, &detail))))
}

async fn show(State(api): State<Api>, caller: Allowed<Read>, PathId(id): PathId<EventId>) -> Result<Json<EventWithPayload>, ApiError> {
    let detail = api.store.event(caller.scope(), id).await?.ok_or(ApiError::NotFound)?;
    let payload = str::from_utf8(&detail.event.payload).ok().and_then(|text| RawValue::from_string(text.to_owned()).ok());
    Ok(Json(EventWithPayload { event: EventView::of(&api, &detail), payload }))
}

impl EventView {
    fn of(api: &Api, detail: &EventDetail) -> Self {
        let event = &detail.event;
        Self {
            id: event.id,
            client_id: event.client_id,
            r#type: event.event_type.to_string(),
            subject: event.subject.clone(),
            created_at: api.written(event.created_at),
            deliveries: detail.deliveries.iter().map(|delivery| DeliveryView::of(api, delivery)).collect(),
        }
    }
}
