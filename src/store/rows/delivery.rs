//! Events and deliveries.

use bytes::Bytes;
use uuid::Uuid;

use super::attempt::last_attempt;
use super::words::dead_letter_reason;
use super::{Cells, Fields};
use crate::domain::delivery::Delivery;
use crate::domain::event::{Event, PayloadState};
use crate::domain::ids::{ClaimToken, WebhookId};
use crate::store::error::StoreError;
use crate::store::records::{Claim, ClaimedDelivery, DeadLetterGroup, DeliverySummary};

macro_rules! event_columns {
    () => {
        "e.id, e.client_id, e.event_type, e.subject, e.payload, e.created_at"
    };
}
pub(in crate::store) use event_columns;

/// Reads `event_columns!`.
pub(in crate::store) fn event(fields: &mut Fields<'_>) -> Result<Event, StoreError> {
    fields.enter("event");
    Ok(Event {
        id: fields.id("id")?,
        client_id: fields.id("client_id")?,
        event_type: fields.parse("event_type")?,
        subject: fields.text("subject")?,
        payload: Bytes::copy_from_slice(fields.bytes("payload")?),
        created_at: fields.time("created_at")?,
    })
}

/// Reads `webhook_id, dead_letter_reason, count, latest finished_at`.
pub(in crate::store) fn dead_letter_group(row: &dyn Cells) -> Result<DeadLetterGroup, StoreError> {
    let fields = &mut Fields::of(row, "delivery");
    Ok(DeadLetterGroup {
        webhook_id: fields.id("webhook_id")?,
        reason: fields.optional("dead_letter_reason", dead_letter_reason)?.ok_or_else(|| fields.corrupt("dead_letter_reason"))?,
        count: fields.number("count")?,
        latest_at: fields.time("finished_at")?,
    })
}

macro_rules! delivery_columns {
    () => {
        "d.id, d.event_id, d.webhook_id, d.client_id, d.state, d.due_at, d.attempts, d.attempts_before_series,
         d.dead_letter_reason, d.created_at, d.finished_at"
    };
}
pub(in crate::store) use delivery_columns;

/// Reads `delivery_columns!`.
pub(in crate::store) fn delivery(fields: &mut Fields<'_>) -> Result<Delivery, StoreError> {
    fields.enter("delivery");
    Ok(Delivery {
        id: fields.id("id")?,
        event_id: fields.id("event_id")?,
        webhook_id: fields.id("webhook_id")?,
        client_id: fields.id("client_id")?,
        state: fields.parse("state")?,
        due_at: fields.time("due_at")?,
        attempts: fields.number("attempts")?,
        attempts_before_series: fields.number("attempts_before_series")?,
        dead_letter_reason: fields.optional("dead_letter_reason", dead_letter_reason)?,
        created_at: fields.time("created_at")?,
        finished_at: fields.optional_time("finished_at")?,
    })
}

macro_rules! summary_columns {
    () => {
        concat!(
            $crate::store::rows::delivery_columns!(),
            ", e.id, e.event_type, e.subject, a.delivery_id, a.finished_at, a.outcome, a.reason, a.status, a.detail"
        )
    };
}
pub(in crate::store) use summary_columns;

/// Reads `summary_columns!`.
pub(in crate::store) fn summary(row: &dyn Cells) -> Result<DeliverySummary, StoreError> {
    let mut fields = Fields::of(row, "delivery");
    let delivery = delivery(&mut fields)?;
    fields.enter("event");
    fields.id::<Uuid>("id")?;
    let (event_type, subject) = (fields.parse("event_type")?, fields.text("subject")?);
    Ok(DeliverySummary { delivery, event_type, subject, last_attempt: last_attempt(&mut fields)? })
}

/// Reads what a claim answers of a delivery: its row, the edition of its webhook, its event, what that holds of its payload, and
/// the trace of its producer.
pub(in crate::store) fn claimed(row: &dyn Cells, token: ClaimToken) -> Result<ClaimedDelivery, StoreError> {
    let mut fields = Fields::of(row, "delivery");
    Ok(ClaimedDelivery {
        claim: Claim { delivery_id: fields.id("id")?, token },
        webhook_id: fields.id("webhook_id")?,
        webhook_version: fields.number("version")?,
        attempts: fields.number("attempts")?,
        attempts_before_series: fields.number("attempts_before_series")?,
        due_at: fields.time("due_at")?,
        event: event(&mut fields)?,
        payload_state: fields.optional("payload_state", PayloadState::parse)?.ok_or_else(|| fields.corrupt("payload_state"))?,
        trace: fields.optional("trace", |text| text.parse().ok())?,
    })
}

/// The webhook whose given-back delivery waits again; the row names it and says whether the delivery waits.
pub(in crate::store) fn waiting_again(row: &dyn Cells) -> Result<Option<WebhookId>, StoreError> {
    let mut fields = Fields::of(row, "delivery");
    let webhook_id = fields.id("webhook_id")?;
    Ok(fields.flag("state")?.then_some(webhook_id))
}
