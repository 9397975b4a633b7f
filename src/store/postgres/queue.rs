//! The way of a delivery through the store. Enqueue, claim and record, the hot path, have files of their own.

use std::collections::HashSet;

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::PostgresStore;
use super::connections::Call;
use super::enqueue::enqueue;
use super::record::{disables, record};
use super::value::At;
use crate::domain::ids::WebhookId;
use crate::domain::time::Timestamp;
use crate::store::contract::Queue;
use crate::store::error::StoreError;
use crate::store::records::{AttemptRecord, Claim, ClaimRequest, ClaimedDelivery, Enqueued, NewEvent, RecordOutcome};
use crate::store::rows::{Fields, waiting_again};
use crate::store::signal::Signal;

/// Steps from the earliest pending delivery of one webhook to that of the next along the index `delivery_due`, however many
/// each has.
pub(super) const LANES_DUE: &str = "
    with recursive lane (webhook_id, due_at) as (
        (select webhook_id, due_at from delivery where state = 'pending' order by webhook_id, due_at limit 1)
        union all
        select next.webhook_id, next.due_at
        from lane cross join lateral (
            select d.webhook_id, d.due_at from delivery d where d.state = 'pending' and d.webhook_id > lane.webhook_id
            order by d.webhook_id, d.due_at limit 1) next)
    select lane.webhook_id
    from lane cross join lateral (
        select webhook.state, webhook.deleted_at from webhook where webhook.id = lane.webhook_id limit 1) w
    where lane.due_at <= $1 and w.state = 'active' and w.deleted_at is null";

/// What goes back waits again; when its webhook is deleted, it was called off at that very time. The webhook's row is
/// locked against a deletion that has not happened yet.
macro_rules! give_back {
    ($held:literal) => {
        concat!(
            "with held as materialized (select d.id, d.claim_token, w.deleted_at from ",
            $held,
            " cross join lateral (
                select webhook.deleted_at from webhook where webhook.id = d.webhook_id limit 1 for key share) w)
             update delivery d set
                 state = case when held.deleted_at is null then 'pending' else 'cancelled' end, finished_at = held.deleted_at,
                 claim_token = null, claimed_by = null
             from held where d.id = held.id and d.claim_token = held.claim_token
             returning d.webhook_id, d.state = 'pending'"
        )
    };
}
pub(super) use give_back;

/// Fenced as a record is.
pub(super) const RELEASE: &str = give_back!(
    "(select distinct * from unnest($1::uuid[], $2::uuid[]) as c (id, token)) c
     cross join lateral (
         select delivery.id, delivery.claim_token, delivery.webhook_id from delivery
         where delivery.id = c.id and delivery.claim_token = c.token limit 1) d"
);

/// Reads the index `delivery_in_flight`, which is small.
pub(super) const RELEASE_DOUBTFUL: &str =
    give_back!("(select d.* from delivery d where d.state = 'in_flight' and d.claimed_by = $1 and d.claim_token = any($2::uuid[])) d");

#[async_trait]
impl Queue for PostgresStore {
    async fn enqueue(&self, events: Vec<NewEvent>) -> Result<Vec<Enqueued>, StoreError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        enqueue(&self.connections, events, &self.ids, &self.keyring).await
    }

    async fn lanes_due(&self, now: Timestamp) -> Result<Vec<WebhookId>, StoreError> {
        self.connections.call(move |call| Box::pin(lanes_due(call, now))).await
    }

    async fn claim_due(&self, request: ClaimRequest) -> Result<Vec<ClaimedDelivery>, StoreError> {
        if request.lanes.is_empty() {
            return Ok(Vec::new());
        }
        let token = self.ids.next(request.now);
        self.claims.claim_due(&self.connections, request, token).await
    }

    async fn record(&self, records: Vec<AttemptRecord>) -> Result<Vec<RecordOutcome>, StoreError> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let shard = self.shard;
        if disables(&records) {
            return self.connections.write(move |call| Box::pin(async move { record(call, shard, &records).await })).await;
        }
        self.connections.call(move |call| Box::pin(async move { record(call, shard, &records).await })).await
    }

    async fn release(&self, claims: Vec<Claim>) -> Result<u64, StoreError> {
        if claims.is_empty() {
            return Ok(0);
        }
        self.connections.call(|call| Box::pin(async move { release(call, &claims).await })).await
    }
}

async fn lanes_due(call: &mut Call<'_>, now: Timestamp) -> Result<Vec<WebhookId>, StoreError> {
    let rows = sqlx::query(LANES_DUE).bind(At(now)).fetch_all(&mut *call.db).await?;
    rows.iter().map(|row| Fields::of(row, "lane").id("webhook_id")).collect()
}

async fn release(call: &mut Call<'_>, claims: &[Claim]) -> Result<u64, StoreError> {
    let (ids, tokens): (Vec<Uuid>, Vec<Uuid>) = claims.iter().map(|claim| (claim.delivery_id.as_uuid(), claim.token.as_uuid())).unzip();
    let rows = sqlx::query(RELEASE).bind(ids).bind(tokens).fetch_all(&mut *call.db).await?;
    given_back(call, &rows)
}

/// Announces the webhooks whose deliveries wait again, and counts what was given back.
pub(super) fn given_back(call: &mut Call<'_>, rows: &[PgRow]) -> Result<u64, StoreError> {
    let mut waiting = HashSet::new();
    for row in rows {
        waiting.extend(waiting_again(row)?);
    }
    if !waiting.is_empty() {
        call.signal(Signal::Due(waiting.into_iter().collect()));
    }
    Ok(rows.len() as u64)
}
