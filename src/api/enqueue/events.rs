//! `POST /v1/events`: events of any type, each with a payload of any JSON.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{MethodRouter, post};
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::auth::{Allowed, Enqueue};
use super::super::body::JsonBody;
use super::super::error::ApiError;
use super::super::state::Api;
use super::idempotency::RequestKey;
use super::items::{Items, look_up};
use super::request::{Item, ItemReader, enqueue, read_all};
use crate::domain::event::EventType;
use crate::domain::ids::{DeliveryId, EventId};
use crate::domain::time::Timestamp;
use crate::store::records::Enqueued;

/// How far ahead a delivery may be planned.
const MAX_AHEAD: Duration = Duration::from_hours(365 * 24);

pub(in super::super) fn accepting() -> MethodRouter<Api> {
    post(accept)
}

/// What was accepted.
#[derive(Serialize)]
struct Accepted {
    accepted: usize,
    events: Vec<AcceptedEvent>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AcceptedEvent {
    event_id: EventId,
    subject: String,
    delivery_ids: Vec<DeliveryId>,
    duplicate: bool,
}

async fn accept(
    State(api): State<Api>,
    caller: Allowed<Enqueue>,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<(StatusCode, Json<Accepted>), ApiError> {
    let client_id = caller.client_id()?;
    let request_key = RequestKey::of(&headers)?;
    let now = api.clock.now();
    let (bytes, text) = body.text()?;
    let items = read_all(&Items::of(bytes, text)?, |reader, text| event(reader, text, &request_key, now))?;
    let subjects: Vec<String> = items.iter().map(|item| item.subject.clone()).collect();
    let enqueued = enqueue(&api, client_id, now, items).await?;
    let events: Vec<_> = subjects.into_iter().zip(enqueued).map(accepted).collect();
    Ok((StatusCode::ACCEPTED, Json(Accepted { accepted: events.len(), events })))
}

fn event(reader: &mut ItemReader<'_>, text: &str, request_key: &RequestKey, now: Timestamp) -> Result<Option<Item>, ApiError> {
    let wanted = ["type", "subject", "payload", "idempotencyKey", "deliverAt"];
    let Some([event_type, subject, payload, key, deliver_at]) = look_up(text, &wanted)? else {
        reader.refuse("", "must be a JSON object");
        return Ok(None);
    };
    let event_type = read_type(reader, event_type);
    let subject = reader.subject("subject", subject);
    let key = reader.key(key, request_key);
    let due_at = read_due_at(reader, deliver_at, now);
    if payload.is_none() {
        reader.refuse("payload", "is required");
    }
    Ok((|| {
        let payload = reader.items.bytes(payload?.get());
        Some(Item { event_type: event_type?, subject: subject?, payload, key, due_at: due_at? })
    })())
}

fn read_type(reader: &mut ItemReader<'_>, value: Option<&RawValue>) -> Option<EventType> {
    let text = reader.required("type", value)?;
    text.parse().map_err(|error: crate::domain::event::InvalidEventType| reader.refuse("type", error.to_string())).ok()
}

/// From when on the event is delivered; what lies in the past, or is absent, means now.
fn read_due_at(reader: &mut ItemReader<'_>, value: Option<&RawValue>, now: Timestamp) -> Option<Timestamp> {
    if value.is_none_or(|value| value.get() == "null") {
        return Some(now);
    }
    let text = reader.optional("deliverAt", value)?;
    match Timestamp::parse_rfc3339(&text) {
        None => reader.refuse("deliverAt", "must be an RFC 3339 time with an offset"),
        Some(time) if time > now + MAX_AHEAD => reader.refuse("deliverAt", "must be at most a year ahead"),
        Some(time) => return Some(time.max(now)),
    }
    None
}

fn accepted((subject, enqueued): (String, Enqueued)) -> AcceptedEvent {
    let Enqueued { event_id, delivery_ids, duplicate } = enqueued;
    AcceptedEvent { event_id, subject, delivery_ids, duplicate }
}
