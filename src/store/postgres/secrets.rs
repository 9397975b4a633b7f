//! Which keys secrets are kept under, and encrypting them anew.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::{Connection, PgConnection};

use super::PostgresStore;
use super::client_catalogs;
use super::connect::{migrate, schema_version};
use crate::secrets::Keyring;
use crate::store::contract::Secrets;
use crate::store::error::StoreError;
use crate::store::keys::key_use;
use crate::store::records::KeyUse;
use crate::store::rows::{Envelopes, secrets_in_clear};
use crate::store::schema::LAST_IN_CLEAR;

/// A row with two envelopes under one key counts once.
const KEYS_IN_USE: &str = "
    select key, count(*) from (
        select secrets_key as key, id from webhook where secrets_key is not null
        union select signing_keys_key, id from webhook where signing_keys_key is not null
        union all select keys_key, id from client_catalog where keys_key is not null
        union all select payload_key, event_id from event_secret) used
    group by key";

/// Waits for whoever changes one of them at the moment, and then passes over it if it is under the newest key.
const UNDER_OTHER_KEYS: &str = "
    select id, secrets, signing_keys from webhook where secrets_key <> $1 or signing_keys_key <> $1
    order by id limit $2 for no key update";

/// Holds what [`UNDER_OTHER_KEYS`] chose.
const RESEAL: &str = "update webhook set secrets = $2, signing_keys = $3 where id = $1";

const ONE_NODE_AT_A_TIME: &str = "select pg_advisory_lock(hashtextextended('webhook-dispatcher: secrets in clear', 0))";

const IN_CLEAR: &str = "
    select id, headers, authorization_fixed, authorization_headers, authorization_body from webhook
    where headers is not null or authorization_fixed is not null or authorization_headers is not null or authorization_body is not null
    order by id limit 500 for no key update";

const ENCRYPT: &str = "
    update webhook set secrets = $2,
        headers = null, authorization_fixed = null, authorization_headers = null, authorization_body = null
    where id = $1";

#[async_trait]
impl Secrets for PostgresStore {
    async fn keys_in_use(&self) -> Result<Vec<KeyUse>, StoreError> {
        self.connections.call(|call| Box::pin(keys_in_use(call.db))).await
    }

    async fn reseal(&self, limit: u32) -> Result<u64, StoreError> {
        let keyring = Arc::clone(&self.keyring);
        self.connections.write(move |call| Box::pin(async move { reseal_some(call.db, &keyring, limit).await })).await
    }
}

pub(super) async fn keys_in_use(db: &mut PgConnection) -> Result<Vec<KeyUse>, StoreError> {
    sqlx::query(KEYS_IN_USE).fetch_all(db).await?.iter().map(|row| key_use(row)).collect()
}

async fn reseal_some(db: &mut PgConnection, keyring: &Keyring, limit: u32) -> Result<u64, StoreError> {
    let query = sqlx::query(UNDER_OTHER_KEYS).bind(keyring.newest().to_string()).bind(i64::from(limit));
    let rows = query.fetch_all(&mut *db).await?;
    for row in &rows {
        let Envelopes { id, secrets, signing_keys } = Envelopes::resealed(row, keyring)?;
        sqlx::query(RESEAL).bind(id.as_uuid()).bind(secrets).bind(signing_keys).execute(&mut *db).await?;
    }
    Ok(rows.len() as u64 + client_catalogs::reseal_some(db, keyring, limit).await?)
}

/// Encrypts what a database holds in clear that was made before secrets were encrypted.
///
/// Has to come before the migration that drops the columns in clear, which refuses to run otherwise. Ends with a table in
/// which nothing of them is left, and can be repeated when it was cut short anywhere.
pub(super) async fn encrypt_secrets_in_clear(db: &mut PgConnection, keyring: &Keyring) -> Result<(), StoreError> {
    if !may_hold_secrets_in_clear(db).await? {
        return Ok(());
    }
    // Until the connection closes, that is until the columns are gone: another node waits here, and then has nothing to do.
    sqlx::query(ONE_NODE_AT_A_TIME).execute(&mut *db).await?;
    if !may_hold_secrets_in_clear(db).await? {
        return Ok(());
    }
    migrate(db, Some(LAST_IN_CLEAR)).await?;
    let mut webhooks = 0;
    loop {
        let encrypted = encrypt_some(db, keyring).await?;
        webhooks += encrypted;
        if encrypted == 0 {
            break;
        }
    }
    // What was overwritten still lies in the table, which is therefore written anew.
    sqlx::raw_sql("vacuum full webhook").execute(&mut *db).await?;
    tracing::info!(webhooks, key = %keyring.newest(), "secrets that were kept in clear are encrypted");
    Ok(())
}

/// Whether the schema is of a time when secrets were kept in clear.
pub(super) async fn may_hold_secrets_in_clear(db: &mut PgConnection) -> Result<bool, StoreError> {
    Ok((1..=LAST_IN_CLEAR).contains(&schema_version(db).await?))
}

async fn encrypt_some(db: &mut PgConnection, keyring: &Keyring) -> Result<usize, StoreError> {
    let mut transaction = db.begin().await?;
    let rows = sqlx::query(IN_CLEAR).fetch_all(&mut *transaction).await?;
    for row in &rows {
        let (id, secrets) = secrets_in_clear(row)?;
        let envelope = secrets.seal(keyring, id)?;
        sqlx::query(ENCRYPT).bind(id.as_uuid()).bind(envelope).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(rows.len())
}
