//! The way of a delivery through the store. Enqueue, claim and record, the hot path, have files of their own.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::Connection;

use super::SqliteStore;
use super::claim::Choice;
use super::enqueue::enqueue;
use super::held::Held;
use super::record::record;
use super::statements::Statements;
use super::writer::Transaction;
use crate::domain::ids::WebhookId;
use crate::domain::time::Timestamp;
use crate::store::contract::Queue;
use crate::store::error::StoreError;
use crate::store::records::{AttemptRecord, Claim, ClaimRequest, ClaimedDelivery, Enqueued, NewEvent, RecordOutcome};
use crate::store::rows::Fields;
use crate::store::signal::Signal;

/// Steps from one webhook with pending deliveries to the next along the index `delivery_due`, however many deliveries
/// each has.
pub(super) const LANES_PENDING: &str = "
    with recursive lane(webhook_id) as (
        select min(webhook_id) from delivery where state = 'pending'
        union all
        select (select min(d.webhook_id) from delivery d where d.state = 'pending' and d.webhook_id > lane.webhook_id)
        from lane where lane.webhook_id is not null)
    select w.id from lane cross join webhook w on w.id = lane.webhook_id
    where w.state = 'active' and w.deleted_at is null";

/// Whether more of a webhook's deliveries are due than this many, which are held.
pub(super) const IS_DUE: &str = "
    select exists (select 1 from delivery d where d.webhook_id = ? and d.state = 'pending' and d.due_at <= ? limit 1 offset ?)";

/// When its webhook is deleted, a delivery that was in flight was called off at that very time.
pub(super) const CALL_OFF: &str = "
    update delivery set state = 'cancelled', finished_at = w.deleted_at
    from webhook w
    where delivery.id = ? and delivery.state = 'pending' and w.id = delivery.webhook_id and w.deleted_at is not null";

#[async_trait]
impl Queue for SqliteStore {
    async fn enqueue(&self, events: Vec<NewEvent>) -> Result<Vec<Enqueued>, StoreError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let (ids, keyring) = (Arc::clone(&self.ids), Arc::clone(&self.keyring));
        self.writer.write(move |tx| enqueue(tx, &events, &ids, &keyring)).await
    }

    async fn lanes_due(&self, now: Timestamp) -> Result<Vec<WebhookId>, StoreError> {
        let held = self.held.due_in_lanes(now);
        self.readers.read(move |db| lanes_due(&*db.unchecked_transaction()?, now, &held)).await
    }

    async fn claim_due(&self, request: ClaimRequest) -> Result<Vec<ClaimedDelivery>, StoreError> {
        if request.lanes.is_empty() {
            return Ok(Vec::new());
        }
        let _turn = self.held.turn().await;
        let quotas = request.quotas();
        let held = self.held.in_lanes(quotas.iter().map(|(webhook_id, _)| *webhook_id));
        let choice = Choice { now: request.now, quotas, held, token: self.ids.next(request.now) };
        let claimed = self.claimer.read(move |db| choice.of(db)).await?;
        self.held.take(&claimed, request.node);
        Ok(claimed)
    }

    async fn record(&self, records: Vec<AttemptRecord>) -> Result<Vec<RecordOutcome>, StoreError> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let held = Arc::clone(&self.held);
        self.writer.write(move |tx| record(tx, &records, &held)).await
    }

    async fn release(&self, claims: Vec<Claim>) -> Result<u64, StoreError> {
        self.give_back(claims).await
    }
}

impl SqliteStore {
    /// Gives back those of these claims that are held, and answers how many.
    pub(super) async fn give_back(&self, claims: Vec<Claim>) -> Result<u64, StoreError> {
        if claims.is_empty() {
            return Ok(0);
        }
        let held = Arc::clone(&self.held);
        self.writer.write(move |tx| give_back(tx, &claims, &held)).await
    }
}

fn lanes_due(db: &Connection, now: Timestamp, held: &HashMap<WebhookId, usize>) -> Result<Vec<WebhookId>, StoreError> {
    let mut due = Vec::new();
    for id in db.rows(LANES_PENDING, (), |row| Fields::of(row, "webhook").id::<WebhookId>("id"))? {
        let held = held.get(&id).map_or(0, |count| *count as u64);
        if db.number(IS_DUE, (id.as_uuid(), now.as_micros(), i64::try_from(held).unwrap_or(i64::MAX)))? > 0 {
            due.push(id);
        }
    }
    Ok(due)
}

fn give_back(tx: &mut Transaction<'_>, claims: &[Claim], held: &Arc<Held>) -> Result<u64, StoreError> {
    let claims: HashSet<Claim> = claims.iter().copied().collect();
    let (mut given_back, mut waiting) = (Vec::new(), HashSet::new());
    for claim in claims {
        let Some(webhook_id) = held.webhook_of(claim) else {
            continue;
        };
        given_back.push(claim.delivery_id);
        if tx.db.change(CALL_OFF, (claim.delivery_id.as_uuid(),))? == 0 {
            waiting.insert(webhook_id);
        }
    }
    let count = given_back.len() as u64;
    let held = Arc::clone(held);
    tx.once_committed(move || held.let_go(given_back));
    if !waiting.is_empty() {
        tx.signal(Signal::Due(waiting.into_iter().collect()));
    }
    Ok(count)
}
