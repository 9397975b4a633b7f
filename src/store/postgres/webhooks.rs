//! Webhook definitions: stored, replaced, switched on and off, deleted.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

use super::PostgresStore;
use super::audit::Hand;
use super::connections::Call;
use super::left_over::cancel_of;
use super::value::{At, kept};
use crate::domain::audit::{Actor, Change};
use crate::domain::event::EventType;
use crate::domain::ids::{ClientId, WebhookId};
use crate::domain::time::Timestamp;
use crate::domain::webhook::{Webhook, WebhookState};
use crate::secrets::Keyring;
use crate::store::contract::{CANCELLED_AT_ONCE, Webhooks};
use crate::store::error::StoreError;
use crate::store::records::{Page, Scope, WebhookWrite};
use crate::store::rows::words::state_words;
use crate::store::rows::{Fields, WrittenDefinition, webhook, webhook_columns};
use crate::store::signal::Signal;

/// Holds the client against its deletion until the end of the transaction.
const HOLD_CLIENT: &str = "select true from client where id = $1 and deleted_at is null for key share";

/// One at a time of those who are counted; whoever stores what belongs to the client otherwise is not held up.
const TAKE_TURN: &str = "select true from client where id = $1 for no key update";

/// Of these events those for which the client has so many other webhooks in the way of a catalogue, or more.
const FULL_EVENTS: &str = "
    select e.event_type from webhook_event e join webhook w on w.id = e.webhook_id
    where e.client_id = $1 and e.event_type = any($2) and w.catalog = $3 and w.id <> $4 and w.deleted_at is null
    group by e.event_type having count(*) >= $5 order by e.event_type";

const INSERT: &str = "
    insert into webhook (name, type_code, events, catalog, method, url, header_auth,
        authorization_url, authorization_method, authorization_response_token_attr,
        retry, timeout_ms, max_in_flight, rate_limit, http_signature, secrets,
        id, client_id, version, state, disable_reason, state_changed_at, created_at, updated_at)
    values ($1, $2, $3::json, $4, $5, $6, $7, $8, $9, $10, $11::json, $12, $13, $14::json, $15, $16,
        $17, $18, $19, $20, $21, $22, $22, $23)";

/// Whoever is first to ask changes the webhook; the next one sees the new version.
const VERSION: &str = "select version from webhook where id = $1 and client_id = $2 and deleted_at is null for no key update";

/// Runs in the transaction that compared the version.
const UPDATE: &str = "
    update webhook set name = $1, type_code = $2, events = $3::json, catalog = $4, method = $5, url = $6, header_auth = $7,
        authorization_url = $8, authorization_method = $9, authorization_response_token_attr = $10,
        retry = $11::json, timeout_ms = $12, max_in_flight = $13, rate_limit = $14::json, http_signature = $15, secrets = $16,
        updated_at = $17, version = version + 1
    where id = $18";

const INSERT_EVENTS: &str = "
    insert into webhook_event (client_id, event_type, webhook_id)
    select distinct $1::uuid, event_type, $3::uuid from unnest($2::text[]) as t (event_type)";

const DELETE_PUBLIC_KEYS: &str = "delete from public_key where webhook_id = $1";

const DELETE_EVENTS: &str = "delete from webhook_event where webhook_id = $1";

/// A state that is set anew has not changed: what is counted since its change stays counted.
const SET_STATE: &str = "
    update webhook set state_changed_at = case when state = $2 then state_changed_at else $4 end, state = $2, disable_reason = $3,
        updated_at = $4, version = version + 1
    where id = $1 and deleted_at is null and ($5::uuid is null or client_id = $5)";

/// Waits for those who are about to make deliveries wait for this webhook; whoever comes later sees that it is gone.
const HOLD_FOR_DELETION: &str = "
    select true from webhook where id = $1 and deleted_at is null and ($2::uuid is null or client_id = $2) for update";

/// The row stays for the deliveries that speak of it; what may hold secrets goes.
const DELETE: &str = "
    update webhook set deleted_at = $2, updated_at = $2, version = version + 1,
        secrets = null, signing_keys = null, has_left_over = true
    where id = $1";

pub(super) const ONE: &str = concat!(
    "select ",
    webhook_columns!(),
    " from (select * from webhook where webhook.id = $1 limit 1) w
    where w.deleted_at is null and ($2::uuid is null or w.client_id = $2)"
);

pub(super) const NAMED: &str = concat!(
    "select ",
    webhook_columns!(),
    " from unnest($1::uuid[]) as named (id)
    cross join lateral (select * from webhook where webhook.id = named.id limit 1) w
    where w.deleted_at is null"
);

/// The webhooks that live among those of an array, their rows locked against deletion. Looked up one by one by nothing but
/// their ids (`limit 1`): a statement that was planned on few webhooks would read them all ever after, or all in the partial
/// index of those that live.
macro_rules! alive {
    ($ids:literal) => {
        concat!(
            "alive as materialized (
                select w.id from (select distinct named.id from unnest(",
            $ids,
            "::uuid[]) as named (id)) n
                cross join lateral (
                    select webhook.id, webhook.deleted_at from webhook where webhook.id = n.id limit 1 for key share) w
                where w.deleted_at is null)"
        )
    };
}
pub(super) use alive;

/// The rule that a client has one webhook of a type code.
const TYPE_IS_USED_ONCE: &str = "webhook_type";

#[async_trait]
impl Webhooks for PostgresStore {
    async fn insert_webhook(&self, webhook: Webhook, most_per_event: Option<u32>, by: Option<Actor>) -> Result<WebhookWrite, StoreError> {
        let (keyring, hand) = (Arc::clone(&self.keyring), self.hand(by));
        let work = async move |call: &mut Call<'_>| insert(call, &webhook, most_per_event, &keyring, &hand).await;
        type_taken(self.connections.write(move |call| Box::pin(async move { work(call).await })).await)
    }

    async fn update_webhook(&self, webhook: Webhook, most_per_event: Option<u32>, by: Option<Actor>) -> Result<WebhookWrite, StoreError> {
        let (keyring, hand) = (Arc::clone(&self.keyring), self.hand(by));
        let work = async move |call: &mut Call<'_>| update(call, &webhook, most_per_event, &keyring, &hand).await;
        type_taken(self.connections.write(move |call| Box::pin(async move { work(call).await })).await)
    }

    async fn set_webhook_state(
        &self,
        scope: Scope,
        id: WebhookId,
        state: WebhookState,
        now: Timestamp,
        by: Option<Actor>,
    ) -> Result<bool, StoreError> {
        let (keyring, hand) = (Arc::clone(&self.keyring), self.hand(by));
        let work = async move |call: &mut Call<'_>| {
            let before = hand.webhook_before(call.db, (scope, id), &keyring).await?;
            let is_set = set_state(call, scope, id, &state, now).await?;
            hand.note(call.db, || Change::webhook_state_set(before.as_ref()?, &state)).await?;
            Ok(is_set)
        };
        self.connections.write(move |call| Box::pin(async move { work(call).await })).await
    }

    async fn delete_webhook(&self, scope: Scope, id: WebhookId, now: Timestamp, by: Option<Actor>) -> Result<bool, StoreError> {
        let (keyring, hand) = (Arc::clone(&self.keyring), self.hand(by));
        let work = async move |call: &mut Call<'_>| {
            let is_deleted = delete(call, (scope, id), now, &keyring, &hand).await?;
            if is_deleted {
                cancel_of(call.db, (id, now), CANCELLED_AT_ONCE).await?;
            }
            Ok(is_deleted)
        };
        self.connections.write(move |call| Box::pin(async move { work(call).await })).await
    }

    async fn webhook(&self, scope: Scope, id: WebhookId) -> Result<Option<Webhook>, StoreError> {
        let keyring = Arc::clone(&self.keyring);
        self.connections.call(move |call| Box::pin(async move { one(call.db, scope, id, &keyring).await })).await
    }

    async fn webhooks_named(&self, ids: Vec<WebhookId>) -> Result<Vec<Webhook>, StoreError> {
        let keyring = Arc::clone(&self.keyring);
        self.connections.call(move |call| Box::pin(async move { named(call.db, ids, &keyring).await })).await
    }

    async fn webhooks(&self, scope: Scope, page: Page<WebhookId>) -> Result<Vec<Webhook>, StoreError> {
        let keyring = Arc::clone(&self.keyring);
        self.connections.call(move |call| Box::pin(async move { list(call.db, scope, page, &keyring).await })).await
    }
}

/// The index knows best whether a type code is taken.
fn type_taken(written: Result<WebhookWrite, StoreError>) -> Result<WebhookWrite, StoreError> {
    match written {
        Err(StoreError::Conflict { constraint }) if constraint == TYPE_IS_USED_ONCE => Ok(WebhookWrite::TypeTaken),
        other => other,
    }
}

/// Binds the columns of a definition in the order of `webhook_columns!`, from `name` to `secrets`.
fn bind_definition<'q>(query: Query<'q, Postgres, PgArguments>, written: WrittenDefinition<'q>) -> Query<'q, Postgres, PgArguments> {
    let json = |text: Option<String>| text.map(|text| kept(&text).into_owned());
    query
        .bind(kept(written.name))
        .bind(written.type_code)
        .bind(kept(&written.events).into_owned())
        .bind(written.catalog)
        .bind(written.method)
        .bind(kept(written.url))
        .bind(written.header_auth.map(kept))
        .bind(written.authorization_url.map(kept))
        .bind(written.authorization_method)
        .bind(written.authorization_response_token_attr.map(kept))
        .bind(json(written.retry))
        .bind(written.timeout_ms)
        .bind(written.max_in_flight)
        .bind(json(written.rate_limit))
        .bind(written.http_signature)
        .bind(written.secrets)
}

/// What to bind where a null means every client.
pub(super) fn client_of(scope: Scope) -> Option<Uuid> {
    scope.client_id().map(ClientId::as_uuid)
}

async fn one(db: &mut PgConnection, scope: Scope, id: WebhookId, keyring: &Keyring) -> Result<Option<Webhook>, StoreError> {
    let query = sqlx::query(ONE).bind(id.as_uuid()).bind(client_of(scope));
    query.fetch_optional(db).await?.as_ref().map(|row| webhook(row, keyring)).transpose()
}

async fn named(db: &mut PgConnection, ids: Vec<WebhookId>, keyring: &Keyring) -> Result<Vec<Webhook>, StoreError> {
    let ids: Vec<Uuid> = ids.into_iter().map(WebhookId::as_uuid).collect();
    sqlx::query(NAMED).bind(ids).fetch_all(db).await?.iter().map(|row| webhook(row, keyring)).collect()
}

async fn list(db: &mut PgConnection, scope: Scope, page: Page<WebhookId>, keyring: &Keyring) -> Result<Vec<Webhook>, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new(concat!("select ", webhook_columns!(), " from webhook w where w.deleted_at is null"));
    if let Scope::Client(client_id) = scope {
        query.push(" and w.client_id = ").push_bind(client_id.as_uuid());
    }
    if let Some(before) = page.before {
        query.push(" and w.id < ").push_bind(before.as_uuid());
    }
    query.push(" order by w.id desc limit ").push_bind(i64::from(page.limit));
    query.build().fetch_all(db).await?.iter().map(|row| webhook(row, keyring)).collect()
}

async fn insert(
    call: &mut Call<'_>,
    webhook: &Webhook,
    most_per_event: Option<u32>,
    keyring: &Keyring,
    hand: &Hand,
) -> Result<WebhookWrite, StoreError> {
    if !hold_client(call.db, webhook.client_id).await? {
        return Ok(WebhookWrite::NotFound);
    }
    if let Some(full) = full(call.db, webhook, most_per_event).await? {
        return Ok(full);
    }
    let (state, reason) = state_words(&webhook.state);
    let query = bind_definition(sqlx::query(INSERT), WrittenDefinition::of(webhook, keyring)?)
        .bind(webhook.id.as_uuid())
        .bind(webhook.client_id.as_uuid())
        .bind(webhook.version)
        .bind(state)
        .bind(reason)
        .bind(At(webhook.created_at))
        .bind(At(webhook.updated_at));
    query.execute(&mut *call.db).await?;
    insert_events(call.db, webhook).await?;
    hand.note(call.db, || Some(Change::webhook_created(webhook))).await?;
    call.signal(Signal::WebhookChanged(webhook.id));
    Ok(WebhookWrite::Stored)
}

async fn update(
    call: &mut Call<'_>,
    webhook: &Webhook,
    most_per_event: Option<u32>,
    keyring: &Keyring,
    hand: &Hand,
) -> Result<WebhookWrite, StoreError> {
    // Before the webhook is locked: whoever deletes a client begins with the client too.
    let full = full(call.db, webhook, most_per_event).await?;
    let query = sqlx::query_scalar(VERSION).bind(webhook.id.as_uuid()).bind(webhook.client_id.as_uuid());
    let stored: Option<i64> = query.fetch_optional(&mut *call.db).await?;
    match stored {
        None => return Ok(WebhookWrite::NotFound),
        Some(version) if version != webhook.version => return Ok(WebhookWrite::Stale),
        Some(_) => {}
    }
    if let Some(full) = full {
        return Ok(full);
    }
    let before = hand.webhook_before(call.db, (Scope::Client(webhook.client_id), webhook.id), keyring).await?;
    let query = bind_definition(sqlx::query(UPDATE), WrittenDefinition::of(webhook, keyring)?);
    query.bind(At(webhook.updated_at)).bind(webhook.id.as_uuid()).execute(&mut *call.db).await?;
    sqlx::query(DELETE_EVENTS).bind(webhook.id.as_uuid()).execute(&mut *call.db).await?;
    insert_events(call.db, webhook).await?;
    hand.note(call.db, || Change::webhook_updated(before.as_ref()?, webhook)).await?;
    call.signal(Signal::WebhookChanged(webhook.id));
    Ok(WebhookWrite::Stored)
}

/// Whether there is such a client, which then stays until the end of the transaction.
pub(super) async fn hold_client(db: &mut PgConnection, id: ClientId) -> Result<bool, StoreError> {
    let held: Option<bool> = sqlx::query_scalar(HOLD_CLIENT).bind(id.as_uuid()).fetch_optional(db).await?;
    Ok(held.is_some())
}

/// The refusal of a webhook by which its client would have more than `most_per_event` for an event in the way of one
/// catalogue. Whoever else is to be held to that waits until the end of the transaction.
async fn full(db: &mut PgConnection, webhook: &Webhook, most_per_event: Option<u32>) -> Result<Option<WebhookWrite>, StoreError> {
    let (Some(most), Some(catalog)) = (most_per_event, &webhook.definition.catalog) else { return Ok(None) };
    sqlx::query(TAKE_TURN).bind(webhook.client_id.as_uuid()).execute(&mut *db).await?;
    let types: Vec<&str> = webhook.definition.events.iter().map(EventType::as_str).collect();
    let query = sqlx::query(FULL_EVENTS)
        .bind(webhook.client_id.as_uuid())
        .bind(types)
        .bind(catalog.as_str())
        .bind(webhook.id.as_uuid())
        .bind(i64::from(most));
    let full: Vec<EventType> =
        query.fetch_all(db).await?.iter().map(|row| Fields::of(row, "webhook_event").parse("event_type")).collect::<Result<_, _>>()?;
    Ok((!full.is_empty()).then_some(WebhookWrite::Full(full)))
}

async fn insert_events(db: &mut PgConnection, webhook: &Webhook) -> Result<(), StoreError> {
    let types: Vec<&str> = webhook.definition.events.iter().map(EventType::as_str).collect();
    sqlx::query(INSERT_EVENTS).bind(webhook.client_id.as_uuid()).bind(types).bind(webhook.id.as_uuid()).execute(db).await?;
    Ok(())
}

async fn set_state(call: &mut Call<'_>, scope: Scope, id: WebhookId, state: &WebhookState, now: Timestamp) -> Result<bool, StoreError> {
    let (word, reason) = state_words(state);
    let query = sqlx::query(SET_STATE).bind(id.as_uuid()).bind(word).bind(reason).bind(At(now)).bind(client_of(scope));
    let is_set = query.execute(&mut *call.db).await?.rows_affected() > 0;
    if is_set {
        call.signal(Signal::WebhookChanged(id));
        if state.is_active() {
            call.signal(Signal::Due([id].into()));
        }
    }
    Ok(is_set)
}

/// Deletes a webhook but for what waits for it, of which it makes a note; within a transaction.
pub(super) async fn delete(
    call: &mut Call<'_>,
    (scope, id): (Scope, WebhookId),
    now: Timestamp,
    keyring: &Keyring,
    hand: &Hand,
) -> Result<bool, StoreError> {
    let query = sqlx::query_scalar(HOLD_FOR_DELETION).bind(id.as_uuid()).bind(client_of(scope));
    let held: Option<bool> = query.fetch_optional(&mut *call.db).await?;
    if held.is_none() {
        return Ok(false);
    }
    let before = hand.webhook_before(call.db, (scope, id), keyring).await?;
    sqlx::query(DELETE).bind(id.as_uuid()).bind(At(now)).execute(&mut *call.db).await?;
    sqlx::query(DELETE_EVENTS).bind(id.as_uuid()).execute(&mut *call.db).await?;
    sqlx::query(DELETE_PUBLIC_KEYS).bind(id.as_uuid()).execute(&mut *call.db).await?;
    hand.note(call.db, || before.as_ref().map(Change::webhook_deleted)).await?;
    call.signal(Signal::WebhookChanged(id));
    Ok(true)
}
