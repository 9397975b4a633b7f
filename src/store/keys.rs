//! Whether the keys at hand open everything that is kept, in words for an operator.

use super::driver_errors::unusable;
use super::error::StoreError;
use super::records::KeyUse;
use super::rows::{Cells, Fields};
use crate::secrets::{KeyId, Keyring};

/// Reads `key, rows`.
pub(super) fn key_use(row: &dyn Cells) -> Result<KeyUse, StoreError> {
    let fields = &mut Fields::of(row, "webhook");
    let key = fields.optional("secrets_key", KeyId::parse)?.ok_or_else(|| fields.corrupt("secrets_key"))?;
    Ok(KeyUse { key, rows: fields.number("count")? })
}

/// Refuses to work with a store of which a part could not be read.
pub(super) fn refuse_unknown(keyring: &Keyring, used: &[KeyUse]) -> Result<(), StoreError> {
    let unknown: Vec<String> = used.iter().filter(|used| !keyring.holds(used.key)).map(in_words).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(unusable(format!("{}: give the missing key in secrets.key, behind the newest one", unknown.join(", and "))))
}

fn in_words(used: &KeyUse) -> String {
    let (rows, needs) = if used.rows == 1 { ("row", "needs") } else { ("rows", "need") };
    format!("{} {rows} of the database {needs} the key {}, which is not among the given ones", used.rows, used.key)
}
