//! How attempts are recorded: one statement moves the deliveries on whose claims are held, and stores for these alone
//! attempts and statistics.

use std::collections::HashSet;

use uuid::Uuid;

use super::connections::Call;
use super::value::{At, kept};
use super::webhooks::alive;
use crate::domain::attempt::{AttemptOutcome, FailureReason};
use crate::domain::delivery::{DeliveryState, Transition};
use crate::domain::ids::WebhookId;
use crate::domain::stats::LatencyHistogram;
use crate::domain::time::Timestamp;
use crate::domain::webhook::DisableReason;
use crate::store::error::StoreError;
use crate::store::records::{AttemptRecord, Claim, RecordOutcome};
use crate::store::rows::words::{dead_letter_word, micros, outcome_words};
use crate::store::rows::{Fields, added_columns, answer_columns, counted_columns};
use crate::store::signal::Signal;

/// How many rows there are at most of what all webhooks of a scope together did in an hour: one for each node, as long as no
/// two have the same.
const SHARDS: u64 = 1024;

/// Which of these rows a node adds to. Nodes with the same one wait for one another's commits, and no more.
#[derive(Clone, Copy)]
pub(super) struct Shard(i16);

impl Shard {
    /// The same for as long as the process lives: the fewer rows, the sooner they are added up.
    pub(super) fn of_process(id: Uuid) -> Self {
        Self(i16::try_from(id.as_u64_pair().1 % SHARDS).unwrap_or_default())
    }
}

/// How many answers came within each range; `answered_within` is the number of it.
macro_rules! told_apart {
    ($($column:literal $number:literal,)+) => {
        concat!($(", count(*) filter (where answered_within = ", $number, ")::integer as ", $column),+)
    };
}

macro_rules! summed {
    ($($column:literal $number:literal,)+) => { concat!($(", sum(", $column, ")"),+) };
}

/// Adds what was `counted` to the rows of a table. `$of` says which row by the columns of `$counted`: the key begins with two
/// that tell rows apart.
macro_rules! add_to {
    ($table:literal, $key:literal, $of:literal, $counted:literal) => {
        concat!(
            "insert into ",
            $table,
            " as s (",
            $key,
            ", ",
            counted_columns!(),
            ")
        select ",
            $of,
            ", sum(delivered), sum(failed), sum(retries), sum(dead_lettered), sum(answer_us)",
            answer_columns!(summed),
            "
        from ",
            $counted,
            " group by 1, 2 order by 1, 2
        on conflict (",
            $key,
            ") do update set ",
            added_columns!()
        )
    };
}

/// Matches no delivery once the claim is lost, so a late worker cannot overwrite its successor; what has a claim's token is
/// in flight. (To say so would offer the planner an index that is worse than the primary key.) What would wait again is
/// called off unless its webhook is alive, whose row is locked against its deletion. Statistics are counted up in one
/// order, so that nodes never wait for one another in a circle; a batch holds so few that integers add up faster. The nil id is the
/// scope of everybody.
pub(super) const RECORD: &str = concat!(
    "with ",
    alive!("$1"),
    ",
    ended as (
        select e.*, e.state = 'pending' and e.webhook_id not in (select id from alive) as is_called_off
        from unnest($2::bigint[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::timestamptz[], $8::text[],
                $9::bigint[], $10::timestamptz[], $11::timestamptz[], $12::text[], $13::text[], $14::bigint[], $15::text[],
                $16::text[], $17::bigint[], $18::bigint[], $19::bigint[], $20::bigint[], $21::text[], $22::bytea[],
                $23::bigint[])
            as e (place, delivery_id, token, webhook_id, state, due_at, dead_letter_reason,
                number, started_at, finished_at, outcome, reason, status, detail,
                remote_address, login_us, connect_us, answer_us, body_us, response_head, response_body, answered_within)),
    moved as (
        update delivery d set
            state = case when e.is_called_off then 'cancelled' else e.state end,
            due_at = case when e.is_called_off then d.due_at else coalesce(e.due_at, d.due_at) end,
            attempts = d.attempts + 1, claim_token = null, claimed_by = null, dead_letter_reason = e.dead_letter_reason,
            finished_at = case when e.state = 'pending' and not e.is_called_off then null else e.finished_at end
        from ended e
        where d.id = e.delivery_id and d.claim_token = e.token
        returning e.*, d.client_id),
    tried as (
        insert into attempt (delivery_id, number, started_at, finished_at, outcome, reason, status, detail, remote_address,
            login_us, connect_us, answer_us, body_us, response_head, response_body)
        select delivery_id, number, started_at, finished_at, outcome, reason, status, detail, remote_address,
            login_us, connect_us, answer_us, body_us, response_head, response_body from moved),
    counted as (
        select webhook_id, client_id, floor(extract(epoch from finished_at) / 60)::bigint as minute,
            count(*) filter (where outcome = 'delivered')::integer as delivered,
            count(*) filter (where outcome <> 'delivered')::integer as failed,
            count(*) filter (where number > 1)::integer as retries,
            count(*) filter (where state = 'dead_lettered')::integer as dead_lettered,
            coalesce(sum(answer_us), 0)::bigint as answer_us",
    answer_columns!(told_apart),
    "
        from moved group by 1, 2, 3),
    by_minute as (",
    add_to!("delivery_stat", "webhook_id, minute", "webhook_id, minute", "counted"),
    "),
    by_hour as (",
    add_to!("delivery_stat_hour", "webhook_id, hour", "webhook_id, minute / 60", "counted"),
    "),
    by_day as (",
    add_to!("delivery_stat_day", "webhook_id, day", "webhook_id, minute / (24 * 60)", "counted"),
    "),
    by_scope as (",
    add_to!(
        "delivery_stat_scope_hour",
        "scope, hour, shard",
        "scope, minute / 60, $24::smallint",
        "counted cross join lateral (values (client_id), ('00000000-0000-0000-0000-000000000000')) c (scope)"
    ),
    ")
    select place from moved"
);

/// Leaves alone what is not active (any more), and every edition but the one that is meant.
const DISABLE_WEBHOOK: &str = "
    update webhook set state = 'disabled', disable_reason = $2, state_changed_at = $3, updated_at = $3, version = version + 1
    where id = $1 and state = 'active' and deleted_at is null and version = coalesce($4, version)";

/// Does what `Queue::record` promises. Runs in a transaction if [`disables`] says so; else the one statement is one.
pub(super) async fn record(call: &mut Call<'_>, shard: Shard, records: &[AttemptRecord]) -> Result<Vec<RecordOutcome>, StoreError> {
    let outcomes = move_on(call, shard, records).await?;
    for (record, outcome) in records.iter().zip(&outcomes) {
        if let (RecordOutcome::Recorded, Some(reason)) = (outcome, record.disable_webhook) {
            disable_webhook(call, record.webhook_id, Some(record.webhook_version), reason, record.attempt.finished_at).await?;
        }
    }
    Ok(outcomes)
}

/// Whether any of these disables its webhook.
pub(super) fn disables(records: &[AttemptRecord]) -> bool {
    records.iter().any(|record| record.disable_webhook.is_some())
}

/// Moves deliveries on and says which records took effect. Of two records under one claim the first is taken.
async fn move_on(call: &mut Call<'_>, shard: Shard, records: &[AttemptRecord]) -> Result<Vec<RecordOutcome>, StoreError> {
    let mut claims = HashSet::<Claim>::with_capacity(records.len());
    let ended: Vec<Ended<'_>> =
        (0..).zip(records).filter(|(_, record)| claims.insert(record.claim)).map(|(place, record)| Ended { place, record }).collect();
    let mut outcomes = vec![RecordOutcome::ClaimLost; records.len()];
    for row in &statement(&ended).bind(shard.0).fetch_all(&mut *call.db).await? {
        let place: usize = Fields::of(row, "delivery").number("place")?;
        if let Some(outcome) = outcomes.get_mut(place) {
            *outcome = RecordOutcome::Recorded;
        }
    }
    Ok(outcomes)
}

/// A record as columns.
struct Ended<'r> {
    place: i64,
    record: &'r AttemptRecord,
}

impl Ended<'_> {
    fn state(&self) -> &'static str {
        self.record.transition.state().as_str()
    }

    fn due_at(&self) -> Option<At> {
        match self.record.transition {
            Transition::Retry { due_at } => Some(At(due_at)),
            _ => None,
        }
    }

    fn dead_letter_reason(&self) -> Option<std::borrow::Cow<'static, str>> {
        match &self.record.transition {
            Transition::DeadLetter(reason) => Some(dead_letter_word(reason)),
            _ => None,
        }
    }

    /// The range of how long the receiver took to answer, if it did.
    fn answered_within(&self) -> Option<i64> {
        let took = self.record.attempt.exchange.phases.answer?;
        i64::try_from(LatencyHistogram::bucket_of(took)).ok()
    }

    /// A reason that holds a status is read back with the status beside it.
    fn status(&self) -> Option<i64> {
        match self.record.attempt.outcome {
            AttemptOutcome::Retryable(FailureReason::Status(status)) | AttemptOutcome::Permanent(FailureReason::Status(status)) => {
                Some(i64::from(status))
            }
            _ => self.record.attempt.exchange.status.map(i64::from),
        }
    }
}

type Statement<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

fn statement<'q>(ended: &[Ended<'_>]) -> Statement<'q> {
    let column = Column(ended);
    let waiting: HashSet<WebhookId> = ended
        .iter()
        .filter(|ended| ended.record.transition.state() == DeliveryState::Pending)
        .map(|ended| ended.record.webhook_id)
        .collect();
    let query = sqlx::query(RECORD)
        .bind(waiting.into_iter().map(WebhookId::as_uuid).collect::<Vec<Uuid>>())
        .bind(column.of(|ended| ended.place))
        .bind(column.of(|ended| ended.record.claim.delivery_id.as_uuid()))
        .bind(column.of(|ended| ended.record.claim.token.as_uuid()))
        .bind(column.of(|ended| ended.record.webhook_id.as_uuid()))
        .bind(column.of(Ended::state))
        .bind(column.of(Ended::due_at))
        .bind(column.of(Ended::dead_letter_reason));
    bind_attempts(query, &column)
}

/// One column of all records.
struct Column<'e>(&'e [Ended<'e>]);

impl<'e> Column<'e> {
    fn of<T>(&self, read: impl Fn(&'e Ended<'e>) -> T) -> Vec<T> {
        self.0.iter().map(read).collect()
    }
}

fn bind_attempts<'q>(query: Statement<'q>, column: &Column<'_>) -> Statement<'q> {
    query
        .bind(column.of(|ended| i64::from(ended.record.attempt.number)))
        .bind(column.of(|ended| At(ended.record.attempt.started_at)))
        .bind(column.of(|ended| At(ended.record.attempt.finished_at)))
        .bind(column.of(|ended| outcome_words(&ended.record.attempt.outcome).0))
        .bind(column.of(|ended| outcome_words(&ended.record.attempt.outcome).1))
        .bind(column.of(Ended::status))
        .bind(column.of(|ended| ended.record.attempt.exchange.detail.as_deref().map(kept)))
        .bind(column.of(|ended| ended.record.attempt.exchange.remote_address.map(|address| address.to_string())))
        .bind(column.of(|ended| ended.record.attempt.exchange.phases.login.map(micros)))
        .bind(column.of(|ended| ended.record.attempt.exchange.phases.connect.map(micros)))
        .bind(column.of(|ended| ended.record.attempt.exchange.phases.answer.map(micros)))
        .bind(column.of(|ended| ended.record.attempt.exchange.phases.body.map(micros)))
        .bind(column.of(|ended| ended.record.attempt.exchange.response_head.as_deref().map(kept)))
        .bind(column.of(|ended| ended.record.attempt.exchange.response_body.as_deref()))
        .bind(column.of(Ended::answered_within))
}

/// Disables a webhook if it is active and, where an edition is named, of that edition; answers whether it was.
pub(super) async fn disable_webhook(
    call: &mut Call<'_>,
    id: WebhookId,
    edition: Option<i64>,
    reason: DisableReason,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let query = sqlx::query(DISABLE_WEBHOOK).bind(id.as_uuid()).bind(reason.as_str()).bind(At(now)).bind(edition);
    let disabled = query.execute(&mut *call.db).await?.rows_affected() > 0;
    if disabled {
        call.signal(Signal::WebhookChanged(id));
    }
    Ok(disabled)
}
