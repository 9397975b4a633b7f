//! Who changed what: an entry beside each change, in its transaction, and the list of them.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::{PgConnection, Postgres, QueryBuilder};

use super::PostgresStore;
use super::value::{At, kept};
use super::webhooks::client_of;
use crate::domain::audit::{Actor, AuditEntry, Change};
use crate::domain::client::Client;
use crate::domain::ids::{AuditEntryId, ClientId, IdSource, WebhookId};
use crate::domain::webhook::Webhook;
use crate::secrets::Keyring;
use crate::store::contract::Audit;
use crate::store::error::StoreError;
use crate::store::records::{AuditFilter, Page, Scope};
use crate::store::rows::{audit_columns, audit_entry, client, client_columns, webhook, webhook_columns, written_fields};

const INSERT: &str =
    concat!("insert into audit_entry (", audit_columns!(), ") values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::json, $12::json)");

/// Held until the change is made, so that what is told of before is what was changed.
const WEBHOOK: &str = concat!(
    "select ",
    webhook_columns!(),
    " from webhook w where w.id = $1 and w.deleted_at is null and ($2::uuid is null or w.client_id = $2) for no key update"
);

const CLIENT: &str = concat!("select ", client_columns!(), " from client where id = $1 and deleted_at is null for no key update");

/// Runs in the transaction that removes the entries from before that time.
pub(super) const MOVE_ON: &str = "update audit_kept set since = greatest(since, $1)";

/// Oldest first, along the index `audit_entry_at`.
pub(super) const REMOVE: &str =
    "delete from audit_entry where id = any(array(select id from audit_entry where at < $1 order by at limit $2))";

#[async_trait]
impl Audit for PostgresStore {
    async fn audit_entries(&self, filter: AuditFilter, page: Page<AuditEntryId>) -> Result<Vec<AuditEntry>, StoreError> {
        self.connections.call(move |call| Box::pin(async move { list(call.db, &filter, page).await })).await
    }
}

async fn list(db: &mut PgConnection, filter: &AuditFilter, page: Page<AuditEntryId>) -> Result<Vec<AuditEntry>, StoreError> {
    entry_list(filter, page).build().fetch_all(db).await?.iter().map(|row| audit_entry(row)).collect()
}

pub(super) fn entry_list(filter: &AuditFilter, page: Page<AuditEntryId>) -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::<Postgres>::new(concat!("select ", audit_columns!(), " from audit_entry where true"));
    if let Scope::Client(client_id) = filter.scope {
        query.push(" and client_id = ").push_bind(client_id.as_uuid());
    }
    if let Some(object_id) = filter.object_id {
        query.push(" and object_id = ").push_bind(object_id);
    }
    if let Some(from) = filter.from {
        query.push(" and at >= ").push_bind(At(from));
    }
    if let Some(to) = filter.to {
        query.push(" and at < ").push_bind(At(to));
    }
    if let Some(before) = page.before {
        query.push(" and id < ").push_bind(before.as_uuid());
    }
    query.push(" order by id desc limit ").push_bind(i64::from(page.limit));
    query
}

/// In whose name a change is made, and what its entry is made of.
pub(super) struct Hand {
    pub(super) by: Option<Actor>,
    pub(super) ids: Arc<IdSource>,
}

impl Hand {
    /// Writes what `change` tells, if somebody makes it and there is anything to tell.
    pub(super) async fn note(&self, db: &mut PgConnection, change: impl FnOnce() -> Option<Change>) -> Result<(), StoreError> {
        let Some(actor) = self.by else { return Ok(()) };
        let Some(change) = change() else { return Ok(()) };
        insert(db, self.ids.next(actor.at), actor, change).await
    }

    /// A webhook as it is before a change, if anybody will be told.
    pub(super) async fn webhook_before(
        &self,
        db: &mut PgConnection,
        (scope, id): (Scope, WebhookId),
        keyring: &Keyring,
    ) -> Result<Option<Webhook>, StoreError> {
        if self.by.is_none() {
            return Ok(None);
        }
        let row = sqlx::query(WEBHOOK).bind(id.as_uuid()).bind(client_of(scope)).fetch_optional(db).await?;
        row.as_ref().map(|row| webhook(row, keyring)).transpose()
    }

    /// A client as it is before a change, if anybody will be told.
    pub(super) async fn client_before(&self, db: &mut PgConnection, id: ClientId) -> Result<Option<Client>, StoreError> {
        if self.by.is_none() {
            return Ok(None);
        }
        let row = sqlx::query(CLIENT).bind(id.as_uuid()).fetch_optional(db).await?;
        row.as_ref().map(|row| client(row)).transpose()
    }
}

async fn insert(db: &mut PgConnection, id: AuditEntryId, actor: Actor, change: Change) -> Result<(), StoreError> {
    let json = |text: Option<String>| text.map(|text| kept(&text).into_owned());
    let query = sqlx::query(INSERT)
        .bind(id.as_uuid())
        .bind(At(actor.at))
        .bind(actor.key_id.as_uuid())
        .bind(actor.role.as_str())
        .bind(actor.client_id.map(ClientId::as_uuid))
        .bind(actor.remote_address.map(|address| address.to_string()))
        .bind(change.action.as_str())
        .bind(change.kind.as_str())
        .bind(change.object_id)
        .bind(change.client_id.map(ClientId::as_uuid))
        .bind(json(written_fields(change.before)))
        .bind(json(written_fields(change.after)));
    query.execute(db).await?;
    Ok(())
}
