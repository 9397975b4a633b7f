//! Redeliveries of many: the jobs, and what their steps look at.

use uuid::Uuid;

use super::words::dead_letter_reason;
use super::{Cells, Fields};
use crate::domain::delivery::DeliveryState;
use crate::domain::ids::{DeliveryId, EventId};
use crate::domain::redelivery::{DeadLetter, DeadLetterFilter, RedeliveryJob, RedeliveryJobState, RedeliveryWanted};
use crate::domain::stats::Counted;
use crate::store::error::StoreError;

macro_rules! job_columns {
    () => {
        "id, client_id, kind, webhook_id, reason, event_type, subject, from_at, to_at, per_second, state, matched, matched_has_more,
         cursor, examined, redelivered, created_at, step_due_at, finished_at"
    };
}
pub(in crate::store) use job_columns;

/// Reads `job_columns!`.
pub(in crate::store) fn redelivery_job(row: &dyn Cells) -> Result<RedeliveryJob, StoreError> {
    let fields = &mut Fields::of(row, "redelivery_job");
    Ok(RedeliveryJob {
        id: fields.id("id")?,
        client_id: fields.id("client_id")?,
        wanted: wanted(fields)?,
        per_second: fields.number("per_second")?,
        state: fields.optional("state", RedeliveryJobState::parse)?.ok_or_else(|| fields.corrupt("state"))?,
        matched: Counted { count: fields.number("matched")?, has_more: fields.flag("matched_has_more")? },
        cursor: fields.optional_id::<Uuid>("cursor")?,
        examined: fields.number("examined")?,
        redelivered: fields.number("redelivered")?,
        created_at: fields.time("created_at")?,
        step_due_at: fields.time("step_due_at")?,
        finished_at: fields.optional_time("finished_at")?,
    })
}

fn wanted(fields: &mut Fields<'_>) -> Result<RedeliveryWanted, StoreError> {
    let kind = fields.text("kind")?;
    let filter = DeadLetterFilter {
        webhook_id: fields.optional_id("webhook_id")?,
        reason: fields.optional_text("reason")?,
        event_type: fields.optional("event_type", |text| text.parse().ok())?,
        subject: fields.optional_text("subject")?,
        from: fields.optional_time("from_at")?,
        to: fields.optional_time("to_at")?,
    };
    match (kind.as_str(), filter.webhook_id, filter.from) {
        ("dead_letters", _, _) => Ok(RedeliveryWanted::DeadLetters(filter)),
        ("undelivered", Some(webhook_id), Some(since)) => Ok(RedeliveryWanted::Undelivered { webhook_id, since }),
        _ => Err(fields.corrupt("kind")),
    }
}

/// The word for what is wanted, and the rest of it as the columns from `webhook_id` to `to_at` hold it.
pub(in crate::store) fn wanted_columns(wanted: &RedeliveryWanted) -> (&'static str, DeadLetterFilter) {
    match wanted {
        RedeliveryWanted::DeadLetters(filter) => ("dead_letters", filter.clone()),
        RedeliveryWanted::Undelivered { webhook_id, since } => {
            ("undelivered", DeadLetterFilter { webhook_id: Some(*webhook_id), from: Some(*since), ..DeadLetterFilter::default() })
        }
    }
}

macro_rules! dead_letter_columns {
    () => {
        "d.id, d.dead_letter_reason, d.created_at, e.event_type, e.subject, w.deleted_at is not null"
    };
}
pub(in crate::store) use dead_letter_columns;

/// Reads `dead_letter_columns!`.
pub(in crate::store) fn dead_letter(row: &dyn Cells) -> Result<DeadLetter, StoreError> {
    let fields = &mut Fields::of(row, "delivery");
    Ok(DeadLetter {
        id: fields.id("id")?,
        reason: fields.optional("dead_letter_reason", dead_letter_reason)?.ok_or_else(|| fields.corrupt("dead_letter_reason"))?,
        created_at: fields.time("created_at")?,
        event_type: fields.parse("event_type")?,
        subject: fields.text("subject")?,
        webhook_is_deleted: fields.flag("webhook_id")?,
    })
}

/// Reads an event's id, and the id and state of a delivery of it, if it has any.
pub(in crate::store) fn event_delivery(row: &dyn Cells) -> Result<(EventId, Option<(DeliveryId, DeliveryState)>), StoreError> {
    let fields = &mut Fields::of(row, "event");
    let event = fields.id("id")?;
    fields.enter("delivery");
    let id = fields.optional_id::<DeliveryId>("id")?;
    let state = fields.optional("state", |text| text.parse().ok())?;
    Ok((event, id.zip(state)))
}
