//! Events and deliveries as people see and change them. Which index a list reads is said in `delivery_list`.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::Connection;
use uuid::Uuid;

use super::SqliteStore;
use super::audit::Hand;
use super::dead_letters;
use super::delivery_list::{list, summary_tables};
use super::event_redelivery::redeliver_event;
use super::event_search::Search;
use super::held::{Held, as_seen, summary_as_seen};
use super::statements::{Built, Statements};
use super::webhooks::client_of;
use super::writer::Transaction;
use crate::domain::audit::{Action, Actor, Change};
use crate::domain::delivery::DeliveryState;
use crate::domain::event::Event;
use crate::domain::ids::{ClientId, DeliveryId, EventId, WebhookId};
use crate::domain::time::Timestamp;
use crate::secrets::Keyring;
use crate::store::contract::Deliveries;
use crate::store::error::StoreError;
use crate::store::records::{
    DeadLetterGroup, DeliveryChange, DeliveryDetail, DeliveryFilter, DeliverySummary, EventDetail, EventFilter, EventRedelivery, Page,
    Scope,
};
use crate::store::rows::{
    Fields, attempt, attempt_columns, delivery, delivery_columns, event, event_columns, summary, summary_columns, webhook, webhook_columns,
};
use crate::store::signal::Signal;

const SUMMARY: &str =
    concat!("select ", summary_columns!(), " from delivery d ", summary_tables!(), " where d.id = ?1 and (?2 is null or d.client_id = ?2)");

/// A deleted webhook is still shown with its deliveries.
const WEBHOOK_OF: &str = concat!("select ", webhook_columns!(), " from webhook w where w.id = ?");

const ATTEMPTS_OF: &str = concat!("select ", attempt_columns!(), " from attempt a where a.delivery_id = ? order by a.number");

const EVENT: &str = concat!("select ", event_columns!(), " from event e where e.id = ?1 and (?2 is null or e.client_id = ?2)");

const DELIVERIES_OF: &str = concat!("select ", delivery_columns!(), " from delivery d where d.event_id = ? order by d.id");

/// What a person's change depends on. Runs in the transaction of the change.
const STANDING: &str = "
    select d.id, d.state, d.webhook_id, w.deleted_at is not null, d.client_id
    from delivery d join webhook w on w.id = d.webhook_id
    where d.id = ?1 and (?2 is null or d.client_id = ?2)";

pub(super) const REDELIVER: &str = "
    update delivery set state = 'pending', due_at = ?2, attempts_before_series = attempts, dead_letter_reason = null, finished_at = null
    where id = ?1";

const CANCEL: &str = "update delivery set state = 'cancelled', finished_at = ?2 where id = ?1";

#[async_trait]
impl Deliveries for SqliteStore {
    async fn deliveries(&self, filter: DeliveryFilter, page: Page<DeliveryId>) -> Result<Vec<DeliverySummary>, StoreError> {
        let held = self.held.all();
        self.readers.read(move |db| list(db, &filter, page, &held)).await
    }

    async fn delivery(&self, scope: Scope, id: DeliveryId) -> Result<Option<DeliveryDetail>, StoreError> {
        let held = self.held.all();
        // One transaction, so that the parts are of one moment.
        let keyring = Arc::clone(&self.keyring);
        self.readers.read(move |db| detail(&*db.unchecked_transaction()?, (scope, id), &held, &keyring)).await
    }

    async fn events(&self, filter: EventFilter, page: Page<EventId>) -> Result<Vec<Event>, StoreError> {
        self.readers.read(move |db| event_list(db, &filter, page)?.rows(db, |row| event(&mut Fields::of(row, "event")))).await
    }

    async fn event(&self, scope: Scope, id: EventId) -> Result<Option<EventDetail>, StoreError> {
        let held = self.held.all();
        self.readers.read(move |db| event_detail(&*db.unchecked_transaction()?, scope, id, &held)).await
    }

    async fn dead_letter_groups(&self, scope: Scope, most: u32) -> Result<Vec<DeadLetterGroup>, StoreError> {
        self.readers.read(move |db| dead_letters::groups(db, scope, most)).await
    }

    async fn redeliver(&self, scope: Scope, id: DeliveryId, now: Timestamp, by: Option<Actor>) -> Result<DeliveryChange, StoreError> {
        self.change_pending(by, move |tx, held, hand| redeliver(tx, (scope, id), now, held, hand)).await
    }

    async fn redeliver_event(
        &self,
        scope: Scope,
        id: EventId,
        to: Option<WebhookId>,
        now: Timestamp,
        by: Option<Actor>,
    ) -> Result<EventRedelivery, StoreError> {
        self.change_pending(by, move |tx, held, hand| redeliver_event(tx, (scope, id, to), now, held, hand)).await
    }

    async fn cancel(&self, scope: Scope, id: DeliveryId, now: Timestamp, by: Option<Actor>) -> Result<DeliveryChange, StoreError> {
        self.change_pending(by, move |tx, held, hand| cancel(tx, (scope, id), now, held, hand)).await
    }
}

fn detail(
    db: &Connection,
    (scope, id): (Scope, DeliveryId),
    held: &HashSet<DeliveryId>,
    keyring: &Keyring,
) -> Result<Option<DeliveryDetail>, StoreError> {
    let Some(summary) = db.first(SUMMARY, (id.as_uuid(), client_of(scope)), |row| summary(row))? else {
        return Ok(None);
    };
    let summary = summary_as_seen(summary, held);
    let webhook_id = summary.delivery.webhook_id;
    let webhook = db.first(WEBHOOK_OF, (webhook_id.as_uuid(),), |row| webhook(row, keyring))?;
    let webhook = webhook.ok_or_else(|| StoreError::Corrupt { table: "delivery", column: "webhook_id", id: id.to_string() })?;
    let attempts = db.rows(ATTEMPTS_OF, (id.as_uuid(),), |row| attempt(&mut Fields::of(row, "attempt")))?;
    Ok(Some(DeliveryDetail { summary, webhook, attempts }))
}

fn event_detail(db: &Connection, scope: Scope, id: EventId, held: &HashSet<DeliveryId>) -> Result<Option<EventDetail>, StoreError> {
    let Some(event) = db.first(EVENT, (id.as_uuid(), client_of(scope)), |row| event(&mut Fields::of(row, "event")))? else {
        return Ok(None);
    };
    let deliveries = db.rows(DELIVERIES_OF, (id.as_uuid(),), |row| Ok(as_seen(delivery(&mut Fields::of(row, "delivery"))?, held)))?;
    Ok(Some(EventDetail { event, deliveries }))
}

fn event_list(db: &Connection, filter: &EventFilter, page: Page<EventId>) -> Result<Built, StoreError> {
    let search = Search::of(db, filter.subject.as_deref(), filter.event_type.as_ref())?;
    let mut query = Built::new(concat!("select ", event_columns!(), " from "));
    query.push(search.as_ref().map_or("event e", Search::tables)).push(" where true");
    if let Some(search) = &search {
        search.push_condition(&mut query);
    }
    if let Scope::Client(client_id) = filter.scope {
        query.push(" and e.client_id = ").bind_id(client_id.as_uuid());
    }
    if let Some(subject) = &filter.subject {
        query.push(" and e.subject = ").bind(subject.as_str().to_owned());
    }
    if let Some(event_type) = &filter.event_type {
        query.push(" and e.event_type = ").bind(event_type.as_str().to_owned());
    }
    if let Some(before) = page.before {
        query.push(" and e.id < ").bind_id(before.as_uuid());
    }
    query.push(" order by e.id desc limit ").bind(page.limit);
    Ok(query)
}

/// How a delivery stands when a person wants to change it.
struct Standing {
    state: DeliveryState,
    webhook_id: WebhookId,
    webhook_is_deleted: bool,
    client_id: ClientId,
}

fn standing(tx: &Transaction<'_>, scope: Scope, id: DeliveryId, held: &Held) -> Result<Option<Standing>, StoreError> {
    tx.db.first(STANDING, (id.as_uuid(), client_of(scope)), |row| {
        let mut fields = Fields::of(row, "delivery");
        fields.id::<Uuid>("id")?;
        let stored = fields.parse("state")?;
        Ok(Standing {
            state: if held.contains(id) { DeliveryState::InFlight } else { stored },
            webhook_id: fields.id("webhook_id")?,
            webhook_is_deleted: fields.flag("webhook_id")?,
            client_id: fields.id("client_id")?,
        })
    })
}

fn redeliver(
    tx: &mut Transaction<'_>,
    (scope, id): (Scope, DeliveryId),
    now: Timestamp,
    held: &Held,
    hand: &Hand<'_>,
) -> Result<DeliveryChange, StoreError> {
    match standing(tx, scope, id, held)? {
        None => Ok(DeliveryChange::NotFound),
        Some(Standing { webhook_is_deleted: true, .. }) => Ok(DeliveryChange::WebhookDeleted),
        Some(Standing { state: DeliveryState::InFlight, .. }) => Ok(DeliveryChange::NotAllowedIn(DeliveryState::InFlight)),
        Some(Standing { webhook_id, state, client_id, .. }) => {
            tx.db.change(REDELIVER, (id.as_uuid(), now.as_micros()))?;
            let change = || Change::delivery_moved(Action::Redeliver, id.as_uuid(), client_id, state, DeliveryState::Pending);
            hand.note(tx.db, || Some(change()))?;
            tx.signal(Signal::Due([webhook_id].into()));
            Ok(DeliveryChange::Changed)
        }
    }
}

fn cancel(
    tx: &Transaction<'_>,
    (scope, id): (Scope, DeliveryId),
    now: Timestamp,
    held: &Held,
    hand: &Hand<'_>,
) -> Result<DeliveryChange, StoreError> {
    match standing(tx, scope, id, held)? {
        None => Ok(DeliveryChange::NotFound),
        Some(Standing { state: state @ DeliveryState::Pending, client_id, .. }) => {
            tx.db.change(CANCEL, (id.as_uuid(), now.as_micros()))?;
            let change = || Change::delivery_moved(Action::Cancel, id.as_uuid(), client_id, state, DeliveryState::Cancelled);
            hand.note(tx.db, || Some(change()))?;
            Ok(DeliveryChange::Changed)
        }
        Some(Standing { state, .. }) => Ok(DeliveryChange::NotAllowedIn(state)),
    }
}
