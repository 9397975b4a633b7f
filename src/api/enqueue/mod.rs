//! Handing in events: completions of the OCR service and events of any type.
//!
//! A body is one object or an array of at most 1,000. Its bytes are looked over once for what is needed; payloads are
//! never taken apart or copied, but kept as slices of the body they came in. One wrong item refuses the whole request.

mod breaches;
mod catalogued;
mod completions;
mod events;
mod idempotency;
mod items;
mod reader;
mod request;
mod trace;

use super::openapi::Routes;

pub(super) fn routes() -> Routes {
    completions::routes().merge(events::routes())
}
