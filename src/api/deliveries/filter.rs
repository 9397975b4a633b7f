//! Which deliveries a query asks for.

use schemars::JsonSchema;

use super::super::openapi::Time;
use super::super::query::{PageParameters, Query};
use crate::domain::attempt::FailureReason;
use crate::domain::delivery::{DeadLetterReason, DeliveryState};
use crate::domain::event::EventType;
use crate::domain::ids::{EventId, WebhookId};
use crate::store::records::{DeliveryFilter, Scope};

/// Which dead letters, and which page of them.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[expect(dead_code, reason = "it tells callers what `read` reads")]
pub(super) struct DeadLetterParameters {
    /// For this webhook alone.
    webhook_id: Option<WebhookId>,
    /// Of this event alone.
    event_id: Option<EventId>,
    /// Of events of this type alone.
    r#type: Option<EventType>,
    /// About this subject alone.
    subject: Option<String>,
    /// Given up for this reason alone; whatever state is asked for, these are dead letters.
    reason: Option<DeadLetterReason>,
    /// Made at this time or later.
    #[schemars(with = "Option<Time>")]
    from: Option<String>,
    /// Made before this time.
    #[schemars(with = "Option<Time>")]
    to: Option<String>,
    /// Ended at this time or later.
    #[schemars(with = "Option<Time>")]
    finished_from: Option<String>,
    #[schemars(flatten)]
    page: PageParameters,
}

/// Which deliveries, and which page of them.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it tells callers what `list` reads")]
pub(super) struct DeliveryParameters {
    /// In this state alone.
    state: Option<DeliveryState>,
    #[schemars(flatten)]
    others: DeadLetterParameters,
}

/// Reads the filters; what is wrong is noted in `query`.
pub(super) fn read<P>(query: &mut Query<P>, scope: Scope, state: Option<DeliveryState>) -> DeliveryFilter {
    let filter = DeliveryFilter {
        scope,
        webhook_id: query.id("webhookId"),
        event_id: query.id("eventId"),
        state,
        reason: None,
        event_type: query.parsed("type"),
        subject: query.text("subject"),
        from: query.time("from"),
        to: query.time("to"),
        finished_from: query.time("finishedFrom"),
    };
    filter.given_up_for(query.word("reason", reason, "must be the reason of a dead letter, such as exhausted"))
}

/// A reason by its word. A status ends no delivery by itself, so nothing is found by that.
fn reason(word: &str) -> Option<DeadLetterReason> {
    let status = || (word == "status").then_some(DeadLetterReason::Permanent(FailureReason::Status(0)));
    DeadLetterReason::parse(word).or_else(status)
}
