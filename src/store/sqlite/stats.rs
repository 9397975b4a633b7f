//! Statistics: rows of minutes or hours are added up, and what waits or was given up is counted along its index.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use rusqlite::Connection;

use super::SqliteStore;
use super::adding_up::Sums;
use super::statements::{Built, Statements};
use crate::domain::ids::{DeliveryId, WebhookId};
use crate::domain::stats::{Backlog, Gathered, Period, Stats, StatsQuery};
use crate::domain::time::Timestamp;
use crate::store::backlog::{counted, most_of_each};
use crate::store::contract::Statistics;
use crate::store::error::StoreError;
use crate::store::records::Scope;
use crate::store::rows::{Fields, counts_columns, label, label_columns};

const LABELS: &str = concat!("select ", label_columns!(), " from webhook w where w.deleted_at is null");

/// Answers [`Sums`], in one row. A webhook that was deleted since is counted too.
macro_rules! counted {
    ($table:literal, $unit:literal) => {
        concat!(
            "select added_up(s.webhook_id, s.",
            $unit,
            ", ",
            counts_columns!(),
            ") from webhook w cross join ",
            $table,
            " s on s.webhook_id = w.id where s.",
            $unit,
            " >= "
        )
    };
}

/// Steps from one webhook with deliveries in a state to the next, however many each has.
macro_rules! webhooks_in_state {
    ($state:literal, $index:literal) => {
        concat!(
            "with recursive lane(webhook_id) as (
                select min(webhook_id) from delivery indexed by ",
            $index,
            " where state = '",
            $state,
            "'
                union all
                select (select min(d.webhook_id) from delivery d indexed by ",
            $index,
            "
                    where d.state = '",
            $state,
            "' and d.webhook_id > lane.webhook_id)
                from lane where lane.webhook_id is not null)
            select webhook_id from lane where webhook_id is not null"
        )
    };
}

pub(super) const WEBHOOKS_WITH_PENDING: &str = webhooks_in_state!("pending", "delivery_due");

pub(super) const WEBHOOKS_WITH_DEAD_LETTERS: &str = webhooks_in_state!("dead_lettered", "delivery_dead_letter_webhook");

pub(super) const COUNT_PENDING: &str =
    "select count(*) from (select 1 from delivery indexed by delivery_due where webhook_id = ? and state = 'pending' limit ?)";

pub(super) const COUNT_DEAD_LETTERS: &str = "
    select count(*) from (
        select 1 from delivery indexed by delivery_dead_letter_webhook where webhook_id = ? and state = 'dead_lettered' limit ?)";

/// The earliest that are due: what is in flight may be among them.
pub(super) const EARLIEST_DUE: &str = "
    select id, due_at from delivery indexed by delivery_due where webhook_id = ? and state = 'pending' and due_at <= ?
    order by due_at limit ?";

#[async_trait]
impl Statistics for SqliteStore {
    async fn stats(&self, scope: Scope, query: StatsQuery) -> Result<Stats, StoreError> {
        let held = InFlight { all: self.held.all(), by_webhook: self.held.by_lane() };
        // One transaction, so that the parts are of one moment.
        self.readers.read(move |db| stats(&*db.unchecked_transaction()?, scope, &query, &held)).await
    }
}

/// What is pending in the file and in flight in memory.
struct InFlight {
    all: HashSet<DeliveryId>,
    by_webhook: HashMap<WebhookId, usize>,
}

fn stats(db: &Connection, scope: Scope, query: &StatsQuery, held: &InFlight) -> Result<Stats, StoreError> {
    let mut gathered = Gathered { webhooks: of_scope(Built::new(LABELS), scope, query).rows(db, |row| label(row))?, ..Gathered::default() };
    let period = Period::of(query.window, query.now, gathered.webhooks.len() as u64);
    add_up(db, (scope, query), &period, &mut gathered)?;
    let wanted = gathered.webhooks.iter().map(|webhook| webhook.id).collect();
    count_pending(db, &wanted, query.now, held, &mut gathered.backlogs)?;
    count_dead_letters(db, &wanted, &mut gathered.backlogs)?;
    Ok(Stats::of(query, period, gathered))
}

/// Narrows a statement about `webhook w`.
fn of_scope(mut statement: Built, scope: Scope, query: &StatsQuery) -> Built {
    if let Scope::Client(client_id) = scope {
        statement.push(" and w.client_id = ").bind_id(client_id.as_uuid());
    }
    if let Some(webhook_id) = query.webhook_id {
        statement.push(" and w.id = ").bind_id(webhook_id.as_uuid());
    }
    statement
}

fn add_up(db: &Connection, (scope, query): (Scope, &StatsQuery), period: &Period, gathered: &mut Gathered) -> Result<(), StoreError> {
    let minutes = if period.is_hourly() { 60 } else { 1 };
    let answers = adding_up(scope, query, period).rows(db, |row| Sums::read(Fields::of(row, "delivery_stat").bytes("added_up")?))?;
    for Sums { by_webhook, by_number } in answers {
        for (webhook_id, counts) in by_webhook {
            *gathered.by_webhook.entry(webhook_id).or_default() += &counts;
        }
        for (number, counts) in by_number {
            *gathered.by_bucket.entry(period.bucket_of(number * minutes)).or_default() += &counts;
        }
    }
    Ok(())
}

/// What adds up the rows of a period.
pub(super) fn adding_up(scope: Scope, query: &StatsQuery, period: &Period) -> Built {
    let (text, unit, minutes) = if period.is_hourly() {
        (counted!("delivery_stat_hour", "hour"), "s.hour", 60)
    } else {
        (counted!("delivery_stat", "minute"), "s.minute", 1)
    };
    let mut statement = Built::new(text);
    statement.bind(period.first_minute() / minutes).push(" and ").push(unit).push(" < ").bind(period.end_minute() / minutes);
    of_scope(statement, scope, query)
}

/// Which of the wanted webhooks a statement names.
fn named(db: &Connection, sql: &str, wanted: &HashSet<WebhookId>) -> Result<Vec<WebhookId>, StoreError> {
    let mut named: Vec<WebhookId> = db.rows(sql, (), |row| Fields::of(row, "delivery").id("webhook_id"))?;
    named.retain(|id| wanted.contains(id));
    Ok(named)
}

type Backlogs = HashMap<WebhookId, Backlog>;

fn count_pending(
    db: &Connection,
    wanted: &HashSet<WebhookId>,
    now: Timestamp,
    held: &InFlight,
    backlogs: &mut Backlogs,
) -> Result<(), StoreError> {
    let webhooks = named(db, WEBHOOKS_WITH_PENDING, wanted)?;
    let most = most_of_each(webhooks.len());
    for id in webhooks {
        let in_flight = i64::try_from(held.by_webhook.get(&id).copied().unwrap_or_default()).unwrap_or(i64::MAX);
        let found = db.number(COUNT_PENDING, (id.as_uuid(), most.saturating_add(in_flight) + 1))?;
        let backlog = backlogs.entry(id).or_default();
        backlog.pending = counted(found.saturating_sub(in_flight), most);
        let due = db.rows(EARLIEST_DUE, (id.as_uuid(), now.as_micros(), in_flight + 1), |row| {
            let mut fields = Fields::of(row, "delivery");
            Ok((fields.id::<DeliveryId>("id")?, Timestamp::from_micros(fields.number("due_at")?)))
        })?;
        backlog.oldest_due_at = due.into_iter().find(|(id, _)| !held.all.contains(id)).map(|(_, due_at)| due_at);
    }
    Ok(())
}

fn count_dead_letters(db: &Connection, wanted: &HashSet<WebhookId>, backlogs: &mut Backlogs) -> Result<(), StoreError> {
    let webhooks = named(db, WEBHOOKS_WITH_DEAD_LETTERS, wanted)?;
    let most = most_of_each(webhooks.len());
    for id in webhooks {
        let found = db.number(COUNT_DEAD_LETTERS, (id.as_uuid(), most + 1))?;
        backlogs.entry(id).or_default().dead_letters = counted(found, most);
    }
    Ok(())
}
