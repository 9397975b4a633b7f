//! Lists of deliveries, whatever filters are combined.
//!
//! A page is found by ids alone, newest first, and only its rows are then read whole. Which index leads to it, the planner
//! decides by the filter's very values: how many deliveries are in a state or of a type changes by the hour.

use std::time::Duration;

use sqlx::{PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

use super::connections::Begin;
use super::value::{At, kept};
use crate::domain::delivery::DeliveryState;
use crate::domain::ids::DeliveryId;
use crate::domain::time::Timestamp;
use crate::store::error::StoreError;
use crate::store::records::{DeliveryFilter, DeliverySummary, Page, Scope};
use crate::store::rows::words::dead_letter_word;
use crate::store::rows::{summary, summary_columns};

/// A clock is trusted not to be set back further than this.
const MOST_SET_BACK: Duration = Duration::from_hours(24);

/// Lists are planned anew each time; the ways that the hot path forbids are open to them.
pub(super) const PLANNED_ANEW: Begin = Begin {
    statement: "begin read only",
    settings: "set local plan_cache_mode = force_custom_plan; set local enable_hashjoin = on; set local enable_bitmapscan = on",
};

/// Goes after a `delivery d`. The last attempt has the number of attempts for its own.
macro_rules! summary_tables {
    () => {
        "join event e on e.id = d.event_id left join attempt a on a.delivery_id = d.id and a.number = d.attempts"
    };
}
pub(super) use summary_tables;

/// Does what `Deliveries::deliveries` promises, in a transaction that is [`PLANNED_ANEW`].
pub(super) async fn list(
    db: &mut PgConnection,
    filter: &DeliveryFilter,
    page: Page<DeliveryId>,
) -> Result<Vec<DeliverySummary>, StoreError> {
    let rows = statement(filter, page).build().persistent(false).fetch_all(db).await?;
    rows.iter().map(|row| summary(row)).collect()
}

pub(super) fn statement(filter: &DeliveryFilter, page: Page<DeliveryId>) -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::new(concat!("select ", summary_columns!(), " from (select d.id from delivery d"));
    if filter.event_type.is_some() || filter.subject.is_some() {
        query.push(" join event e on e.id = d.event_id");
    }
    push_filter(&mut query, filter);
    if let Some(before) = page.before {
        query.push(" and d.id < ").push_bind(before.as_uuid());
    }
    query.push(" order by d.id desc limit ").push_bind(i64::from(page.limit));
    query.push(concat!(") page join delivery d on d.id = page.id ", summary_tables!(), " order by d.id desc"));
    query
}

fn push_filter(query: &mut QueryBuilder<Postgres>, filter: &DeliveryFilter) {
    query.push(" where true");
    if let Scope::Client(client_id) = filter.scope {
        query.push(" and d.client_id = ").push_bind(client_id.as_uuid());
    }
    if let Some(subject) = &filter.subject {
        query.push(" and e.subject = ").push_bind(kept(subject).into_owned());
    }
    if let Some(event_type) = &filter.event_type {
        query.push(" and e.event_type = ").push_bind(event_type.as_str().to_owned());
    }
    if let Some(event_id) = filter.event_id {
        query.push(" and d.event_id = ").push_bind(event_id.as_uuid());
    }
    if let Some(webhook_id) = filter.webhook_id {
        // The condition of the index `delivery_webhook`, which always holds.
        query.push(" and d.attempts >= 0 and d.webhook_id = ").push_bind(webhook_id.as_uuid());
    }
    if let Some(state) = filter.state {
        push_state(query, state);
    }
    if let Some(reason) = &filter.reason {
        query.push(" and d.dead_letter_reason = ").push_bind(dead_letter_word(reason));
    }
    push_times(query, filter.from, filter.to);
    if let Some(from) = filter.finished_from {
        // The condition of the index `delivery_finished`, and what it begins with.
        query.push(" and d.finished_at is not null and d.state in ('delivered', 'dead_lettered', 'cancelled') and d.finished_at >= ");
        query.push_bind(At(from));
    }
}

/// The state as a literal, by which the planner sees that a partial index may be read.
fn push_state(query: &mut QueryBuilder<Postgres>, state: DeliveryState) {
    query.push(match state {
        DeliveryState::Pending => " and d.state = 'pending'",
        DeliveryState::InFlight => " and d.state = 'in_flight'",
        DeliveryState::Delivered => " and d.state = 'delivered' and d.finished_at is not null",
        DeliveryState::DeadLettered => " and d.state = 'dead_lettered' and d.finished_at is not null",
        DeliveryState::Cancelled => " and d.state = 'cancelled' and d.finished_at is not null",
    });
}

fn push_times(query: &mut QueryBuilder<Postgres>, from: Option<Timestamp>, to: Option<Timestamp>) {
    // The ids bound what is read. One holds a time no earlier than the making of its delivery, and later only by as much as
    // the clock was set back.
    if let Some(from) = from {
        query.push(" and d.id >= ").push_bind(first_id_at(from));
        query.push(" and d.created_at >= ").push_bind(At(from));
    }
    if let Some(to) = to {
        query.push(" and d.id < ").push_bind(first_id_at(to + MOST_SET_BACK));
        query.push(" and d.created_at < ").push_bind(At(to));
    }
}

/// No later than any id that was made at `time` or after.
pub(super) fn first_id_at(time: Timestamp) -> Uuid {
    let millis = time.as_micros().max(0).cast_unsigned() / 1_000;
    Uuid::from_u64_pair(millis << 16, 0)
}
