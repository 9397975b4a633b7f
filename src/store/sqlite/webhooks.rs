//! Webhook definitions: stored, replaced, switched on and off, deleted.

use async_trait::async_trait;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::SqliteStore;
use super::batch::{Batch, Bound};
use super::writer::Transaction;
use crate::domain::ids::{ClientId, WebhookId};
use crate::domain::time::Timestamp;
use crate::domain::webhook::{Webhook, WebhookDefinition, WebhookState};
use crate::store::contract::Webhooks;
use crate::store::error::StoreError;
use crate::store::records::{Page, Scope, WebhookWrite};
use crate::store::rows::words::state_words;
use crate::store::rows::{WrittenDefinition, webhook, webhook_columns};
use crate::store::signal::Signal;

/// Of the rows that are not deleted.
const CLIENT_EXISTS: &str = "select exists (select 1 from client where id = ? and deleted_at is null)";

/// Whether another webhook of the client has the type code. Every write of a webhook asks this in its own transaction;
/// the index `webhook_type` is the rule itself.
const TYPE_TAKEN: &str = "
    select exists (select 1 from webhook where client_id = ? and type_code = ? and id <> ? and deleted_at is null)";

const INSERT: &str = "
    insert into webhook (id, client_id, version, name, type_code, events, method, headers, url, header_auth,
        authorization_fixed, authorization_url, authorization_method, authorization_headers, authorization_body,
        authorization_response_token_attr, retry, timeout_ms, max_in_flight, rate_limit,
        state, disable_reason, state_changed_at, created_at, updated_at)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

const VERSION: &str = "select version from webhook where id = ? and client_id = ? and deleted_at is null";

/// Runs in the transaction that compared the version.
const UPDATE: &str = "
    update webhook set name = ?, type_code = ?, events = ?, method = ?, headers = ?, url = ?, header_auth = ?,
        authorization_fixed = ?, authorization_url = ?, authorization_method = ?, authorization_headers = ?,
        authorization_body = ?, authorization_response_token_attr = ?, retry = ?, timeout_ms = ?, max_in_flight = ?,
        rate_limit = ?, updated_at = ?, version = version + 1
    where id = ?";

static INSERT_EVENTS: std::sync::LazyLock<Batch> = std::sync::LazyLock::new(|| {
    Batch::of_rows(
        "insert or ignore into webhook_event (client_id, event_type, webhook_id) select * from (values {rows}) where column1 is not null",
        "(?, ?, ?)",
    )
});

const DELETE_EVENTS: &str = "delete from webhook_event where webhook_id = ?";

/// A state that is set anew has not changed: what is counted since its change stays counted.
const SET_STATE: &str = "
    update webhook set state_changed_at = iif(state = ?2, state_changed_at, ?4), state = ?2, disable_reason = ?3,
        updated_at = ?4, version = version + 1
    where id = ?1 and deleted_at is null and (?5 is null or client_id = ?5)";

/// The row stays for the deliveries that speak of it; what may hold secrets goes.
const DELETE: &str = "
    update webhook set deleted_at = ?2, updated_at = ?2, version = version + 1,
        headers = null, authorization_fixed = null, authorization_headers = null, authorization_body = null
    where id = ?1 and deleted_at is null and (?3 is null or client_id = ?3)";

/// Reads the pending ones alone, not all that the webhook ever got; so many at a time, for SQLite keeps in memory which
/// rows it is about to change.
pub(super) const CANCEL_PENDING: &str = "
    update delivery set state = 'cancelled', finished_at = ?2
    where id in (
        select d.id from delivery d indexed by delivery_due where d.webhook_id = ?1 and d.state = 'pending' limit 10000)";

const ONE: &str =
    concat!("select ", webhook_columns!(), " from webhook w where w.id = ?1 and w.deleted_at is null and (?2 is null or w.client_id = ?2)");

#[async_trait]
impl Webhooks for SqliteStore {
    async fn insert_webhook(&self, webhook: Webhook) -> Result<WebhookWrite, StoreError> {
        self.writer.write(|tx| Box::pin(async move { insert(tx, &webhook).await })).await
    }

    async fn update_webhook(&self, webhook: Webhook) -> Result<WebhookWrite, StoreError> {
        self.writer.write(|tx| Box::pin(async move { update(tx, &webhook).await })).await
    }

    async fn set_webhook_state(&self, scope: Scope, id: WebhookId, state: WebhookState, now: Timestamp) -> Result<bool, StoreError> {
        self.writer.write(move |tx| Box::pin(async move { set_state(tx, scope, id, &state, now).await })).await
    }

    async fn delete_webhook(&self, scope: Scope, id: WebhookId, now: Timestamp) -> Result<bool, StoreError> {
        self.writer.write(move |tx| Box::pin(delete(tx, scope, id, now))).await
    }

    async fn webhook(&self, scope: Scope, id: WebhookId) -> Result<Option<Webhook>, StoreError> {
        let query = sqlx::query(ONE).bind(id.as_uuid()).bind(client_of(scope));
        query.fetch_optional(&self.readers).await?.as_ref().map(|row| webhook(row)).transpose()
    }

    async fn webhooks(&self, scope: Scope, page: Page<WebhookId>) -> Result<Vec<Webhook>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new(concat!("select ", webhook_columns!(), " from webhook w where w.deleted_at is null"));
        if let Scope::Client(client_id) = scope {
            query.push(" and w.client_id = ").push_bind(client_id.as_uuid());
        }
        if let Some(before) = page.before {
            query.push(" and w.id < ").push_bind(before.as_uuid());
        }
        query.push(" order by w.id desc limit ").push_bind(page.limit);
        query.build().fetch_all(&self.readers).await?.iter().map(|row| webhook(row)).collect()
    }
}

/// Binds the columns of a definition in the order of `webhook_columns!`, from `name` to `rate_limit`.
fn bind_definition(query: Bound, definition: &WebhookDefinition) -> Bound {
    let written = WrittenDefinition::from(definition);
    query
        .bind(written.name)
        .bind(written.type_code)
        .bind(written.events)
        .bind(written.method)
        .bind(written.headers)
        .bind(written.url)
        .bind(written.header_auth)
        .bind(written.authorization_fixed)
        .bind(written.authorization_url)
        .bind(written.authorization_method)
        .bind(written.authorization_headers)
        .bind(written.authorization_body)
        .bind(written.authorization_response_token_attr)
        .bind(written.retry)
        .bind(written.timeout_ms)
        .bind(written.max_in_flight)
        .bind(written.rate_limit)
}

/// What to bind where a null means every client.
pub(super) fn client_of(scope: Scope) -> Option<uuid::Uuid> {
    scope.client_id().map(ClientId::as_uuid)
}

async fn insert(tx: &mut Transaction<'_>, webhook: &Webhook) -> Result<WebhookWrite, StoreError> {
    if !client_exists(tx.db, webhook.client_id).await? {
        return Ok(WebhookWrite::NotFound);
    }
    if type_is_taken(tx.db, webhook).await? {
        return Ok(WebhookWrite::TypeTaken);
    }
    let query = sqlx::query(INSERT).bind(webhook.id.as_uuid()).bind(webhook.client_id.as_uuid()).bind(webhook.version);
    let (state, reason) = state_words(&webhook.state);
    let created_at = webhook.created_at.as_micros();
    let query = bind_definition(query, &webhook.definition).bind(state).bind(reason);
    query.bind(created_at).bind(created_at).bind(webhook.updated_at.as_micros()).execute(&mut *tx.db).await?;
    insert_events(tx.db, webhook).await?;
    tx.signal(Signal::WebhookChanged(webhook.id));
    Ok(WebhookWrite::Stored)
}

async fn update(tx: &mut Transaction<'_>, webhook: &Webhook) -> Result<WebhookWrite, StoreError> {
    let query = sqlx::query_scalar(VERSION).bind(webhook.id.as_uuid()).bind(webhook.client_id.as_uuid());
    let stored: Option<i64> = query.fetch_optional(&mut *tx.db).await?;
    match stored {
        None => return Ok(WebhookWrite::NotFound),
        Some(version) if version != webhook.version => return Ok(WebhookWrite::Stale),
        Some(_) => {}
    }
    if type_is_taken(tx.db, webhook).await? {
        return Ok(WebhookWrite::TypeTaken);
    }
    let query = bind_definition(sqlx::query(UPDATE), &webhook.definition);
    query.bind(webhook.updated_at.as_micros()).bind(webhook.id.as_uuid()).execute(&mut *tx.db).await?;
    sqlx::query(DELETE_EVENTS).bind(webhook.id.as_uuid()).execute(&mut *tx.db).await?;
    insert_events(tx.db, webhook).await?;
    tx.signal(Signal::WebhookChanged(webhook.id));
    Ok(WebhookWrite::Stored)
}

pub(super) async fn client_exists(db: &mut SqliteConnection, id: ClientId) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(CLIENT_EXISTS).bind(id.as_uuid()).fetch_one(db).await?)
}

async fn type_is_taken(db: &mut SqliteConnection, webhook: &Webhook) -> Result<bool, StoreError> {
    let query = sqlx::query_scalar(TYPE_TAKEN).bind(webhook.client_id.as_uuid()).bind(webhook.definition.type_code);
    Ok(query.bind(webhook.id.as_uuid()).fetch_one(db).await?)
}

async fn insert_events(db: &mut SqliteConnection, webhook: &Webhook) -> Result<(), StoreError> {
    let bind = |query: Bound, event_type: &crate::domain::event::EventType| {
        query.bind(webhook.client_id.as_uuid()).bind(event_type.as_str()).bind(webhook.id.as_uuid())
    };
    INSERT_EVENTS.execute(db, &webhook.definition.events, bind).await?;
    Ok(())
}

async fn set_state(
    tx: &mut Transaction<'_>,
    scope: Scope,
    id: WebhookId,
    state: &WebhookState,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let (word, reason) = state_words(state);
    let query = sqlx::query(SET_STATE).bind(id.as_uuid()).bind(word).bind(reason).bind(now.as_micros()).bind(client_of(scope));
    let is_set = query.execute(&mut *tx.db).await?.rows_affected() > 0;
    if is_set {
        tx.signal(Signal::WebhookChanged(id));
        if state.is_active() {
            tx.signal(Signal::Due([id].into()));
        }
    }
    Ok(is_set)
}

/// Does what `Webhooks::delete_webhook` promises.
pub(super) async fn delete(tx: &mut Transaction<'_>, scope: Scope, id: WebhookId, now: Timestamp) -> Result<bool, StoreError> {
    let query = sqlx::query(DELETE).bind(id.as_uuid()).bind(now.as_micros()).bind(client_of(scope));
    if query.execute(&mut *tx.db).await?.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query(DELETE_EVENTS).bind(id.as_uuid()).execute(&mut *tx.db).await?;
    cancel_pending(tx, id, now).await?;
    tx.signal(Signal::WebhookChanged(id));
    Ok(true)
}

async fn cancel_pending(tx: &mut Transaction<'_>, id: WebhookId, now: Timestamp) -> Result<(), StoreError> {
    loop {
        let query = sqlx::query(CANCEL_PENDING).bind(id.as_uuid()).bind(now.as_micros());
        if query.execute(&mut *tx.db).await?.rows_affected() == 0 {
            return Ok(());
        }
    }
}
