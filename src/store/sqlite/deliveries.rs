//! Events and deliveries as people see and change them. Which index a list reads is said in `delivery_list`.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use uuid::Uuid;

use super::SqliteStore;
use super::delivery_list::{list, summary_tables};
use super::webhooks::client_of;
use super::writer::Transaction;
use crate::domain::delivery::DeliveryState;
use crate::domain::event::Event;
use crate::domain::ids::{DeliveryId, EventId, WebhookId};
use crate::domain::time::Timestamp;
use crate::store::contract::Deliveries;
use crate::store::error::StoreError;
use crate::store::records::{DeliveryChange, DeliveryDetail, DeliveryFilter, DeliverySummary, EventDetail, EventFilter, Page, Scope};
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
    select d.id, d.state, d.webhook_id, w.deleted_at is not null
    from delivery d join webhook w on w.id = d.webhook_id
    where d.id = ?1 and (?2 is null or d.client_id = ?2)";

const REDELIVER: &str = "
    update delivery set state = 'pending', due_at = ?2, attempts_before_series = attempts, dead_letter_reason = null, finished_at = null
    where id = ?1";

const CANCEL: &str = "update delivery set state = 'cancelled', finished_at = ?2 where id = ?1";

#[async_trait]
impl Deliveries for SqliteStore {
    async fn deliveries(&self, filter: DeliveryFilter, page: Page<DeliveryId>) -> Result<Vec<DeliverySummary>, StoreError> {
        list(&mut *self.readers.acquire().await?, &filter, page).await
    }

    async fn delivery(&self, scope: Scope, id: DeliveryId) -> Result<Option<DeliveryDetail>, StoreError> {
        // One transaction, so that the parts are of one moment.
        let mut tx = self.readers.begin().await?;
        let row = sqlx::query(SUMMARY).bind(id.as_uuid()).bind(client_of(scope)).fetch_optional(&mut *tx).await?;
        match row {
            Some(row) => Ok(Some(detail(&mut tx, &row).await?)),
            None => Ok(None),
        }
    }

    async fn events(&self, filter: EventFilter, page: Page<EventId>) -> Result<Vec<Event>, StoreError> {
        let rows = event_list(&filter, page).build().fetch_all(&self.readers).await?;
        rows.iter().map(|row| event(&mut Fields::of(row, "event"))).collect()
    }

    async fn event(&self, scope: Scope, id: EventId) -> Result<Option<EventDetail>, StoreError> {
        let mut tx = self.readers.begin().await?;
        let row = sqlx::query(EVENT).bind(id.as_uuid()).bind(client_of(scope)).fetch_optional(&mut *tx).await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let rows = sqlx::query(DELIVERIES_OF).bind(id.as_uuid()).fetch_all(&mut *tx).await?;
        let deliveries = rows.iter().map(|row| delivery(&mut Fields::of(row, "delivery"))).collect::<Result<_, _>>()?;
        Ok(Some(EventDetail { event: event(&mut Fields::of(&row, "event"))?, deliveries }))
    }

    async fn redeliver(&self, scope: Scope, id: DeliveryId, now: Timestamp) -> Result<DeliveryChange, StoreError> {
        self.writer.write(move |tx| Box::pin(redeliver(tx, scope, id, now))).await
    }

    async fn cancel(&self, scope: Scope, id: DeliveryId, now: Timestamp) -> Result<DeliveryChange, StoreError> {
        self.writer.write(move |tx| Box::pin(cancel(tx, scope, id, now))).await
    }
}

async fn detail(db: &mut SqliteConnection, row: &SqliteRow) -> Result<DeliveryDetail, StoreError> {
    let summary = summary(row)?;
    let webhook = sqlx::query(WEBHOOK_OF).bind(summary.delivery.webhook_id.as_uuid()).fetch_one(&mut *db).await?;
    let attempts = sqlx::query(ATTEMPTS_OF).bind(summary.delivery.id.as_uuid()).fetch_all(&mut *db).await?;
    let attempts = attempts.iter().map(|row| attempt(&mut Fields::of(row, "attempt"))).collect::<Result<_, _>>()?;
    Ok(DeliveryDetail { summary, webhook: self::webhook(&webhook)?, attempts })
}

fn event_list(filter: &EventFilter, page: Page<EventId>) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(concat!("select ", event_columns!(), " from event e where true"));
    if let Scope::Client(client_id) = filter.scope {
        query.push(" and e.client_id = ").push_bind(client_id.as_uuid());
    }
    if let Some(subject) = &filter.subject {
        query.push(" and e.subject = ").push_bind(subject.as_str());
    }
    if let Some(event_type) = &filter.event_type {
        query.push(" and e.event_type = ").push_bind(event_type.as_str());
    }
    if let Some(before) = page.before {
        query.push(" and e.id < ").push_bind(before.as_uuid());
    }
    query.push(" order by e.id desc limit ").push_bind(page.limit);
    query
}

/// How a delivery stands when a person wants to change it.
struct Standing {
    state: DeliveryState,
    webhook_id: WebhookId,
    webhook_is_deleted: bool,
}

async fn standing(tx: &mut Transaction<'_>, scope: Scope, id: DeliveryId) -> Result<Option<Standing>, StoreError> {
    let row = sqlx::query(STANDING).bind(id.as_uuid()).bind(client_of(scope)).fetch_optional(&mut *tx.db).await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let mut fields = Fields::of(&row, "delivery");
    fields.id::<Uuid>("id")?;
    Ok(Some(Standing {
        state: fields.parse("state")?,
        webhook_id: fields.id("webhook_id")?,
        webhook_is_deleted: fields.flag("webhook_id")?,
    }))
}

async fn redeliver(tx: &mut Transaction<'_>, scope: Scope, id: DeliveryId, now: Timestamp) -> Result<DeliveryChange, StoreError> {
    match standing(tx, scope, id).await? {
        None => Ok(DeliveryChange::NotFound),
        Some(Standing { webhook_is_deleted: true, .. }) => Ok(DeliveryChange::WebhookDeleted),
        Some(Standing { state: DeliveryState::InFlight, .. }) => Ok(DeliveryChange::NotAllowedIn(DeliveryState::InFlight)),
        Some(Standing { webhook_id, .. }) => {
            sqlx::query(REDELIVER).bind(id.as_uuid()).bind(now.as_micros()).execute(&mut *tx.db).await?;
            tx.signal(Signal::Due([webhook_id].into()));
            Ok(DeliveryChange::Changed)
        }
    }
}

async fn cancel(tx: &mut Transaction<'_>, scope: Scope, id: DeliveryId, now: Timestamp) -> Result<DeliveryChange, StoreError> {
    match standing(tx, scope, id).await? {
        None => Ok(DeliveryChange::NotFound),
        Some(Standing { state: DeliveryState::Pending, .. }) => {
            sqlx::query(CANCEL).bind(id.as_uuid()).bind(now.as_micros()).execute(&mut *tx.db).await?;
            Ok(DeliveryChange::Changed)
        }
        Some(Standing { state, .. }) => Ok(DeliveryChange::NotAllowedIn(state)),
    }
}
