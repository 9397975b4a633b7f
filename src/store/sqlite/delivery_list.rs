//! Lists of deliveries: which index leads to a page when filters are combined.
//!
//! A page is found by ids alone, newest first, and only its rows are then read whole.

use std::time::Duration;

use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use uuid::Uuid;

use crate::domain::delivery::DeliveryState;
use crate::domain::ids::DeliveryId;
use crate::domain::time::Timestamp;
use crate::store::error::StoreError;
use crate::store::records::{DeliveryFilter, DeliverySummary, Page, Scope};
use crate::store::rows::{summary, summary_columns};

/// Up to so many deliveries in a state are cheaper to sort than to look for among all the others.
const FEW: i64 = 50_000;

/// A clock is trusted not to be set back further than this.
const MOST_SET_BACK: Duration = Duration::from_hours(24);

/// Goes after a `delivery d`. The last attempt has the number of attempts for its own.
macro_rules! summary_tables {
    () => {
        "cross join event e on e.id = d.event_id left join attempt a on a.delivery_id = d.id and a.number = d.attempts"
    };
}
pub(super) use summary_tables;

/// Does what `Deliveries::deliveries` promises.
pub(super) async fn list(
    db: &mut SqliteConnection,
    filter: &DeliveryFilter,
    page: Page<DeliveryId>,
) -> Result<Vec<DeliverySummary>, StoreError> {
    let path = path(db, filter).await?;
    statement(filter, page, path).build().fetch_all(db).await?.iter().map(|row| summary(row)).collect()
}

fn statement(filter: &DeliveryFilter, page: Page<DeliveryId>, path: Path) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(concat!("select ", summary_columns!(), " from (select d.id from "));
    match path {
        Path::Deliveries(deliveries) => {
            query.push(deliveries);
            if filter.event_type.is_some() || filter.subject.is_some() {
                query.push(" cross join event e indexed by event_client on e.client_id = d.client_id and e.id = d.event_id");
            }
        }
        Path::Events => {
            query.push("event e indexed by event_client cross join delivery d indexed by delivery_event on d.event_id = e.id");
        }
    }
    push_filter(&mut query, filter);
    if let Some(before) = page.before {
        query.push(" and d.id < ").push_bind(before.as_uuid());
    }
    query.push(" order by d.id desc limit ").push_bind(page.limit);
    query.push(concat!(") page cross join delivery d on d.id = page.id ", summary_tables!(), " order by d.id desc"));
    query
}

/// What leads to a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path {
    /// The table `delivery d` by this index; events are looked up if the filter asks for what stands in them.
    Deliveries(&'static str),
    /// Events with the subject or type that is asked for, and their deliveries.
    Events,
}

/// The narrowest path that the filter allows.
async fn path(db: &mut SqliteConnection, filter: &DeliveryFilter) -> Result<Path, StoreError> {
    if filter.event_id.is_some() {
        return Ok(Path::Deliveries("delivery d indexed by delivery_event"));
    }
    if filter.subject.is_some() {
        return Ok(Path::Events);
    }
    if let Some(path) = path_by_state(db, filter).await? {
        return Ok(Path::Deliveries(path));
    }
    if are_few_of_type(db, filter).await? {
        return Ok(Path::Events);
    }
    Ok(Path::Deliveries(match (filter.webhook_id, filter.scope) {
        (Some(_), _) => "delivery d indexed by delivery_webhook",
        (None, Scope::Client(_)) => "delivery d indexed by delivery_client",
        (None, Scope::All) => "delivery d not indexed",
    }))
}

/// The index of a state, if few deliveries are in it.
async fn path_by_state(db: &mut SqliteConnection, filter: &DeliveryFilter) -> Result<Option<&'static str>, StoreError> {
    let (count, path) = match filter.state {
        None => return Ok(None),
        Some(DeliveryState::Pending) => {
            ("select count(*) from (select 1 from delivery where state = 'pending' limit ?2)", "delivery d indexed by delivery_due")
        }
        Some(DeliveryState::InFlight) => {
            ("select count(*) from (select 1 from delivery where state = 'in_flight' limit ?2)", "delivery d indexed by delivery_in_flight")
        }
        Some(DeliveryState::DeadLettered) if filter.scope != Scope::All => {
            return Ok(Some("delivery d indexed by delivery_dead_letter"));
        }
        Some(DeliveryState::Delivered | DeliveryState::DeadLettered | DeliveryState::Cancelled) => (
            "select count(*) from (select 1 from delivery where state = ?1 and finished_at is not null limit ?2)",
            "delivery d indexed by delivery_finished",
        ),
    };
    let state = filter.state.map(DeliveryState::as_str);
    let found: i64 = sqlx::query_scalar(count).bind(state).bind(FEW).fetch_one(db).await?;
    Ok((found < FEW).then_some(path))
}

/// Whether the filter asks for a type of which there are few events.
async fn are_few_of_type(db: &mut SqliteConnection, filter: &DeliveryFilter) -> Result<bool, StoreError> {
    let Some(event_type) = &filter.event_type else {
        return Ok(false);
    };
    let mut query =
        QueryBuilder::<Sqlite>::new("select count(*) from (select 1 from event e indexed by event_client where e.event_type = ");
    query.push_bind(event_type.as_str());
    if let Scope::Client(client_id) = filter.scope {
        query.push(" and e.client_id = ").push_bind(client_id.as_uuid());
    }
    query.push(" limit ").push_bind(FEW).push(")");
    let found: i64 = query.build_query_scalar().fetch_one(db).await?;
    Ok(found < FEW)
}

fn push_filter(query: &mut QueryBuilder<Sqlite>, filter: &DeliveryFilter) {
    query.push(" where true");
    if let Scope::Client(client_id) = filter.scope {
        query.push(" and d.client_id = ").push_bind(client_id.as_uuid());
    }
    if filter.subject.is_some() || filter.event_type.is_some() {
        push_event(query, filter);
    }
    if let Some(event_id) = filter.event_id {
        query.push(" and d.event_id = ").push_bind(event_id.as_uuid());
    }
    if let Some(webhook_id) = filter.webhook_id {
        query.push(" and d.webhook_id = ").push_bind(webhook_id.as_uuid());
    }
    if let Some(state) = filter.state {
        push_state(query, state);
    }
    push_times(query, filter.from, filter.to);
}

/// What stands in the event, and the client, by which the index of events begins.
fn push_event(query: &mut QueryBuilder<Sqlite>, filter: &DeliveryFilter) {
    if let Scope::Client(client_id) = filter.scope {
        query.push(" and e.client_id = ").push_bind(client_id.as_uuid());
    }
    if let Some(subject) = &filter.subject {
        query.push(" and e.subject = ").push_bind(subject.as_str());
    }
    if let Some(event_type) = &filter.event_type {
        query.push(" and e.event_type = ").push_bind(event_type.as_str());
    }
}

/// The state as a literal, by which SQLite sees that a partial index may be read.
fn push_state(query: &mut QueryBuilder<Sqlite>, state: DeliveryState) {
    query.push(match state {
        DeliveryState::Pending => " and d.state = 'pending'",
        DeliveryState::InFlight => " and d.state = 'in_flight'",
        DeliveryState::Delivered => " and d.state = 'delivered' and d.finished_at is not null",
        DeliveryState::DeadLettered => " and d.state = 'dead_lettered' and d.finished_at is not null",
        DeliveryState::Cancelled => " and d.state = 'cancelled' and d.finished_at is not null",
    });
}

fn push_times(query: &mut QueryBuilder<Sqlite>, from: Option<Timestamp>, to: Option<Timestamp>) {
    // The ids bound what is read. One holds a time no earlier than the making of its delivery, and later only by as much as
    // the clock was set back.
    if let Some(from) = from {
        query.push(" and d.id >= ").push_bind(first_id_at(from));
        query.push(" and d.created_at >= ").push_bind(from.as_micros());
    }
    if let Some(to) = to {
        query.push(" and d.id < ").push_bind(first_id_at(to + MOST_SET_BACK));
        query.push(" and d.created_at < ").push_bind(to.as_micros());
    }
}

/// No later than any id that was made at `time` or after.
fn first_id_at(time: Timestamp) -> Uuid {
    let millis = time.as_micros().max(0).cast_unsigned() / 1_000;
    Uuid::from_u64_pair(millis << 16, 0)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The statement that `list` runs, for a look at its plan.
    pub(in super::super) async fn text(db: &mut SqliteConnection, filter: &DeliveryFilter) -> String {
        let path = path(db, filter).await.unwrap();
        let before = Some(DeliveryId::from(Uuid::nil()));
        statement(filter, Page { limit: 50, before }, path).sql().as_str().to_owned()
    }
}
