//! The keys that sign a webhook's requests, as one envelope in the column `signing_keys`, and the public ones of them.

use secrecy::zeroize::{Zeroize, Zeroizing};
use serde::{Deserialize, Serialize};

use super::webhook_secrets::{seal, unseal};
use super::{Cells, Fields};
use crate::domain::ids::{SigningKeyId, WebhookId};
use crate::domain::signature::{SigningKey, SigningKeys, SigningSecret};
use crate::domain::time::Timestamp;
use crate::secrets::Keyring;
use crate::store::error::StoreError;
use crate::store::records::PublicKey;

pub(super) const COLUMN: &str = "signing_keys";

/// A key as it is written; times are microseconds.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    id: SigningKeyId,
    scheme: String,
    secret: Vec<u8>,
    created_at: i64,
    valid_until: Option<i64>,
}

impl Drop for Written {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl From<&SigningKey> for Written {
    fn from(key: &SigningKey) -> Self {
        Self {
            id: key.id,
            scheme: key.secret.scheme().as_str().to_owned(),
            secret: key.secret.expose().to_vec(),
            created_at: key.created_at.as_micros(),
            valid_until: key.valid_until.map(Timestamp::as_micros),
        }
    }
}

impl Written {
    fn read(&self) -> Option<SigningKey> {
        Some(SigningKey {
            id: self.id,
            secret: SigningSecret::new(self.scheme.parse().ok()?, &self.secret).ok()?,
            created_at: Timestamp::from_micros(self.created_at),
            valid_until: self.valid_until.map(Timestamp::from_micros),
        })
    }
}

/// The envelope for the keys of the webhook with this id.
pub(in crate::store) fn seal_signing_keys(keyring: &Keyring, id: WebhookId, keys: &SigningKeys) -> Result<Vec<u8>, StoreError> {
    let written: Vec<Written> = keys.all().iter().map(Written::from).collect();
    let text = Zeroizing::new(serde_json::to_vec(&written).map_err(|error| StoreError::Backend(error.into()))?);
    seal(keyring, COLUMN, id, &text)
}

/// The keys in the envelope of the webhook with this id; none without one.
pub(super) fn unseal_signing_keys(keyring: &Keyring, id: WebhookId, envelope: Option<&[u8]>) -> Result<SigningKeys, StoreError> {
    let Some(envelope) = envelope else { return Ok(SigningKeys::default()) };
    let text = unseal(keyring, COLUMN, id, envelope)?;
    let written: Option<Vec<Written>> = serde_json::from_slice(&text).ok();
    let keys: Option<Vec<SigningKey>> = written.and_then(|written| written.iter().map(Written::read).collect());
    keys.map(SigningKeys::stored).ok_or_else(|| StoreError::Corrupt { table: "webhook", column: COLUMN, id: id.to_string() })
}

/// Reads `id, signing_keys`.
pub(in crate::store) fn signing_keys(row: &dyn Cells, keyring: &Keyring) -> Result<SigningKeys, StoreError> {
    let fields = &mut Fields::of(row, "webhook");
    let id = fields.id("id")?;
    unseal_signing_keys(keyring, id, fields.optional_bytes(COLUMN)?)
}

/// Reads `id, ed25519`.
pub(in crate::store) fn public_key(row: &dyn Cells) -> Result<PublicKey, StoreError> {
    let fields = &mut Fields::of(row, "public_key");
    let id = fields.id("id")?;
    let ed25519 = fields.bytes("ed25519")?.try_into().map_err(|_| fields.corrupt("ed25519"))?;
    Ok(PublicKey { id, ed25519 })
}
