//! How events come in: repeats are told apart, then events and their deliveries are stored, a statement per table and
//! piece of the batch.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use sqlx::SqliteConnection;

use super::batch::{Batch, Bound};
use super::writer::Transaction;
use crate::domain::event::{Event, EventType};
use crate::domain::ids::{ClientId, DeliveryId, EventId, IdSource, WebhookId};
use crate::store::error::StoreError;
use crate::store::records::{Enqueued, NewEvent};
use crate::store::repeats::{Key, answers, key, tell_apart};
use crate::store::rows::Fields;
use crate::store::signal::Signal;

/// Which of these keys are taken, and by which event.
pub(super) static KEYS_TAKEN: LazyLock<Batch> = LazyLock::new(|| {
    Batch::of_rows(
        "with asked(place, client_id, idempotency_key) as (values {rows})
         select e.id, asked.place
         from asked cross join event e on e.client_id = asked.client_id and e.idempotency_key = asked.idempotency_key",
        "(?, ?, ?)",
    )
});

/// Which webhooks want these types of these clients, oldest first. Deleted ones have no rows in `webhook_event`.
pub(super) static WANTED_BY: LazyLock<Batch> = LazyLock::new(|| {
    Batch::of_rows(
        "with asked(place, client_id, event_type) as (values {rows})
         select w.webhook_id, asked.place
         from asked cross join webhook_event w on w.client_id = asked.client_id and w.event_type = asked.event_type
         order by w.webhook_id",
        "(?, ?, ?)",
    )
});

/// The deliveries of events that are stored already, in the order they were made.
pub(super) static DELIVERIES_OF: LazyLock<Batch> = LazyLock::new(|| {
    Batch::of_rows(
        "with asked(event_id) as (values {rows})
         select d.id, d.event_id from asked cross join delivery d on d.event_id = asked.event_id order by d.id",
        "(?)",
    )
});

static INSERT_EVENTS: LazyLock<Batch> = LazyLock::new(|| {
    Batch::of_rows(
        "insert into event (id, client_id, event_type, subject, payload, idempotency_key, bare, created_at) select * from (values {rows}) where column1 is not null",
        "(?, ?, ?, ?, ?, ?, ?, ?)",
    )
});

static INSERT_DELIVERIES: LazyLock<Batch> = LazyLock::new(|| {
    Batch::of_rows(
        "insert into delivery (id, event_id, webhook_id, client_id, state, due_at, created_at) select * from (values {rows}) where column1 is not null",
        "(?, ?, ?, ?, 'pending', ?, ?)",
    )
});

/// Does what `Queue::enqueue` promises.
pub(super) async fn enqueue(tx: &mut Transaction<'_>, events: &[NewEvent], ids: &IdSource) -> Result<Vec<Enqueued>, StoreError> {
    let taken = keys_taken(tx.db, events).await?;
    let (fresh, first_of) = tell_apart(events, &taken);
    let wanted = Wanted::by(tx.db, &fresh).await?;
    let deliveries = plan(&fresh, &wanted, ids);
    insert_events(tx.db, &fresh, &wanted).await?;
    insert_deliveries(tx.db, &deliveries).await?;
    announce(tx, &deliveries);

    let mut delivery_ids = deliveries_of(tx.db, taken.into_values().collect()).await?;
    for delivery in &deliveries {
        delivery_ids.entry(delivery.new.event.id).or_default().push(delivery.id);
    }
    Ok(answers(events, first_of, &delivery_ids))
}

async fn keys_taken<'e>(db: &mut SqliteConnection, events: &'e [NewEvent]) -> Result<HashMap<Key<'e>, EventId>, StoreError> {
    let keys: HashSet<Key<'e>> = events.iter().filter_map(key).collect();
    let asked = numbered(keys);
    let bind = |query: Bound, (place, (client_id, key)): &(i64, Key<'_>)| query.bind(*place).bind(client_id.as_uuid()).bind(*key);
    let mut taken = HashMap::new();
    for row in &KEYS_TAKEN.fetch(db, &asked, bind).await? {
        let mut fields = Fields::of(row, "event");
        let (event_id, place) = (fields.id("id")?, fields.number::<usize>("idempotency_key")?);
        taken.extend(asked.get(place).map(|(_, key)| (*key, event_id)));
    }
    Ok(taken)
}

/// What is asked for, with the places by which answers refer to it.
fn numbered<T>(asked: impl IntoIterator<Item = T>) -> Vec<(i64, T)> {
    (0..).zip(asked).collect()
}

/// Which webhooks want which events.
struct Wanted<'e> {
    places: HashMap<(ClientId, &'e EventType), usize>,
    webhooks: Vec<Vec<WebhookId>>,
}

impl<'e> Wanted<'e> {
    async fn by(db: &mut SqliteConnection, fresh: &[&'e NewEvent]) -> Result<Self, StoreError> {
        let pairs: HashSet<_> = fresh.iter().map(|new| (new.event.client_id, &new.event.event_type)).collect();
        let asked = numbered(pairs);
        let bind = |query: Bound, (place, (client_id, event_type)): &(i64, (ClientId, &EventType))| {
            query.bind(*place).bind(client_id.as_uuid()).bind(event_type.as_str())
        };
        let mut webhooks = vec![Vec::new(); asked.len()];
        for row in &WANTED_BY.fetch(db, &asked, bind).await? {
            let mut fields = Fields::of(row, "webhook_event");
            let (webhook_id, place) = (fields.id("webhook_id")?, fields.number::<usize>("event_type")?);
            if let Some(list) = webhooks.get_mut(place) {
                list.push(webhook_id);
            }
        }
        Ok(Self { places: asked.into_iter().map(|(_, pair)| pair).zip(0..).collect(), webhooks })
    }

    fn of(&self, event: &Event) -> &[WebhookId] {
        let place = self.places.get(&(event.client_id, &event.event_type));
        place.and_then(|&place| self.webhooks.get(place)).map_or(&[], Vec::as_slice)
    }
}

/// A delivery to be stored.
struct NewDelivery<'e> {
    id: DeliveryId,
    webhook_id: WebhookId,
    new: &'e NewEvent,
}

fn plan<'e>(fresh: &[&'e NewEvent], wanted: &Wanted<'_>, ids: &IdSource) -> Vec<NewDelivery<'e>> {
    let mut deliveries = Vec::with_capacity(fresh.len());
    for &new in fresh {
        let planned = wanted.of(&new.event).iter().map(|&webhook_id| NewDelivery { id: ids.next(new.event.created_at), webhook_id, new });
        deliveries.extend(planned);
    }
    deliveries
}

async fn insert_events(db: &mut SqliteConnection, fresh: &[&NewEvent], wanted: &Wanted<'_>) -> Result<(), StoreError> {
    let bind = |query: Bound, new: &&NewEvent| {
        let event = &new.event;
        query
            .bind(event.id.as_uuid())
            .bind(event.client_id.as_uuid())
            .bind(event.event_type.as_str())
            .bind(event.subject.as_str())
            .bind(event.payload.as_ref())
            .bind(new.idempotency_key.as_deref())
            .bind(wanted.of(event).is_empty())
            .bind(event.created_at.as_micros())
    };
    INSERT_EVENTS.execute(db, fresh, bind).await?;
    Ok(())
}

async fn insert_deliveries(db: &mut SqliteConnection, deliveries: &[NewDelivery<'_>]) -> Result<(), StoreError> {
    let bind = |query: Bound, delivery: &NewDelivery<'_>| {
        let NewEvent { event, due_at, .. } = delivery.new;
        query
            .bind(delivery.id.as_uuid())
            .bind(event.id.as_uuid())
            .bind(delivery.webhook_id.as_uuid())
            .bind(event.client_id.as_uuid())
            .bind(due_at.as_micros())
            .bind(event.created_at.as_micros())
    };
    INSERT_DELIVERIES.execute(db, deliveries, bind).await?;
    Ok(())
}

fn announce(tx: &mut Transaction<'_>, deliveries: &[NewDelivery<'_>]) {
    let webhooks: HashSet<WebhookId> = deliveries.iter().map(|delivery| delivery.webhook_id).collect();
    if !webhooks.is_empty() {
        tx.signal(Signal::Due(webhooks.into_iter().collect()));
    }
}

async fn deliveries_of(db: &mut SqliteConnection, events: Vec<EventId>) -> Result<HashMap<EventId, Vec<DeliveryId>>, StoreError> {
    let mut delivery_ids: HashMap<EventId, Vec<DeliveryId>> = HashMap::new();
    for row in &DELIVERIES_OF.fetch(db, &events, |query, id| query.bind(id.as_uuid())).await? {
        let mut fields = Fields::of(row, "delivery");
        let delivery_id = fields.id("id")?;
        delivery_ids.entry(fields.id("event_id")?).or_default().push(delivery_id);
    }
    Ok(delivery_ids)
}
