//! Who is signed in to the dashboard.

use async_trait::async_trait;
use sqlx::PgConnection;

use super::PostgresStore;
use super::value::At;
use crate::domain::client::ApiKey;
use crate::domain::session::{Session, SessionHash};
use crate::domain::time::Timestamp;
use crate::store::contract::Sessions;
use crate::store::error::StoreError;
use crate::store::rows::{key, key_columns};

/// Stores nothing for a key that is not there, and holds the key's row so that it cannot go meanwhile.
const INSERT: &str = "
    insert into dashboard_session (hash, key_id, created_at, expires_at)
    select $1, id, $3, $4 from api_key where id = $2 for key share";

/// Along the index `dashboard_session_age`. What another sign-in removes at this moment is left to it.
const REMOVE_ENDED: &str = "
    delete from dashboard_session where hash in (
        select hash from dashboard_session where expires_at <= $1 for update skip locked)";

const KEY_OF: &str = concat!(
    "select ",
    key_columns!(),
    " from api_key where id = (select key_id from dashboard_session where hash = $1 and expires_at > $2)"
);

const END: &str = "delete from dashboard_session where hash = $1";

#[async_trait]
impl Sessions for PostgresStore {
    async fn insert_session(&self, session: Session) -> Result<bool, StoreError> {
        self.connections.write(move |call| Box::pin(async move { insert(call.db, &session).await })).await
    }

    async fn session_key(&self, hash: SessionHash, now: Timestamp) -> Result<Option<ApiKey>, StoreError> {
        self.connections.call(move |call| Box::pin(session_key(call.db, hash, now))).await
    }

    async fn end_session(&self, hash: SessionHash) -> Result<(), StoreError> {
        self.connections.write(move |call| Box::pin(async move { end(call.db, hash).await })).await
    }
}

async fn insert(db: &mut PgConnection, session: &Session) -> Result<bool, StoreError> {
    let Session { hash, key_id, created_at, expires_at } = session;
    sqlx::query(REMOVE_ENDED).bind(At(*created_at)).execute(&mut *db).await?;
    let query = sqlx::query(INSERT).bind(hash.0.as_slice()).bind(key_id.as_uuid()).bind(At(*created_at)).bind(At(*expires_at));
    Ok(query.execute(db).await?.rows_affected() == 1)
}

async fn session_key(db: &mut PgConnection, hash: SessionHash, now: Timestamp) -> Result<Option<ApiKey>, StoreError> {
    let row = sqlx::query(KEY_OF).bind(hash.0.as_slice()).bind(At(now)).fetch_optional(db).await?;
    row.as_ref().map(|row| key(row)).transpose()
}

async fn end(db: &mut PgConnection, hash: SessionHash) -> Result<(), StoreError> {
    sqlx::query(END).bind(hash.0.as_slice()).execute(db).await?;
    Ok(())
}
