//! How attempts are recorded: deliveries whose claims are held move on, and for these alone attempts, statistics and
//! disabled webhooks are stored.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use rusqlite::types::Value;
use rusqlite::{Connection, Statement, params_from_iter};

use super::held::Held;
use super::statements::Statements;
use super::writer::Transaction;
use crate::domain::attempt::{Attempt, AttemptOutcome, FailureReason};
use crate::domain::delivery::{DeliveryState, Transition};
use crate::domain::ids::{DeliveryId, WebhookId};
use crate::domain::stats::Counts;
use crate::domain::time::Timestamp;
use crate::domain::webhook::DisableReason;
use crate::store::error::StoreError;
use crate::store::records::{AttemptRecord, RecordOutcome};
use crate::store::rows::words::{dead_letter_word, micros, outcome_words};
use crate::store::rows::{added_columns, answer_columns, counted_columns};
use crate::store::signal::Signal;

/// Whether a webhook is deleted.
const IS_DELETED: &str = "select deleted_at is not null from webhook where id = ?";

/// Runs only while the claim is held, so a late worker cannot overwrite its successor.
pub(super) const MOVE_ON: &str = "
    update delivery set
        state = ?2, due_at = coalesce(?3, due_at), attempts = attempts + 1, dead_letter_reason = ?4, finished_at = ?5
    where id = ?1 and state = 'pending'";

const INSERT_ATTEMPT: &str = "
    insert into attempt (delivery_id, number, started_at, finished_at, outcome, reason, status, detail, remote_address,
        login_us, connect_us, answer_us, body_us, response_head, response_body)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

macro_rules! count {
    ($table:literal, $unit:literal) => {
        concat!(
            "insert into ",
            $table,
            " as s (webhook_id, ",
            $unit,
            ", ",
            counted_columns!(),
            ")
            values (?, ?, ?, ?, ?, ?, ?",
            answer_columns!(placed),
            ")
            on conflict (webhook_id, ",
            $unit,
            ") do update set ",
            added_columns!()
        )
    };
}

macro_rules! placed {
    ($($column:literal $number:literal,)+) => { concat!($(place_of!($column)),+) };
}

macro_rules! place_of {
    ($column:literal) => {
        ", ?"
    };
}

pub(super) const COUNT_MINUTE: &str = count!("delivery_stat", "minute");

pub(super) const COUNT_HOUR: &str = count!("delivery_stat_hour", "hour");

/// Leaves alone what is not active (any more), and every edition but the one that is meant.
const DISABLE_WEBHOOK: &str = "
    update webhook set state = 'disabled', disable_reason = ?2, state_changed_at = ?3, updated_at = ?3, version = version + 1
    where id = ?1 and state = 'active' and deleted_at is null and version = coalesce(?4, version)";

/// Does what `Queue::record` promises.
pub(super) fn record(tx: &mut Transaction<'_>, records: &[AttemptRecord], held: &Arc<Held>) -> Result<Vec<RecordOutcome>, StoreError> {
    let deleted = deleted_among(tx.db, records)?;
    let mut outcomes = Vec::with_capacity(records.len());
    let mut recorded = Vec::with_capacity(records.len());
    // Of two records of one claim the first takes effect.
    let mut ended = HashSet::with_capacity(records.len());
    let (mut move_on, mut insert_attempt) = (tx.db.prepare_cached(MOVE_ON)?, tx.db.prepare_cached(INSERT_ATTEMPT)?);
    for record in records {
        let is_held = held.webhook_of(record.claim).is_some() && ended.insert(record.claim.delivery_id);
        // A commit without an answer may have moved it on already.
        if is_held && self::move_on(&mut move_on, record, &deleted)? {
            self::insert_attempt(&mut insert_attempt, record.claim.delivery_id, &record.attempt)?;
            recorded.push(record);
            outcomes.push(RecordOutcome::Recorded);
        } else {
            outcomes.push(RecordOutcome::ClaimLost);
        }
    }
    drop((move_on, insert_attempt));
    let held = Arc::clone(held);
    tx.once_committed(move || held.let_go(ended));
    count(tx.db, &recorded)?;
    disable(tx, &recorded)?;
    Ok(outcomes)
}

/// Moves a delivery on; answers whether it was still to be moved.
fn move_on(statement: &mut Statement<'_>, record: &AttemptRecord, deleted: &HashSet<WebhookId>) -> Result<bool, StoreError> {
    let (state, due_at, reason) = match &record.transition {
        Transition::Retry { .. } if deleted.contains(&record.webhook_id) => (DeliveryState::Cancelled, None, None),
        Transition::Retry { due_at } => (DeliveryState::Pending, Some(due_at.as_micros()), None),
        Transition::DeadLetter(reason) => (record.transition.state(), None, Some(dead_letter_word(reason))),
        Transition::Deliver => (record.transition.state(), None, None),
    };
    let finished_at = (state != DeliveryState::Pending).then_some(record.attempt.finished_at.as_micros());
    let values = (record.claim.delivery_id.as_uuid(), state.as_str(), due_at, reason, finished_at);
    Ok(statement.execute(values)? > 0)
}

/// Only a delivery that would wait again asks whether its webhook is deleted.
fn deleted_among(db: &Connection, records: &[AttemptRecord]) -> Result<HashSet<WebhookId>, StoreError> {
    let waiting = records.iter().filter(|record| matches!(record.transition, Transition::Retry { .. }));
    let mut deleted = waiting.map(|record| record.webhook_id).collect::<HashSet<WebhookId>>();
    let mut failure = None;
    deleted.retain(|id| is_deleted(db, *id).unwrap_or_else(|error| failure.replace(error).is_some()));
    failure.map_or(Ok(deleted), Err)
}

fn is_deleted(db: &Connection, id: WebhookId) -> Result<bool, StoreError> {
    Ok(db.first(IS_DELETED, (id.as_uuid(),), |row| Ok(row.get(0)?))?.unwrap_or(true))
}

fn insert_attempt(statement: &mut Statement<'_>, delivery_id: DeliveryId, attempt: &Attempt) -> Result<(), StoreError> {
    let exchange = &attempt.exchange;
    let (outcome, reason) = outcome_words(&attempt.outcome);
    // A reason that holds a status is read back with the status beside it.
    let status = match attempt.outcome {
        AttemptOutcome::Retryable(FailureReason::Status(status)) | AttemptOutcome::Permanent(FailureReason::Status(status)) => Some(status),
        _ => exchange.status,
    };
    statement.execute((
        delivery_id.as_uuid(),
        attempt.number,
        attempt.started_at.as_micros(),
        attempt.finished_at.as_micros(),
        outcome,
        reason,
        status,
        exchange.detail.as_deref(),
        exchange.remote_address.map(|address| address.to_string()),
        exchange.phases.login.map(micros),
        exchange.phases.connect.map(micros),
        exchange.phases.answer.map(micros),
        exchange.phases.body.map(micros),
        exchange.response_head.as_deref(),
        exchange.response_body.as_deref(),
    ))?;
    Ok(())
}

/// What is added to a minute, or an hour, of a webhook.
#[derive(Default)]
struct Added {
    counts: Counts,
    answer_us: i64,
}

impl Added {
    fn add(&mut self, record: &AttemptRecord) {
        self.counts.add(&record.attempt, &record.transition);
        self.answer_us = self.answer_us.saturating_add(record.attempt.exchange.phases.answer.map_or(0, micros));
    }

    fn write(&self, db: &Connection, sql: &str, (webhook_id, unit): (WebhookId, i64)) -> Result<(), StoreError> {
        let Counts { delivered, failed, retries, dead_lettered, answers } = &self.counts;
        let own = [*delivered, *failed, *retries, *dead_lettered].map(u64::cast_signed);
        let answers = answers.counts().map(u64::cast_signed);
        let numbers = [unit].into_iter().chain(own).chain([self.answer_us]).chain(answers);
        let key = Value::from(webhook_id.as_uuid().as_bytes().to_vec());
        db.change(sql, params_from_iter([key].into_iter().chain(numbers.map(Value::from)))).map(drop)
    }
}

/// Counts what was recorded, in a row for each webhook and minute and in one for each webhook and hour.
fn count(db: &Connection, recorded: &[&AttemptRecord]) -> Result<(), StoreError> {
    for (sql, minutes) in [(COUNT_MINUTE, 1), (COUNT_HOUR, 60)] {
        let mut added = BTreeMap::<(WebhookId, i64), Added>::new();
        for record in recorded {
            let unit = record.attempt.finished_at.as_minutes().div_euclid(minutes);
            added.entry((record.webhook_id, unit)).or_default().add(record);
        }
        for (key, added) in added {
            added.write(db, sql, key)?;
        }
    }
    Ok(())
}

fn disable(tx: &mut Transaction<'_>, recorded: &[&AttemptRecord]) -> Result<(), StoreError> {
    for record in recorded {
        if let Some(reason) = record.disable_webhook {
            disable_webhook(tx, record.webhook_id, Some(record.webhook_version), reason, record.attempt.finished_at)?;
        }
    }
    Ok(())
}

/// Disables a webhook if it is active and, where an edition is named, of that edition; answers whether it was.
pub(super) fn disable_webhook(
    tx: &mut Transaction<'_>,
    id: WebhookId,
    edition: Option<i64>,
    reason: DisableReason,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let is_disabled = tx.db.change(DISABLE_WEBHOOK, (id.as_uuid(), reason.as_str(), now.as_micros(), edition))? > 0;
    if is_disabled {
        tx.signal(Signal::WebhookChanged(id));
    }
    Ok(is_disabled)
}
