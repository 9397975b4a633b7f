//! Events and deliveries as people see and change them. Which index a list reads is said in `delivery_list`.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

use super::PostgresStore;
use super::audit::Hand;
use super::connections::Call;
use super::dead_letters;
use super::delivery_list::{PLANNED_ANEW, list, summary_tables};
use super::event_redelivery::redeliver_event;
use super::value::{At, kept};
use super::webhooks::client_of;
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

const SUMMARY: &str = concat!(
    "select ",
    summary_columns!(),
    " from delivery d ",
    summary_tables!(),
    " where d.id = $1 and ($2::uuid is null or d.client_id = $2)"
);

/// A deleted webhook is still shown with its deliveries.
const WEBHOOK_OF: &str = concat!("select ", webhook_columns!(), " from webhook w where w.id = $1");

pub(super) const ATTEMPTS_OF: &str = concat!("select ", attempt_columns!(), " from attempt a where a.delivery_id = $1 order by a.number");

const EVENT: &str = concat!("select ", event_columns!(), " from event e where e.id = $1 and ($2::uuid is null or e.client_id = $2)");

pub(super) const DELIVERIES_OF: &str = concat!("select ", delivery_columns!(), " from delivery d where d.event_id = $1 order by d.id");

/// What a person's change depends on. Runs in the transaction of the change and holds the delivery for it, and the webhook
/// against its deletion.
const STANDING: &str = "
    select d.id, d.state, d.webhook_id, w.deleted_at is not null, d.client_id
    from delivery d join webhook w on w.id = d.webhook_id
    where d.id = $1 and ($2::uuid is null or d.client_id = $2)
    for no key update of d for key share of w";

pub(super) const REDELIVER: &str = "
    update delivery set state = 'pending', due_at = $2, attempts_before_series = attempts, dead_letter_reason = null, finished_at = null
    where id = $1";

const CANCEL: &str = "update delivery set state = 'cancelled', finished_at = $2 where id = $1";

#[async_trait]
impl Deliveries for PostgresStore {
    async fn deliveries(&self, filter: DeliveryFilter, page: Page<DeliveryId>) -> Result<Vec<DeliverySummary>, StoreError> {
        self.connections.transact(PLANNED_ANEW, move |call| Box::pin(async move { list(call.db, &filter, page).await })).await
    }

    async fn delivery(&self, scope: Scope, id: DeliveryId) -> Result<Option<DeliveryDetail>, StoreError> {
        let keyring = Arc::clone(&self.keyring);
        self.connections.read_moment(move |call| Box::pin(async move { one_delivery(call.db, scope, id, &keyring).await })).await
    }

    async fn events(&self, filter: EventFilter, page: Page<EventId>) -> Result<Vec<Event>, StoreError> {
        self.connections.transact(PLANNED_ANEW, move |call| Box::pin(async move { events(call.db, &filter, page).await })).await
    }

    async fn event(&self, scope: Scope, id: EventId) -> Result<Option<EventDetail>, StoreError> {
        self.connections.read_moment(move |call| Box::pin(one_event(call.db, scope, id))).await
    }

    async fn dead_letter_groups(&self, scope: Scope, most: u32) -> Result<Vec<DeadLetterGroup>, StoreError> {
        self.connections.call(move |call| Box::pin(dead_letters::groups(call.db, scope, most))).await
    }

    async fn redeliver(&self, scope: Scope, id: DeliveryId, now: Timestamp, by: Option<Actor>) -> Result<DeliveryChange, StoreError> {
        let hand = self.hand(by);
        self.connections.write(move |call| Box::pin(async move { redeliver(call, (scope, id), now, &hand).await })).await
    }

    async fn redeliver_event(
        &self,
        scope: Scope,
        id: EventId,
        to: Option<WebhookId>,
        now: Timestamp,
        by: Option<Actor>,
    ) -> Result<EventRedelivery, StoreError> {
        let hand = self.hand(by);
        self.connections.write(move |call| Box::pin(async move { redeliver_event(call, (scope, id, to), now, &hand).await })).await
    }

    async fn cancel(&self, scope: Scope, id: DeliveryId, now: Timestamp, by: Option<Actor>) -> Result<DeliveryChange, StoreError> {
        let hand = self.hand(by);
        self.connections.write(move |call| Box::pin(async move { cancel(call, (scope, id), now, &hand).await })).await
    }
}

async fn one_delivery(
    db: &mut PgConnection,
    scope: Scope,
    id: DeliveryId,
    keyring: &Keyring,
) -> Result<Option<DeliveryDetail>, StoreError> {
    let row = sqlx::query(SUMMARY).bind(id.as_uuid()).bind(client_of(scope)).fetch_optional(&mut *db).await?;
    match row {
        Some(row) => Ok(Some(detail(db, &row, keyring).await?)),
        None => Ok(None),
    }
}

async fn detail(db: &mut PgConnection, row: &PgRow, keyring: &Keyring) -> Result<DeliveryDetail, StoreError> {
    let summary = summary(row)?;
    let webhook_row = sqlx::query(WEBHOOK_OF).bind(summary.delivery.webhook_id.as_uuid()).fetch_one(&mut *db).await?;
    let attempts = sqlx::query(ATTEMPTS_OF).bind(summary.delivery.id.as_uuid()).fetch_all(&mut *db).await?;
    let attempts = attempts.iter().map(|row| attempt(&mut Fields::of(row, "attempt"))).collect::<Result<_, _>>()?;
    Ok(DeliveryDetail { summary, webhook: webhook(&webhook_row, keyring)?, attempts })
}

async fn one_event(db: &mut PgConnection, scope: Scope, id: EventId) -> Result<Option<EventDetail>, StoreError> {
    let Some(row) = sqlx::query(EVENT).bind(id.as_uuid()).bind(client_of(scope)).fetch_optional(&mut *db).await? else {
        return Ok(None);
    };
    let rows = sqlx::query(DELIVERIES_OF).bind(id.as_uuid()).fetch_all(db).await?;
    let deliveries = rows.iter().map(|row| delivery(&mut Fields::of(row, "delivery"))).collect::<Result<_, _>>()?;
    Ok(Some(EventDetail { event: event(&mut Fields::of(&row, "event"))?, deliveries }))
}

async fn events(db: &mut PgConnection, filter: &EventFilter, page: Page<EventId>) -> Result<Vec<Event>, StoreError> {
    let rows = event_list(filter, page).build().persistent(false).fetch_all(db).await?;
    rows.iter().map(|row| event(&mut Fields::of(row, "event"))).collect()
}

pub(super) fn event_list(filter: &EventFilter, page: Page<EventId>) -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::new(concat!("select ", event_columns!(), " from event e where true"));
    if let Scope::Client(client_id) = filter.scope {
        query.push(" and e.client_id = ").push_bind(client_id.as_uuid());
    }
    if let Some(subject) = &filter.subject {
        query.push(" and e.subject = ").push_bind(kept(subject).into_owned());
    }
    if let Some(event_type) = &filter.event_type {
        query.push(" and e.event_type = ").push_bind(event_type.as_str().to_owned());
    }
    if let Some(before) = page.before {
        query.push(" and e.id < ").push_bind(before.as_uuid());
    }
    query.push(" order by e.id desc limit ").push_bind(i64::from(page.limit));
    query
}

/// How a delivery stands when a person wants to change it.
struct Standing {
    state: DeliveryState,
    webhook_id: WebhookId,
    webhook_is_deleted: bool,
    client_id: ClientId,
}

async fn standing(db: &mut PgConnection, scope: Scope, id: DeliveryId) -> Result<Option<Standing>, StoreError> {
    let row = sqlx::query(STANDING).bind(id.as_uuid()).bind(client_of(scope)).fetch_optional(db).await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let mut fields = Fields::of(&row, "delivery");
    fields.id::<Uuid>("id")?;
    Ok(Some(Standing {
        state: fields.parse("state")?,
        webhook_id: fields.id("webhook_id")?,
        webhook_is_deleted: fields.flag("webhook_id")?,
        client_id: fields.id("client_id")?,
    }))
}

async fn redeliver(
    call: &mut Call<'_>,
    (scope, id): (Scope, DeliveryId),
    now: Timestamp,
    hand: &Hand,
) -> Result<DeliveryChange, StoreError> {
    match standing(call.db, scope, id).await? {
        None => Ok(DeliveryChange::NotFound),
        Some(Standing { webhook_is_deleted: true, .. }) => Ok(DeliveryChange::WebhookDeleted),
        Some(Standing { state: DeliveryState::InFlight, .. }) => Ok(DeliveryChange::NotAllowedIn(DeliveryState::InFlight)),
        Some(Standing { webhook_id, state, client_id, .. }) => {
            sqlx::query(REDELIVER).bind(id.as_uuid()).bind(At(now)).execute(&mut *call.db).await?;
            let change = || Change::delivery_moved(Action::Redeliver, id.as_uuid(), client_id, state, DeliveryState::Pending);
            hand.note(call.db, || Some(change())).await?;
            call.signal(Signal::Due([webhook_id].into()));
            Ok(DeliveryChange::Changed)
        }
    }
}

async fn cancel(call: &mut Call<'_>, (scope, id): (Scope, DeliveryId), now: Timestamp, hand: &Hand) -> Result<DeliveryChange, StoreError> {
    match standing(call.db, scope, id).await? {
        None => Ok(DeliveryChange::NotFound),
        Some(Standing { state: state @ DeliveryState::Pending, client_id, .. }) => {
            sqlx::query(CANCEL).bind(id.as_uuid()).bind(At(now)).execute(&mut *call.db).await?;
            let change = || Change::delivery_moved(Action::Cancel, id.as_uuid(), client_id, state, DeliveryState::Cancelled);
            hand.note(call.db, || Some(change())).await?;
            Ok(DeliveryChange::Changed)
        }
        Some(Standing { state, .. }) => Ok(DeliveryChange::NotAllowedIn(state)),
    }
}
