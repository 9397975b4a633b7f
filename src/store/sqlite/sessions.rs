//! Who is signed in to the dashboard.

use async_trait::async_trait;

use super::SqliteStore;
use super::statements::Statements;
use super::writer::Transaction;
use crate::domain::client::ApiKey;
use crate::domain::session::{Session, SessionHash};
use crate::domain::time::Timestamp;
use crate::store::contract::Sessions;
use crate::store::error::StoreError;
use crate::store::rows::{key, key_columns};

/// Stores nothing for a key that is not there.
const INSERT: &str = "
    insert into dashboard_session (hash, key_id, created_at, expires_at)
    select ?1, id, ?3, ?4 from api_key where id = ?2";

/// Along the index `dashboard_session_age`.
pub(super) const REMOVE_ENDED: &str = "delete from dashboard_session where expires_at <= ?";

pub(super) const KEY_OF: &str = concat!(
    "select ",
    key_columns!(),
    " from api_key where id = (select key_id from dashboard_session where hash = ?1 and expires_at > ?2)"
);

const END: &str = "delete from dashboard_session where hash = ?";

#[async_trait]
impl Sessions for SqliteStore {
    async fn insert_session(&self, session: Session) -> Result<bool, StoreError> {
        self.writer.write(move |tx| insert(tx, &session)).await
    }

    async fn session_key(&self, hash: SessionHash, now: Timestamp) -> Result<Option<ApiKey>, StoreError> {
        self.readers.read(move |db| db.first(KEY_OF, (hash.0.as_slice(), now.as_micros()), |row| key(row))).await
    }

    async fn end_session(&self, hash: SessionHash) -> Result<(), StoreError> {
        self.writer.write(move |tx| tx.db.change(END, (hash.0.as_slice(),)).map(drop)).await
    }
}

fn insert(tx: &Transaction<'_>, session: &Session) -> Result<bool, StoreError> {
    let Session { hash, key_id, created_at, expires_at } = session;
    tx.db.change(REMOVE_ENDED, (created_at.as_micros(),))?;
    let values = (hash.0.as_slice(), key_id.as_uuid(), created_at.as_micros(), expires_at.as_micros());
    Ok(tx.db.change(INSERT, values)? == 1)
}
