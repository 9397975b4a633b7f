//! Events that a person sends again: to webhooks that have a delivery of them, and to those that were made since.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row};
use uuid::Uuid;

use super::audit::Hand;
use super::deliveries::REDELIVER;
use super::enqueue::{INSERT_DELIVERY, WANTED_BY};
use super::held::Held;
use super::statements::Statements;
use super::webhooks::client_of;
use super::writer::Transaction;
use crate::domain::audit::Change;
use crate::domain::event::EventType;
use crate::domain::ids::{ClientId, DeliveryId, EventId, IdSource, WebhookId};
use crate::domain::time::Timestamp;
use crate::store::error::StoreError;
use crate::store::records::{EventRedelivery, Redelivered, Scope};
use crate::store::rows::Fields;
use crate::store::signal::Signal;

const EVENT: &str = "select e.id, e.client_id, e.event_type from event e where e.id = ?1 and (?2 is null or e.client_id = ?2)";

const IS_THERE: &str = "select count(*) from webhook w where w.id = ? and w.client_id = ? and w.deleted_at is null";

/// Of webhooks that are there, oldest first.
const DELIVERIES: &str = "
    select d.id, d.webhook_id from delivery d join webhook w on w.id = d.webhook_id
    where d.event_id = ? and w.deleted_at is null order by d.id";

const NOT_BARE: &str = "update event set bare = 0 where id = ? and bare = 1";

/// An event that is stored, and whose it is.
#[derive(Clone, Copy)]
pub(super) struct Sent {
    pub(super) id: EventId,
    pub(super) client_id: ClientId,
}

/// Does what `Deliveries::redeliver_event` promises.
pub(super) fn redeliver_event(
    tx: &mut Transaction<'_>,
    (scope, id, to): (Scope, EventId, Option<WebhookId>),
    now: Timestamp,
    held: &Held,
    hand: &Hand<'_>,
) -> Result<EventRedelivery, StoreError> {
    let Some((event, event_type)) = tx.db.first(EVENT, (id.as_uuid(), client_of(scope)), sent)? else {
        return Ok(EventRedelivery::NotFound);
    };
    if let Some(to) = to
        && tx.db.number(IS_THERE, (to.as_uuid(), event.client_id.as_uuid()))? == 0
    {
        return Ok(EventRedelivery::WebhookNotFound);
    }
    let mut redelivered = Redelivered::default();
    for (webhook_id, delivery) in targets(tx.db, event, &event_type, to)? {
        match delivery {
            Some(delivery) if held.contains(delivery) => redelivered.in_flight.push(delivery),
            Some(delivery) => {
                tx.db.change(REDELIVER, (delivery.as_uuid(), now.as_micros()))?;
                redelivered.again.push(delivery);
                redelivered.webhooks.push(webhook_id);
            }
            None => {
                redelivered.made.push(make(tx.db, event, webhook_id, now, hand.ids)?);
                redelivered.webhooks.push(webhook_id);
            }
        }
    }
    if !redelivered.webhooks.is_empty() {
        hand.note(tx.db, || Some(Change::event_redelivered(id.as_uuid(), event.client_id, &redelivered.audited())))?;
        tx.signal(Signal::Due(redelivered.webhooks.as_slice().into()));
    }
    Ok(EventRedelivery::Redelivered(redelivered))
}

fn sent(row: &Row<'_>) -> Result<(Sent, EventType), StoreError> {
    let mut fields = Fields::of(row, "event");
    Ok((Sent { id: fields.id("id")?, client_id: fields.id("client_id")? }, fields.parse("event_type")?))
}

/// The webhooks to send to, with the newest delivery of each, if it has one.
fn targets(
    db: &Connection,
    event: Sent,
    event_type: &EventType,
    to: Option<WebhookId>,
) -> Result<BTreeMap<WebhookId, Option<DeliveryId>>, StoreError> {
    let mut targets: BTreeMap<WebhookId, Option<DeliveryId>> = match to {
        Some(webhook_id) => [(webhook_id, None)].into(),
        None => db
            .rows(WANTED_BY, (event.client_id.as_uuid(), event_type.as_str()), |row| Ok((WebhookId::from(row.get::<_, Uuid>(0)?), None)))?
            .into_iter()
            .collect(),
    };
    let deliveries = db.rows(DELIVERIES, (event.id.as_uuid(),), |row| {
        let mut fields = Fields::of(row, "delivery");
        let id: DeliveryId = fields.id("id")?;
        Ok((fields.id::<WebhookId>("webhook_id")?, id))
    })?;
    for (webhook_id, delivery) in deliveries.into_iter().filter(|(webhook_id, _)| to.is_none_or(|to| to == *webhook_id)) {
        targets.insert(webhook_id, Some(delivery));
    }
    Ok(targets)
}

/// Makes a delivery of an event that is stored.
pub(super) fn make(db: &Connection, event: Sent, webhook_id: WebhookId, now: Timestamp, ids: &IdSource) -> Result<DeliveryId, StoreError> {
    let id: DeliveryId = ids.next(now);
    let at = now.as_micros();
    db.change(INSERT_DELIVERY, (id.as_uuid(), event.id.as_uuid(), webhook_id.as_uuid(), event.client_id.as_uuid(), at, at))?;
    db.change(NOT_BARE, (event.id.as_uuid(),))?;
    Ok(id)
}
