//! How events come in: repeats are told apart, then events and their deliveries are stored.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use super::client_catalogs::insert_secrets;
use super::event_search;
use super::statements::Statements;
use super::writer::Transaction;
use crate::domain::event::{Event, EventType};
use crate::domain::ids::{ClientId, DeliveryId, EventId, IdSource, WebhookId};
use crate::secrets::Keyring;
use crate::store::error::StoreError;
use crate::store::records::{Enqueued, NewEvent};
use crate::store::repeats::{Key, answers, key, tell_apart};
use crate::store::signal::Signal;

/// Which event has this key.
pub(super) const KEY_TAKEN: &str = "select id from event where client_id = ? and idempotency_key = ?";

/// Which webhooks want a type of a client, oldest first. Deleted ones have no rows in `webhook_event`.
pub(super) const WANTED_BY: &str = "select webhook_id from webhook_event where client_id = ? and event_type = ? order by webhook_id";

/// The deliveries of an event that is stored already, in the order they were made.
pub(super) const DELIVERIES_OF: &str = "select id from delivery where event_id = ? order by id";

const INSERT_EVENT: &str = "
    insert into event (id, client_id, event_type, subject, payload, payload_state, idempotency_key, bare, created_at, trace, block)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

pub(super) const INSERT_DELIVERY: &str = "
    insert into delivery (id, event_id, webhook_id, client_id, state, due_at, created_at) values (?, ?, ?, ?, 'pending', ?, ?)";

/// Does what `Queue::enqueue` promises.
pub(super) fn enqueue(
    tx: &mut Transaction<'_>,
    events: &[NewEvent],
    ids: &IdSource,
    keyring: &Keyring,
) -> Result<Vec<Enqueued>, StoreError> {
    let taken = keys_taken(tx.db, events)?;
    let (fresh, first_of) = tell_apart(events, &taken);
    let wanted = Wanted::by(tx.db, &fresh)?;
    let deliveries = plan(&fresh, &wanted, ids);
    let kept = wanted.keep_of(&fresh);
    insert_events(tx.db, &kept, &wanted)?;
    insert_secrets(tx.db, &kept, keyring)?;
    insert_deliveries(tx.db, &deliveries)?;
    announce(tx, &deliveries);

    let mut delivery_ids = deliveries_of(tx.db, taken.into_values())?;
    for delivery in &deliveries {
        delivery_ids.entry(delivery.new.event.id).or_default().push(delivery.id);
    }
    Ok(answers(events, first_of, &delivery_ids))
}

fn keys_taken<'e>(db: &Connection, events: &'e [NewEvent]) -> Result<HashMap<Key<'e>, EventId>, StoreError> {
    let mut taken = HashMap::new();
    let mut look_up = db.prepare_cached(KEY_TAKEN)?;
    for key in events.iter().filter_map(key).collect::<HashSet<Key<'e>>>() {
        let (client_id, words) = key;
        let found = look_up.query_row((client_id.as_uuid(), words), |row| row.get::<_, Uuid>(0)).optional()?;
        taken.extend(found.map(|id| (key, EventId::from(id))));
    }
    Ok(taken)
}

/// Which webhooks want which events.
struct Wanted<'e>(HashMap<(ClientId, &'e EventType), Vec<WebhookId>>);

impl<'e> Wanted<'e> {
    fn by(db: &Connection, fresh: &[&'e NewEvent]) -> Result<Self, StoreError> {
        let mut webhooks = HashMap::new();
        for new in fresh {
            let asked = (new.event.client_id, &new.event.event_type);
            if let Entry::Vacant(place) = webhooks.entry(asked) {
                place.insert(wanted_by(db, asked)?);
            }
        }
        Ok(Self(webhooks))
    }

    /// Those events that a webhook wants or that are kept in any case.
    fn keep_of(&self, fresh: &[&'e NewEvent]) -> Vec<&'e NewEvent> {
        fresh.iter().copied().filter(|new| new.kept_unwanted || !self.of(&new.event).is_empty()).collect()
    }

    fn of(&self, event: &'e Event) -> &[WebhookId] {
        self.0.get(&(event.client_id, &event.event_type)).map_or(&[], Vec::as_slice)
    }
}

fn wanted_by(db: &Connection, (client_id, event_type): (ClientId, &EventType)) -> Result<Vec<WebhookId>, StoreError> {
    db.rows(WANTED_BY, (client_id.as_uuid(), event_type.as_str()), |row| Ok(WebhookId::from(row.get::<_, Uuid>(0)?)))
}

/// A delivery to be stored.
struct NewDelivery<'e> {
    id: DeliveryId,
    webhook_id: WebhookId,
    new: &'e NewEvent,
}

fn plan<'e>(fresh: &[&'e NewEvent], wanted: &Wanted<'e>, ids: &IdSource) -> Vec<NewDelivery<'e>> {
    let mut deliveries = Vec::with_capacity(fresh.len());
    for &new in fresh {
        let planned = wanted.of(&new.event).iter().map(|&webhook_id| NewDelivery { id: ids.next(new.event.created_at), webhook_id, new });
        deliveries.extend(planned);
    }
    deliveries
}

fn insert_events<'e>(db: &Connection, fresh: &[&'e NewEvent], wanted: &Wanted<'e>) -> Result<(), StoreError> {
    let block = db.number(event_search::CURRENT, ())?;
    for event_type in fresh.iter().map(|new| new.event.event_type.as_str()).collect::<HashSet<&str>>() {
        db.change(event_search::NOTE_TYPE, (block, event_type))?;
    }
    let mut insert = db.prepare_cached(INSERT_EVENT)?;
    for new in fresh {
        let NewEvent { event, idempotency_key, trace, .. } = new;
        insert.execute((
            event.id.as_uuid(),
            event.client_id.as_uuid(),
            event.event_type.as_str(),
            event.subject.as_str(),
            event.payload.as_ref(),
            new.payload_state().as_str(),
            idempotency_key.as_deref(),
            wanted.of(event).is_empty(),
            event.created_at.as_micros(),
            trace.as_ref().map(ToString::to_string),
            block,
        ))?;
    }
    Ok(())
}

fn insert_deliveries(db: &Connection, deliveries: &[NewDelivery<'_>]) -> Result<(), StoreError> {
    let mut insert = db.prepare_cached(INSERT_DELIVERY)?;
    for NewDelivery { id, webhook_id, new: NewEvent { event, due_at, .. } } in deliveries {
        let (client_id, created_at) = (event.client_id.as_uuid(), event.created_at.as_micros());
        insert.execute((id.as_uuid(), event.id.as_uuid(), webhook_id.as_uuid(), client_id, due_at.as_micros(), created_at))?;
    }
    Ok(())
}

fn announce(tx: &mut Transaction<'_>, deliveries: &[NewDelivery<'_>]) {
    let webhooks: HashSet<WebhookId> = deliveries.iter().map(|delivery| delivery.webhook_id).collect();
    if !webhooks.is_empty() {
        tx.signal(Signal::Due(webhooks.into_iter().collect()));
    }
}

fn deliveries_of(db: &Connection, events: impl Iterator<Item = EventId>) -> Result<HashMap<EventId, Vec<DeliveryId>>, StoreError> {
    events
        .map(|id| {
            let deliveries = db.rows(DELIVERIES_OF, (id.as_uuid(),), |row| Ok(DeliveryId::from(row.get::<_, Uuid>(0)?)))?;
            Ok((id, deliveries))
        })
        .collect()
}
