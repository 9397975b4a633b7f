//! How due deliveries are claimed: chosen, marked and read with all that an attempt needs, by one statement.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::connections::{Call, Connections};
use super::queue::{RELEASE_DOUBTFUL, given_back};
use super::value::At;
use crate::domain::ids::{ClaimToken, NodeId};
use crate::store::error::StoreError;
use crate::store::records::{ClaimRequest, ClaimedDelivery};
use crate::store::rows::{claimed, event_columns};

/// Due deliveries of active webhooks, up to a limit for each, along the index `delivery_due`. What another caller is about
/// to claim is skipped, not waited for. The choice is made once (`materialized`): an update that joined it anew could take
/// more than the limit. Webhooks are looked up one by one, as `alive` says. What was chosen is locked and so still pending. A lane belongs to the node that has any of it in
/// flight, so that its limits hold over all nodes.
pub(super) const CLAIM: &str = concat!(
    "with lane as materialized (
        select w.id, w.version, l.quota
        from unnest($1::uuid[], $2::bigint[]) as l (webhook_id, quota)
        cross join lateral (
            select webhook.id, webhook.version, webhook.state, webhook.deleted_at from webhook where webhook.id = l.webhook_id limit 1) w
        left join lateral (
            select true as is_held from delivery other
            where other.webhook_id = l.webhook_id and other.state = 'in_flight' and other.claimed_by <> $5 limit 1) elsewhere on true
        where w.state = 'active' and w.deleted_at is null and elsewhere.is_held is null),
    due as materialized (
        select d.id, lane.version
        from lane cross join lateral (
            select id from delivery
            where webhook_id = lane.id and state = 'pending' and due_at <= $3
            order by due_at, id limit lane.quota
            for update skip locked) d),
    claimed as (
        update delivery set state = 'in_flight', claim_token = $4, claimed_by = $5
        from due where delivery.id = due.id
        returning delivery.id, delivery.event_id, delivery.webhook_id, due.version, delivery.attempts,
            delivery.attempts_before_series, delivery.due_at)
    select d.id, d.webhook_id, d.version, d.attempts, d.attempts_before_series, d.due_at, ",
    event_columns!(),
    ", e.payload_state, e.trace from claimed d join event e on e.id = d.event_id"
);

/// How long after its failure a claim may still take effect: a statement that was sent to a server that is silent may reach
/// it when it speaks again.
const DOUBT: Duration = Duration::from_secs(30);

/// The claims of which nobody knows whether they took effect.
///
/// A claim has one token for all that it takes, which fences together with a delivery's id and is made before the store is
/// asked. So what a claim without an answer took can be found, and is given back by those that follow.
#[derive(Default)]
pub(super) struct Claims {
    doubtful: Mutex<Vec<(ClaimToken, Instant)>>,
}

impl Claims {
    /// Does what `Queue::claim_due` promises.
    pub(super) async fn claim_due(
        &self,
        connections: &Connections,
        request: ClaimRequest,
        token: ClaimToken,
    ) -> Result<Vec<ClaimedDelivery>, StoreError> {
        let doubtful: Vec<Uuid> = self.lock().iter().map(|(token, _)| token.as_uuid()).collect();
        let node = request.node;
        if !doubtful.is_empty() {
            connections.call(move |call| Box::pin(release_doubtful(call, node, doubtful))).await?;
            self.lock().retain(|(_, since)| since.elapsed() < DOUBT);
        }
        let claimed = connections.call(move |call| Box::pin(async move { claim(call, &request, token).await })).await;
        if claimed.is_err() {
            self.lock().push((token, Instant::now()));
        }
        claimed
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(ClaimToken, Instant)>> {
        self.doubtful.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn release_doubtful(call: &mut Call<'_>, node: NodeId, doubtful: Vec<Uuid>) -> Result<u64, StoreError> {
    let rows = sqlx::query(RELEASE_DOUBTFUL).bind(node.as_uuid()).bind(doubtful).fetch_all(&mut *call.db).await?;
    given_back(call, &rows)
}

async fn claim(call: &mut Call<'_>, request: &ClaimRequest, token: ClaimToken) -> Result<Vec<ClaimedDelivery>, StoreError> {
    let quotas = request.quotas().into_iter();
    let (webhooks, limits): (Vec<Uuid>, Vec<i64>) = quotas.map(|(webhook_id, limit)| (webhook_id.as_uuid(), i64::from(limit))).unzip();
    let query = sqlx::query(CLAIM).bind(webhooks).bind(limits).bind(At(request.now)).bind(token.as_uuid()).bind(request.node.as_uuid());
    let rows = query.fetch_all(&mut *call.db).await?;
    let mut claimed = rows.iter().map(|row| claimed(row, token)).collect::<Result<Vec<_>, _>>()?;
    claimed.sort_by_key(|claimed| (claimed.due_at, claimed.claim.delivery_id));
    Ok(claimed)
}
