//! The keys that sign the requests of webhooks: made current beside those before them, and the public ones shown.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::PgConnection;

use super::PostgresStore;
use super::audit::Hand;
use super::connections::Call;
use super::value::At;
use super::webhooks::client_of;
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

/// Whoever is first to ask makes a new key; the next one finds it among those before.
const KEYS: &str = "
    select id, signing_keys from webhook
    where id = $1 and deleted_at is null and ($2::uuid is null or client_id = $2) for no key update";

/// Runs in the transaction that read the keys.
const SET_KEYS: &str = "update webhook set signing_keys = $2, updated_at = $3, version = version + 1 where id = $1";

const FORGET_PUBLIC: &str = "delete from public_key where webhook_id = $1";

const INSERT_PUBLIC: &str = "insert into public_key (id, webhook_id, ed25519, valid_until) values ($1, $2, $3, $4)";

/// Along the primary key, newest first.
const PUBLIC: &str = "select id, ed25519 from public_key where (valid_until is null or valid_until > $1) order by id desc limit $2";

const PUBLIC_ONE: &str = "select id, ed25519 from public_key where id = $3 and (valid_until is null or valid_until > $1) limit $2";

#[async_trait]
impl Signing for PostgresStore {
    async fn rotate_signing_key(
        &self,
        scope: Scope,
        id: WebhookId,
        key: SigningKey,
        overlap: Duration,
        now: Timestamp,
        by: Option<Actor>,
    ) -> Result<SigningRotation, StoreError> {
        let (keyring, hand) = (Arc::clone(&self.keyring), self.hand(by));
        let work = async move |call: &mut Call<'_>| rotate(call, &keyring, (scope, id), (key, overlap), now, &hand).await;
        self.connections.write(move |call| Box::pin(async move { work(call).await })).await
    }

    async fn public_keys(&self, id: Option<SigningKeyId>, now: Timestamp, limit: u32) -> Result<Vec<PublicKey>, StoreError> {
        self.connections.call(move |call| Box::pin(public(call.db, id, now, limit))).await
    }
}

async fn public(db: &mut PgConnection, id: Option<SigningKeyId>, now: Timestamp, limit: u32) -> Result<Vec<PublicKey>, StoreError> {
    let query = match id {
        Some(id) => sqlx::query(PUBLIC_ONE).bind(At(now)).bind(i64::from(limit)).bind(id.as_uuid()),
        None => sqlx::query(PUBLIC).bind(At(now)).bind(i64::from(limit)),
    };
    query.fetch_all(db).await?.iter().map(|row| public_key(row)).collect()
}

async fn rotate(
    call: &mut Call<'_>,
    keyring: &Keyring,
    (scope, id): (Scope, WebhookId),
    (key, overlap): (SigningKey, Duration),
    now: Timestamp,
    hand: &Hand,
) -> Result<SigningRotation, StoreError> {
    let Some(row) = sqlx::query(KEYS).bind(id.as_uuid()).bind(client_of(scope)).fetch_optional(&mut *call.db).await? else {
        return Ok(SigningRotation::NotFound);
    };
    let (before, new) = (hand.webhook_before(call.db, (scope, id), keyring).await?, key.clone());
    let Ok(keys) = signing_keys(&row, keyring)?.rotated(key, overlap, now) else {
        return Ok(SigningRotation::TooManyKeys);
    };
    let envelope = seal_signing_keys(keyring, id, &keys)?;
    sqlx::query(SET_KEYS).bind(id.as_uuid()).bind(envelope).bind(At(now)).execute(&mut *call.db).await?;
    publish(call.db, id, &keys).await?;
    hand.note(call.db, || Some(Change::secret_rotated(before.as_ref()?, &new))).await?;
    call.signal(Signal::WebhookChanged(id));
    Ok(SigningRotation::Rotated { previous_valid_until: keys.previous_valid_until(now) })
}

async fn publish(db: &mut PgConnection, id: WebhookId, keys: &SigningKeys) -> Result<(), StoreError> {
    sqlx::query(FORGET_PUBLIC).bind(id.as_uuid()).execute(&mut *db).await?;
    for (key, public) in keys.all().iter().filter_map(|key| Some((key, key.secret.public_key()?))) {
        let query = sqlx::query(INSERT_PUBLIC).bind(key.id.as_uuid()).bind(id.as_uuid()).bind(public.to_vec());
        query.bind(key.valid_until.map(At)).execute(&mut *db).await?;
    }
    Ok(())
}
