//! One request to enqueue: its items checked, then stored together.

use schemars::JsonSchema;
use serde::Serialize;

use super::super::answer;
use super::super::auth::Caller;
use super::super::body::JsonBody;
use super::super::error::ApiError;
use super::super::state::Api;
use super::breaches::{self, Broken};
use super::idempotency::RequestKey;
use super::items::{Items, MAX_ITEMS};
use super::reader::{Item, ItemReader};
use super::trace::{Producer, Spans};
use crate::domain::event::Event;
use crate::domain::ids::ClientId;
use crate::domain::time::Timestamp;
use crate::management::fields::FieldError;
use crate::store::records::{Enqueued, NewEvent};

/// The answer to a request: what was accepted, one `E` per item.
pub(super) type Accepted<E> = answer::Accepted<AcceptedEvents<E>>;

/// What was accepted: all of it is on stable storage.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "{E}s")]
pub(super) struct AcceptedEvents<E> {
    /// How many events.
    accepted: usize,
    /// What became of each, in the order of the request.
    events: Vec<E>,
    /// What breaks schemas and was taken in all the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<FieldError>,
}

/// One object, or a list of them that is stored as a whole or not at all.
#[derive(JsonSchema)]
#[schemars(untagged, rename = "OneOrMany{F}")]
#[expect(dead_code, reason = "it tells callers what `take_in` reads")]
pub(super) enum OneOrMany<F> {
    One(F),
    Many(#[schemars(length(min = 1, max = MAX_ITEMS))] Vec<F>),
}

/// Reads one item's text; `None` once something is noted as wrong.
pub(super) type ReadItem = fn(&mut ItemReader<'_>, &str) -> Result<Option<Item>, ApiError>;

/// Stores the items of a request as events of the caller's client, all or none, and answers in their order: `view` sees
/// each item's subject and what became of it.
///
/// # Errors
///
/// Refuses the request if any item is wrong, and names all that is.
pub(super) async fn take_in<F, E>(
    api: &Api,
    caller: &Caller,
    (request_key, producer): (&RequestKey, &Producer),
    body: &JsonBody<F>,
    (read, view): (ReadItem, fn(String, Enqueued) -> E),
) -> Result<Accepted<E>, ApiError> {
    let client_id = caller.client_id()?;
    let now = api.clock.now();
    let (items, breaches) = read_all(api, body, request_key, now, read)?;
    let warnings = breaches::judge(api, client_id, breaches).await?;
    let subjects: Vec<String> = items.iter().map(|item| item.subject.clone()).collect();
    let events: Vec<NewEvent> = items.into_iter().map(|item| new_event(api, (client_id, producer), now, item)).collect();
    let spans = Spans::begin(api, &events, now);
    let enqueued = api.intake.enqueue(events).await;
    spans.end(api, &enqueued);
    let events: Vec<E> = subjects.into_iter().zip(enqueued?).map(|(subject, enqueued)| view(subject, enqueued)).collect();
    Ok(answer::Accepted(AcceptedEvents { accepted: events.len(), events, warnings }))
}

fn read_all<F>(
    api: &Api,
    body: &JsonBody<F>,
    request_key: &RequestKey,
    now: Timestamp,
    read: ReadItem,
) -> Result<(Vec<Item>, Vec<Broken>), ApiError> {
    let (bytes, text) = body.text()?;
    let items = &Items::of(bytes, text)?;
    let (mut errors, mut breaches) = (Vec::new(), Vec::new());
    let mut all = Vec::with_capacity(items.texts().len());
    for (index, text) in items.texts().iter().enumerate() {
        let reader = &mut ItemReader { items, index, request_key, now, api, errors: &mut errors, breaches: &mut breaches };
        all.extend(read(reader, text)?);
    }
    if errors.is_empty() { Ok((all, breaches)) } else { Err(ApiError::Invalid(errors)) }
}

fn new_event(api: &Api, (client_id, producer): (ClientId, &Producer), now: Timestamp, item: Item) -> NewEvent {
    let Item { event_type, subject, payload, key, due_at, whole_payload, kept_unwanted } = item;
    let event = Event { id: api.ids.next(now), client_id, event_type, subject, payload, created_at: now };
    NewEvent { event, idempotency_key: key, due_at, whole_payload, kept_unwanted, trace: producer.0.clone() }
}
