//! Lists of deliveries: which index leads to a page when filters are combined.
//!
//! A page is found by ids alone, newest first, and only its rows are then read whole.

use std::collections::HashSet;
use std::time::Duration;

use rusqlite::Connection;
use uuid::Uuid;

use super::event_search::Search;
use super::held::summary_as_seen;
use super::statements::{Built, Statements};
use crate::domain::delivery::DeliveryState;
use crate::domain::ids::DeliveryId;
use crate::domain::time::Timestamp;
use crate::store::error::StoreError;
use crate::store::records::{DeliveryFilter, DeliverySummary, Page, Scope};
use crate::store::rows::words::dead_letter_word;
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
pub(super) fn list(
    db: &Connection,
    filter: &DeliveryFilter,
    page: Page<DeliveryId>,
    held: &HashSet<DeliveryId>,
) -> Result<Vec<DeliverySummary>, StoreError> {
    statement(filter, page, &path(db, filter)?, held).rows(db, |row| Ok(summary_as_seen(summary(row)?, held)))
}

fn statement(filter: &DeliveryFilter, page: Page<DeliveryId>, path: &Path, held: &HashSet<DeliveryId>) -> Built {
    let mut query = Built::new(concat!("select ", summary_columns!(), " from (select d.id from "));
    match path {
        Path::Deliveries(deliveries) => {
            query.push(deliveries);
            if filter.event_type.is_some() || filter.subject.is_some() {
                query.push(" cross join event e on e.id = d.event_id");
            }
        }
        Path::Events(search) => {
            query.push(search.tables()).push(" cross join delivery d indexed by delivery_event on d.event_id = e.id");
        }
    }
    push_filter(&mut query, filter, held);
    if let Path::Events(search) = path {
        search.push_condition(&mut query);
    }
    if let Some(before) = page.before {
        query.push(" and d.id < ").bind_id(before.as_uuid());
    }
    query.push(" order by d.id desc limit ").bind(page.limit);
    query.push(concat!(") page cross join delivery d on d.id = page.id ", summary_tables!(), " order by d.id desc"));
    query
}

/// What leads to a page.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Path {
    /// The table `delivery d` by this index; events are looked up if the filter asks for what stands in them.
    Deliveries(&'static str),
    /// Events with the subject or type that is asked for, and their deliveries.
    Events(Search),
}

/// The narrowest path that the filter allows.
fn path(db: &Connection, filter: &DeliveryFilter) -> Result<Path, StoreError> {
    if filter.event_id.is_some() {
        return Ok(Path::Deliveries("delivery d indexed by delivery_event"));
    }
    if let Some(search) = Search::of(db, filter.subject.as_deref(), filter.event_type.as_ref())? {
        return Ok(Path::Events(search));
    }
    if are_few_of_end(db, filter)? {
        return Ok(Path::Deliveries("delivery d indexed by delivery_finished"));
    }
    if let Some(path) = path_by_state(db, filter)? {
        return Ok(Path::Deliveries(path));
    }
    Ok(Path::Deliveries(match (filter.webhook_id, filter.scope) {
        (Some(_), _) => "delivery d indexed by delivery_webhook",
        (None, Scope::Client(_)) => "delivery d indexed by delivery_client",
        (None, Scope::All) => "delivery d indexed by sqlite_autoindex_delivery_1",
    }))
}

/// The index of a state, if few deliveries are in it.
fn path_by_state(db: &Connection, filter: &DeliveryFilter) -> Result<Option<&'static str>, StoreError> {
    let (count, path) = match filter.state {
        None => return Ok(None),
        Some(DeliveryState::Pending) => {
            ("select count(*) from (select 1 from delivery where state = 'pending' limit ?2)", "delivery d indexed by delivery_due")
        }
        // Named one by one.
        Some(DeliveryState::InFlight) => return Ok(Some("delivery d indexed by sqlite_autoindex_delivery_1")),
        Some(DeliveryState::DeadLettered) if filter.webhook_id.is_some() => {
            return Ok(Some("delivery d indexed by delivery_dead_letter_webhook"));
        }
        Some(DeliveryState::DeadLettered) if filter.reason.is_some() => {
            return Ok(Some("delivery d indexed by delivery_dead_letter_reason"));
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
    Ok((db.number(count, (state, FEW))? < FEW).then_some(path))
}

/// Whether the filter asks for what ended lately, and that is few.
fn are_few_of_end(db: &Connection, filter: &DeliveryFilter) -> Result<bool, StoreError> {
    const COUNT: &str = "
        select count(*) from (
            select 1 from delivery indexed by delivery_finished
            where state in ('delivered', 'dead_lettered', 'cancelled') and finished_at >= ?1 limit ?2)";
    let Some(from) = filter.finished_from else { return Ok(false) };
    Ok(db.number(COUNT, (from.as_micros(), FEW))? < FEW)
}

fn push_filter(query: &mut Built, filter: &DeliveryFilter, held: &HashSet<DeliveryId>) {
    query.push(" where true");
    if let Scope::Client(client_id) = filter.scope {
        query.push(" and d.client_id = ").bind_id(client_id.as_uuid());
    }
    if filter.subject.is_some() || filter.event_type.is_some() {
        push_event(query, filter);
    }
    if let Some(event_id) = filter.event_id {
        query.push(" and d.event_id = ").bind_id(event_id.as_uuid());
    }
    if let Some(webhook_id) = filter.webhook_id {
        query.push(" and d.webhook_id = ").bind_id(webhook_id.as_uuid());
    }
    if let Some(state) = filter.state {
        push_state(query, state, held);
    }
    if let Some(reason) = &filter.reason {
        query.push(" and d.dead_letter_reason = ").bind(dead_letter_word(reason).into_owned());
    }
    push_times(query, filter.from, filter.to);
    if let Some(from) = filter.finished_from {
        // The states by name, by which SQLite finds them in the index.
        query.push(" and d.state in ('delivered', 'dead_lettered', 'cancelled') and d.finished_at >= ").bind(from.as_micros());
    }
}

/// What stands in the event, and the client, by which the index of events begins.
fn push_event(query: &mut Built, filter: &DeliveryFilter) {
    if let Scope::Client(client_id) = filter.scope {
        query.push(" and e.client_id = ").bind_id(client_id.as_uuid());
    }
    if let Some(subject) = &filter.subject {
        query.push(" and e.subject = ").bind(subject.as_str().to_owned());
    }
    if let Some(event_type) = &filter.event_type {
        query.push(" and e.event_type = ").bind(event_type.as_str().to_owned());
    }
}

/// The state as a literal, by which SQLite sees that a partial index may be read.
fn push_state(query: &mut Built, state: DeliveryState, held: &HashSet<DeliveryId>) {
    query.push(match state {
        DeliveryState::Pending => " and d.state = 'pending' and d.id not in ",
        DeliveryState::InFlight => " and d.state = 'pending' and d.id in ",
        DeliveryState::Delivered => " and d.state = 'delivered' and d.finished_at is not null",
        DeliveryState::DeadLettered => " and d.state = 'dead_lettered' and d.finished_at is not null",
        DeliveryState::Cancelled => " and d.state = 'cancelled' and d.finished_at is not null",
    });
    if matches!(state, DeliveryState::Pending | DeliveryState::InFlight) {
        query.bind_ids(held.iter().map(|id| id.as_uuid()));
    }
}

fn push_times(query: &mut Built, from: Option<Timestamp>, to: Option<Timestamp>) {
    // The ids bound what is read. One holds a time no earlier than the making of its delivery, and later only by as much as
    // the clock was set back.
    if let Some(from) = from {
        query.push(" and d.id >= ").bind_id(first_id_at(from));
        query.push(" and d.created_at >= ").bind(from.as_micros());
    }
    if let Some(to) = to {
        query.push(" and d.id < ").bind_id(first_id_at(to + MOST_SET_BACK));
        query.push(" and d.created_at < ").bind(to.as_micros());
    }
}

/// No later than any id that was made at `time` or after.
pub(super) fn first_id_at(time: Timestamp) -> Uuid {
    let millis = time.as_micros().max(0).cast_unsigned() / 1_000;
    Uuid::from_u64_pair(millis << 16, 0)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The statement that `list` runs, for a look at its plan.
    pub(in super::super) fn text(db: &Connection, filter: &DeliveryFilter) -> String {
        let path = path(db, filter).unwrap();
        let before = Some(DeliveryId::from(Uuid::nil()));
        statement(filter, Page { limit: 50, before }, &path, &HashSet::from([DeliveryId::from(Uuid::nil())])).sql().to_owned()
    }
}
