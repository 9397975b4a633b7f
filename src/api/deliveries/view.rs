//! A delivery as callers see it: by itself, in lists, and with its attempts. What a receiver answered is text to be
//! shown, never JSON to be trusted.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::super::openapi::{Time, words as one_of};
use super::super::state::Api;
use crate::domain::attempt::{Attempt, AttemptOutcome, FailureReason, Phases};
use crate::domain::delivery::{DeadLetterReason, Delivery, DeliveryState};
use crate::domain::event::EventType;
use crate::domain::explanation::Standing;
use crate::domain::ids::{ClientId, DeliveryId, EventId, WebhookId};
use crate::domain::lane::LaneView;
use crate::store::records::{DeliveryDetail, DeliverySummary, LastAttempt};

/// A delivery by itself.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Delivery")]
pub(in super::super) struct DeliveryView {
    /// Its id.
    id: DeliveryId,
    /// The event that it carries.
    event_id: EventId,
    /// The webhook that it is for.
    webhook_id: WebhookId,
    /// Whose it is.
    client_id: ClientId,
    /// How it stands.
    #[schemars(with = "DeliveryState")]
    state: &'static str,
    /// When it is due, or was.
    #[schemars(with = "Time")]
    due_at: String,
    /// How many attempts were made.
    attempt_count: u32,
    /// When it was made.
    #[schemars(with = "Time")]
    created_at: String,
    /// When it ended; null while it has not.
    #[schemars(with = "Option<Time>")]
    finished_at: Option<String>,
    /// Why it was given up; null if it was not.
    #[schemars(with = "Option<DeadLetterReason>")]
    reason: Option<&'static str>,
}

/// A delivery with what lists show beside it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "DeliverySummary")]
pub(super) struct SummaryView {
    #[serde(flatten)]
    delivery: DeliveryView,
    /// The type of its event.
    #[schemars(with = "EventType")]
    r#type: String,
    /// The subject of its event.
    subject: String,
    /// What became of the last attempt; null before the first.
    #[schemars(with = "Option<Outcome>")]
    last_outcome: Option<&'static str>,
    /// The status of the last answer; null if none came.
    last_status: Option<u16>,
    /// What went wrong last, in words.
    last_detail: Option<String>,
}

/// A delivery with all that is kept of it, and in words why it stands where it stands.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "DeliveryDetail")]
pub(super) struct DetailView {
    #[serde(flatten)]
    summary: SummaryView,
    /// Every attempt, the first one first.
    attempts: Vec<AttemptView>,
    /// One sentence that says why it stands where it stands.
    explanation: String,
    /// When the next attempt is planned; null if none is.
    #[schemars(with = "Option<Time>")]
    next_attempt_at: Option<String>,
}

/// One try of a delivery. What the receiver answered is text, whatever it looks like.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Attempt")]
pub(in super::super) struct AttemptView {
    /// Counted from 1.
    number: u32,
    /// When it began.
    #[schemars(with = "Time")]
    started_at: String,
    /// When it ended.
    #[schemars(with = "Time")]
    finished_at: String,
    /// What became of it.
    #[schemars(with = "Outcome")]
    outcome: &'static str,
    /// Why it failed; null if it did not.
    #[schemars(with = "Option<FailureReason>")]
    reason: Option<&'static str>,
    /// The status of the answer; null if none came.
    status: Option<u16>,
    /// What went wrong, in words.
    detail: Option<String>,
    /// The address that was called.
    remote_address: Option<String>,
    /// How long its parts took.
    phases: PhasesView,
    /// Status line and headers of the answer, as far as they are kept.
    response_head: Option<String>,
    /// The first bytes of the answer's body, as far as they are kept.
    response_body: Option<String>,
}

/// Milliseconds; null for what was not reached.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Phases")]
struct PhasesView {
    /// Getting an access token.
    #[serde(rename = "loginMs")]
    login: Option<f64>,
    /// Making the connection, name look-up and TLS included; null where an open one was used. A part of `answerMs`.
    #[serde(rename = "connectMs")]
    connect: Option<f64>,
    /// From starting to connect or send until the answer's head was there.
    #[serde(rename = "answerMs")]
    answer: Option<f64>,
    /// Reading the answer's body.
    #[serde(rename = "bodyMs")]
    body: Option<f64>,
}

/// The words of [`outcome`]. For schemas alone.
enum Outcome {}

impl JsonSchema for Outcome {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Outcome".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        one_of(["delivered", "retryable", "permanent"])
    }
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
    /// What callers see of a delivery whose webhook's lane stands so.
    pub(super) fn of(api: &Api, detail: DeliveryDetail, lane: &LaneView) -> Self {
        let last = detail.attempts.last().map(|attempt| &attempt.outcome);
        let delivery = &detail.summary.delivery;
        let standing = Standing { delivery, webhook: &detail.webhook.state, lane, last, now: api.clock.now() };
        let explanation = standing.explain(|time| api.written(time));
        let next_attempt_at = standing.next_attempt_at().map(|time| api.written(time));
        let attempts = detail.attempts.iter().map(|attempt| AttemptView::of(api, attempt)).collect();
        Self { summary: SummaryView::of(api, detail.summary), attempts, explanation, next_attempt_at }
    }
}

impl AttemptView {
    pub(in super::super) fn of(api: &Api, attempt: &Attempt) -> Self {
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
        Self { login: ms(phases.login), connect: ms(phases.connect), answer: ms(phases.answer), body: ms(phases.body) }
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
