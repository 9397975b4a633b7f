//! The nodes that share the database: who lives, whose claims are free, whose turn it is.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use super::PostgresStore;
use super::connections::Call;
use super::lanes;
use super::queue::{give_back, given_back};
use super::value::{At, kept};
use crate::domain::ids::{NodeId, WebhookId};
use crate::domain::lane::LaneView;
use crate::domain::node::Node;
use crate::domain::time::Timestamp;
use crate::store::contract::Nodes;
use crate::store::error::StoreError;
use crate::store::records::KnownNode;
use crate::store::rows::Fields;

/// Answers how many microseconds ago the node beat before, and whether it is the only one that beat in the last minute.
const BEAT: &str = "
    with beaten as (
        insert into node (id, name, role, version, started_at, heartbeat_at) values ($1, $2, $3, $4, $5, clock_timestamp())
        on conflict (id) do update set role = excluded.role, heartbeat_at = excluded.heartbeat_at)
    select $1::uuid, (select (extract(epoch from clock_timestamp() - heartbeat_at) * 1000000)::bigint from node where id = $1),
        exists (select from node where id <> $1 and heartbeat_at > clock_timestamp() - interval '1 minute')";

const NODES: &str = "
    select n.id, n.name, n.role, n.version, n.started_at,
        greatest(extract(epoch from clock_timestamp() - n.heartbeat_at) * 1000000, 0)::bigint,
        (select count(*) from delivery d where d.state = 'in_flight' and d.claimed_by = n.id)
    from node n order by n.id";

const LEAVE: &str = "delete from node where id = $1";

/// Who was silent for so long is of no interest any more.
const FORGET: &str = "delete from node where heartbeat_at < clock_timestamp() - interval '1 day'";

/// Reads the index `delivery_in_flight`, which is small.
pub(super) const TAKE_BACK: &str = give_back!(
    "(select d.* from delivery d where d.state = 'in_flight' and d.claimed_by <> $1 and not exists (
        select from node n where n.id = d.claimed_by and n.heartbeat_at > clock_timestamp() - make_interval(secs => $2))) d"
);

/// The row's lock makes others wait, who then see that the time is taken.
const TAKE_TURN: &str = "
    insert into duty (name, ran_for, held_by) values ($1, $2, $3)
    on conflict (name) do update set ran_for = excluded.ran_for, held_by = excluded.held_by
    where duty.ran_for < excluded.ran_for
        and (duty.held_by is null or duty.held_by = excluded.held_by or not exists (
            select from node n where n.id = duty.held_by and n.heartbeat_at > clock_timestamp() - make_interval(secs => $4)))";

const END_TURN: &str = "update duty set held_by = null where name = $1 and held_by = $2";

#[async_trait]
impl Nodes for PostgresStore {
    async fn beat(&self, node: Node) -> Result<Option<Duration>, StoreError> {
        let beaten = self.connections.call(|call| Box::pin(async move { beat(call.db, &node).await })).await?;
        self.announcer.set_has_peers(beaten.has_peers);
        Ok(beaten.silent_for)
    }

    async fn nodes(&self) -> Result<Vec<KnownNode>, StoreError> {
        self.connections.call(|call| Box::pin(nodes(call.db))).await
    }

    async fn leave(&self, node: NodeId) -> Result<(), StoreError> {
        self.connections.call(move |call| Box::pin(leave(call.db, node))).await
    }

    async fn take_back_claims(&self, node: NodeId, silent_for: Duration) -> Result<u64, StoreError> {
        self.connections.call(move |call| Box::pin(take_back(call, node, silent_for))).await
    }

    async fn take_turn(&self, duty: &'static str, node: NodeId, due_at: Timestamp, silent_for: Duration) -> Result<bool, StoreError> {
        self.connections.call(move |call| Box::pin(take_turn(call.db, duty, node, due_at, silent_for))).await
    }

    async fn end_turn(&self, duty: &'static str, node: NodeId) -> Result<(), StoreError> {
        self.connections.call(move |call| Box::pin(end_turn(call.db, duty, node))).await
    }

    async fn tell_lanes(&self, node: NodeId, changed: Vec<(WebhookId, LaneView)>, unchanged: Vec<WebhookId>) -> Result<u64, StoreError> {
        self.connections.call(move |call| Box::pin(async move { lanes::tell(call.db, node, &changed, &unchanged).await })).await
    }

    async fn told_lanes(&self, served: Vec<(WebhookId, NodeId)>) -> Result<Vec<(WebhookId, LaneView)>, StoreError> {
        self.connections.call(move |call| Box::pin(async move { lanes::told(call.db, &served).await })).await
    }
}

/// What a beat found.
struct Beaten {
    silent_for: Option<Duration>,
    has_peers: bool,
}

async fn beat(db: &mut PgConnection, node: &Node) -> Result<Beaten, StoreError> {
    let query = sqlx::query(BEAT)
        .bind(node.id.as_uuid())
        .bind(kept(&node.name))
        .bind(node.role.as_str())
        .bind(node.version.as_str())
        .bind(At(node.started_at));
    let row = query.fetch_one(db).await?;
    let mut fields = Fields::of(&row, "node");
    fields.id::<NodeId>("id")?;
    let silent_for = fields.optional_number("heartbeat_at")?.map(Duration::from_micros);
    Ok(Beaten { silent_for, has_peers: fields.flag("heartbeat_at")? })
}

async fn nodes(db: &mut PgConnection) -> Result<Vec<KnownNode>, StoreError> {
    sqlx::query(NODES).fetch_all(db).await?.iter().map(known_node).collect()
}

fn known_node(row: &PgRow) -> Result<KnownNode, StoreError> {
    let mut fields = Fields::of(row, "node");
    let node = Node {
        id: fields.id("id")?,
        name: fields.text("name")?,
        role: fields.parse("role")?,
        version: fields.text("version")?,
        started_at: fields.time("started_at")?,
    };
    Ok(KnownNode { node, silent_for: Duration::from_micros(fields.number("heartbeat_at")?), claims: fields.number("claims")? })
}

async fn leave(db: &mut PgConnection, node: NodeId) -> Result<(), StoreError> {
    sqlx::query(LEAVE).bind(node.as_uuid()).execute(db).await?;
    Ok(())
}

async fn take_back(call: &mut Call<'_>, node: NodeId, silent_for: Duration) -> Result<u64, StoreError> {
    sqlx::query(FORGET).execute(&mut *call.db).await?;
    let rows = sqlx::query(TAKE_BACK).bind(node.as_uuid()).bind(silent_for.as_secs_f64()).fetch_all(&mut *call.db).await?;
    given_back(call, &rows)
}

async fn take_turn(db: &mut PgConnection, duty: &str, node: NodeId, due_at: Timestamp, silent_for: Duration) -> Result<bool, StoreError> {
    let query = sqlx::query(TAKE_TURN).bind(duty).bind(At(due_at)).bind(node.as_uuid()).bind(silent_for.as_secs_f64());
    Ok(query.execute(db).await?.rows_affected() > 0)
}

async fn end_turn(db: &mut PgConnection, duty: &str, node: NodeId) -> Result<(), StoreError> {
    sqlx::query(END_TURN).bind(duty).bind(node.as_uuid()).execute(db).await?;
    Ok(())
}
