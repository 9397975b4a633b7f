//! Clients and their API keys.

use std::sync::Arc;

use async_trait::async_trait;

use super::SqliteStore;
use super::audit::Hand;
use super::held::Held;
use super::left_over::cancel_left_over;
use super::statements::{Built, Statements};
use super::webhooks::{client_exists, client_of, delete};
use super::writer::Transaction;
use crate::domain::audit::{Actor, Change};
use crate::domain::client::{ApiKey, Client, KeyHash, Role};
use crate::domain::ids::{ApiKeyId, ClientId};
use crate::domain::time::Timestamp;
use crate::secrets::Keyring;
use crate::store::contract::{CANCELLED_AT_ONCE, Clients};
use crate::store::error::StoreError;
use crate::store::records::{KeyDeletion, Page, Scope};
use crate::store::rows::{Fields, client, client_columns, key, key_columns};

const INSERT_CLIENT: &str = "insert into client (id, name, created_at) values (?, ?, ?)";

const DELETE_CLIENT: &str = "update client set deleted_at = ? where id = ? and deleted_at is null";

const DELETE_KEYS_OF: &str = "delete from api_key where client_id = ?";

const DELETE_SETTLED_OF: &str = "delete from client_catalog where client_id = ?";

const WEBHOOKS_OF: &str = "select id from webhook where client_id = ? and deleted_at is null";

const CLIENT: &str = concat!("select ", client_columns!(), " from client where id = ? and deleted_at is null");

const CLIENTS: &str =
    concat!("select ", client_columns!(), " from client where deleted_at is null and (?1 is null or id < ?1) order by id desc limit ?2");

const INSERT_KEY: &str = concat!("insert into api_key (", key_columns!(), ") values (?, ?, ?, ?, ?, ?, ?, ?, ?)");

/// Root keys are those without a client: the index `api_key_client` has them side by side. One that expires leaves nobody
/// who could make another.
const LASTING_ROOT_KEYS: &str = "select count(*) from api_key where client_id is null and expires_at is null";

const KEY: &str = concat!("select ", key_columns!(), " from api_key where id = ?1 and (?2 is null or client_id = ?2)");

const DELETE_KEY: &str = "delete from api_key where id = ?";

const KEY_BY_HASH: &str = concat!("select ", key_columns!(), " from api_key where hash = ?");

const NOTE_KEY_USE: &str = "update api_key set last_used_at = ?2 where id = ?1 and (last_used_at is null or last_used_at < ?2)";

#[async_trait]
impl Clients for SqliteStore {
    async fn insert_client(&self, client: Client, by: Option<Actor>) -> Result<(), StoreError> {
        self.change(by, move |tx, hand| insert_client(tx, &client, hand)).await
    }

    async fn delete_client(&self, id: ClientId, now: Timestamp, by: Option<Actor>) -> Result<bool, StoreError> {
        let keyring = Arc::clone(&self.keyring);
        self.change_pending(by, move |tx, held, hand| delete_client(tx, id, now, &keyring, (held, hand))).await
    }

    async fn client(&self, id: ClientId) -> Result<Option<Client>, StoreError> {
        self.readers.read(move |db| db.first(CLIENT, (id.as_uuid(),), |row| client(row))).await
    }

    async fn clients(&self, page: Page<ClientId>) -> Result<Vec<Client>, StoreError> {
        let values = (page.before.map(ClientId::as_uuid), page.limit);
        self.readers.read(move |db| db.rows(CLIENTS, values, |row| client(row))).await
    }

    async fn insert_api_key(&self, key: ApiKey, by: Option<Actor>) -> Result<bool, StoreError> {
        self.change(by, move |tx, hand| insert_api_key(tx, &key, hand)).await
    }

    async fn delete_api_key(&self, scope: Scope, id: ApiKeyId, by: Option<Actor>) -> Result<KeyDeletion, StoreError> {
        self.change(by, move |tx, hand| delete_api_key(tx, scope, id, hand)).await
    }

    async fn api_key(&self, hash: KeyHash) -> Result<Option<ApiKey>, StoreError> {
        self.readers.read(move |db| db.first(KEY_BY_HASH, (hash.0.as_slice(),), |row| key(row))).await
    }

    async fn api_keys(&self, scope: Scope, page: Page<ApiKeyId>) -> Result<Vec<ApiKey>, StoreError> {
        let query = key_list(scope, page);
        self.readers.read(move |db| query.rows(db, |row| key(row))).await
    }

    async fn note_key_uses(&self, uses: Vec<(ApiKeyId, Timestamp)>) -> Result<(), StoreError> {
        self.writer.write(move |tx| note_key_uses(tx, &uses)).await
    }

    async fn insert_first_root_key(&self, key: ApiKey) -> Result<bool, StoreError> {
        self.writer.write(move |tx| insert_first_root_key(tx, &key)).await
    }
}

fn key_list(scope: Scope, page: Page<ApiKeyId>) -> Built {
    let mut query = Built::new(concat!("select ", key_columns!(), " from api_key where true"));
    if let Scope::Client(client_id) = scope {
        query.push(" and client_id = ").bind_id(client_id.as_uuid());
    }
    if let Some(before) = page.before {
        query.push(" and id < ").bind_id(before.as_uuid());
    }
    query.push(" order by id desc limit ").bind(page.limit);
    query
}

fn insert_client(tx: &Transaction<'_>, client: &Client, hand: &Hand<'_>) -> Result<(), StoreError> {
    tx.db.change(INSERT_CLIENT, (client.id.as_uuid(), client.name.as_str(), client.created_at.as_micros()))?;
    hand.note(tx.db, || Some(Change::client_created(client)))
}

fn delete_client(
    tx: &mut Transaction<'_>,
    id: ClientId,
    now: Timestamp,
    keyring: &Keyring,
    (held, hand): (&Held, &Hand<'_>),
) -> Result<bool, StoreError> {
    let before = hand.client_before(tx.db, id)?;
    if tx.db.change(DELETE_CLIENT, (now.as_micros(), id.as_uuid()))? == 0 {
        return Ok(false);
    }
    tx.db.change(DELETE_KEYS_OF, (id.as_uuid(),))?;
    tx.db.change(DELETE_SETTLED_OF, (id.as_uuid(),))?;
    for webhook_id in tx.db.rows(WEBHOOKS_OF, (id.as_uuid(),), |row| Fields::of(row, "webhook").id("id"))? {
        delete(tx, (Scope::Client(id), webhook_id), now, keyring, hand)?;
    }
    cancel_left_over(tx, CANCELLED_AT_ONCE, held)?;
    hand.note(tx.db, || before.as_ref().map(Change::client_deleted))?;
    Ok(true)
}

fn insert_api_key(tx: &Transaction<'_>, key: &ApiKey, hand: &Hand<'_>) -> Result<bool, StoreError> {
    let may_be_stored = match key.client_id {
        Some(client_id) => client_exists(tx.db, client_id)?,
        None => true,
    };
    if may_be_stored {
        store_key(tx, key)?;
        hand.note(tx.db, || Some(Change::key_created(key)))?;
    }
    Ok(may_be_stored)
}

fn store_key(tx: &Transaction<'_>, key: &ApiKey) -> Result<(), StoreError> {
    let values = (
        key.id.as_uuid(),
        key.client_id.map(ClientId::as_uuid),
        key.role.as_str(),
        key.name.as_deref(),
        key.prefix.as_str(),
        key.hash.0.as_slice(),
        key.created_at.as_micros(),
        key.expires_at.map(Timestamp::as_micros),
        key.last_used_at.map(Timestamp::as_micros),
    );
    tx.db.change(INSERT_KEY, values)?;
    Ok(())
}

fn delete_api_key(tx: &Transaction<'_>, scope: Scope, id: ApiKeyId, hand: &Hand<'_>) -> Result<KeyDeletion, StoreError> {
    let Some(before) = tx.db.first(KEY, (id.as_uuid(), client_of(scope)), |row| key(row))? else {
        return Ok(KeyDeletion::NotFound);
    };
    if before.role == Role::Root && before.expires_at.is_none() && lasting_root_keys(tx)? == 1 {
        return Ok(KeyDeletion::LastRootKey);
    }
    tx.db.change(DELETE_KEY, (id.as_uuid(),))?;
    hand.note(tx.db, || Some(Change::key_deleted(&before)))?;
    Ok(KeyDeletion::Deleted)
}

fn note_key_uses(tx: &Transaction<'_>, uses: &[(ApiKeyId, Timestamp)]) -> Result<(), StoreError> {
    for (id, at) in uses {
        tx.db.change(NOTE_KEY_USE, (id.as_uuid(), at.as_micros()))?;
    }
    Ok(())
}

fn insert_first_root_key(tx: &Transaction<'_>, key: &ApiKey) -> Result<bool, StoreError> {
    if key.role != Role::Root || key.expires_at.is_some() {
        return Err(StoreError::Conflict { constraint: "the first key is a root key that does not expire".to_owned() });
    }
    let is_first = lasting_root_keys(tx)? == 0;
    if is_first {
        store_key(tx, key)?;
    }
    Ok(is_first)
}

fn lasting_root_keys(tx: &Transaction<'_>) -> Result<i64, StoreError> {
    tx.db.number(LASTING_ROOT_KEYS, ())
}
