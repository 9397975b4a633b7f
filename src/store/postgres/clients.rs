//! Clients and their API keys.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::{PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

use super::PostgresStore;
use super::audit::Hand;
use super::connections::Call;
use super::left_over::cancel_left_over;
use super::value::{At, kept};
use super::webhooks::{client_of, delete, hold_client};
use crate::domain::audit::{Actor, Change};
use crate::domain::client::{ApiKey, Client, KeyHash, Role};
use crate::domain::ids::{ApiKeyId, ClientId, WebhookId};
use crate::domain::time::Timestamp;
use crate::secrets::Keyring;
use crate::store::contract::{CANCELLED_AT_ONCE, Clients};
use crate::store::error::StoreError;
use crate::store::records::{KeyDeletion, Page, Scope};
use crate::store::rows::{client, client_columns, key, key_columns};

const INSERT_CLIENT: &str = "insert into client (id, name, created_at) values ($1, $2, $3)";

/// Waits for whoever adds something to the client, and makes later ones see that it is gone.
const DELETE_CLIENT: &str = "update client set deleted_at = $2 where id = (
    select id from client where id = $1 and deleted_at is null for update)";

const DELETE_KEYS_OF: &str = "delete from api_key where client_id = $1";

const DELETE_SETTLED_OF: &str = "delete from client_catalog where client_id = $1";

const WEBHOOKS_OF: &str = "select id from webhook where client_id = $1 and deleted_at is null";

const CLIENT: &str = concat!("select ", client_columns!(), " from client where id = $1 and deleted_at is null");

const CLIENTS: &str = concat!(
    "select ",
    client_columns!(),
    " from client where deleted_at is null and ($1::uuid is null or id < $1) order by id desc limit $2"
);

const INSERT_KEY: &str = concat!("insert into api_key (", key_columns!(), ") values ($1, $2, $3, $4, $5, $6, $7, $8, $9)");

/// Whoever counts root keys holds this until it has stored or deleted one: of many first keys one is stored, and the last
/// one stays. The number is this rule's own.
const COUNT_ALONE: &str = "select pg_advisory_xact_lock(7229741)";

/// Root keys are those without a client: the index `api_key_client` has them side by side. One that expires leaves nobody
/// who could make another.
const LASTING_ROOT_KEYS: &str = "select count(*) from api_key where client_id is null and expires_at is null";

const KEY: &str = concat!("select ", key_columns!(), " from api_key where id = $1 and ($2::uuid is null or client_id = $2) for update");

const DELETE_KEY: &str = "delete from api_key where id = $1";

const KEY_BY_HASH: &str = concat!("select ", key_columns!(), " from api_key where hash = $1");

/// Rows that somebody else holds are passed over: that is another node with the same news, or the key's end. So no two
/// nodes wait for one another.
const NOTE_KEY_USES: &str = "
    with news as (
        select k.id, u.at
        from (select id, max(at) as at from unnest($1::uuid[], $2::timestamptz[]) as u (id, at) group by id) u
            join api_key k on k.id = u.id
        where k.last_used_at is null or k.last_used_at < u.at
        for no key update of k skip locked
    )
    update api_key k set last_used_at = news.at from news where k.id = news.id";

#[async_trait]
impl Clients for PostgresStore {
    async fn insert_client(&self, client: Client, by: Option<Actor>) -> Result<(), StoreError> {
        let hand = self.hand(by);
        self.connections.write(move |call| Box::pin(async move { insert_client(call.db, &client, &hand).await })).await
    }

    async fn delete_client(&self, id: ClientId, now: Timestamp, by: Option<Actor>) -> Result<bool, StoreError> {
        let (keyring, hand) = (Arc::clone(&self.keyring), self.hand(by));
        self.connections.write_long(move |call| Box::pin(async move { delete_client(call, id, now, &keyring, &hand).await })).await
    }

    async fn client(&self, id: ClientId) -> Result<Option<Client>, StoreError> {
        self.connections.call(move |call| Box::pin(one_client(call.db, id))).await
    }

    async fn clients(&self, page: Page<ClientId>) -> Result<Vec<Client>, StoreError> {
        self.connections.call(move |call| Box::pin(clients(call.db, page))).await
    }

    async fn insert_api_key(&self, key: ApiKey, by: Option<Actor>) -> Result<bool, StoreError> {
        let hand = self.hand(by);
        self.connections.write(move |call| Box::pin(async move { insert_api_key(call.db, &key, &hand).await })).await
    }

    async fn delete_api_key(&self, scope: Scope, id: ApiKeyId, by: Option<Actor>) -> Result<KeyDeletion, StoreError> {
        let hand = self.hand(by);
        self.connections.write(move |call| Box::pin(async move { delete_api_key(call.db, scope, id, &hand).await })).await
    }

    async fn api_key(&self, hash: KeyHash) -> Result<Option<ApiKey>, StoreError> {
        self.connections.call(move |call| Box::pin(key_by_hash(call.db, hash))).await
    }

    async fn api_keys(&self, scope: Scope, page: Page<ApiKeyId>) -> Result<Vec<ApiKey>, StoreError> {
        self.connections.call(move |call| Box::pin(keys(call.db, scope, page))).await
    }

    async fn note_key_uses(&self, uses: Vec<(ApiKeyId, Timestamp)>) -> Result<(), StoreError> {
        self.connections.call(move |call| Box::pin(async move { note_key_uses(call.db, &uses).await })).await
    }

    async fn insert_first_root_key(&self, key: ApiKey) -> Result<bool, StoreError> {
        self.connections.write(|call| Box::pin(async move { insert_first_root_key(call.db, &key).await })).await
    }
}

async fn one_client(db: &mut PgConnection, id: ClientId) -> Result<Option<Client>, StoreError> {
    let row = sqlx::query(CLIENT).bind(id.as_uuid()).fetch_optional(db).await?;
    row.as_ref().map(|row| client(row)).transpose()
}

async fn clients(db: &mut PgConnection, page: Page<ClientId>) -> Result<Vec<Client>, StoreError> {
    let query = sqlx::query(CLIENTS).bind(page.before.map(ClientId::as_uuid)).bind(i64::from(page.limit));
    query.fetch_all(db).await?.iter().map(|row| client(row)).collect()
}

async fn insert_client(db: &mut PgConnection, client: &Client, hand: &Hand) -> Result<(), StoreError> {
    let query = sqlx::query(INSERT_CLIENT).bind(client.id.as_uuid()).bind(kept(&client.name)).bind(At(client.created_at));
    query.execute(&mut *db).await?;
    hand.note(db, || Some(Change::client_created(client))).await
}

async fn delete_client(call: &mut Call<'_>, id: ClientId, now: Timestamp, keyring: &Keyring, hand: &Hand) -> Result<bool, StoreError> {
    let before = hand.client_before(call.db, id).await?;
    let query = sqlx::query(DELETE_CLIENT).bind(id.as_uuid()).bind(At(now));
    if query.execute(&mut *call.db).await?.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query(DELETE_KEYS_OF).bind(id.as_uuid()).execute(&mut *call.db).await?;
    sqlx::query(DELETE_SETTLED_OF).bind(id.as_uuid()).execute(&mut *call.db).await?;
    let webhooks: Vec<Uuid> = sqlx::query_scalar(WEBHOOKS_OF).bind(id.as_uuid()).fetch_all(&mut *call.db).await?;
    for webhook in webhooks {
        delete(call, (Scope::Client(id), WebhookId::from(webhook)), now, keyring, hand).await?;
    }
    cancel_left_over(call.db, CANCELLED_AT_ONCE).await?;
    hand.note(call.db, || before.as_ref().map(Change::client_deleted)).await?;
    Ok(true)
}

async fn key_by_hash(db: &mut PgConnection, hash: KeyHash) -> Result<Option<ApiKey>, StoreError> {
    let row = sqlx::query(KEY_BY_HASH).bind(hash.0.as_slice()).fetch_optional(db).await?;
    row.as_ref().map(|row| key(row)).transpose()
}

async fn keys(db: &mut PgConnection, scope: Scope, page: Page<ApiKeyId>) -> Result<Vec<ApiKey>, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new(concat!("select ", key_columns!(), " from api_key where true"));
    if let Scope::Client(client_id) = scope {
        query.push(" and client_id = ").push_bind(client_id.as_uuid());
    }
    if let Some(before) = page.before {
        query.push(" and id < ").push_bind(before.as_uuid());
    }
    query.push(" order by id desc limit ").push_bind(i64::from(page.limit));
    query.build().fetch_all(db).await?.iter().map(|row| key(row)).collect()
}

async fn insert_api_key(db: &mut PgConnection, key: &ApiKey, hand: &Hand) -> Result<bool, StoreError> {
    let may_be_stored = match key.client_id {
        Some(client_id) => hold_client(db, client_id).await?,
        None => true,
    };
    if may_be_stored {
        store_key(db, key).await?;
        hand.note(db, || Some(Change::key_created(key))).await?;
    }
    Ok(may_be_stored)
}

async fn store_key(db: &mut PgConnection, key: &ApiKey) -> Result<(), StoreError> {
    let query = sqlx::query(INSERT_KEY)
        .bind(key.id.as_uuid())
        .bind(key.client_id.map(ClientId::as_uuid))
        .bind(key.role.as_str())
        .bind(key.name.as_deref().map(kept))
        .bind(key.prefix.as_str())
        .bind(key.hash.0.as_slice())
        .bind(At(key.created_at))
        .bind(key.expires_at.map(At))
        .bind(key.last_used_at.map(At));
    query.execute(db).await?;
    Ok(())
}

async fn delete_api_key(db: &mut PgConnection, scope: Scope, id: ApiKeyId, hand: &Hand) -> Result<KeyDeletion, StoreError> {
    let query = sqlx::query(KEY).bind(id.as_uuid()).bind(client_of(scope));
    let Some(row) = query.fetch_optional(&mut *db).await? else {
        return Ok(KeyDeletion::NotFound);
    };
    let before = key(&row)?;
    if before.role == Role::Root && before.expires_at.is_none() && lasting_root_keys(db).await? == 1 {
        return Ok(KeyDeletion::LastRootKey);
    }
    sqlx::query(DELETE_KEY).bind(id.as_uuid()).execute(&mut *db).await?;
    hand.note(db, || Some(Change::key_deleted(&before))).await?;
    Ok(KeyDeletion::Deleted)
}

async fn note_key_uses(db: &mut PgConnection, uses: &[(ApiKeyId, Timestamp)]) -> Result<(), StoreError> {
    let (ids, times): (Vec<Uuid>, Vec<At>) = uses.iter().map(|(id, at)| (id.as_uuid(), At(*at))).unzip();
    sqlx::query(NOTE_KEY_USES).bind(ids).bind(times).execute(db).await?;
    Ok(())
}

async fn insert_first_root_key(db: &mut PgConnection, key: &ApiKey) -> Result<bool, StoreError> {
    if key.role != Role::Root || key.expires_at.is_some() {
        return Err(StoreError::Conflict { constraint: "the first key is a root key that does not expire".to_owned() });
    }
    let is_first = lasting_root_keys(db).await? == 0;
    if is_first {
        store_key(db, key).await?;
    }
    Ok(is_first)
}

async fn lasting_root_keys(db: &mut PgConnection) -> Result<i64, StoreError> {
    sqlx::query(COUNT_ALONE).execute(&mut *db).await?;
    Ok(sqlx::query_scalar(LASTING_ROOT_KEYS).fetch_one(db).await?)
}
