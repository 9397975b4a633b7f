//! `POST /api_document/completions`: documents are finished. A completion is the event `document.finished` whose
//! subject is the document's id and whose payload is the document as it came.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use serde::Serialize;

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

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/api_document/completions", post(accept))
}

/// What was accepted.
#[derive(Serialize)]
struct Accepted {
    accepted: usize,
    events: Vec<AcceptedDocument>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AcceptedDocument {
    event_id: EventId,
    document_id: String,
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
    let items = read_all(&Items::of(bytes, text)?, |reader, text| completion(reader, text, &request_key, now))?;
    let documents: Vec<String> = items.iter().map(|item| item.subject.clone()).collect();
    let enqueued = enqueue(&api, client_id, now, items).await?;
    let events: Vec<_> = documents.into_iter().zip(enqueued).map(accepted).collect();
    Ok((StatusCode::ACCEPTED, Json(Accepted { accepted: events.len(), events })))
}

fn completion(reader: &mut ItemReader<'_>, text: &str, request_key: &RequestKey, now: Timestamp) -> Result<Option<Item>, ApiError> {
    let Some([id, key]) = look_up(text, &["id", "idempotencyKey"])? else {
        reader.refuse("", "must be a JSON object");
        return Ok(None);
    };
    let key = reader.key(key, request_key);
    let subject = reader.subject("id", id);
    let payload = reader.items.bytes(text);
    Ok(subject.map(|subject| Item { event_type: EventType::document_finished(), subject, payload, key, due_at: now }))
}

fn accepted((document_id, enqueued): (String, Enqueued)) -> AcceptedDocument {
    let Enqueued { event_id, delivery_ids, duplicate } = enqueued;
    AcceptedDocument { event_id, document_id, delivery_ids, duplicate }
}
