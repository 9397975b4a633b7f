//! Attempts: what happened when a delivery was tried.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::Fields;
use crate::domain::attempt::{Attempt, AttemptOutcome, Exchange, FailureReason, Phases};
use crate::store::error::StoreError;
use crate::store::records::LastAttempt;

macro_rules! attempt_columns {
    () => {
        "a.delivery_id, a.number, a.started_at, a.finished_at, a.outcome, a.reason, a.status, a.detail, a.remote_address,
         a.login_us, a.connect_us, a.answer_us, a.body_us, a.response_head, a.response_body"
    };
}
pub(in crate::store) use attempt_columns;

/// Reads `attempt_columns!`.
pub(in crate::store) fn attempt(fields: &mut Fields<'_>) -> Result<Attempt, StoreError> {
    fields.enter("attempt");
    fields.id::<Uuid>("delivery_id")?;
    let (number, started_at, finished_at) = (fields.number("number")?, fields.time("started_at")?, fields.time("finished_at")?);
    let (outcome, status) = outcome_and_status(fields)?;
    let exchange = Exchange {
        status,
        detail: fields.optional_text("detail")?,
        remote_address: fields.optional("remote_address", |text| text.parse::<SocketAddr>().ok())?,
        phases: phases(fields)?,
        response_head: fields.optional_text("response_head")?,
        response_body: fields.optional_bytes("response_body")?.map(Bytes::copy_from_slice),
    };
    Ok(Attempt { number, started_at, finished_at, outcome, exchange })
}

/// Reads the columns `outcome`, `reason` and `status`, which explain one another.
fn outcome_and_status(fields: &mut Fields<'_>) -> Result<(AttemptOutcome, Option<u16>), StoreError> {
    let outcome = fields.text("outcome")?;
    let reason = fields.optional_text("reason")?;
    let status: Option<u16> = fields.optional_number("status")?;
    let reason = reason.map(|word| FailureReason::parse(&word, status).ok_or_else(|| fields.corrupt("reason"))).transpose()?;
    let outcome = match (outcome.as_str(), reason) {
        ("delivered", None) => AttemptOutcome::Delivered,
        ("retryable", Some(reason)) => AttemptOutcome::Retryable(reason),
        ("permanent", Some(reason)) => AttemptOutcome::Permanent(reason),
        _ => return Err(fields.corrupt("outcome")),
    };
    Ok((outcome, status))
}

fn phases(fields: &mut Fields<'_>) -> Result<Phases, StoreError> {
    let (login, connect) = (phase(fields, "login_us")?, phase(fields, "connect_us")?);
    Ok(Phases { login, connect, answer: phase(fields, "answer_us")?, body: phase(fields, "body_us")? })
}

fn phase(fields: &mut Fields<'_>, column: &'static str) -> Result<Option<Duration>, StoreError> {
    Ok(fields.optional_number(column)?.map(Duration::from_micros))
}

/// Reads the end of `summary_columns!`: what lists show of the last attempt, if it is kept.
pub(super) fn last_attempt(fields: &mut Fields<'_>) -> Result<Option<LastAttempt>, StoreError> {
    fields.enter("attempt");
    if fields.optional_id::<Uuid>("delivery_id")?.is_none() {
        return Ok(None);
    }
    let finished_at = fields.time("finished_at")?;
    let (outcome, status) = outcome_and_status(fields)?;
    Ok(Some(LastAttempt { finished_at, outcome, status, detail: fields.optional_text("detail")? }))
}
