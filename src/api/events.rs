//! `/v1/events`: events with their deliveries, and sending them again. Handing them in is `enqueue`'s.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::answer::Accepted;
use super::auth::Allowed;
use super::body::OptionalBody;
use super::deliveries::DeliveryView;
use super::error::{ApiError, Conflict};
use super::fields::{Fields, id};
use super::openapi::{Anything, Operation, Routes, Time};
use super::path::PathId;
use super::query::{PageParameters, PageView, Query};
use super::state::Api;
use crate::domain::delivery::{Delivery, DeliveryState};
use crate::domain::event::EventType;
use crate::domain::ids::{ClientId, DeliveryId, EventId, WebhookId};
use crate::domain::permission::{Operate, Read};
use crate::store::records::{EventDetail, EventFilter, EventRedelivery, Redelivered};

pub(super) fn routes() -> Routes {
    let redeliver = Operation::new("redeliverEvent", "Sends an event again")
        .detail(
            "To the webhook that is named, or else to every webhook that has it or wants it by now, also those that were made after it.",
        )
        .conflicts([Conflict::NotRedeliverable(DeliveryState::InFlight)]);
    Routes::of("Events", "What happened, and the deliveries that came of it.")
        .get("/v1/events", Operation::new("listEvents", "Lists events with their deliveries"), list)
        .get("/v1/events/{id}", Operation::new("showEvent", "Shows an event with its payload and its deliveries"), show)
        .post("/v1/events/{id}/redeliver", redeliver, self::redeliver)
}

/// Which events, and which page of them.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it tells callers what `list` reads")]
struct EventParameters {
    /// Of this type alone.
    r#type: Option<EventType>,
    /// About this subject alone.
    subject: Option<String>,
    #[schemars(flatten)]
    page: PageParameters,
}

/// An event.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Event")]
struct EventView {
    /// Its id: the `webhook-id` of every request about it.
    id: EventId,
    /// Whose it is.
    client_id: ClientId,
    /// What happened.
    #[schemars(with = "EventType")]
    r#type: String,
    /// To what it happened: the text that takes the place of `:id` in urls.
    subject: String,
    /// When it was accepted.
    #[schemars(with = "Time")]
    created_at: String,
    /// What came of it: one delivery for each webhook that wanted it.
    deliveries: Vec<DeliveryView>,
}

/// An event with its payload, in the very bytes that came; lists leave it out, for it may be large.
#[derive(Serialize, JsonSchema)]
struct EventWithPayload {
    #[serde(flatten)]
    event: EventView,
    /// What is sent to webhooks: any JSON.
    #[schemars(with = "Anything")]
    payload: Option<Box<RawValue>>,
}

/// To whom an event is sent again.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", example = json!({}))]
#[expect(dead_code, reason = "it tells callers what `redeliver` reads")]
struct EventRedeliveryFields {
    /// To this webhook alone, whatever types it wants.
    webhook_id: Option<WebhookId>,
}

/// An event that is sent again.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "EventRedelivery")]
struct RedeliveredView {
    /// The event.
    event_id: EventId,
    /// What is pending now.
    deliveries: Vec<DeliveryView>,
    /// Those of them that there were none of before.
    made: Vec<DeliveryId>,
    /// Deliveries that are under way, and so left alone.
    in_flight: Vec<DeliveryId>,
}

async fn list(
    State(api): State<Api>,
    caller: Allowed<Read>,
    mut query: Query<EventParameters>,
) -> Result<Json<PageView<EventView>>, ApiError> {
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

/// Sends an event again to whoever wants it, or to the one webhook that is named.
async fn redeliver(
    State(api): State<Api>,
    caller: Allowed<Operate>,
    PathId(id): PathId<EventId>,
    body: OptionalBody<EventRedeliveryFields>,
) -> Result<Accepted<RedeliveredView>, ApiError> {
    let to = wanted_webhook(&body.object()?)?;
    let now = api.clock.now();
    let redelivered = match api.store.redeliver_event(caller.scope(), id, to, now, Some(caller.actor(now))).await? {
        EventRedelivery::Redelivered(redelivered) => redelivered,
        EventRedelivery::NotFound => return Err(ApiError::NotFound),
        EventRedelivery::WebhookNotFound => return Err(ApiError::field("webhookId", "must name a webhook of the event's client")),
    };
    if to.is_some() && !redelivered.in_flight.is_empty() {
        return Err(Conflict::NotRedeliverable(DeliveryState::InFlight).into());
    }
    let detail = api.store.event(caller.scope(), id).await?.ok_or(ApiError::NotFound)?;
    Ok(Accepted(RedeliveredView::of(&api, &detail, redelivered)))
}

fn wanted_webhook(object: &Map<String, Value>) -> Result<Option<WebhookId>, ApiError> {
    let mut fields = Fields::of(object);
    let webhook_id = fields.optional("webhookId", id);
    Ok(fields.finish(Some(webhook_id))?)
}

impl RedeliveredView {
    fn of(api: &Api, detail: &EventDetail, redelivered: Redelivered) -> Self {
        let is_sent = |delivery: &&Delivery| redelivered.again.contains(&delivery.id) || redelivered.made.contains(&delivery.id);
        let deliveries = detail.deliveries.iter().filter(is_sent).map(|delivery| DeliveryView::of(api, delivery)).collect();
        Self { event_id: detail.event.id, deliveries, made: redelivered.made, in_flight: redelivered.in_flight }
    }
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
