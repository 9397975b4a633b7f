//! Clients and their API keys.

use async_trait::async_trait;
use sqlx::{QueryBuilder, Sqlite};

use super::SqliteStore;
use super::webhooks::{client_exists, client_of, delete};
use super::writer::Transaction;
use crate::domain::client::{ApiKey, Client, KeyHash, Role};
use crate::domain::ids::{ApiKeyId, ClientId, WebhookId};
use crate::domain::time::Timestamp;
use crate::store::contract::Clients;
use crate::store::error::StoreError;
use crate::store::records::{KeyDeletion, Page, Scope};
use crate::store::rows::{client, client_columns, key, key_columns};

const INSERT_CLIENT: &str = "insert into client (id, name, created_at) values (?, ?, ?)";

const DELETE_CLIENT: &str = "update client set deleted_at = ? where id = ? and deleted_at is null";

const DELETE_KEYS_OF: &str = "delete from api_key where client_id = ?";

const WEBHOOKS_OF: &str = "select id from webhook where client_id = ? and deleted_at is null";

const CLIENT: &str = concat!("select ", client_columns!(), " from client where id = ? and deleted_at is null");

const CLIENTS: &str =
    concat!("select ", client_columns!(), " from client where deleted_at is null and (?1 is null or id < ?1) order by id desc limit ?2");

const INSERT_KEY: &str = concat!("insert into api_key (", key_columns!(), ") values (?, ?, ?, ?, ?, ?, ?)");

/// Root keys are those without a client: the index `api_key_client` has them side by side.
const ROOT_KEYS: &str = "select count(*) from api_key where client_id is null";

const KEY_ROLE: &str = "select role from api_key where id = ?1 and (?2 is null or client_id = ?2)";

const DELETE_KEY: &str = "delete from api_key where id = ?";

const KEY_BY_HASH: &str = concat!("select ", key_columns!(), " from api_key where hash = ?");

#[async_trait]
impl Clients for SqliteStore {
    async fn insert_client(&self, client: Client) -> Result<(), StoreError> {
        self.writer.write(|tx| Box::pin(async move { insert_client(tx, &client).await })).await
    }

    async fn delete_client(&self, id: ClientId, now: Timestamp) -> Result<bool, StoreError> {
        self.writer.write(move |tx| Box::pin(delete_client(tx, id, now))).await
    }

    async fn client(&self, id: ClientId) -> Result<Option<Client>, StoreError> {
        let row = sqlx::query(CLIENT).bind(id.as_uuid()).fetch_optional(&self.readers).await?;
        row.as_ref().map(|row| client(row)).transpose()
    }

    async fn clients(&self, page: Page<ClientId>) -> Result<Vec<Client>, StoreError> {
        let query = sqlx::query(CLIENTS).bind(page.before.map(ClientId::as_uuid)).bind(page.limit);
        query.fetch_all(&self.readers).await?.iter().map(|row| client(row)).collect()
    }

    async fn insert_api_key(&self, key: ApiKey) -> Result<bool, StoreError> {
        self.writer.write(|tx| Box::pin(async move { insert_api_key(tx, &key).await })).await
    }

    async fn delete_api_key(&self, scope: Scope, id: ApiKeyId) -> Result<KeyDeletion, StoreError> {
        self.writer.write(move |tx| Box::pin(delete_api_key(tx, scope, id))).await
    }

    async fn api_key(&self, hash: KeyHash) -> Result<Option<ApiKey>, StoreError> {
        let row = sqlx::query(KEY_BY_HASH).bind(hash.0.as_slice()).fetch_optional(&self.readers).await?;
        row.as_ref().map(|row| key(row)).transpose()
    }

    async fn api_keys(&self, scope: Scope, page: Page<ApiKeyId>) -> Result<Vec<ApiKey>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new(concat!("select ", key_columns!(), " from api_key where true"));
        if let Scope::Client(client_id) = scope {
            query.push(" and client_id = ").push_bind(client_id.as_uuid());
        }
        if let Some(before) = page.before {
            query.push(" and id < ").push_bind(before.as_uuid());
        }
        query.push(" order by id desc limit ").push_bind(page.limit);
        query.build().fetch_all(&self.readers).await?.iter().map(|row| key(row)).collect()
    }

    async fn insert_first_root_key(&self, key: ApiKey) -> Result<bool, StoreError> {
        self.writer.write(|tx| Box::pin(async move { insert_first_root_key(tx, &key).await })).await
    }
}

async fn insert_client(tx: &mut Transaction<'_>, client: &Client) -> Result<(), StoreError> {
    let query = sqlx::query(INSERT_CLIENT).bind(client.id.as_uuid()).bind(client.name.as_str());
    query.bind(client.created_at.as_micros()).execute(&mut *tx.db).await?;
    Ok(())
}

async fn delete_client(tx: &mut Transaction<'_>, id: ClientId, now: Timestamp) -> Result<bool, StoreError> {
    let query = sqlx::query(DELETE_CLIENT).bind(now.as_micros()).bind(id.as_uuid());
    if query.execute(&mut *tx.db).await?.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query(DELETE_KEYS_OF).bind(id.as_uuid()).execute(&mut *tx.db).await?;
    let webhooks: Vec<uuid::Uuid> = sqlx::query_scalar(WEBHOOKS_OF).bind(id.as_uuid()).fetch_all(&mut *tx.db).await?;
    for webhook in webhooks {
        delete(tx, Scope::Client(id), WebhookId::from(webhook), now).await?;
    }
    Ok(true)
}

async fn insert_api_key(tx: &mut Transaction<'_>, key: &ApiKey) -> Result<bool, StoreError> {
    let may_be_stored = match key.client_id {
        Some(client_id) => client_exists(tx.db, client_id).await?,
        None => true,
    };
    if may_be_stored {
        store_key(tx, key).await?;
    }
    Ok(may_be_stored)
}

async fn store_key(tx: &mut Transaction<'_>, key: &ApiKey) -> Result<(), StoreError> {
    let query = sqlx::query(INSERT_KEY)
        .bind(key.id.as_uuid())
        .bind(key.client_id.map(ClientId::as_uuid))
        .bind(key.role.as_str())
        .bind(key.name.as_deref())
        .bind(key.prefix.as_str())
        .bind(key.hash.0.as_slice())
        .bind(key.created_at.as_micros());
    query.execute(&mut *tx.db).await?;
    Ok(())
}

async fn delete_api_key(tx: &mut Transaction<'_>, scope: Scope, id: ApiKeyId) -> Result<KeyDeletion, StoreError> {
    let query = sqlx::query_scalar(KEY_ROLE).bind(id.as_uuid()).bind(client_of(scope));
    let role: Option<String> = query.fetch_optional(&mut *tx.db).await?;
    let Some(role) = role else {
        return Ok(KeyDeletion::NotFound);
    };
    if role == Role::Root.as_str() && root_keys(tx).await? == 1 {
        return Ok(KeyDeletion::LastRootKey);
    }
    sqlx::query(DELETE_KEY).bind(id.as_uuid()).execute(&mut *tx.db).await?;
    Ok(KeyDeletion::Deleted)
}

async fn insert_first_root_key(tx: &mut Transaction<'_>, key: &ApiKey) -> Result<bool, StoreError> {
    if key.role != Role::Root {
        return Err(StoreError::Conflict { constraint: "the first key is a root key".to_owned() });
    }
    let is_first = root_keys(tx).await? == 0;
    if is_first {
        store_key(tx, key).await?;
    }
    Ok(is_first)
}

async fn root_keys(tx: &mut Transaction<'_>) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(ROOT_KEYS).fetch_one(&mut *tx.db).await?)
}
