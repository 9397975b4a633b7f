//! A delivery as callers see it: by itself, in lists, and with its attempts. What a receiver answered is text to be
//! shown, never JSON to be trusted.

use std::time::Duration;

use serde::Serialize;

use super::super::state::Api;
use crate::domain::attempt::{Attempt, AttemptOutcome, FailureReason, Phases};
use crate::domain::delivery::{DeadLetterReason, Delivery};
use crate::domain::explanation::Standing;
use crate::domain::ids::{ClientId, DeliveryId, EventId, WebhookId};
use crate::store::records::{DeliveryDetail, DeliverySummary, LastAttempt};

/// A delivery by itself.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct DeliveryView {
    id: DeliveryId,
    event_id: EventId,
    webhook_id: WebhookId,
    client_id: ClientId,
    state: &'static str,
    due_at: String,
    attempt_count: u32,
    created_at: String,
    finished_at: Option<String>,
    reason: Option<&'static str>,
}

/// A delivery with what lists show beside it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SummaryView {
    #[serde(flatten)]
    delivery: DeliveryView,
    r#type: String,
    subject: String,
    last_outcome: Option<&'static str>,
    last_status: Option<u16>,
    last_detail: Option<String>,
}

/// A delivery with all that is kept of it, and in words why it stands where it stands.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DetailView {
    #[serde(flatten)]
    summary: SummaryView,
    attempts: Vec<AttemptView>,
    explanation: String,
    next_attempt_at: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AttemptView {
    number: u32,
    started_at: String,
    finished_at: String,
    outcome: &'static str,
    reason: Option<&'static str>,
    status: Option<u16>,
    detail: Option<String>,
    remote_address: Option<String>,
    phases: PhasesView,
    response_head: Option<String>,
    response_body: Option<String>,
}

/// Milliseconds; null for what was not reached.
#[derive(Serialize)]
struct PhasesView {
    #[serde(rename = "loginMs")]
    login: Option<f64>,
    #[serde(rename = "answerMs")]
    answer: Option<f64>,
    #[serde(rename = "bodyMs")]
    body: Option<f64>,
}

impl DeliveryView {
    pub(in super::super) fn of(api: &Api, delivery: &Delivery) -> Self {
        Self {
            id: delivery.id,
            event_id: delivery.event_id,
            webhook_id: delivery.webhook_id,
            client_id: delivery.client_id,
            state: delivery.state.as_str(),
            due_at: api.written(delivery.due_at),
            attempt_count: delivery.attempts,
            created_at: api.written(delivery.created_at),
            finished_at: delivery.finished_at.map(|time| api.written(time)),
            reason: delivery.dead_letter_reason.as_ref().map(DeadLetterReason::as_str),
        }
    }
}

impl SummaryView {
    pub(super) fn of(api: &Api, summary: DeliverySummary) -> Self {
        let last = summary.last_attempt;
        Self {
            delivery: DeliveryView::of(api, &summary.delivery),
            r#type: summary.event_type.to_string(),
            subject: summary.subject,
            last_outcome: last.as_ref().map(|last| outcome(&last.outcome)),
            last_status: last.as_ref().and_then(|last| last.status),
            last_detail: last.and_then(words),
        }
    }
}

impl DetailView {
    pub(super) fn of(api: &Api, detail: DeliveryDetail) -> Self {
        let last = detail.attempts.last().map(|attempt| &attempt.outcome);
        let delivery = &detail.summary.delivery;
        let lane = api.lanes.view(&detail.webhook);
        let standing = Standing { delivery, webhook: &detail.webhook.state, lane: &lane, last, now: api.clock.now() };
        let explanation = standing.explain(|time| api.written(time));
        let next_attempt_at = standing.next_attempt_at().map(|time| api.written(time));
        let attempts = detail.attempts.iter().map(|attempt| AttemptView::of(api, attempt)).collect();
        Self { summary: SummaryView::of(api, detail.summary), attempts, explanation, next_attempt_at }
    }
}

impl AttemptView {
    fn of(api: &Api, attempt: &Attempt) -> Self {
        let exchange = &attempt.exchange;
        Self {
            number: attempt.number,
            started_at: api.written(attempt.started_at),
            finished_at: api.written(attempt.finished_at),
            outcome: outcome(&attempt.outcome),
            reason: failure(&attempt.outcome).map(FailureReason::as_str),
            status: exchange.status,
            detail: exchange.detail.clone(),
            remote_address: exchange.remote_address.map(|address| address.to_string()),
            phases: PhasesView::of(exchange.phases),
            response_head: exchange.response_head.clone(),
            response_body: exchange.response_body.as_ref().map(|body| String::from_utf8_lossy(body).into_owned()),
        }
    }
}

impl PhasesView {
    fn of(phases: Phases) -> Self {
        // Whole microseconds, so that what is written is what was measured.
        let ms =
            |phase: Option<Duration>| phase.map(|duration| f64::from(u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)) / 1_000.0);
        Self { login: ms(phases.login), answer: ms(phases.answer), body: ms(phases.body) }
    }
}

const fn outcome(outcome: &AttemptOutcome) -> &'static str {
    match outcome {
        AttemptOutcome::Delivered => "delivered",
        AttemptOutcome::Retryable(_) => "retryable",
        AttemptOutcome::Permanent(_) => "permanent",
    }
}

const fn failure(outcome: &AttemptOutcome) -> Option<&FailureReason> {
    match outcome {
        AttemptOutcome::Delivered => None,
        AttemptOutcome::Retryable(reason) | AttemptOutcome::Permanent(reason) => Some(reason),
    }
}

/// What is known of a failure in words.
fn words(last: LastAttempt) -> Option<String> {
    last.detail.or_else(|| failure(&last.outcome).map(ToString::to_string))
}
