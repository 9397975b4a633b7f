//! Webhook definitions: stored, replaced, switched on and off, deleted.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, ToSql};

use super::SqliteStore;
use super::audit::Hand;
use super::held::Held;
use super::left_over::cancel_of;
use super::statements::{Built, Statements};
use super::writer::Transaction;
use crate::domain::audit::{Actor, Change};
use crate::domain::catalog::CatalogName;
use crate::domain::event::EventType;
use crate::domain::ids::{ClientId, WebhookId};
use crate::domain::time::Timestamp;
use crate::domain::webhook::{Webhook, WebhookState};
use crate::secrets::Keyring;
use crate::store::contract::{CANCELLED_AT_ONCE, Webhooks};
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

/// How many other webhooks of the client want an event in the way of a catalogue. Asked in the transaction of the write.
const OTHERS_FOR_EVENT: &str = "
    select count(*) from webhook_event e cross join webhook w on w.id = e.webhook_id
    where e.client_id = ? and e.event_type = ? and w.catalog = ? and w.id <> ? and w.deleted_at is null";

const INSERT: &str = "
    insert into webhook (id, client_id, version, name, type_code, events, catalog, method, url, header_auth,
        authorization_url, authorization_method, authorization_response_token_attr,
        retry, timeout_ms, max_in_flight, rate_limit, http_signature, secrets,
        state, disable_reason, state_changed_at, created_at, updated_at)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

const VERSION: &str = "select version from webhook where id = ? and client_id = ? and deleted_at is null";

/// Runs in the transaction that compared the version.
const UPDATE: &str = "
    update webhook set name = ?, type_code = ?, events = ?, catalog = ?, method = ?, url = ?, header_auth = ?,
        authorization_url = ?, authorization_method = ?, authorization_response_token_attr = ?,
        retry = ?, timeout_ms = ?, max_in_flight = ?, rate_limit = ?, http_signature = ?, secrets = ?,
        updated_at = ?, version = version + 1
    where id = ?";

const INSERT_EVENT: &str = "insert or ignore into webhook_event (client_id, event_type, webhook_id) values (?, ?, ?)";

const DELETE_PUBLIC_KEYS: &str = "delete from public_key where webhook_id = ?";

const DELETE_EVENTS: &str = "delete from webhook_event where webhook_id = ?";

/// A state that is set anew has not changed: what is counted since its change stays counted.
const SET_STATE: &str = "
    update webhook set state_changed_at = iif(state = ?2, state_changed_at, ?4), state = ?2, disable_reason = ?3,
        updated_at = ?4, version = version + 1
    where id = ?1 and deleted_at is null and (?5 is null or client_id = ?5)";

/// The row stays for the deliveries that speak of it; what may hold secrets goes.
const DELETE: &str = "
    update webhook set deleted_at = ?2, updated_at = ?2, version = version + 1,
        secrets = null, signing_keys = null, has_left_over = 1
    where id = ?1 and deleted_at is null and (?3 is null or client_id = ?3)";

const ONE: &str =
    concat!("select ", webhook_columns!(), " from webhook w where w.id = ?1 and w.deleted_at is null and (?2 is null or w.client_id = ?2)");

#[async_trait]
impl Webhooks for SqliteStore {
    async fn insert_webhook(&self, webhook: Webhook, most_per_event: Option<u32>, by: Option<Actor>) -> Result<WebhookWrite, StoreError> {
        let keyring = Arc::clone(&self.keyring);
        self.change(by, move |tx, hand| insert(tx, &webhook, most_per_event, &keyring, hand)).await
    }

    async fn update_webhook(&self, webhook: Webhook, most_per_event: Option<u32>, by: Option<Actor>) -> Result<WebhookWrite, StoreError> {
        let keyring = Arc::clone(&self.keyring);
        self.change(by, move |tx, hand| update(tx, &webhook, most_per_event, &keyring, hand)).await
    }

    async fn set_webhook_state(
        &self,
        scope: Scope,
        id: WebhookId,
        state: WebhookState,
        now: Timestamp,
        by: Option<Actor>,
    ) -> Result<bool, StoreError> {
        let keyring = Arc::clone(&self.keyring);
        let work = move |tx: &mut Transaction<'_>, hand: &Hand<'_>| {
            let before = hand.webhook_before(tx.db, (scope, id), &keyring)?;
            let is_set = set_state(tx, scope, id, &state, now)?;
            hand.note(tx.db, || Change::webhook_state_set(before.as_ref()?, &state))?;
            Ok(is_set)
        };
        self.change_pending(by, move |tx, _, hand| work(tx, hand)).await
    }

    async fn delete_webhook(&self, scope: Scope, id: WebhookId, now: Timestamp, by: Option<Actor>) -> Result<bool, StoreError> {
        let keyring = Arc::clone(&self.keyring);
        let work = move |tx: &mut Transaction<'_>, held: &Held, hand: &Hand<'_>| {
            let is_deleted = delete(tx, (scope, id), now, &keyring, hand)?;
            if is_deleted {
                cancel_of(tx, (id, now), CANCELLED_AT_ONCE, held)?;
            }
            Ok(is_deleted)
        };
        self.change_pending(by, work).await
    }

    async fn webhook(&self, scope: Scope, id: WebhookId) -> Result<Option<Webhook>, StoreError> {
        let keyring = Arc::clone(&self.keyring);
        self.readers.read(move |db| db.first(ONE, (id.as_uuid(), client_of(scope)), |row| webhook(row, &keyring))).await
    }

    async fn webhooks_named(&self, ids: Vec<WebhookId>) -> Result<Vec<Webhook>, StoreError> {
        let keyring = Arc::clone(&self.keyring);
        let everywhere = client_of(Scope::All);
        self.readers
            .read(move |db| {
                let found = ids.iter().map(|id| db.first(ONE, (id.as_uuid(), everywhere), |row| webhook(row, &keyring)));
                found.filter_map(Result::transpose).collect()
            })
            .await
    }

    async fn webhooks(&self, scope: Scope, page: Page<WebhookId>) -> Result<Vec<Webhook>, StoreError> {
        let (query, keyring) = (webhook_list(scope, page), Arc::clone(&self.keyring));
        self.readers.read(move |db| query.rows(db, |row| webhook(row, &keyring))).await
    }
}

fn webhook_list(scope: Scope, page: Page<WebhookId>) -> Built {
    let mut query = Built::new(concat!("select ", webhook_columns!(), " from webhook w where w.deleted_at is null"));
    if let Scope::Client(client_id) = scope {
        query.push(" and w.client_id = ").bind_id(client_id.as_uuid());
    }
    if let Some(before) = page.before {
        query.push(" and w.id < ").bind_id(before.as_uuid());
    }
    query.push(" order by w.id desc limit ").bind(page.limit);
    query
}

/// What to bind where a null means every client.
pub(super) fn client_of(scope: Scope) -> Option<uuid::Uuid> {
    scope.client_id().map(ClientId::as_uuid)
}

fn insert(
    tx: &mut Transaction<'_>,
    webhook: &Webhook,
    most_per_event: Option<u32>,
    keyring: &Keyring,
    hand: &Hand<'_>,
) -> Result<WebhookWrite, StoreError> {
    if !client_exists(tx.db, webhook.client_id)? {
        return Ok(WebhookWrite::NotFound);
    }
    if let Some(refused) = refusal(tx.db, webhook, most_per_event)? {
        return Ok(refused);
    }
    let (state, reason) = state_words(&webhook.state);
    let (created_at, updated_at) = (webhook.created_at.as_micros(), webhook.updated_at.as_micros());
    let written = WrittenDefinition::of(webhook, keyring)?;
    let (id, client_id) = (webhook.id.as_uuid(), webhook.client_id.as_uuid());
    let mut values: Vec<&dyn ToSql> = vec![&id, &client_id, &webhook.version];
    values.extend(definition(&written));
    values.extend([&state as &dyn ToSql, &reason, &created_at, &created_at, &updated_at]);
    tx.db.change(INSERT, values.as_slice())?;
    insert_events(tx.db, webhook)?;
    hand.note(tx.db, || Some(Change::webhook_created(webhook)))?;
    tx.signal(Signal::WebhookChanged(webhook.id));
    Ok(WebhookWrite::Stored)
}

fn update(
    tx: &mut Transaction<'_>,
    webhook: &Webhook,
    most_per_event: Option<u32>,
    keyring: &Keyring,
    hand: &Hand<'_>,
) -> Result<WebhookWrite, StoreError> {
    let (id, client_id) = (webhook.id.as_uuid(), webhook.client_id.as_uuid());
    match tx.db.first(VERSION, (id, client_id), |row| Ok(row.get::<_, i64>(0)?))? {
        None => return Ok(WebhookWrite::NotFound),
        Some(version) if version != webhook.version => return Ok(WebhookWrite::Stale),
        Some(_) => {}
    }
    if let Some(refused) = refusal(tx.db, webhook, most_per_event)? {
        return Ok(refused);
    }
    let before = hand.webhook_before(tx.db, (Scope::Client(webhook.client_id), webhook.id), keyring)?;
    let written = WrittenDefinition::of(webhook, keyring)?;
    let updated_at = webhook.updated_at.as_micros();
    let mut values = definition(&written);
    values.extend([&updated_at as &dyn ToSql, &id]);
    tx.db.change(UPDATE, values.as_slice())?;
    tx.db.change(DELETE_EVENTS, (id,))?;
    insert_events(tx.db, webhook)?;
    hand.note(tx.db, || Change::webhook_updated(before.as_ref()?, webhook))?;
    tx.signal(Signal::WebhookChanged(webhook.id));
    Ok(WebhookWrite::Stored)
}

/// The columns of a definition in the order of `webhook_columns!`, from `name` to `secrets`.
fn definition<'w>(written: &'w WrittenDefinition<'_>) -> Vec<&'w dyn ToSql> {
    vec![
        &written.name,
        &written.type_code,
        &written.events,
        &written.catalog,
        &written.method,
        &written.url,
        &written.header_auth,
        &written.authorization_url,
        &written.authorization_method,
        &written.authorization_response_token_attr,
        &written.retry,
        &written.timeout_ms,
        &written.max_in_flight,
        &written.rate_limit,
        &written.http_signature,
        &written.secrets,
    ]
}

pub(super) fn client_exists(db: &Connection, id: ClientId) -> Result<bool, StoreError> {
    Ok(db.number(CLIENT_EXISTS, (id.as_uuid(),))? > 0)
}

/// What other webhooks of the client leave no room for.
fn refusal(db: &Connection, webhook: &Webhook, most_per_event: Option<u32>) -> Result<Option<WebhookWrite>, StoreError> {
    if type_is_taken(db, webhook)? {
        return Ok(Some(WebhookWrite::TypeTaken));
    }
    let full = match most_per_event {
        Some(most) => full_events(db, webhook, most)?,
        None => Vec::new(),
    };
    Ok((!full.is_empty()).then_some(WebhookWrite::Full(full)))
}

/// Those of the webhook's events for which its client has `most` others in the way of the same catalogue.
fn full_events(db: &Connection, webhook: &Webhook, most: u32) -> Result<Vec<EventType>, StoreError> {
    let mut full = Vec::new();
    for event in &webhook.definition.events {
        let catalog = webhook.definition.catalog.as_ref().map(CatalogName::as_str);
        let values = (webhook.client_id.as_uuid(), event.as_str(), catalog, webhook.id.as_uuid());
        if db.number(OTHERS_FOR_EVENT, values)? >= i64::from(most) {
            full.push(event.clone());
        }
    }
    Ok(full)
}

fn type_is_taken(db: &Connection, webhook: &Webhook) -> Result<bool, StoreError> {
    let values = (webhook.client_id.as_uuid(), webhook.definition.type_code, webhook.id.as_uuid());
    Ok(db.number(TYPE_TAKEN, values)? > 0)
}

fn insert_events(db: &Connection, webhook: &Webhook) -> Result<(), StoreError> {
    for event_type in &webhook.definition.events {
        db.change(INSERT_EVENT, (webhook.client_id.as_uuid(), event_type.as_str(), webhook.id.as_uuid()))?;
    }
    Ok(())
}

fn set_state(tx: &mut Transaction<'_>, scope: Scope, id: WebhookId, state: &WebhookState, now: Timestamp) -> Result<bool, StoreError> {
    let (word, reason) = state_words(state);
    let is_set = tx.db.change(SET_STATE, (id.as_uuid(), word, reason, now.as_micros(), client_of(scope)))? > 0;
    if is_set {
        tx.signal(Signal::WebhookChanged(id));
        if state.is_active() {
            tx.signal(Signal::Due([id].into()));
        }
    }
    Ok(is_set)
}

/// Deletes a webhook but for what waits for it, of which it makes a note.
pub(super) fn delete(
    tx: &mut Transaction<'_>,
    (scope, id): (Scope, WebhookId),
    now: Timestamp,
    keyring: &Keyring,
    hand: &Hand<'_>,
) -> Result<bool, StoreError> {
    let before = hand.webhook_before(tx.db, (scope, id), keyring)?;
    if tx.db.change(DELETE, (id.as_uuid(), now.as_micros(), client_of(scope)))? == 0 {
        return Ok(false);
    }
    tx.db.change(DELETE_EVENTS, (id.as_uuid(),))?;
    tx.db.change(DELETE_PUBLIC_KEYS, (id.as_uuid(),))?;
    hand.note(tx.db, || before.as_ref().map(Change::webhook_deleted))?;
    tx.signal(Signal::WebhookChanged(id));
    Ok(true)
}
