//! What clients have settled for catalogues, and whole payloads that hold secrets.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use sqlx::PgConnection;

use super::PostgresStore;
use super::audit::Hand;
use super::connections::Call;
use super::value::{At, kept};
use super::webhooks::hold_client;
use crate::domain::audit::{Actor, Change};
use crate::domain::catalog::{CatalogName, ClientCatalog, KnownEvent};
use crate::domain::ids::{ClientId, EventId};
use crate::secrets::Keyring;
use crate::store::contract::ClientCatalogs;
use crate::store::error::StoreError;
use crate::store::records::CatalogWrite;
use crate::store::rows::{
    Fields, client_catalog, client_catalog_columns, resealed_keys, resealed_payload, seal_catalog_keys, secret_payload,
};
use crate::store::signal::Signal;

const ONE: &str = concat!("select ", client_catalog_columns!(), " from client_catalog where client_id = $1 and catalog = $2");

/// Of all that settle something for one client at the same time, the first holds the others up.
const HOLD: &str = "select pg_advisory_xact_lock(hashtextextended('webhook-dispatcher: catalogues of ' || $1::uuid, 0))";

/// Runs in the transaction that compared the version.
const STORE: &str = "
    insert into client_catalog (id, client_id, catalog, version, settings, keys, updated_at)
    values ($1, $2, $3, $4, $5::json, $6, $7)
    on conflict (client_id, catalog) do update set
        version = excluded.version, settings = excluded.settings, keys = excluded.keys, updated_at = excluded.updated_at";

/// What is kept ready of a webhook goes by its version.
const RAISE_VERSIONS: &str =
    "update webhook set version = version + 1 where client_id = $1 and catalog = $2 and deleted_at is null returning id";

/// One node at a time; nobody who enqueues waits.
const LOCK_KNOWN: &str = "lock table catalog_event in share row exclusive mode";

const FORGET_OTHERS: &str = "delete from catalog_event where spelling <> all($1)";

/// What is known already is not written again.
const KNOW: &str = "
    insert into catalog_event as k (spelling, code, kept_unwanted, holds_secrets)
    select * from unnest($1::text[], $2::text[], $3::boolean[], $4::boolean[])
    on conflict (spelling) do update set
        code = excluded.code, kept_unwanted = excluded.kept_unwanted, holds_secrets = excluded.holds_secrets
    where (k.code, k.kept_unwanted, k.holds_secrets) is distinct from (excluded.code, excluded.kept_unwanted, excluded.holds_secrets)";

const SECRET: &str = "select event_id, payload from event_secret where event_id = $1";

const DROP_SECRETS: &str = "
    delete from event_secret where event_id = any(array(
        select s.event_id from event_secret s
        where not exists (
            select from delivery d where d.event_id = s.event_id and (d.state = 'pending' or d.state = 'in_flight')) limit $1))";

/// Waits for whoever changes one of them at the moment.
const KEYS_UNDER_OTHERS: &str = "select id, keys from client_catalog where keys_key <> $1 order by id limit $2 for no key update";

const RESEAL_KEYS: &str = "update client_catalog set keys = $2 where id = $1";

const SECRETS_UNDER_OTHERS: &str =
    "select event_id, payload from event_secret where payload_key <> $1 order by event_id limit $2 for no key update";

const RESEAL_SECRET: &str = "update event_secret set payload = $2 where event_id = $1";

#[async_trait]
impl ClientCatalogs for PostgresStore {
    async fn client_catalog(&self, client_id: ClientId, catalog: CatalogName) -> Result<Option<ClientCatalog>, StoreError> {
        let keyring = Arc::clone(&self.keyring);
        self.connections.call(move |call| Box::pin(async move { one(call.db, client_id, &catalog, &keyring).await })).await
    }

    async fn settle_catalog(&self, settled: ClientCatalog, by: Option<Actor>) -> Result<CatalogWrite, StoreError> {
        let (keyring, hand) = (Arc::clone(&self.keyring), self.hand(by));
        self.connections.write(move |call| Box::pin(async move { settle(call, &settled, &keyring, &hand).await })).await
    }

    async fn know_events(&self, events: Vec<KnownEvent>) -> Result<(), StoreError> {
        self.connections.write(move |call| Box::pin(async move { know(call.db, &events).await })).await
    }

    async fn secret_payload(&self, event_id: EventId) -> Result<Option<Bytes>, StoreError> {
        let keyring = Arc::clone(&self.keyring);
        self.connections.call(move |call| Box::pin(async move { secret(call.db, event_id, &keyring).await })).await
    }
}

async fn one(
    db: &mut PgConnection,
    client_id: ClientId,
    catalog: &CatalogName,
    keyring: &Keyring,
) -> Result<Option<ClientCatalog>, StoreError> {
    let row = sqlx::query(ONE).bind(client_id.as_uuid()).bind(catalog.as_str()).fetch_optional(db).await?;
    row.as_ref().map(|row| client_catalog(row, keyring)).transpose()
}

async fn know(db: &mut PgConnection, events: &[KnownEvent]) -> Result<(), StoreError> {
    sqlx::query(LOCK_KNOWN).execute(&mut *db).await?;
    sqlx::query(FORGET_OTHERS).bind(events.iter().map(|event| event.spelling.as_str()).collect::<Vec<_>>()).execute(&mut *db).await?;
    let query = sqlx::query(KNOW)
        .bind(events.iter().map(|event| event.spelling.as_str()).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.code.as_str()).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.kept_unwanted).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.holds_secrets).collect::<Vec<_>>());
    query.execute(db).await?;
    Ok(())
}

async fn secret(db: &mut PgConnection, event_id: EventId, keyring: &Keyring) -> Result<Option<Bytes>, StoreError> {
    let row = sqlx::query(SECRET).bind(event_id.as_uuid()).fetch_optional(db).await?;
    row.as_ref().map(|row| secret_payload(row, keyring)).transpose()
}

async fn settle(call: &mut Call<'_>, settled: &ClientCatalog, keyring: &Keyring, hand: &Hand) -> Result<CatalogWrite, StoreError> {
    if !hold_client(call.db, settled.client_id).await? {
        return Ok(CatalogWrite::NotFound);
    }
    sqlx::query(HOLD).bind(settled.client_id.as_uuid()).execute(&mut *call.db).await?;
    let before = one(call.db, settled.client_id, &settled.catalog, keyring).await?;
    if before.as_ref().map_or(0, |before| before.version) != settled.version {
        return Ok(CatalogWrite::Stale);
    }
    let settings = serde_json::to_string(&settled.settings).map_err(|error| StoreError::Backend(error.into()))?;
    let query = sqlx::query(STORE)
        .bind(settled.id.as_uuid())
        .bind(settled.client_id.as_uuid())
        .bind(settled.catalog.as_str())
        .bind(settled.version + 1)
        .bind(kept(&settings).into_owned())
        .bind(seal_catalog_keys(keyring, settled)?)
        .bind(At(settled.updated_at));
    query.execute(&mut *call.db).await?;
    let query = sqlx::query(RAISE_VERSIONS).bind(settled.client_id.as_uuid()).bind(settled.catalog.as_str());
    for row in &query.fetch_all(&mut *call.db).await? {
        call.signal(Signal::WebhookChanged(Fields::of(row, "webhook").id("id")?));
    }
    hand.note(call.db, || Change::catalog_settled(before.as_ref(), settled)).await?;
    Ok(CatalogWrite::Stored)
}

/// Forgets at most `limit` whole payloads of which no delivery waits.
pub(super) async fn drop_secrets(db: &mut PgConnection, limit: i64) -> Result<(), StoreError> {
    sqlx::query(DROP_SECRETS).bind(limit).execute(db).await?;
    Ok(())
}

/// Encrypts anew what is kept under other keys than the newest, at most `limit` rows of each kind; answers how many.
pub(super) async fn reseal_some(db: &mut PgConnection, keyring: &Keyring, limit: u32) -> Result<u64, StoreError> {
    let newest = keyring.newest().to_string();
    let mut resealed = 0;
    let rows = sqlx::query(KEYS_UNDER_OTHERS).bind(&newest).bind(i64::from(limit)).fetch_all(&mut *db).await?;
    for row in &rows {
        let (id, envelope) = resealed_keys(row, keyring)?;
        resealed += sqlx::query(RESEAL_KEYS).bind(id).bind(envelope).execute(&mut *db).await?.rows_affected();
    }
    let rows = sqlx::query(SECRETS_UNDER_OTHERS).bind(&newest).bind(i64::from(limit)).fetch_all(&mut *db).await?;
    for row in &rows {
        let (id, envelope) = resealed_payload(row, keyring)?;
        resealed += sqlx::query(RESEAL_SECRET).bind(id).bind(envelope).execute(&mut *db).await?.rows_affected();
    }
    Ok(resealed)
}
