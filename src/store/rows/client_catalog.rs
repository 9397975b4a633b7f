//! What a client has settled for a catalogue, its keys as one envelope in the column `keys`; and whole payloads that hold
//! secrets, each in an envelope of its own.

use bytes::Bytes;
use secrecy::zeroize::{Zeroize, Zeroizing};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Cells, Fields};
use crate::domain::catalog::{CatalogKey, ClientCatalog};
use crate::domain::ids::{EventId, SigningKeyId};
use crate::domain::signature::RsaSecret;
use crate::domain::time::Timestamp;
use crate::secrets::{Keyring, Place};
use crate::store::error::StoreError;

const TABLE: &str = "client_catalog";
const SECRET_TABLE: &str = "event_secret";

macro_rules! client_catalog_columns {
    () => {
        "id, client_id, catalog, version, settings, keys, updated_at"
    };
}
pub(in crate::store) use client_catalog_columns;

/// Reads `client_catalog_columns!`.
pub(in crate::store) fn client_catalog(row: &dyn Cells, keyring: &Keyring) -> Result<ClientCatalog, StoreError> {
    let fields = &mut Fields::of(row, TABLE);
    let id: Uuid = fields.id("id")?;
    let (client_id, catalog, version) = (fields.id("client_id")?, fields.parse("catalog")?, fields.number("version")?);
    let settings = fields.optional("settings", |text| serde_json::from_str(text).ok())?.unwrap_or_default();
    let keys = fields.optional_bytes("keys")?.map(|envelope| unseal_keys(keyring, id, envelope)).transpose()?.unwrap_or_default();
    Ok(ClientCatalog { id: id.into(), client_id, catalog, version, settings, keys, updated_at: fields.time("updated_at")? })
}

/// The envelope for the keys; `None` without any.
pub(in crate::store) fn seal_catalog_keys(keyring: &Keyring, settled: &ClientCatalog) -> Result<Option<Vec<u8>>, StoreError> {
    if settled.keys.is_empty() {
        return Ok(None);
    }
    let written: Vec<Written> = settled.keys.iter().map(Written::from).collect();
    let text = Zeroizing::new(serde_json::to_vec(&written).map_err(|error| StoreError::Backend(error.into()))?);
    seal(keyring, keys_of(settled.id.as_uuid()), &text).map(Some)
}

fn unseal_keys(keyring: &Keyring, id: Uuid, envelope: &[u8]) -> Result<Vec<CatalogKey>, StoreError> {
    let text = unseal(keyring, keys_of(id), envelope)?;
    let written: Option<Vec<Written>> = serde_json::from_slice(&text).ok();
    let keys = written.and_then(|written| written.iter().map(Written::read).collect());
    keys.ok_or_else(|| StoreError::Corrupt { table: TABLE, column: "keys", id: id.to_string() })
}

/// The envelope for a whole payload.
pub(in crate::store) fn seal_payload(keyring: &Keyring, event_id: EventId, payload: &[u8]) -> Result<Vec<u8>, StoreError> {
    seal(keyring, payload_of(event_id.as_uuid()), payload)
}

/// Reads `event_id, payload`.
pub(in crate::store) fn secret_payload(row: &dyn Cells, keyring: &Keyring) -> Result<Bytes, StoreError> {
    let fields = &mut Fields::of(row, SECRET_TABLE);
    let id = fields.id("event_id")?;
    let payload = unseal(keyring, payload_of(id), fields.bytes("payload")?)?;
    Ok(Bytes::copy_from_slice(&payload))
}

/// Id and envelope of a row of `id, keys`, encrypted anew.
pub(in crate::store) fn resealed_keys(row: &dyn Cells, keyring: &Keyring) -> Result<(Uuid, Vec<u8>), StoreError> {
    resealed(&mut Fields::of(row, TABLE), keyring, keys_of)
}

/// Id and envelope of a row of `event_id, payload`, encrypted anew.
pub(in crate::store) fn resealed_payload(row: &dyn Cells, keyring: &Keyring) -> Result<(Uuid, Vec<u8>), StoreError> {
    resealed(&mut Fields::of(row, SECRET_TABLE), keyring, payload_of)
}

fn resealed(fields: &mut Fields<'_>, keyring: &Keyring, place: fn(Uuid) -> Place) -> Result<(Uuid, Vec<u8>), StoreError> {
    let id = fields.id("id")?;
    let text = unseal(keyring, place(id), fields.bytes("envelope")?)?;
    Ok((id, seal(keyring, place(id), &text)?))
}

const fn keys_of(row: Uuid) -> Place {
    Place { table: TABLE, column: "keys", row }
}

const fn payload_of(row: Uuid) -> Place {
    Place { table: SECRET_TABLE, column: "payload", row }
}

fn seal(keyring: &Keyring, place: Place, text: &[u8]) -> Result<Vec<u8>, StoreError> {
    keyring.seal(place, text).map_err(|error| StoreError::Backend(error.into()))
}

fn unseal(keyring: &Keyring, place: Place, envelope: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let sealed = |source| StoreError::Sealed { table: place.table, id: place.row.to_string(), source };
    keyring.unseal(place, envelope).map_err(sealed)
}

/// A key as it is written; the time is microseconds, the pair PKCS #8.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    id: SigningKeyId,
    algorithm: String,
    pair: Vec<u8>,
    created_at: i64,
}

impl Drop for Written {
    fn drop(&mut self) {
        self.pair.zeroize();
    }
}

impl From<&CatalogKey> for Written {
    fn from(key: &CatalogKey) -> Self {
        Self {
            id: key.id,
            algorithm: key.algorithm.as_str().to_owned(),
            pair: key.secret.expose().to_vec(),
            created_at: key.created_at.as_micros(),
        }
    }
}

impl Written {
    fn read(&self) -> Option<CatalogKey> {
        Some(CatalogKey {
            id: self.id,
            algorithm: self.algorithm.parse().ok()?,
            secret: RsaSecret::from_pkcs8(&self.pair).ok()?,
            created_at: Timestamp::from_micros(self.created_at),
        })
    }
}
