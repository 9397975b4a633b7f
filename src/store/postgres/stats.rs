//! Statistics: rows of minutes, hours or days are added up, and what waits or was given up is counted along its index.

use std::collections::HashSet;

use async_trait::async_trait;
use sqlx::postgres::PgArguments;
use sqlx::{PgConnection, Postgres};
use uuid::Uuid;

use super::PostgresStore;
use super::value::At;
use super::webhooks::client_of;
use crate::domain::ids::WebhookId;
use crate::domain::stats::{DaysAndHours, Gathered, Period, Stats, StatsQuery};
use crate::domain::time::Timestamp;
use crate::store::backlog::{counted, most_of_each};
use crate::store::contract::Statistics;
use crate::store::error::StoreError;
use crate::store::records::Scope;
use crate::store::rows::{Fields, answer_columns, counts_columns, keyed_counts, label, label_columns};

const LABELS: &str = concat!(
    "select ",
    label_columns!(),
    " from webhook w where w.deleted_at is null and ($1::uuid is null or w.client_id = $1) and ($2::uuid is null or w.id = $2)"
);

macro_rules! summed {
    ($($column:literal $number:literal,)+) => { concat!($(", sum(s.", $column, ")::bigint"),+) };
}

/// What `Counts` has of rows `s`.
macro_rules! sums {
    () => {
        concat!(
            "sum(s.delivered)::bigint, sum(s.failed)::bigint, sum(s.retries)::bigint, sum(s.dead_lettered)::bigint",
            answer_columns!(summed)
        )
    };
}

/// The rows of webhooks from a minute, hour or day to another. A webhook that was deleted since is counted too. The ids are
/// one array, so that the rows of all webhooks are one search along the primary key, whatever the tables held when the plan
/// was made.
macro_rules! rows {
    ($table:literal, $unit:literal, $from:literal, $end:literal) => {
        concat!(
            $table,
            " s
            where s.webhook_id = any (array (
                    select w.id from webhook w
                    where ($1::uuid is null or w.client_id = $1) and ($2::uuid is null or w.id = $2)))
                and s.",
            $unit,
            " >= ",
            $from,
            " and s.",
            $unit,
            " < ",
            $end
        )
    };
}

/// Once by webhook and once by bucket.
macro_rules! counted {
    ($table:literal, $unit:literal) => {
        concat!(
            "select s.webhook_id, s.",
            $unit,
            " / $5, ",
            sums!(),
            " from ",
            rows!($table, $unit, "$3", "$4"),
            " group by grouping sets ((s.webhook_id), (s.",
            $unit,
            " / $5))"
        )
    };
}

/// Rows that were written at one time lie side by side, webhook after webhook: with it the rows of all webhooks are fetched
/// in the order in which they lie, each page of the table once, and added up without being sorted first.
pub(super) const FETCHED_AS_THEY_LIE: &str =
    "set local enable_bitmapscan = on; set local enable_indexscan = off; set local enable_sort = off";

pub(super) const COUNTED_BY_MINUTE: &str = counted!("delivery_stat", "minute");

pub(super) const COUNTED_BY_HOUR: &str = counted!("delivery_stat_hour", "hour");

macro_rules! counts_of {
    ($rows:expr) => {
        concat!("select s.webhook_id, ", counts_columns!(), " from ", $rows)
    };
}

/// As [`COUNTED_BY_HOUR`], of many webhooks: by webhook from days and the hours beside them, by hour from what all together
/// did. The nil id is the scope of everybody.
pub(super) const COUNTED_BY_DAY: &str = concat!(
    "select s.webhook_id, null::bigint, ",
    sums!(),
    " from (
        ",
    counts_of!(rows!("delivery_stat_hour", "hour", "$3", "$4")),
    "
        union all
        ",
    counts_of!(rows!("delivery_stat_day", "day", "$5", "$6")),
    "
        union all
        ",
    counts_of!(rows!("delivery_stat_hour", "hour", "$7", "$8")),
    ") s
    group by s.webhook_id
    union all
    select null, s.hour, ",
    sums!(),
    " from delivery_stat_scope_hour s
    where s.scope = coalesce($1, '00000000-0000-0000-0000-000000000000') and s.hour >= $3 and s.hour < $8
    group by s.hour"
);

/// Steps from one webhook with deliveries in a state to the next, however many each has.
macro_rules! webhooks_in_state {
    ($state:literal) => {
        concat!(
            "with recursive lane (webhook_id) as (
                (select webhook_id from delivery where state = '",
            $state,
            "' order by webhook_id limit 1)
                union all
                select (select d.webhook_id from delivery d where d.state = '",
            $state,
            "' and d.webhook_id > lane.webhook_id
                    order by d.webhook_id limit 1)
                from lane where lane.webhook_id is not null)
            select webhook_id from lane where webhook_id is not null"
        )
    };
}

pub(super) const WEBHOOKS_WITH_PENDING: &str = webhooks_in_state!("pending");

pub(super) const WEBHOOKS_WITH_DEAD_LETTERS: &str = webhooks_in_state!("dead_lettered");

pub(super) const PENDING: &str = "
    select l.id, (select count(*) from (
            select from delivery d where d.webhook_id = l.id and d.state = 'pending' limit $2) c),
        (select d.due_at from delivery d where d.webhook_id = l.id and d.state = 'pending' and d.due_at <= $3 order by d.due_at limit 1)
    from unnest($1::uuid[]) as l (id)";

pub(super) const DEAD_LETTERS: &str = "
    select l.id, (select count(*) from (
        select from delivery d where d.webhook_id = l.id and d.state = 'dead_lettered' limit $2) c)
    from unnest($1::uuid[]) as l (id)";

type Statement = sqlx::query::Query<'static, Postgres, PgArguments>;

#[async_trait]
impl Statistics for PostgresStore {
    async fn stats(&self, scope: Scope, query: StatsQuery) -> Result<Stats, StoreError> {
        self.connections.read_moment(move |call| Box::pin(async move { stats(call.db, scope, &query).await })).await
    }
}

async fn stats(db: &mut PgConnection, scope: Scope, query: &StatsQuery) -> Result<Stats, StoreError> {
    let mut gathered = Gathered::default();
    let labels = sqlx::query(LABELS).bind(client_of(scope)).bind(query.webhook_id.map(WebhookId::as_uuid));
    for row in &labels.fetch_all(&mut *db).await? {
        gathered.webhooks.push(label(row)?);
    }
    let period = Period::of(query.window, query.now, gathered.webhooks.len() as u64);
    let wanted = gathered.webhooks.iter().map(|webhook| webhook.id).collect();
    count_pending(db, &wanted, query.now, &mut gathered).await?;
    count_dead_letters(db, &wanted, &mut gathered).await?;
    // Last, for what it sets holds until the transaction ends, and would make the counts read more than they need.
    add_up(db, (scope, query), &period, &mut gathered).await?;
    Ok(Stats::of(query, period, gathered))
}

async fn add_up(
    db: &mut PgConnection,
    (scope, query): (Scope, &StatsQuery),
    period: &Period,
    gathered: &mut Gathered,
) -> Result<(), StoreError> {
    sqlx::raw_sql(FETCHED_AS_THEY_LIE).execute(&mut *db).await?;
    for row in &adding_up(scope, query.webhook_id, period).fetch_all(db).await? {
        match keyed_counts(row)? {
            (Some(webhook_id), _, counts) => drop(gathered.by_webhook.insert(webhook_id, counts)),
            (None, Some(bucket), counts) => drop(gathered.by_bucket.insert(bucket, counts)),
            (None, None, _) => {}
        }
    }
    Ok(())
}

/// What adds up the rows of a period, the fewest that will do.
fn adding_up(scope: Scope, webhook_id: Option<WebhookId>, period: &Period) -> Statement {
    let of = |text| sqlx::query(text).bind(client_of(scope)).bind(webhook_id.map(WebhookId::as_uuid));
    let rows = |text, minutes| {
        of(text).bind(period.first_minute() / minutes).bind(period.end_minute() / minutes).bind(period.bucket_minutes() / minutes)
    };
    match (period.days_and_hours(), webhook_id) {
        (None, _) => rows(COUNTED_BY_MINUTE, 1),
        (Some(_), Some(_)) => rows(COUNTED_BY_HOUR, 60),
        (Some(DaysAndHours { hours_before, days, hours_after }), None) => [hours_before, days, hours_after]
            .into_iter()
            .fold(of(COUNTED_BY_DAY), |statement, range| statement.bind(range.start).bind(range.end)),
    }
}

/// Which of the wanted webhooks a statement names.
async fn named(db: &mut PgConnection, sql: &'static str, wanted: &HashSet<WebhookId>) -> Result<Vec<Uuid>, StoreError> {
    let mut named = Vec::new();
    for row in &sqlx::query(sql).fetch_all(db).await? {
        let id: WebhookId = Fields::of(row, "delivery").id("webhook_id")?;
        named.extend(wanted.contains(&id).then(|| id.as_uuid()));
    }
    Ok(named)
}

async fn count_pending(
    db: &mut PgConnection,
    wanted: &HashSet<WebhookId>,
    now: Timestamp,
    gathered: &mut Gathered,
) -> Result<(), StoreError> {
    let webhooks = named(db, WEBHOOKS_WITH_PENDING, wanted).await?;
    let most = most_of_each(webhooks.len());
    for row in &sqlx::query(PENDING).bind(webhooks).bind(most + 1).bind(At(now)).fetch_all(db).await? {
        let mut fields = Fields::of(row, "delivery");
        let backlog = gathered.backlogs.entry(fields.id("webhook_id")?).or_default();
        backlog.pending = counted(fields.number("state")?, most);
        backlog.oldest_due_at = fields.optional_time("due_at")?;
    }
    Ok(())
}

async fn count_dead_letters(db: &mut PgConnection, wanted: &HashSet<WebhookId>, gathered: &mut Gathered) -> Result<(), StoreError> {
    let webhooks = named(db, WEBHOOKS_WITH_DEAD_LETTERS, wanted).await?;
    let most = most_of_each(webhooks.len());
    for row in &sqlx::query(DEAD_LETTERS).bind(webhooks).bind(most + 1).fetch_all(db).await? {
        let mut fields = Fields::of(row, "delivery");
        let backlog = gathered.backlogs.entry(fields.id("webhook_id")?).or_default();
        backlog.dead_letters = counted(fields.number("state")?, most);
    }
    Ok(())
}
