//! What clients have settled for catalogues, and whole payloads that hold secrets.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use rusqlite::Connection;

use super::SqliteStore;
use super::audit::Hand;
use super::statements::Statements;
use super::webhooks::client_exists;
use super::writer::Transaction;
use crate::domain::audit::{Actor, Change};
use crate::domain::catalog::{CatalogName, ClientCatalog, KnownEvent};
use crate::domain::ids::{ClientId, EventId, WebhookId};
use crate::secrets::Keyring;
use crate::store::contract::ClientCatalogs;
use crate::store::error::StoreError;
use crate::store::records::{CatalogWrite, NewEvent};
use crate::store::rows::{
    Fields, client_catalog, client_catalog_columns, resealed_keys, resealed_payload, seal_catalog_keys, seal_payload, secret_payload,
};
use crate::store::signal::Signal;

const ONE: &str = concat!("select ", client_catalog_columns!(), " from client_catalog where client_id = ? and catalog = ?");

/// Runs in the transaction that compared the version.
const STORE: &str = "
    insert into client_catalog (id, client_id, catalog, version, settings, keys, updated_at) values (?, ?, ?, ?, ?, ?, ?)
    on conflict (client_id, catalog) do update set
        version = excluded.version, settings = excluded.settings, keys = excluded.keys, updated_at = excluded.updated_at";

/// What is kept ready of a webhook goes by its version.
const CALLED_SO: &str = "select id from webhook where client_id = ? and catalog = ? and deleted_at is null";

const RAISE_VERSION: &str = "update webhook set version = version + 1 where id = ?";

const INSERT_SECRET: &str = "insert into event_secret (event_id, payload) values (?, ?)";

const SECRET: &str = "select event_id, payload from event_secret where event_id = ?";

/// What is held is pending in the file.
const DROP_SECRETS: &str = "
    delete from event_secret where event_id in (
        select s.event_id from event_secret s
        where not exists (select 1 from delivery d where d.event_id = s.event_id and d.state = 'pending') limit ?)";

/// Along the index `client_catalog_keys_key`.
const KEYS_UNDER_OTHERS: &str = "
    select id, keys from client_catalog where id in (
        select id from client_catalog where keys_key < ?1 union all select id from client_catalog where keys_key > ?1 limit ?2)";

const RESEAL_KEYS: &str = "update client_catalog set keys = ?2 where id = ?1";

/// Along the index `event_secret_payload_key`.
const SECRETS_UNDER_OTHERS: &str = "
    select event_id, payload from event_secret where event_id in (
        select event_id from event_secret where payload_key < ?1
        union all select event_id from event_secret where payload_key > ?1 limit ?2)";

const RESEAL_SECRET: &str = "update event_secret set payload = ?2 where event_id = ?1";

#[async_trait]
impl ClientCatalogs for SqliteStore {
    async fn client_catalog(&self, client_id: ClientId, catalog: CatalogName) -> Result<Option<ClientCatalog>, StoreError> {
        let keyring = Arc::clone(&self.keyring);
        self.readers.read(move |db| one(db, client_id, &catalog, &keyring)).await
    }

    async fn settle_catalog(&self, settled: ClientCatalog, by: Option<Actor>) -> Result<CatalogWrite, StoreError> {
        let keyring = Arc::clone(&self.keyring);
        self.change(by, move |tx, hand| settle(tx, &settled, &keyring, hand)).await
    }

    async fn know_events(&self, _: Vec<KnownEvent>) -> Result<(), StoreError> {
        Ok(())
    }

    async fn secret_payload(&self, event_id: EventId) -> Result<Option<Bytes>, StoreError> {
        let keyring = Arc::clone(&self.keyring);
        self.readers.read(move |db| db.first(SECRET, (event_id.as_uuid(),), |row| secret_payload(row, &keyring))).await
    }
}

fn one(db: &Connection, client_id: ClientId, catalog: &CatalogName, keyring: &Keyring) -> Result<Option<ClientCatalog>, StoreError> {
    db.first(ONE, (client_id.as_uuid(), catalog.as_str()), |row| client_catalog(row, keyring))
}

fn settle(tx: &mut Transaction<'_>, settled: &ClientCatalog, keyring: &Keyring, hand: &Hand<'_>) -> Result<CatalogWrite, StoreError> {
    if !client_exists(tx.db, settled.client_id)? {
        return Ok(CatalogWrite::NotFound);
    }
    let before = one(tx.db, settled.client_id, &settled.catalog, keyring)?;
    if before.as_ref().map_or(0, |before| before.version) != settled.version {
        return Ok(CatalogWrite::Stale);
    }
    let (client_id, catalog) = (settled.client_id.as_uuid(), settled.catalog.as_str());
    let settings = serde_json::to_string(&settled.settings).map_err(|error| StoreError::Backend(error.into()))?;
    let keys = seal_catalog_keys(keyring, settled)?;
    let updated_at = settled.updated_at.as_micros();
    tx.db.change(STORE, (settled.id.as_uuid(), client_id, catalog, settled.version + 1, settings, keys, updated_at))?;
    for id in tx.db.rows(CALLED_SO, (client_id, catalog), |row| Fields::of(row, "webhook").id::<WebhookId>("id"))? {
        tx.db.change(RAISE_VERSION, (id.as_uuid(),))?;
        tx.signal(Signal::WebhookChanged(id));
    }
    hand.note(tx.db, || Change::catalog_settled(before.as_ref(), settled))?;
    Ok(CatalogWrite::Stored)
}

/// Stores the whole payloads of events that hold secrets.
pub(super) fn insert_secrets(db: &Connection, events: &[&NewEvent], keyring: &Keyring) -> Result<(), StoreError> {
    for NewEvent { event, whole_payload, .. } in events {
        if let Some(payload) = whole_payload {
            db.change(INSERT_SECRET, (event.id.as_uuid(), seal_payload(keyring, event.id, payload)?))?;
        }
    }
    Ok(())
}

/// Forgets at most `limit` whole payloads of which no delivery waits.
pub(super) fn drop_secrets(db: &Connection, limit: u32) -> Result<(), StoreError> {
    db.change(DROP_SECRETS, (limit,)).map(drop)
}

/// Encrypts anew what is kept under other keys than the newest, at most `limit` rows of each kind; answers how many.
pub(super) fn reseal_some(db: &Connection, keyring: &Keyring, limit: u32) -> Result<u64, StoreError> {
    let newest = keyring.newest().to_string();
    let keys = db.rows(KEYS_UNDER_OTHERS, (&newest, limit), |row| resealed_keys(row, keyring))?;
    let payloads = db.rows(SECRETS_UNDER_OTHERS, (&newest, limit), |row| resealed_payload(row, keyring))?;
    for (statement, rows) in [(RESEAL_KEYS, &keys), (RESEAL_SECRET, &payloads)] {
        for (id, envelope) in rows {
            db.change(statement, (id, envelope))?;
        }
    }
    Ok((keys.len() + payloads.len()) as u64)
}
