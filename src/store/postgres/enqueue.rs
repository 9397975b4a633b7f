//! How events come in: repeats are told apart by what is stored, then events and their deliveries are stored by one
//! statement.
//!
//! Between the two another node may store the same key, or delete a webhook. The unique index makes the statement fail for
//! the one, and the whole is tried again; for the other it looks at the webhook once more, under lock.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::connections::{Call, Connections};
use super::value::{At, kept};
use super::webhooks::alive;
use crate::domain::event::EventType;
use crate::domain::ids::{ClientId, DeliveryId, EventId, IdSource, WebhookId};
use crate::secrets::Keyring;
use crate::store::error::StoreError;
use crate::store::records::{Enqueued, NewEvent};
use crate::store::repeats::{Key, answers, key, tell_apart};
use crate::store::rows::{Fields, seal_payload};
use crate::store::signal::Signal;

/// Which of these keys are taken, and by which event.
pub(super) const KEYS_TAKEN: &str = "
    select e.id, asked.place
    from unnest($1::bigint[], $2::uuid[], $3::text[]) as asked (place, client_id, idempotency_key)
    join event e on e.client_id = asked.client_id and e.idempotency_key = asked.idempotency_key";

/// Which webhooks want these types of these clients, oldest first. Deleted ones have no rows in `webhook_event`. Looked up
/// one by one (`offset 0`), as `alive` is.
pub(super) const WANTED_BY: &str = "
    select w.webhook_id, asked.place
    from unnest($1::bigint[], $2::uuid[], $3::text[]) as asked (place, client_id, event_type)
    cross join lateral (
        select webhook_event.webhook_id from webhook_event
        where webhook_event.client_id = asked.client_id and webhook_event.event_type = asked.event_type offset 0) w
    order by w.webhook_id";

/// The deliveries of events that are stored already, in the order they were made.
pub(super) const DELIVERIES_OF: &str = "
    select d.id, d.event_id from unnest($1::uuid[]) as e (id)
    cross join lateral (select delivery.id, delivery.event_id from delivery where delivery.event_id = e.id offset 0) d
    order by d.id";

/// Stores events and deliveries, all or none. The lock on the webhooks' rows makes a deletion wait for this commit, or this
/// statement for the deletion, which it then sees. Who is alive is looked up in a hash table: `is true` keeps it from being
/// made a join. An event of an unknown client has none, which its column forbids.
pub(super) const STORE: &str = concat!(
    "with ",
    alive!("$10"),
    ",
    wanted as materialized (
        select p.id, p.event_id, p.webhook_id, p.client_id, p.due_at, p.created_at
        from unnest($8::uuid[], $9::uuid[], $10::uuid[], $11::uuid[], $12::timestamptz[], $13::timestamptz[])
            as p (id, event_id, webhook_id, client_id, due_at, created_at)
        where (p.webhook_id in (select id from alive)) is true),
    stored as (
        insert into event (id, client_id, event_type, subject, payload, payload_state, idempotency_key, created_at, trace, bare)
        select e.id, (select c.id from client c where c.id = e.client_id), e.event_type, e.subject, e.payload,
            case when e.id = any($15) then 'masked' else 'whole' end, e.idempotency_key,
            e.created_at, e.trace, e.id not in (select event_id from wanted)
        from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bytea[], $6::text[], $7::timestamptz[], $14::boolean[],
                $17::text[])
            as e (id, client_id, event_type, subject, payload, idempotency_key, created_at, kept_unwanted, trace)
        where e.kept_unwanted or e.id in (select event_id from wanted)),
    apart as (
        insert into event_secret (event_id, payload)
        select s.event_id, s.payload from unnest($15::uuid[], $16::bytea[]) as s (event_id, payload))
    insert into delivery (id, event_id, webhook_id, client_id, state, due_at, created_at)
    select id, event_id, webhook_id, client_id, 'pending', due_at, created_at from wanted
    returning id, event_id, webhook_id"
);

/// How often a batch is tried that meets another node with the same keys.
const ROUNDS: usize = 5;

/// The rule that a key is used once.
const KEY_IS_USED_ONCE: &str = "event_idempotency";

/// Does what `Queue::enqueue` promises.
pub(super) async fn enqueue(
    connections: &Connections,
    events: Vec<NewEvent>,
    ids: &Arc<IdSource>,
    keyring: &Arc<Keyring>,
) -> Result<Vec<Enqueued>, StoreError> {
    let events = Arc::new(events);
    let mut round = 1;
    loop {
        let (events, ids, keyring) = (Arc::clone(&events), Arc::clone(ids), Arc::clone(keyring));
        match connections.call(move |call| Box::pin(async move { try_to_enqueue(call, &events, &ids, &keyring).await })).await {
            Err(StoreError::Conflict { constraint }) if constraint == KEY_IS_USED_ONCE && round < ROUNDS => round += 1,
            answer => return answer,
        }
    }
}

async fn try_to_enqueue(call: &mut Call<'_>, events: &[NewEvent], ids: &IdSource, keyring: &Keyring) -> Result<Vec<Enqueued>, StoreError> {
    let taken = keys_taken(call.db, events).await?;
    let (fresh, first_of) = tell_apart(events, &taken);
    let planned = plan(&fresh, &wanted_by(call.db, &fresh).await?, ids);
    let mut delivery_ids = deliveries_of(call.db, taken.into_values().collect()).await?;
    if !fresh.is_empty() {
        let mut webhooks = HashSet::new();
        for row in &store(call.db, &fresh, &planned, keyring).await? {
            let mut fields = Fields::of(row, "delivery");
            let (id, event_id) = (fields.id("id")?, fields.id("event_id")?);
            delivery_ids.entry(event_id).or_default().push(id);
            webhooks.insert(fields.id::<WebhookId>("webhook_id")?);
        }
        if !webhooks.is_empty() {
            call.signal(Signal::Due(webhooks.into_iter().collect()));
        }
    }
    Ok(answers(events, first_of, &delivery_ids))
}

async fn keys_taken<'e>(db: &mut PgConnection, events: &'e [NewEvent]) -> Result<HashMap<Key<'e>, EventId>, StoreError> {
    let keys: HashSet<Key<'e>> = events.iter().filter_map(key).collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let keys: Vec<Key<'e>> = keys.into_iter().collect();
    let query = sqlx::query(KEYS_TAKEN)
        .bind(places(keys.len()))
        .bind(keys.iter().map(|(client_id, _)| client_id.as_uuid()).collect::<Vec<_>>())
        .bind(keys.iter().map(|(_, key)| kept(key)).collect::<Vec<_>>());
    let mut taken = HashMap::new();
    for row in &query.fetch_all(db).await? {
        let mut fields = Fields::of(row, "event");
        let (event_id, place) = (fields.id("id")?, fields.number::<usize>("idempotency_key")?);
        taken.extend(keys.get(place).map(|key| (*key, event_id)));
    }
    Ok(taken)
}

/// The places by which answers refer to what was asked.
fn places(count: usize) -> Vec<i64> {
    (0..).take(count).collect()
}

/// The webhooks of each client and type, oldest first.
type Wanted<'e> = HashMap<(ClientId, &'e EventType), Vec<WebhookId>>;

async fn wanted_by<'e>(db: &mut PgConnection, fresh: &[&'e NewEvent]) -> Result<Wanted<'e>, StoreError> {
    let pairs: HashSet<_> = fresh.iter().map(|new| (new.event.client_id, &new.event.event_type)).collect();
    let pairs: Vec<_> = pairs.into_iter().collect();
    let query = sqlx::query(WANTED_BY)
        .bind(places(pairs.len()))
        .bind(pairs.iter().map(|(client_id, _)| client_id.as_uuid()).collect::<Vec<_>>())
        .bind(pairs.iter().map(|(_, event_type)| event_type.as_str()).collect::<Vec<_>>());
    let mut wanted = Wanted::new();
    for row in &query.fetch_all(db).await? {
        let mut fields = Fields::of(row, "webhook_event");
        let (webhook_id, place) = (fields.id("webhook_id")?, fields.number::<usize>("event_type")?);
        if let Some(pair) = pairs.get(place) {
            wanted.entry(*pair).or_default().push(webhook_id);
        }
    }
    Ok(wanted)
}

/// A delivery to be stored.
struct NewDelivery<'e> {
    id: DeliveryId,
    webhook_id: WebhookId,
    new: &'e NewEvent,
}

fn plan<'e>(fresh: &[&'e NewEvent], wanted: &Wanted<'_>, ids: &IdSource) -> Vec<NewDelivery<'e>> {
    let mut planned = Vec::with_capacity(fresh.len());
    for &new in fresh {
        let webhooks = wanted.get(&(new.event.client_id, &new.event.event_type)).map_or(&[][..], Vec::as_slice);
        planned.extend(webhooks.iter().map(|&webhook_id| NewDelivery { id: ids.next(new.event.created_at), webhook_id, new }));
    }
    planned
}

async fn store(
    db: &mut PgConnection,
    fresh: &[&NewEvent],
    planned: &[NewDelivery<'_>],
    keyring: &Keyring,
) -> Result<Vec<PgRow>, StoreError> {
    let events = || fresh.iter().map(|new| &new.event);
    let (secret_of, secrets) = sealed_payloads(fresh, keyring)?;
    let query = sqlx::query(STORE)
        .bind(events().map(|event| event.id.as_uuid()).collect::<Vec<_>>())
        .bind(events().map(|event| event.client_id.as_uuid()).collect::<Vec<_>>())
        .bind(events().map(|event| event.event_type.as_str()).collect::<Vec<_>>())
        .bind(events().map(|event| kept(&event.subject)).collect::<Vec<_>>())
        .bind(events().map(|event| event.payload.as_ref()).collect::<Vec<_>>())
        .bind(fresh.iter().map(|new| new.idempotency_key.as_deref().map(kept)).collect::<Vec<_>>())
        .bind(events().map(|event| At(event.created_at)).collect::<Vec<_>>())
        .bind(planned.iter().map(|delivery| delivery.id.as_uuid()).collect::<Vec<_>>())
        .bind(planned.iter().map(|delivery| delivery.new.event.id.as_uuid()).collect::<Vec<_>>())
        .bind(planned.iter().map(|delivery| delivery.webhook_id.as_uuid()).collect::<Vec<_>>())
        .bind(planned.iter().map(|delivery| delivery.new.event.client_id.as_uuid()).collect::<Vec<_>>())
        .bind(planned.iter().map(|delivery| At(delivery.new.due_at)).collect::<Vec<_>>())
        .bind(planned.iter().map(|delivery| At(delivery.new.event.created_at)).collect::<Vec<_>>())
        .bind(fresh.iter().map(|new| new.kept_unwanted).collect::<Vec<_>>())
        .bind(secret_of)
        .bind(secrets)
        .bind(fresh.iter().map(|new| new.trace.as_ref().map(ToString::to_string)).collect::<Vec<_>>());
    Ok(query.fetch_all(db).await?)
}

/// Whole payloads that hold secrets, and of which events they are.
fn sealed_payloads(fresh: &[&NewEvent], keyring: &Keyring) -> Result<(Vec<Uuid>, Vec<Vec<u8>>), StoreError> {
    let whole = fresh.iter().filter_map(|new| new.whole_payload.as_ref().map(|payload| (new.event.id, payload)));
    let sealed = whole.map(|(id, payload)| Ok((id.as_uuid(), seal_payload(keyring, id, payload)?)));
    sealed.collect::<Result<Vec<_>, StoreError>>().map(|pairs| pairs.into_iter().unzip())
}

async fn deliveries_of(db: &mut PgConnection, events: Vec<EventId>) -> Result<HashMap<EventId, Vec<DeliveryId>>, StoreError> {
    let mut delivery_ids: HashMap<EventId, Vec<DeliveryId>> = HashMap::new();
    if events.is_empty() {
        return Ok(delivery_ids);
    }
    let events: Vec<Uuid> = events.into_iter().map(EventId::as_uuid).collect();
    for row in &sqlx::query(DELIVERIES_OF).bind(events).fetch_all(db).await? {
        let mut fields = Fields::of(row, "delivery");
        let delivery_id = fields.id("id")?;
        delivery_ids.entry(fields.id("event_id")?).or_default().push(delivery_id);
    }
    Ok(delivery_ids)
}
