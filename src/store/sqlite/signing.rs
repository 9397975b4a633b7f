//! The keys that sign the requests of webhooks: made current beside those before them, and the public ones shown.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;

use super::SqliteStore;
use super::audit::Hand;
use super::statements::Statements;
use super::webhooks::client_of;
use super::writer::Transaction;
use crate::domain::audit::{Actor, Change};
use crate::domain::ids::{SigningKeyId, WebhookId};
use crate::domain::signature::{SigningKey, SigningKeys};
use crate::domain::time::Timestamp;
use crate::secrets::Keyring;
use crate::store::contract::Signing;
use crate::store::error::StoreError;
use crate::store::records::{PublicKey, Scope, SigningRotation};
use crate::store::rows::{public_key, seal_signing_keys, signing_keys};
use crate::store::signal::Signal;

const KEYS: &str = "select id, signing_keys from webhook where id = ?1 and deleted_at is null and (?2 is null or client_id = ?2)";

/// Runs in the transaction that read the keys.
const SET_KEYS: &str = "update webhook set signing_keys = ?2, updated_at = ?3, version = version + 1 where id = ?1";

const FORGET_PUBLIC: &str = "delete from public_key where webhook_id = ?";

const INSERT_PUBLIC: &str = "insert into public_key (id, webhook_id, ed25519, valid_until) values (?, ?, ?, ?)";

/// Along the primary key, newest first.
const PUBLIC: &str = "select id, ed25519 from public_key where (valid_until is null or valid_until > ?1) order by id desc limit ?2";

const PUBLIC_ONE: &str = "select id, ed25519 from public_key where id = ?3 and (valid_until is null or valid_until > ?1) limit ?2";

#[async_trait]
impl Signing for SqliteStore {
    async fn rotate_signing_key(
        &self,
        scope: Scope,
        id: WebhookId,
        key: SigningKey,
        overlap: Duration,
        now: Timestamp,
        by: Option<Actor>,
    ) -> Result<SigningRotation, StoreError> {
        let keyring = Arc::clone(&self.keyring);
        self.change(by, move |tx, hand| rotate(tx, &keyring, (scope, id), (key, overlap), now, hand)).await
    }

    async fn public_keys(&self, id: Option<SigningKeyId>, now: Timestamp, limit: u32) -> Result<Vec<PublicKey>, StoreError> {
        let now = now.as_micros();
        let read = move |db: &Connection| match id {
            Some(id) => db.rows(PUBLIC_ONE, (now, limit, id.as_uuid()), |row| public_key(row)),
            None => db.rows(PUBLIC, (now, limit), |row| public_key(row)),
        };
        self.readers.read(read).await
    }
}

fn rotate(
    tx: &mut Transaction<'_>,
    keyring: &Keyring,
    (scope, id): (Scope, WebhookId),
    (key, overlap): (SigningKey, Duration),
    now: Timestamp,
    hand: &Hand<'_>,
) -> Result<SigningRotation, StoreError> {
    let stored = tx.db.first(KEYS, (id.as_uuid(), client_of(scope)), |row| signing_keys(row, keyring))?;
    let Some(stored) = stored else { return Ok(SigningRotation::NotFound) };
    let (before, new) = (hand.webhook_before(tx.db, (scope, id), keyring)?, key.clone());
    let Ok(keys) = stored.rotated(key, overlap, now) else { return Ok(SigningRotation::TooManyKeys) };
    tx.db.change(SET_KEYS, (id.as_uuid(), seal_signing_keys(keyring, id, &keys)?, now.as_micros()))?;
    publish(tx.db, id, &keys)?;
    hand.note(tx.db, || Some(Change::secret_rotated(before.as_ref()?, &new)))?;
    tx.signal(Signal::WebhookChanged(id));
    Ok(SigningRotation::Rotated { previous_valid_until: keys.previous_valid_until(now) })
}

fn publish(db: &Connection, id: WebhookId, keys: &SigningKeys) -> Result<(), StoreError> {
    db.change(FORGET_PUBLIC, (id.as_uuid(),))?;
    for (key, public) in keys.all().iter().filter_map(|key| Some((key, key.secret.public_key()?))) {
        db.change(INSERT_PUBLIC, (key.id.as_uuid(), id.as_uuid(), public, key.valid_until.map(Timestamp::as_micros)))?;
    }
    Ok(())
}
