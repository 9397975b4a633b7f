//! How due deliveries are claimed: chosen with all that an attempt needs, then marked, in one transaction.
//!
//! Nothing else writes in between, so what was chosen is what is marked.

use std::sync::LazyLock;

use sqlx::SqliteConnection;

use super::batch::{Batch, Bound};
use super::writer::Transaction;
use crate::domain::ids::{ClaimToken, IdSource, WebhookId};
use crate::store::error::StoreError;
use crate::store::records::{ClaimRequest, ClaimedDelivery};
use crate::store::rows::{claimed, event_columns};

/// Due deliveries of active webhooks, up to a limit for each. Every arm reads a range of the index `delivery_due`, in its
/// order; the order of the whole is made by the reader. The limit is an expression, because for a bare parameter SQLite
/// prepares the statement anew with every value, and because an arm of nulls must claim nothing.
pub(super) static DUE: LazyLock<Batch> = LazyLock::new(|| {
    Batch::of_selects(
        concat!(
            "with due(id, version) as materialized ({rows})
             select d.id, d.webhook_id, due.version, d.attempts, d.attempts_before_series, d.due_at, ",
            event_columns!(),
            " from due cross join delivery d on d.id = due.id cross join event e on e.id = d.event_id"
        ),
        "select * from (
             select d.id, w.version from webhook w cross join delivery d on d.webhook_id = w.id
             where w.id = ? and w.state = 'active' and w.deleted_at is null and d.state = 'pending' and d.due_at <= ?
             order by d.due_at, d.id limit coalesce(?, 0))",
    )
});

/// Runs in the transaction that chose the deliveries, so every one of them is still pending.
pub(super) static MARK: LazyLock<Batch> =
    LazyLock::new(|| Batch::of_rows("update delivery set state = 'in_flight', claim_token = ?, claimed_by = ? where id in ({rows})", "?"));

/// Does what `Queue::claim_due` promises.
pub(super) async fn claim_due(
    tx: &mut Transaction<'_>,
    request: &ClaimRequest,
    ids: &IdSource,
) -> Result<Vec<ClaimedDelivery>, StoreError> {
    // One token for the whole claim: it fences together with the delivery's id.
    let token = ids.next(request.now);
    let mut claimed = choose(tx.db, request, token).await?;
    let node = request.node.as_uuid();
    let bind_holder = |query: Bound| query.bind(token.as_uuid()).bind(node);
    MARK.execute_with(tx.db, bind_holder, &claimed, |query, claimed| query.bind(claimed.claim.delivery_id.as_uuid())).await?;
    claimed.sort_by_key(|claimed| (claimed.due_at, claimed.claim.delivery_id));
    Ok(claimed)
}

async fn choose(db: &mut SqliteConnection, request: &ClaimRequest, token: ClaimToken) -> Result<Vec<ClaimedDelivery>, StoreError> {
    let now = request.now.as_micros();
    let bind = |query: Bound, &(webhook_id, limit): &(WebhookId, u32)| query.bind(webhook_id.as_uuid()).bind(now).bind(limit);
    let rows = DUE.fetch(db, &request.quotas(), bind).await?;
    rows.iter().map(|row| claimed(row, token)).collect()
}
