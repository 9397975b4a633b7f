//! Which keys secrets are kept under, and encrypting them anew.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, TransactionBehavior};
use tokio::task::spawn_blocking;

use super::SqliteStore;
use super::client_catalogs;
use super::connect::{Settings, connect_writer, open_reader};
use super::migrate::{migrate, schema_version};
use super::statements::Statements;
use crate::secrets::{KeyId, Keyring};
use crate::store::contract::Secrets;
use crate::store::error::StoreError;
use crate::store::keys::{key_use, refuse_unknown};
use crate::store::records::KeyUse;
use crate::store::rows::{Cells, Envelopes, Fields, secrets_in_clear};
use crate::store::schema::LAST_IN_CLEAR;

/// Along the indexes `webhook_secrets_key`, `webhook_signing_keys_key` and those of what catalogues keep; a row with two envelopes under one key counts
/// once.
pub(super) const KEYS_IN_USE: &str = "
    select key, count(*) from (
        select secrets_key as key, id from webhook where secrets_key is not null
        union select signing_keys_key, id from webhook where signing_keys_key is not null
        union all select keys_key, id from client_catalog where keys_key is not null
        union all select payload_key, event_id from event_secret where payload_key is not null)
    group by key";

/// Where an envelope names the key that it is under, in any version of the schema.
const KEY_COLUMNS: [(&str, &str); 4] =
    [("webhook", "secrets_key"), ("webhook", "signing_keys_key"), ("client_catalog", "keys_key"), ("event_secret", "payload_key")];

const HAS_COLUMN: &str = "select count(*) from pragma_table_xinfo(?) where name = ?";

/// The ranges of the same indexes beside the newest key.
pub(super) const UNDER_OTHER_KEYS: &str = "
    select id, secrets, signing_keys from webhook where id in (
        select id from webhook where secrets_key < ?1
        union all select id from webhook where secrets_key > ?1
        union all select id from webhook where signing_keys_key < ?1
        union all select id from webhook where signing_keys_key > ?1
        limit ?2)";

const RESEAL: &str = "update webhook set secrets = ?2, signing_keys = ?3 where id = ?1";

const IN_CLEAR: &str = "
    select id, headers, authorization_fixed, authorization_headers, authorization_body from webhook
    where coalesce(headers, authorization_fixed, authorization_headers, authorization_body) is not null limit 500";

const ENCRYPT: &str = "
    update webhook set secrets = ?2,
        headers = null, authorization_fixed = null, authorization_headers = null, authorization_body = null
    where id = ?1";

#[async_trait]
impl Secrets for SqliteStore {
    async fn keys_in_use(&self) -> Result<Vec<KeyUse>, StoreError> {
        self.readers.read(keys_in_use).await
    }

    async fn reseal(&self, limit: u32) -> Result<u64, StoreError> {
        let keyring = Arc::clone(&self.keyring);
        self.writer.write(move |tx| reseal_some(tx.db, &keyring, limit)).await
    }
}

/// Makes the file fit for `keyring`, or refuses it: nothing in it is in clear, and every key that it needs is there.
pub(super) async fn prepare(settings: Settings, keyring: Arc<Keyring>) -> Result<(), StoreError> {
    let preparing = spawn_blocking(move || {
        let mut db = connect_writer(&settings)?;
        encrypt_secrets_in_clear(&mut db, &keyring)?;
        migrate(&mut db, None)?;
        refuse_unknown(&keyring, &keys_in_use(&db)?)
    });
    preparing.await.map_err(|panicked| StoreError::Backend(panicked.into()))?
}

/// The keys that the file at `path` cannot be read without, whatever version its schema has; none if there is no such file.
/// It is not changed, and may be in use.
pub(super) async fn keys_needed(path: &Path) -> Result<Vec<KeyId>, StoreError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let settings = Settings::new(path);
    let reading = spawn_blocking(move || {
        let db = open_reader(&settings)?;
        let mut needed = Vec::new();
        for (table, column) in KEY_COLUMNS {
            if db.number(HAS_COLUMN, (table, column))? > 0 {
                let keys = format!("select distinct {column} from {table} where {column} is not null");
                needed.extend(db.rows(&keys, (), |row| key_id(row, table, column))?);
            }
        }
        needed.sort_unstable_by_key(ToString::to_string);
        needed.dedup();
        Ok(needed)
    });
    reading.await.map_err(|panicked| StoreError::Backend(panicked.into()))?
}

fn key_id(row: &dyn Cells, table: &'static str, column: &'static str) -> Result<KeyId, StoreError> {
    let mut fields = Fields::of(row, table);
    fields.optional(column, KeyId::parse)?.ok_or_else(|| fields.corrupt(column))
}

fn keys_in_use(db: &Connection) -> Result<Vec<KeyUse>, StoreError> {
    db.rows(KEYS_IN_USE, (), |row| key_use(row))
}

fn reseal_some(db: &Connection, keyring: &Keyring, limit: u32) -> Result<u64, StoreError> {
    let values = (keyring.newest().to_string(), limit);
    let resealed = db.rows(UNDER_OTHER_KEYS, values, |row| Envelopes::resealed(row, keyring))?;
    for Envelopes { id, secrets, signing_keys } in &resealed {
        db.change(RESEAL, (id.as_uuid(), secrets, signing_keys))?;
    }
    Ok(resealed.len() as u64 + client_catalogs::reseal_some(db, keyring, limit)?)
}

/// Encrypts what a database holds in clear that was made before secrets were encrypted.
///
/// Has to come before the migration that drops the columns in clear, which refuses to run otherwise. Ends with a file in
/// which nothing of them is left, and can be repeated when it was cut short anywhere.
fn encrypt_secrets_in_clear(db: &mut Connection, keyring: &Keyring) -> Result<(), StoreError> {
    if !(1..=LAST_IN_CLEAR).contains(&schema_version(db)?) {
        return Ok(());
    }
    migrate(db, Some(LAST_IN_CLEAR))?;
    let mut webhooks = 0;
    loop {
        let encrypted = encrypt_some(db, keyring)?;
        webhooks += encrypted;
        if encrypted == 0 {
            break;
        }
    }
    // What was overwritten still lies in free pages and in the log; both are written anew.
    db.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")?;
    tracing::info!(webhooks, key = %keyring.newest(), "secrets that were kept in clear are encrypted");
    Ok(())
}

fn encrypt_some(db: &mut Connection, keyring: &Keyring) -> Result<usize, StoreError> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = transaction.rows(IN_CLEAR, (), |row| secrets_in_clear(row))?;
    for (id, secrets) in &found {
        transaction.change(ENCRYPT, (id.as_uuid(), secrets.seal(keyring, *id)?))?;
    }
    transaction.commit()?;
    Ok(found.len())
}
