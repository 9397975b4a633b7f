//! `POST /api_document/completions`: documents are finished. A completion is the event `document.finished` whose
//! subject is the document's id and whose payload is the document as it came.

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use serde::Serialize;

use super::super::auth::{Allowed, Enqueue};
use super::super::body::JsonBody;
use super::super::error::ApiError;
use super::super::state::Api;
use super::idempotency::RequestKey;
use super::items::look_up;
use super::reader::{Item, ItemReader};
use super::request::{Accepted, take_in};
use crate::domain::event::EventType;
use crate::domain::ids::{DeliveryId, EventId};
use crate::store::records::Enqueued;

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/api_document/completions", post(accept))
}

/// A document that was accepted.
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
    request_key: RequestKey,
    body: JsonBody,
) -> Result<Accepted<AcceptedDocument>, ApiError> {
    take_in(&api, &caller, &request_key, &body, (completion, AcceptedDocument::of)).await
}

fn completion(reader: &mut ItemReader<'_>, text: &str) -> Result<Option<Item>, ApiError> {
    let Some([id, key]) = look_up(text, &["id", "idempotencyKey"])? else {
        reader.refuse("", "must be a JSON object");
        return Ok(None);
    };
    let key = reader.key(key);
    let subject = reader.subject("id", id);
    let (payload, due_at) = (reader.items.bytes(text), reader.now);
    Ok(subject.map(|subject| Item { event_type: EventType::document_finished(), subject, payload, key, due_at }))
}

impl AcceptedDocument {
    fn of(document_id: String, enqueued: Enqueued) -> Self {
        let Enqueued { event_id, delivery_ids, duplicate } = enqueued;
        Self { event_id, document_id, delivery_ids, duplicate }
    }
}
