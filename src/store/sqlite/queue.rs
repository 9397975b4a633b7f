//! The way of a delivery through the store. Enqueue, claim and record, the hot path, have files of their own.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;

use super::SqliteStore;
use super::batch::Batch;
use super::claim::claim_due;
use super::enqueue::enqueue;
use super::record::record;
use super::writer::{Durability, Transaction};
use crate::domain::ids::WebhookId;
use crate::domain::time::Timestamp;
use crate::store::contract::Queue;
use crate::store::error::StoreError;
use crate::store::records::{AttemptRecord, Claim, ClaimRequest, ClaimedDelivery, Enqueued, NewEvent, RecordOutcome};
use crate::store::rows::{Cells, Fields, waiting_again};
use crate::store::signal::Signal;

/// Steps from one webhook with pending deliveries to the next along the index `delivery_due`, however many deliveries
/// each has, and asks of each whether its earliest is due.
pub(super) const LANES_DUE: &str = "
    with recursive lane(webhook_id) as (
        select min(webhook_id) from delivery where state = 'pending'
        union all
        select (select min(d.webhook_id) from delivery d where d.state = 'pending' and d.webhook_id > lane.webhook_id)
        from lane where lane.webhook_id is not null)
    select w.id from lane cross join webhook w on w.id = lane.webhook_id
    where w.state = 'active' and w.deleted_at is null
        and exists (select 1 from delivery d where d.webhook_id = w.id and d.state = 'pending' and d.due_at <= ?)";

/// Fenced as a record is. When its webhook is deleted, a delivery was called off at that very time.
pub(super) static RELEASE: LazyLock<Batch> = LazyLock::new(|| {
    Batch::of_rows(
        "with held(id, token) as (values {rows})
         update delivery set
             state = iif(w.deleted_at is null, 'pending', 'cancelled'), finished_at = w.deleted_at,
             claim_token = null, claimed_by = null
         from held, webhook w
         where delivery.id = held.id and delivery.claim_token = held.token and delivery.state = 'in_flight'
             and w.id = delivery.webhook_id
         returning webhook_id, state = 'pending'",
        "(?, ?)",
    )
});

#[async_trait]
impl Queue for SqliteStore {
    async fn enqueue(&self, events: Vec<NewEvent>) -> Result<Vec<Enqueued>, StoreError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let ids = Arc::clone(&self.ids);
        self.writer.write(|tx| Box::pin(async move { enqueue(tx, &events, &ids).await })).await
    }

    async fn lanes_due(&self, now: Timestamp) -> Result<Vec<WebhookId>, StoreError> {
        let rows = sqlx::query(LANES_DUE).bind(now.as_micros()).fetch_all(&self.readers).await?;
        rows.iter().map(|row| Fields::of(row, "webhook").id("id")).collect()
    }

    async fn claim_due(&self, request: ClaimRequest) -> Result<Vec<ClaimedDelivery>, StoreError> {
        if request.lanes.is_empty() {
            return Ok(Vec::new());
        }
        let ids = Arc::clone(&self.ids);
        // After a power cut nobody holds a claim, so a claim need not outlive one: its commit does not wait for the disk.
        self.writer.write_as(Durability::ProcessEnd, |tx| Box::pin(async move { claim_due(tx, &request, &ids).await })).await
    }

    async fn record(&self, records: Vec<AttemptRecord>) -> Result<Vec<RecordOutcome>, StoreError> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        self.writer.write(|tx| Box::pin(async move { record(tx, &records).await })).await
    }

    async fn release(&self, claims: Vec<Claim>) -> Result<u64, StoreError> {
        if claims.is_empty() {
            return Ok(0);
        }
        self.writer.write(|tx| Box::pin(async move { release(tx, &claims).await })).await
    }
}

async fn release(tx: &mut Transaction<'_>, claims: &[Claim]) -> Result<u64, StoreError> {
    let claims: HashSet<Claim> = claims.iter().copied().collect();
    let claims: Vec<Claim> = claims.into_iter().collect();
    let bind = |query: super::batch::Bound, claim: &Claim| query.bind(claim.delivery_id.as_uuid()).bind(claim.token.as_uuid());
    let rows = RELEASE.fetch(tx.db, &claims, bind).await?;
    given_back(tx, &rows)
}

/// Announces the webhooks whose deliveries wait again, and counts what was given back.
pub(super) fn given_back(tx: &mut Transaction<'_>, rows: &[SqliteRow]) -> Result<u64, StoreError> {
    let waiting = waiting_again(rows.iter().map(|row| row as &dyn Cells))?;
    if !waiting.is_empty() {
        tx.signal(Signal::Due(waiting.into_iter().collect()));
    }
    Ok(rows.len() as u64)
}
