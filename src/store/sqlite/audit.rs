//! Who changed what: an entry beside each change, in its transaction, and the list of them.

use async_trait::async_trait;
use rusqlite::Connection;

use super::SqliteStore;
use super::statements::{Built, Statements};
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

const INSERT: &str = concat!("insert into audit_entry (", audit_columns!(), ") values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");

const WEBHOOK: &str =
    concat!("select ", webhook_columns!(), " from webhook w where w.id = ?1 and w.deleted_at is null and (?2 is null or w.client_id = ?2)");

const CLIENT: &str = concat!("select ", client_columns!(), " from client where id = ? and deleted_at is null");

/// Runs in the transaction that removes the entries from before that time.
pub(super) const MOVE_ON: &str = "update audit_kept set since = max(since, ?)";

/// Oldest first, along the index `audit_entry_at`.
pub(super) const REMOVE: &str = "delete from audit_entry where id in (select id from audit_entry where at < ?1 order by at limit ?2)";

#[async_trait]
impl Audit for SqliteStore {
    async fn audit_entries(&self, filter: AuditFilter, page: Page<AuditEntryId>) -> Result<Vec<AuditEntry>, StoreError> {
        let query = entry_list(&filter, page);
        self.readers.read(move |db| query.rows(db, |row| audit_entry(row))).await
    }
}

pub(super) fn entry_list(filter: &AuditFilter, page: Page<AuditEntryId>) -> Built {
    let mut query = Built::new(concat!("select ", audit_columns!(), " from audit_entry where true"));
    if let Scope::Client(client_id) = filter.scope {
        query.push(" and client_id = ").bind_id(client_id.as_uuid());
    }
    if let Some(object_id) = filter.object_id {
        query.push(" and object_id = ").bind_id(object_id);
    }
    // `+` keeps SQLite from the index of times, which would have it sort all that lies between them for every page.
    if let Some(from) = filter.from {
        query.push(" and +at >= ").bind(from.as_micros());
    }
    if let Some(to) = filter.to {
        query.push(" and +at < ").bind(to.as_micros());
    }
    if let Some(before) = page.before {
        query.push(" and id < ").bind_id(before.as_uuid());
    }
    query.push(" order by id desc limit ").bind(page.limit);
    query
}

/// In whose name a change is made, and what its entry is made of.
pub(super) struct Hand<'a> {
    pub(super) by: Option<Actor>,
    pub(super) ids: &'a IdSource,
}

impl Hand<'_> {
    /// Writes what `change` tells, if somebody makes it and there is anything to tell.
    pub(super) fn note(&self, db: &Connection, change: impl FnOnce() -> Option<Change>) -> Result<(), StoreError> {
        let Some(actor) = self.by else { return Ok(()) };
        change().map_or(Ok(()), |change| insert(db, self.ids.next(actor.at), actor, change))
    }

    /// A webhook as it is before a change, if anybody will be told.
    pub(super) fn webhook_before(
        &self,
        db: &Connection,
        (scope, id): (Scope, WebhookId),
        keyring: &Keyring,
    ) -> Result<Option<Webhook>, StoreError> {
        match self.by {
            Some(_) => db.first(WEBHOOK, (id.as_uuid(), client_of(scope)), |row| webhook(row, keyring)),
            None => Ok(None),
        }
    }

    /// A client as it is before a change, if anybody will be told.
    pub(super) fn client_before(&self, db: &Connection, id: ClientId) -> Result<Option<Client>, StoreError> {
        match self.by {
            Some(_) => db.first(CLIENT, (id.as_uuid(),), |row| client(row)),
            None => Ok(None),
        }
    }
}

fn insert(db: &Connection, id: AuditEntryId, actor: Actor, change: Change) -> Result<(), StoreError> {
    let values = (
        id.as_uuid(),
        actor.at.as_micros(),
        actor.key_id.as_uuid(),
        actor.role.as_str(),
        actor.client_id.map(ClientId::as_uuid),
        actor.remote_address.map(|address| address.to_string()),
        change.action.as_str(),
        change.kind.as_str(),
        change.object_id,
        change.client_id.map(ClientId::as_uuid),
        written_fields(change.before),
        written_fields(change.after),
    );
    db.change(INSERT, values).map(drop)
}
