//! Audit entries: who, what, and the fields before and after as JSON.

use serde_json::{Map, Value};

use super::{Cells, Fields};
use crate::domain::audit::{Action, Actor, AuditEntry, Change, ObjectKind};
use crate::store::error::StoreError;

macro_rules! audit_columns {
    () => {
        "id, at, key_id, role, key_client_id, remote_address, action, object_kind, object_id, client_id, before, after"
    };
}
pub(in crate::store) use audit_columns;

/// Reads `audit_columns!`.
pub(in crate::store) fn audit_entry(row: &dyn Cells) -> Result<AuditEntry, StoreError> {
    let fields = &mut Fields::of(row, "audit_entry");
    let id = fields.id("id")?;
    let at = fields.time("at")?;
    let actor = Actor {
        at,
        key_id: fields.id("key_id")?,
        role: fields.parse("role")?,
        client_id: fields.optional_id("key_client_id")?,
        remote_address: fields.optional("remote_address", |text| text.parse().ok())?,
    };
    Ok(AuditEntry { id, actor, change: change(fields)? })
}

fn change(fields: &mut Fields<'_>) -> Result<Change, StoreError> {
    Ok(Change {
        action: fields.optional("action", Action::parse)?.ok_or_else(|| fields.corrupt("action"))?,
        kind: fields.optional("object_kind", ObjectKind::parse)?.ok_or_else(|| fields.corrupt("object_kind"))?,
        object_id: fields.id("object_id")?,
        client_id: fields.optional_id("client_id")?,
        before: fields.optional("before", read_fields)?,
        after: fields.optional("after", read_fields)?,
    })
}

fn read_fields(text: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(text).ok()
}

/// The fields before or after a change as their column holds them.
pub(in crate::store) fn written_fields(fields: Option<Map<String, Value>>) -> Option<String> {
    fields.map(|fields| Value::Object(fields).to_string())
}
