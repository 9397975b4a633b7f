//! Events that a person sends again: to webhooks that have a delivery of them, and to those that were made since.

use std::collections::BTreeMap;

use sqlx::PgConnection;

use super::audit::Hand;
use super::connections::Call;
use super::deliveries::REDELIVER;
use super::value::At;
use super::webhooks::client_of;
use crate::domain::audit::Change;
use crate::domain::delivery::DeliveryState;
use crate::domain::event::EventType;
use crate::domain::ids::{ClientId, DeliveryId, EventId, IdSource, WebhookId};
use crate::domain::time::Timestamp;
use crate::store::error::StoreError;
use crate::store::records::{EventRedelivery, Redelivered, Scope};
use crate::store::rows::Fields;
use crate::store::signal::Signal;

/// Whoever redelivers the same event at the same time waits, and sees what was made.
const EVENT: &str = "
    select e.id, e.client_id, e.event_type from event e where e.id = $1 and ($2::uuid is null or e.client_id = $2)
    for no key update";

/// Held against its deletion, like those below.
const IS_THERE: &str = "select w.id from webhook w where w.id = $1 and w.client_id = $2 and w.deleted_at is null for key share";

const WANTED_BY: &str = "
    select w.id from webhook_event e join webhook w on w.id = e.webhook_id
    where e.client_id = $1 and e.event_type = $2 and w.deleted_at is null
    order by w.id for key share of w";

/// Of webhooks that are there, oldest first, held for the change.
const DELIVERIES: &str = "
    select d.id, d.webhook_id, d.state from delivery d join webhook w on w.id = d.webhook_id
    where d.event_id = $1 and w.deleted_at is null and ($2::uuid is null or w.id = $2)
    order by d.id for no key update of d for key share of w";

const INSERT_DELIVERY: &str = "
    insert into delivery (id, event_id, webhook_id, client_id, state, due_at, created_at) values ($1, $2, $3, $4, 'pending', $5, $5)";

const NOT_BARE: &str = "update event set bare = false where id = $1 and bare";

/// An event that is stored, and whose it is.
struct Sent {
    id: EventId,
    client_id: ClientId,
    event_type: EventType,
}

/// Does what `Deliveries::redeliver_event` promises.
pub(super) async fn redeliver_event(
    call: &mut Call<'_>,
    (scope, id, to): (Scope, EventId, Option<WebhookId>),
    now: Timestamp,
    hand: &Hand,
) -> Result<EventRedelivery, StoreError> {
    let Some(event) = sent(call.db, scope, id).await? else {
        return Ok(EventRedelivery::NotFound);
    };
    let Some(targets) = targets(call.db, &event, to).await? else {
        return Ok(EventRedelivery::WebhookNotFound);
    };
    let mut redelivered = Redelivered::default();
    for (webhook_id, delivery) in targets {
        match delivery {
            Some((delivery, DeliveryState::InFlight)) => redelivered.in_flight.push(delivery),
            Some((delivery, _)) => {
                sqlx::query(REDELIVER).bind(delivery.as_uuid()).bind(At(now)).execute(&mut *call.db).await?;
                redelivered.again.push(delivery);
                redelivered.webhooks.push(webhook_id);
            }
            None => {
                redelivered.made.push(make(call.db, &event, webhook_id, now, &hand.ids).await?);
                redelivered.webhooks.push(webhook_id);
            }
        }
    }
    if !redelivered.webhooks.is_empty() {
        hand.note(call.db, || Some(Change::event_redelivered(id.as_uuid(), event.client_id, &redelivered.audited()))).await?;
        call.signal(Signal::Due(redelivered.webhooks.as_slice().into()));
    }
    Ok(EventRedelivery::Redelivered(redelivered))
}

async fn sent(db: &mut PgConnection, scope: Scope, id: EventId) -> Result<Option<Sent>, StoreError> {
    let row = sqlx::query(EVENT).bind(id.as_uuid()).bind(client_of(scope)).fetch_optional(db).await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let mut fields = Fields::of(&row, "event");
    Ok(Some(Sent { id: fields.id("id")?, client_id: fields.id("client_id")?, event_type: fields.parse("event_type")? }))
}

type Targets = BTreeMap<WebhookId, Option<(DeliveryId, DeliveryState)>>;

/// The webhooks to send to, with the newest delivery of each, if it has one; `None` if the one that is named is not there.
async fn targets(db: &mut PgConnection, event: &Sent, to: Option<WebhookId>) -> Result<Option<Targets>, StoreError> {
    let client_id = event.client_id.as_uuid();
    let rows = match to {
        Some(to) => sqlx::query(IS_THERE).bind(to.as_uuid()).bind(client_id).fetch_all(&mut *db).await?,
        None => sqlx::query(WANTED_BY).bind(client_id).bind(event.event_type.as_str()).fetch_all(&mut *db).await?,
    };
    if to.is_some() && rows.is_empty() {
        return Ok(None);
    }
    let mut targets = Targets::new();
    for row in &rows {
        targets.insert(Fields::of(row, "webhook").id("id")?, None);
    }
    for row in &sqlx::query(DELIVERIES).bind(event.id.as_uuid()).bind(to.map(WebhookId::as_uuid)).fetch_all(db).await? {
        let mut fields = Fields::of(row, "delivery");
        let id = fields.id("id")?;
        targets.insert(fields.id("webhook_id")?, Some((id, fields.parse("state")?)));
    }
    Ok(Some(targets))
}

/// Makes a delivery of an event that is stored, for a webhook that is held against its deletion.
async fn make(
    db: &mut PgConnection,
    event: &Sent,
    webhook_id: WebhookId,
    now: Timestamp,
    ids: &IdSource,
) -> Result<DeliveryId, StoreError> {
    let id: DeliveryId = ids.next(now);
    let query = sqlx::query(INSERT_DELIVERY).bind(id.as_uuid()).bind(event.id.as_uuid());
    query.bind(webhook_id.as_uuid()).bind(event.client_id.as_uuid()).bind(At(now)).execute(&mut *db).await?;
    sqlx::query(NOT_BARE).bind(event.id.as_uuid()).execute(db).await?;
    Ok(id)
}
