//! Who changed what: every change that people made, newest first, with the fields that differ.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::Page;
use super::error::PageError;
use super::frame::{Frame, Section, page};
use super::names::{KeyNames, Names};
use super::pager::{self, Pager};
use super::pairs::Query;
use super::state::Dashboard;
use super::view::Moment;
use super::visitor::{May, Visitor};
use super::words::Words;
use crate::domain::audit::{Action, AuditEntry, ObjectKind};
use crate::domain::ids::{ApiKeyId, AuditEntryId};
use crate::domain::permission::Audit;
use crate::store::records::AuditFilter;

const PATH: &str = "/dashboard/audit";

pub(super) fn routes() -> Router<Dashboard> {
    Router::new().route("/audit", get(list))
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    frame: Frame,
    w: &'static Words,
    /// About which thing alone.
    object: String,
    entries: Vec<Entry>,
    pager: Pager,
}

struct Entry {
    at: Moment,
    action: &'static str,
    kind: &'static str,
    object_id: Uuid,
    /// What the thing is called, if it has a name and is still there.
    object_name: Option<String>,
    /// Where the thing is shown, if it has a page.
    href: Option<String>,
    role: &'static str,
    key_id: ApiKeyId,
    key_name: Option<String>,
    address: String,
    differences: Vec<Difference>,
}

/// A field before and after.
struct Difference {
    field: String,
    before: String,
    after: String,
}

async fn list(State(dash): State<Dashboard>, visitor: May<Audit>, Query(query): Query) -> Page {
    let wanted = pager::wanted::<AuditEntryId>(&query);
    let object = query.get("object").unwrap_or_default();
    let filter = AuditFilter { object_id: object.parse().ok(), ..AuditFilter::all(visitor.scope()) };
    let mut entries = dash.store.audit_entries(filter, wanted).await?;
    let w = visitor.language.words();
    let pager = Pager::cut(w, wanted, &mut entries, |entry| entry.id.as_uuid(), (PATH, &[("object", object)]));
    let names = (key_names(&dash, &visitor, &entries).await?, webhook_names(&dash, &visitor, &entries).await?);
    let entries = entries.into_iter().map(|entry| Entry::of(&dash, w, &names, entry)).collect();
    let frame = Frame::of(&visitor, Section::Audit, w.audit.to_owned(), None);
    page(&AuditPage { frame, w, object: object.to_owned(), entries, pager })
}

async fn key_names(dash: &Dashboard, visitor: &Visitor, entries: &[AuditEntry]) -> Result<KeyNames, PageError> {
    let actors = entries.iter().map(|entry| entry.actor.key_id);
    let keys = entries.iter().filter(|entry| entry.change.kind == ObjectKind::ApiKey);
    KeyNames::of(dash, visitor.scope(), actors.chain(keys.map(|entry| entry.change.object_id.into()))).await
}

async fn webhook_names(dash: &Dashboard, visitor: &Visitor, entries: &[AuditEntry]) -> Result<Names, PageError> {
    let webhooks = entries.iter().filter(|entry| entry.change.kind == ObjectKind::Webhook);
    Names::of(dash, visitor.scope(), webhooks.map(|entry| entry.change.object_id.into())).await
}

impl Entry {
    fn of(dash: &Dashboard, w: &'static Words, (keys, webhooks): &(KeyNames, Names), entry: AuditEntry) -> Self {
        let AuditEntry { actor, change, .. } = entry;
        let object_id = change.object_id;
        Self {
            at: dash.moment(actor.at),
            action: action(w, change.action),
            kind: kind(w, change.kind),
            object_id,
            object_name: match change.kind {
                ObjectKind::Webhook => webhooks.find(object_id.into()),
                ObjectKind::ApiKey => keys.find(object_id.into()),
                _ => None,
            },
            href: match change.kind {
                ObjectKind::Webhook => Some(format!("/dashboard/webhooks/{object_id}")),
                ObjectKind::Delivery => Some(format!("/dashboard/deliveries/{object_id}")),
                _ => None,
            },
            role: actor.role.as_str(),
            key_id: actor.key_id,
            key_name: keys.find(actor.key_id),
            address: actor.remote_address.map(|address| address.to_string()).unwrap_or_default(),
            differences: differences(change.before.unwrap_or_default(), change.after.unwrap_or_default()),
        }
    }
}

/// The fields of both sides, side by side.
fn differences(before: Map<String, Value>, mut after: Map<String, Value>) -> Vec<Difference> {
    let mut all: Vec<Difference> = before
        .into_iter()
        .map(|(field, value)| {
            let after = after.shift_remove(&field).as_ref().map(text).unwrap_or_default();
            Difference { field, before: text(&value), after }
        })
        .collect();
    all.extend(after.into_iter().map(|(field, value)| Difference { field, before: String::new(), after: text(&value) }));
    all
}

/// A value as people read it: text without quotes, anything else as JSON.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

const fn action(w: &Words, action: Action) -> &'static str {
    match action {
        Action::Create => w.action_create,
        Action::Update => w.action_update,
        Action::Delete => w.action_delete,
        Action::Pause => w.action_pause,
        Action::Resume => w.action_resume,
        Action::RotateSecret => w.action_rotate,
        Action::Redeliver => w.action_redeliver,
        Action::Cancel => w.action_cancel,
    }
}

const fn kind(w: &Words, kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Webhook => w.webhook,
        ObjectKind::Client => w.client,
        ObjectKind::ApiKey => w.api_key,
        ObjectKind::Delivery => w.delivery,
        ObjectKind::Event => w.event,
        ObjectKind::RedeliveryJob => w.redelivery_job,
        ObjectKind::Catalog => w.catalog_settled,
    }
}
