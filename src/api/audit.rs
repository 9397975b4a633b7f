//! `/v1/audit`: who changed what, for root keys about everything, for admins about what is their client's.

use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::auth::Allowed;
use super::error::ApiError;
use super::openapi::{Operation, Routes, Time};
use super::query::{PageParameters, PageView, Query};
use super::state::Api;
use crate::domain::audit::{Action, Actor, AuditEntry, Change, ObjectKind};
use crate::domain::client::Role;
use crate::domain::ids::{ApiKeyId, AuditEntryId, ClientId};
use crate::domain::permission::Audit;
use crate::store::records::AuditFilter;

pub(super) fn routes() -> Routes {
    let list = Operation::new("listAuditEntries", "Lists who changed what")
        .detail("Root keys see everything, an admin what is its own client's. Secrets are shown as \"changed\".");
    Routes::of("Audit", "Who changed what, when and from where.").get("/v1/audit", list, self::list)
}

/// Which entries, and which page of them.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[expect(dead_code, reason = "it tells callers what `list` reads")]
struct AuditParameters {
    /// About this thing alone.
    object_id: Option<Uuid>,
    /// Of this time or later.
    #[schemars(with = "Option<Time>")]
    from: Option<String>,
    /// From before this time.
    #[schemars(with = "Option<Time>")]
    to: Option<String>,
    #[schemars(flatten)]
    page: PageParameters,
}

/// One change.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "AuditEntry")]
struct EntryView {
    /// Its id.
    id: AuditEntryId,
    /// When it was made.
    #[schemars(with = "Time")]
    at: String,
    /// Who made it.
    actor: ActorView,
    /// What was done.
    #[schemars(with = "Action")]
    action: &'static str,
    /// To what.
    object: ObjectView,
    /// The fields that differ as they were before; null for what was not there.
    before: Option<Map<String, Value>>,
    /// The same fields afterwards; null for what is no more.
    after: Option<Map<String, Value>>,
}

/// Who changed something.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Actor")]
struct ActorView {
    /// By which key.
    key_id: ApiKeyId,
    /// The role of that key.
    role: Role,
    /// Whose key it was; null for a root key.
    client_id: Option<ClientId>,
    /// From which address the call came, as far as it is known.
    #[schemars(with = "Option<String>")]
    remote_address: Option<IpAddr>,
}

/// What was changed.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "AuditedObject")]
struct ObjectView {
    /// What kind of thing it is.
    #[schemars(with = "ObjectKind")]
    kind: &'static str,
    /// Its id.
    id: Uuid,
    /// Whose it is; null for what is nobody's.
    client_id: Option<ClientId>,
}

async fn list(
    State(api): State<Api>,
    caller: Allowed<Audit>,
    mut query: Query<AuditParameters>,
) -> Result<Json<PageView<EntryView>>, ApiError> {
    let filter = AuditFilter { scope: caller.scope(), object_id: query.id("objectId"), from: query.time("from"), to: query.time("to") };
    let page = query.page::<AuditEntryId>();
    query.finish()?;
    let entries = api.store.audit_entries(filter, page.to_store()).await?;
    Ok(Json(page.show(entries, |entry| entry.id.as_uuid(), |entry| EntryView::of(&api, entry))))
}

impl EntryView {
    fn of(api: &Api, entry: AuditEntry) -> Self {
        let Actor { key_id, role, client_id, remote_address, at } = entry.actor;
        let Change { action, kind, object_id, client_id: owner, before, after } = entry.change;
        Self {
            id: entry.id,
            at: api.written(at),
            actor: ActorView { key_id, role, client_id, remote_address },
            action: action.as_str(),
            object: ObjectView { kind: kind.as_str(), id: object_id, client_id: owner },
            before,
            after,
        }
    }
}
