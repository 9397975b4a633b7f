//! Which events of a batch repeat others: an idempotency key belongs to its client and is good for one event.

use std::collections::HashMap;

use super::records::{Enqueued, NewEvent};
use crate::domain::ids::{ClientId, DeliveryId, EventId};

/// What makes an event a repeat of another.
pub(super) type Key<'e> = (ClientId, &'e str);

/// The key of an event, if it has one.
pub(super) fn key(new: &NewEvent) -> Option<Key<'_>> {
    Some((new.event.client_id, new.idempotency_key.as_deref()?))
}

/// The events to store, and for each of `events` the earlier one that it repeats: one that is stored already and has
/// `taken` its key, or one of the same batch.
pub(super) fn tell_apart<'e>(events: &'e [NewEvent], taken: &HashMap<Key<'e>, EventId>) -> (Vec<&'e NewEvent>, Vec<Option<EventId>>) {
    let mut first_of_key = taken.clone();
    let mut fresh = Vec::with_capacity(events.len());
    let mut first_of = Vec::with_capacity(events.len());
    for new in events {
        let first = key(new).and_then(|key| first_of_key.get(&key).copied());
        first_of.push(first);
        if first.is_none() {
            fresh.push(new);
            first_of_key.extend(key(new).map(|key| (key, new.event.id)));
        }
    }
    (fresh, first_of)
}

/// What the callers are told, in the order of their events.
pub(super) fn answers(
    events: &[NewEvent],
    first_of: Vec<Option<EventId>>,
    delivery_ids: &HashMap<EventId, Vec<DeliveryId>>,
) -> Vec<Enqueued> {
    let answer = |(new, first): (&NewEvent, Option<EventId>)| {
        let event_id = first.unwrap_or(new.event.id);
        Enqueued { event_id, delivery_ids: delivery_ids.get(&event_id).cloned().unwrap_or_default(), duplicate: first.is_some() }
    };
    events.iter().zip(first_of).map(answer).collect()
}
