//! Which deliveries a query asks for.

use super::super::query::Query;
use crate::domain::delivery::DeliveryState;
use crate::store::records::{DeliveryFilter, Scope};

/// Reads the filters; what is wrong is noted in `query`.
pub(super) fn read(query: &mut Query, scope: Scope, state: Option<DeliveryState>) -> DeliveryFilter {
    DeliveryFilter {
        scope,
        webhook_id: query.id("webhookId"),
        event_id: query.id("eventId"),
        state,
        event_type: query.parsed("type"),
        subject: query.text("subject"),
        from: query.time("from"),
        to: query.time("to"),
    }
}
