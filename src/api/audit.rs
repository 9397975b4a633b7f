//! `/v1/audit`: who changed what, for root keys about everything, for admins about what is their client's.

use std::net::IpAddr;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::auth::{Allowed, Audit};
use super::error::ApiError;
use super::query::{PageView, Query};
use super::state::Api;
use crate::domain::audit::{Actor, AuditEntry, Change};
use crate::domain::client::Role;
use crate::domain::ids::{ApiKeyId, AuditEntryId, ClientId};
use crate::store::records::AuditFilter;

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/v1/audit", get(list))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EntryView {
    id: AuditEntryId,
    at: String,
    actor: ActorView,
    action: &'static str,
    object: ObjectView,
    before: Option<Map<String, Value>>,
    after: Option<Map<String, Value>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ActorView {
    key_id: ApiKeyId,
    role: Role,
    client_id: Option<ClientId>,
    remote_address: Option<IpAddr>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ObjectView {
    kind: &'static str,
    id: Uuid,
    client_id: Option<ClientId>,
}

async fn list(State(api): State<Api>, caller: Allowed<Audit>, mut query: Query) -> Result<Json<PageView<EntryView>>, ApiError> {
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
