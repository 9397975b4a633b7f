//! `POST /v1/events`: events of any type, each with a payload of any JSON.

use std::time::Duration;

use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::super::auth::Allowed;
use super::super::body::JsonBody;
use super::super::error::ApiError;
use super::super::openapi::{Anything, Operation, Routes, Time};
use super::super::state::Api;
use super::catalogued;
use super::idempotency::RequestKey;
use super::items::look_up;
use super::reader::{Item, ItemReader, is_null};
use super::request::{Accepted, OneOrMany, take_in};
use super::trace::Producer;
use crate::domain::catalog::CatalogName;
use crate::domain::event::{EventType, MAX_IDEMPOTENCY_KEY_CHARS, MAX_SUBJECT_CHARS};
use crate::domain::ids::{DeliveryId, EventId};
use crate::domain::permission::Enqueue;
use crate::domain::time::Timestamp;
use crate::store::records::Enqueued;

/// How far ahead a delivery may be planned.
const MAX_AHEAD: Duration = Duration::from_hours(365 * 24);

const FIELDS: [&str; 6] = ["type", "subject", "payload", "idempotencyKey", "deliverAt", "catalog"];

pub(super) fn routes() -> Routes {
    let accept = Operation::new("acceptEvents", "Takes events in").detail(
        "202 means that events and deliveries are on stable storage; on any other answer, or none, send it again with the same \
         idempotency key.",
    );
    Routes::of("Events", "What happened, and the deliveries that came of it.").post("/v1/events", accept, self::accept)
}

/// An event to be taken in.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[schemars(example = json!({"type": "invoice.paid", "subject": "2024-0017", "payload": {"total": 99.5}, "idempotencyKey": "0017-paid"}))]
#[expect(dead_code, reason = "it tells callers what `event` reads")]
struct EventFields {
    /// What happened.
    r#type: EventType,
    /// To what it happened: it takes the place of `:id` in urls.
    #[schemars(length(min = 1, max = MAX_SUBJECT_CHARS))]
    subject: String,
    /// What is sent, byte for byte: any JSON.
    payload: Anything,
    /// Makes a repeat return the first answer.
    #[schemars(length(min = 1, max = MAX_IDEMPOTENCY_KEY_CHARS))]
    idempotency_key: Option<String>,
    /// When to send it, at most a year ahead; at once when it is left out or past.
    #[schemars(with = "Option<Time>")]
    deliver_at: Option<String>,
    /// The catalogue that the type must be a code of.
    catalog: Option<CatalogName>,
}

/// An event that was accepted.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct AcceptedEvent {
    /// Its id: the `webhook-id` of every request about it.
    event_id: EventId,
    /// To what it happened.
    subject: String,
    /// Its deliveries: one for each webhook that wants it.
    delivery_ids: Vec<DeliveryId>,
    /// Whether it was taken in before, with the same idempotency key.
    duplicate: bool,
}

async fn accept(
    State(api): State<Api>,
    caller: Allowed<Enqueue>,
    request_key: RequestKey,
    producer: Producer,
    body: JsonBody<OneOrMany<EventFields>>,
) -> Result<Accepted<AcceptedEvent>, ApiError> {
    take_in(&api, &caller, (&request_key, &producer), &body, (event, AcceptedEvent::of)).await
}

fn event(reader: &mut ItemReader<'_>, text: &str) -> Result<Option<Item>, ApiError> {
    let Some([event_type, subject, payload, key, deliver_at, catalog]) = look_up(text, &FIELDS)? else {
        reader.refuse("", "must be a JSON object");
        return Ok(None);
    };
    let event_type = catalogued::read_type(reader, event_type, catalog);
    let subject = reader.subject("subject", subject);
    let key = reader.key(key);
    let due_at = read_due_at(reader, deliver_at);
    if payload.is_none() {
        reader.refuse("payload", "is required");
    }
    let (Some(event_type), Some(payload)) = (event_type, payload) else { return Ok(None) };
    let bytes = reader.items.bytes(payload.get());
    Ok((|| {
        let item = Item::plain(event_type, subject?, bytes, key, due_at?);
        catalogued::check(reader, item)
    })())
}

/// From when on the event is delivered; what lies in the past, or is absent, means now.
fn read_due_at(reader: &mut ItemReader<'_>, value: Option<&RawValue>) -> Option<Timestamp> {
    if value.is_none_or(is_null) {
        return Some(reader.now);
    }
    let text = reader.optional("deliverAt", value)?;
    match Timestamp::parse_rfc3339(&text) {
        None => reader.refuse("deliverAt", "must be an RFC 3339 time with an offset"),
        Some(time) if time > reader.now + MAX_AHEAD => reader.refuse("deliverAt", "must be at most a year ahead"),
        Some(time) => return Some(time.max(reader.now)),
    }
    None
}

impl AcceptedEvent {
    fn of(subject: String, enqueued: Enqueued) -> Self {
        let Enqueued { event_id, delivery_ids, duplicate } = enqueued;
        Self { event_id, subject, delivery_ids, duplicate }
    }
}
