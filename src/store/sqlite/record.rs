//! How attempts are recorded: deliveries whose claims are held move on, and for these alone attempts, statistics and
//! disabled webhooks are stored.

use std::collections::{BTreeMap, HashSet};
use std::sync::LazyLock;

use sqlx::SqliteConnection;

use super::batch::{Batch, Bound};
use super::writer::Transaction;
use crate::domain::attempt::{Attempt, AttemptOutcome, FailureReason};
use crate::domain::delivery::{DeliveryState, Transition};
use crate::domain::ids::{DeliveryId, WebhookId};
use crate::domain::time::Timestamp;
use crate::domain::webhook::DisableReason;
use crate::store::error::StoreError;
use crate::store::records::{AttemptRecord, Claim, RecordOutcome};
use crate::store::rows::Fields;
use crate::store::rows::words::{dead_letter_word, micros, outcome_words};
use crate::store::signal::Signal;

/// Which of these webhooks are deleted.
static DELETED: LazyLock<Batch> =
    LazyLock::new(|| Batch::of_rows("select id from webhook where id in ({rows}) and deleted_at is not null", "?"));

/// Matches no row once the claim is lost, so a late worker cannot overwrite its successor. Answers what it matched.
pub(super) static MOVE_ON: LazyLock<Batch> = LazyLock::new(|| {
    Batch::of_rows(
        "with moved(id, token, state, due_at, reason, finished_at) as (values {rows})
         update delivery set
             state = moved.state, due_at = coalesce(moved.due_at, delivery.due_at), attempts = delivery.attempts + 1,
             claim_token = null, claimed_by = null, dead_letter_reason = moved.reason, finished_at = moved.finished_at
         from moved
         where delivery.id = moved.id and delivery.claim_token = moved.token and delivery.state = 'in_flight'
         returning id",
        "(?, ?, ?, ?, ?, ?)",
    )
});

static INSERT_ATTEMPTS: LazyLock<Batch> = LazyLock::new(|| {
    Batch::of_rows(
        "insert into attempt (delivery_id, number, started_at, finished_at, outcome, reason, status, detail, remote_address,
             login_us, answer_us, body_us, response_head, response_body) select * from (values {rows}) where column1 is not null",
        "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
});

static COUNT: LazyLock<Batch> = LazyLock::new(|| {
    Batch::of_rows(
        "insert into delivery_stat (webhook_id, minute, delivered, failed, dead_lettered, answer_us) select * from (values {rows}) where column1 is not null
         on conflict (webhook_id, minute) do update set
             delivered = delivered + excluded.delivered, failed = failed + excluded.failed,
             dead_lettered = dead_lettered + excluded.dead_lettered, answer_us = answer_us + excluded.answer_us",
        "(?, ?, ?, ?, ?, ?)",
    )
});

/// Leaves alone what is not active (any more), and every edition but the one that is meant.
const DISABLE_WEBHOOK: &str = "
    update webhook set state = 'disabled', disable_reason = ?2, state_changed_at = ?3, updated_at = ?3, version = version + 1
    where id = ?1 and state = 'active' and deleted_at is null and version = coalesce(?4, version)";

/// Does what `Queue::record` promises.
pub(super) async fn record(tx: &mut Transaction<'_>, records: &[AttemptRecord]) -> Result<Vec<RecordOutcome>, StoreError> {
    let outcomes = move_on(tx.db, records).await?;
    let recorded: Vec<_> = records.iter().zip(&outcomes).filter(|(_, outcome)| **outcome == RecordOutcome::Recorded).collect();
    let recorded: Vec<&AttemptRecord> = recorded.into_iter().map(|(record, _)| record).collect();
    insert_attempts(tx.db, &recorded).await?;
    count(tx.db, &recorded).await?;
    disable(tx, &recorded).await?;
    Ok(outcomes)
}

/// What an attempt makes of its delivery's row.
struct Moved<'r> {
    record: &'r AttemptRecord,
    state: DeliveryState,
    due_at: Option<Timestamp>,
}

impl<'r> Moved<'r> {
    fn by(record: &'r AttemptRecord, deleted: &HashSet<WebhookId>) -> Self {
        let (state, due_at) = match record.transition {
            Transition::Retry { .. } if deleted.contains(&record.webhook_id) => (DeliveryState::Cancelled, None),
            Transition::Retry { due_at } => (DeliveryState::Pending, Some(due_at)),
            _ => (record.transition.state(), None),
        };
        Self { record, state, due_at }
    }

    fn delivery_id(&self) -> DeliveryId {
        self.record.claim.delivery_id
    }

    fn bind(&self, query: Bound) -> Bound {
        let Claim { delivery_id, token } = self.record.claim;
        let reason = match &self.record.transition {
            Transition::DeadLetter(reason) => Some(dead_letter_word(reason)),
            _ => None,
        };
        let finished_at = (self.state != DeliveryState::Pending).then_some(self.record.attempt.finished_at);
        query
            .bind(delivery_id.as_uuid())
            .bind(token.as_uuid())
            .bind(self.state.as_str())
            .bind(self.due_at.map(Timestamp::as_micros))
            .bind(reason)
            .bind(finished_at.map(Timestamp::as_micros))
    }
}

/// Moves deliveries on and says which records took effect.
///
/// A statement cannot say which of two records of one delivery it took, so each takes at most one: a second record of a
/// delivery waits for the next round, and has lost its claim if the first one took effect.
async fn move_on(db: &mut SqliteConnection, records: &[AttemptRecord]) -> Result<Vec<RecordOutcome>, StoreError> {
    let deleted = deleted_among(db, records).await?;
    let mut outcomes = vec![RecordOutcome::ClaimLost; records.len()];
    let mut left: Vec<(usize, Moved<'_>)> = records.iter().map(|record| Moved::by(record, &deleted)).enumerate().collect();
    while !left.is_empty() {
        let mut taken = HashSet::with_capacity(left.len());
        let (round, later): (Vec<_>, Vec<_>) = left.into_iter().partition(|(_, moved)| taken.insert(moved.delivery_id()));

        let rows = MOVE_ON.fetch(db, &round, |query, (_, moved)| moved.bind(query)).await?;
        let held: HashSet<DeliveryId> = rows.iter().map(|row| Fields::of(row, "delivery").id("id")).collect::<Result<_, _>>()?;
        for (place, _) in round.iter().filter(|(_, moved)| held.contains(&moved.delivery_id())) {
            outcomes[*place] = RecordOutcome::Recorded;
        }
        left = later.into_iter().filter(|(_, moved)| !held.contains(&moved.delivery_id())).collect();
    }
    Ok(outcomes)
}

/// Only a delivery that would wait again asks whether its webhook is deleted.
async fn deleted_among(db: &mut SqliteConnection, records: &[AttemptRecord]) -> Result<HashSet<WebhookId>, StoreError> {
    let waiting = records.iter().filter(|record| matches!(record.transition, Transition::Retry { .. }));
    let webhooks: HashSet<WebhookId> = waiting.map(|record| record.webhook_id).collect();
    let webhooks: Vec<WebhookId> = webhooks.into_iter().collect();
    let rows = DELETED.fetch(db, &webhooks, |query, id| query.bind(id.as_uuid())).await?;
    rows.iter().map(|row| Fields::of(row, "webhook").id("id")).collect()
}

async fn insert_attempts(db: &mut SqliteConnection, recorded: &[&AttemptRecord]) -> Result<(), StoreError> {
    INSERT_ATTEMPTS.execute(db, recorded, |query, record| bind_attempt(query, record.claim.delivery_id, &record.attempt)).await?;
    Ok(())
}

fn bind_attempt(query: Bound, delivery_id: DeliveryId, attempt: &Attempt) -> Bound {
    let exchange = &attempt.exchange;
    let (outcome, reason) = outcome_words(&attempt.outcome);
    // A reason that holds a status is read back with the status beside it.
    let status = match attempt.outcome {
        AttemptOutcome::Retryable(FailureReason::Status(status)) | AttemptOutcome::Permanent(FailureReason::Status(status)) => Some(status),
        _ => exchange.status,
    };
    query
        .bind(delivery_id.as_uuid())
        .bind(attempt.number)
        .bind(attempt.started_at.as_micros())
        .bind(attempt.finished_at.as_micros())
        .bind(outcome)
        .bind(reason)
        .bind(status)
        .bind(exchange.detail.as_deref())
        .bind(exchange.remote_address.map(|address| address.to_string()))
        .bind(exchange.phases.login.map(micros))
        .bind(exchange.phases.answer.map(micros))
        .bind(exchange.phases.body.map(micros))
        .bind(exchange.response_head.as_deref())
        .bind(exchange.response_body.as_deref())
}

/// What is added to a minute of a webhook.
#[derive(Default)]
struct Counts {
    delivered: i64,
    failed: i64,
    dead_lettered: i64,
    answer_us: i64,
}

impl Counts {
    fn add(&mut self, record: &AttemptRecord) {
        match record.attempt.outcome {
            AttemptOutcome::Delivered => self.delivered += 1,
            AttemptOutcome::Retryable(_) | AttemptOutcome::Permanent(_) => self.failed += 1,
        }
        self.dead_lettered += i64::from(matches!(record.transition, Transition::DeadLetter(_)));
        self.answer_us = self.answer_us.saturating_add(record.attempt.exchange.phases.answer.map_or(0, micros));
    }
}

async fn count(db: &mut SqliteConnection, recorded: &[&AttemptRecord]) -> Result<(), StoreError> {
    let mut counts = BTreeMap::<(WebhookId, i64), Counts>::new();
    for record in recorded {
        counts.entry((record.webhook_id, record.attempt.finished_at.as_minutes())).or_default().add(record);
    }
    let counts: Vec<_> = counts.into_iter().collect();
    let bind = |query: Bound, ((webhook_id, minute), counts): &((WebhookId, i64), Counts)| {
        let query = query.bind(webhook_id.as_uuid()).bind(*minute);
        query.bind(counts.delivered).bind(counts.failed).bind(counts.dead_lettered).bind(counts.answer_us)
    };
    COUNT.execute(db, &counts, bind).await?;
    Ok(())
}

async fn disable(tx: &mut Transaction<'_>, recorded: &[&AttemptRecord]) -> Result<(), StoreError> {
    for record in recorded {
        if let Some(reason) = record.disable_webhook {
            let edition = Some(record.webhook_version);
            disable_webhook(tx, record.webhook_id, edition, reason, record.attempt.finished_at).await?;
        }
    }
    Ok(())
}

/// Disables a webhook if it is active and, where an edition is named, of that edition; answers whether it was.
pub(super) async fn disable_webhook(
    tx: &mut Transaction<'_>,
    id: WebhookId,
    edition: Option<i64>,
    reason: DisableReason,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let query = sqlx::query(DISABLE_WEBHOOK).bind(id.as_uuid()).bind(reason.as_str()).bind(now.as_micros()).bind(edition);
    let disabled = query.execute(&mut *tx.db).await?.rows_affected() > 0;
    if disabled {
        tx.signal(Signal::WebhookChanged(id));
    }
    Ok(disabled)
}
