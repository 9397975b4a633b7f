//! How lanes stand, as the nodes that serve them say.

use sqlx::PgConnection;
use uuid::Uuid;

use super::value::At;
use crate::domain::ids::{NodeId, WebhookId};
use crate::domain::lane::{BreakerState, LaneState, LaneView};
use crate::store::error::StoreError;
use crate::store::rows::Fields;

/// Rows are written in the order of their keys, so that two nodes that both think they serve some lanes do not wait for each
/// other in a ring. Whose lane it was does not matter: the node that serves it by now says so again. What is counted is what stood
/// there before. Sets are subtracted, not joined: that takes no longer than sorting them, however few rows are expected.
pub(super) const TELL: &str = "
    with told as (
        insert into lane (webhook_id, node_id, state, in_flight, current_limit, breaker, next_probe_at, held_back_until, told_at)
        select webhook_id, $1, state, in_flight, current_limit, breaker, next_probe_at, held_back_until, clock_timestamp()
        from unnest($2::uuid[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::timestamptz[], $8::timestamptz[])
            as c (webhook_id, state, in_flight, current_limit, breaker, next_probe_at, held_back_until)
        order by webhook_id
        on conflict (webhook_id) do update set
            node_id = excluded.node_id, state = excluded.state, in_flight = excluded.in_flight, current_limit = excluded.current_limit,
            breaker = excluded.breaker, next_probe_at = excluded.next_probe_at, held_back_until = excluded.held_back_until,
            told_at = excluded.told_at),
    gone as (
        delete from lane where node_id = $1 and webhook_id = any (array(
            select webhook_id from lane where node_id = $1 except select unnest($2::uuid[]) except select unnest($9::uuid[]))))
    select $1::uuid, (select count(*) from (select unnest($9::uuid[]) except select webhook_id from lane where node_id = $1) forgotten)";

/// One row after the other by its key, for few are asked for; whose it is must not lead to all that a node told.
pub(super) const TOLD: &str = "
    select served.webhook_id, l.state, l.in_flight, l.current_limit, l.breaker, l.next_probe_at, l.held_back_until
    from unnest($1::uuid[], $2::uuid[]) as served (webhook_id, node_id)
    cross join lateral (
        select * from lane where lane.webhook_id = served.webhook_id limit 1) l
    where l.node_id = served.node_id";

/// As `Nodes::tell_lanes` says.
pub(super) async fn tell(
    db: &mut PgConnection,
    node: NodeId,
    changed: &[(WebhookId, LaneView)],
    unchanged: &[WebhookId],
) -> Result<u64, StoreError> {
    let lanes = || changed.iter().map(|(_, lane)| lane);
    let query = sqlx::query(TELL)
        .bind(node.as_uuid())
        .bind(changed.iter().map(|(id, _)| id.as_uuid()).collect::<Vec<Uuid>>())
        .bind(lanes().map(|lane| lane.state.as_str()).collect::<Vec<_>>())
        .bind(lanes().map(|lane| i64::from(lane.in_flight)).collect::<Vec<_>>())
        .bind(lanes().map(|lane| i64::from(lane.limit)).collect::<Vec<_>>())
        .bind(lanes().map(|lane| lane.breaker.as_str()).collect::<Vec<_>>())
        .bind(lanes().map(|lane| lane.next_probe_at.map(At)).collect::<Vec<_>>())
        .bind(lanes().map(|lane| lane.held_back_until.map(At)).collect::<Vec<_>>())
        .bind(unchanged.iter().map(|id| id.as_uuid()).collect::<Vec<Uuid>>());
    let row = query.fetch_one(db).await?;
    let mut fields = Fields::of(&row, "lane");
    fields.id::<NodeId>("node_id")?;
    fields.number("webhook_id")
}

/// As `Nodes::told_lanes` says.
pub(super) async fn told(db: &mut PgConnection, served: &[(WebhookId, NodeId)]) -> Result<Vec<(WebhookId, LaneView)>, StoreError> {
    let (webhooks, nodes): (Vec<Uuid>, Vec<Uuid>) = served.iter().map(|(webhook, node)| (webhook.as_uuid(), node.as_uuid())).unzip();
    let rows = sqlx::query(TOLD).bind(webhooks).bind(nodes).fetch_all(db).await?;
    rows.iter().map(|row| lane(&mut Fields::of(row, "lane"))).collect()
}

fn lane(fields: &mut Fields<'_>) -> Result<(WebhookId, LaneView), StoreError> {
    let id = fields.id("webhook_id")?;
    let lane = LaneView {
        state: word(fields, "state", &LaneState::ALL, LaneState::as_str)?,
        in_flight: fields.number("in_flight")?,
        limit: fields.number("current_limit")?,
        breaker: word(fields, "breaker", &BreakerState::ALL, BreakerState::as_str)?,
        next_probe_at: fields.optional_time("next_probe_at")?,
        held_back_until: fields.optional_time("held_back_until")?,
    };
    Ok((id, lane))
}

/// The next column as the one of `all` whose word it holds.
fn word<T: Copy>(fields: &mut Fields<'_>, column: &'static str, all: &[T], written: fn(T) -> &'static str) -> Result<T, StoreError> {
    let found = fields.optional(column, |text| all.iter().copied().find(|value| written(*value) == text))?;
    found.ok_or_else(|| fields.corrupt(column))
}
