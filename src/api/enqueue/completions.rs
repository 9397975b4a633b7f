//! `POST /api_document/completions`: documents are finished. A completion is the event `document.finished` whose
//! subject is the document's id and whose payload is the document as it came.

use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::super::auth::Allowed;
use super::super::body::JsonBody;
use super::super::error::ApiError;
use super::super::openapi::{Operation, Routes};
use super::super::state::Api;
use super::idempotency::RequestKey;
use super::items::look_up;
use super::reader::{Item, ItemReader};
use super::request::{Accepted, OneOrMany, take_in};
use super::trace::Producer;
use crate::domain::event::{EventType, MAX_IDEMPOTENCY_KEY_CHARS, MAX_SUBJECT_CHARS};
use crate::domain::ids::{DeliveryId, EventId};
use crate::domain::permission::Enqueue;
use crate::store::records::Enqueued;

/// The status of a document that ended in error.
const ENDED_IN_ERROR: &str = "2";

pub(super) fn routes() -> Routes {
    let accept = Operation::new("acceptCompletions", "Takes in that documents are finished").detail(
        "Each becomes the event `document.finished`. 202 means that events and deliveries are on stable storage; on any other \
         answer, or none, send it again with the same idempotency key.",
    );
    Routes::of("OCR completions", "Documents that are finished.").post("/api_document/completions", accept, self::accept)
}

/// A finished document, as the OCR service shows it. All of it is sent on, byte for byte.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", example = example())]
#[expect(dead_code, reason = "it tells callers what `completion` reads")]
struct CompletionFields {
    /// The id of the document: it takes the place of `:id` in urls.
    #[schemars(length(min = 1, max = MAX_SUBJECT_CHARS))]
    id: String,
    /// Makes a repeat return the first answer.
    #[schemars(length(min = 1, max = MAX_IDEMPOTENCY_KEY_CHARS))]
    idempotency_key: Option<String>,
}

fn example() -> Value {
    json!({
        "id": "bc1bc4ea-6a6d-4c3c-9f5a-3f0f7f3c8a11",
        "type": 1,
        "fileType": "pdf",
        "data": {"invoice": "2024-0017", "total": 99.5},
        "processTime": 10.02,
        "status": 1,
        "statusDesc": "FINISHED",
        "createdAt": "2024-04-11T14:12:23.721194-03:00",
        "updatedAt": "2024-04-11T14:12:33.741194-03:00",
    })
}

/// A document that was accepted.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct AcceptedDocument {
    /// The event that it became: the `webhook-id` of every request about it.
    event_id: EventId,
    /// The id of the document.
    document_id: String,
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
    body: JsonBody<OneOrMany<CompletionFields>>,
) -> Result<Accepted<AcceptedDocument>, ApiError> {
    take_in(&api, &caller, (&request_key, &producer), &body, (completion, AcceptedDocument::of)).await
}

fn completion(reader: &mut ItemReader<'_>, text: &str) -> Result<Option<Item>, ApiError> {
    let Some([id, key]) = look_up(text, &["id", "idempotencyKey"])? else {
        reader.refuse("", "must be a JSON object");
        return Ok(None);
    };
    let key = reader.key(key);
    let subject = reader.subject("id", id);
    let event_type = if reader.api.settings.keeps_ocr_errors { type_by_status(text)? } else { EventType::document_finished() };
    let (payload, due_at) = (reader.items.bytes(text), reader.now);
    Ok(subject.map(|subject| Item::plain(event_type, subject, payload, key, due_at)))
}

/// Of a document that ended in error the event is another one, which the OCR service's webhooks do not want.
fn type_by_status(text: &str) -> Result<EventType, ApiError> {
    let status = look_up(text, &["status"])?.and_then(|[status]| status);
    let is_error = status.is_some_and(|status| status.get() == ENDED_IN_ERROR);
    Ok(if is_error { EventType::document_failed() } else { EventType::document_finished() })
}

impl AcceptedDocument {
    fn of(document_id: String, enqueued: Enqueued) -> Self {
        let Enqueued { event_id, delivery_ids, duplicate } = enqueued;
        Self { event_id, document_id, delivery_ids, duplicate }
    }
}
