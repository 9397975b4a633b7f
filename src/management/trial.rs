//! Trying webhooks out, whichever way it was asked for: what the example is about.

use super::Desk;
use crate::domain::event::{Event, EventType};
use crate::domain::time::Timestamp;
use crate::domain::trial::{EXAMPLE_SUBJECT, example};
use crate::domain::webhook::Webhook;

/// What somebody wants the example to be about; what is left open is chosen.
#[derive(Clone, Debug, Default)]
pub(crate) struct WantedExample {
    /// The text that takes the place of `:id`; else an id that no document has.
    pub(crate) subject: Option<String>,
    /// What is said to have happened; else the first type that the webhook wants.
    pub(crate) event_type: Option<EventType>,
}

/// The example for a webhook.
pub(crate) fn example_for(desk: Desk<'_>, webhook: &Webhook, wanted: WantedExample, now: Timestamp) -> Event {
    let first = || webhook.definition.events.first().cloned();
    let event_type = wanted.event_type.or_else(first).unwrap_or_else(EventType::document_finished);
    let subject = wanted.subject.unwrap_or_else(|| EXAMPLE_SUBJECT.to_owned());
    let mut event = example(desk.ids.next(now), webhook.client_id, event_type, subject, now);
    desk.rules.catalogs.make_typical(&mut event);
    event
}
