//! Clients and their API keys.

use super::{Cells, Fields};
use crate::domain::client::{ApiKey, Client, KeyHash};
use crate::store::error::StoreError;

macro_rules! client_columns {
    () => {
        "id, name, created_at"
    };
}
pub(in crate::store) use client_columns;

/// Reads `client_columns!`.
pub(in crate::store) fn client(row: &dyn Cells) -> Result<Client, StoreError> {
    let mut fields = Fields::of(row, "client");
    Ok(Client { id: fields.id("id")?, name: fields.text("name")?, created_at: fields.time("created_at")? })
}

macro_rules! key_columns {
    () => {
        "id, client_id, role, name, prefix, hash, created_at, expires_at, last_used_at"
    };
}
pub(in crate::store) use key_columns;

/// Reads `key_columns!`.
pub(in crate::store) fn key(row: &dyn Cells) -> Result<ApiKey, StoreError> {
    let mut fields = Fields::of(row, "api_key");
    Ok(ApiKey {
        id: fields.id("id")?,
        client_id: fields.optional_id("client_id")?,
        role: fields.parse("role")?,
        name: fields.optional_text("name")?,
        prefix: fields.text("prefix")?,
        hash: KeyHash(fields.bytes("hash")?.try_into().map_err(|_| fields.corrupt("hash"))?),
        created_at: fields.time("created_at")?,
        expires_at: fields.optional_time("expires_at")?,
        last_used_at: fields.optional_time("last_used_at")?,
    })
}
