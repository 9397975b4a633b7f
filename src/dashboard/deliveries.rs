//! The search for deliveries: what became of this document, of that webhook, in those hours.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use chrono::FixedOffset;
use uuid::Uuid;

use super::Page;
use super::error::PageError;
use super::frame::{Frame, Section, page};
use super::local_time;
use super::names::{self, Names};
use super::pager::{self, Pager};
use super::pairs::{Pairs, Query};
use super::state::Dashboard;
use super::view::{Badge, Choice, Moment, failure, given_up};
use super::visitor::{May, Visitor};
use super::words::Words;
use crate::domain::attempt::AttemptOutcome;
use crate::domain::delivery::{DeadLetterReason, DeliveryState};
use crate::domain::ids::{DeliveryId, EventId, WebhookId};
use crate::domain::permission::Read;
use crate::store::records::{DeliveryFilter, DeliverySummary, LastAttempt, Scope};

const PATH: &str = "/dashboard/deliveries";

pub(super) fn routes() -> Router<Dashboard> {
    Router::new().route("/deliveries", get(list))
}

#[derive(Template)]
#[template(path = "deliveries.html")]
struct Deliveries {
    frame: Frame,
    w: &'static Words,
    filter: FilterFields,
    rows: Vec<Row>,
    pager: Pager,
}

/// The fields above the list, as they were filled in.
struct FilterFields {
    q: String,
    webhook: String,
    /// The webhooks to choose from; `None` if there are too many.
    webhooks: Option<Vec<Choice>>,
    states: Vec<Choice>,
    reasons: Vec<Choice>,
    event_type: String,
    from: String,
    to: String,
    is_set: bool,
}

/// A delivery as lists show it.
pub(super) struct Row {
    pub(super) id: DeliveryId,
    pub(super) subject: String,
    pub(super) badge: Badge,
    pub(super) webhook_id: WebhookId,
    pub(super) webhook: String,
    pub(super) attempts: u32,
    pub(super) last: String,
    pub(super) created_at: Moment,
    pub(super) due_at: Option<Moment>,
}

async fn list(State(dash): State<Dashboard>, visitor: May<Read>, Query(query): Query) -> Page {
    let wanted = pager::wanted::<DeliveryId>(&query);
    let filter = filter(&query, visitor.scope(), dash.settings.time_offset);
    let found = match query.get("q").and_then(|text| text.parse::<Uuid>().ok()) {
        Some(id) => match by_id(&dash, &visitor, &filter, id).await? {
            ById::Delivery => return Ok(Redirect::to(&format!("{PATH}/{id}")).into_response()),
            ById::Event(event_id) => DeliveryFilter { event_id: Some(event_id), subject: None, ..filter },
            ById::Neither => filter,
        },
        None => filter,
    };
    let mut deliveries = dash.store.deliveries(found, wanted).await?;
    let w = visitor.language.words();
    let pairs = ["q", "webhook", "state", "reason", "type", "from", "to"].map(|name| (name, query.get(name).unwrap_or_default()));
    let pager = Pager::cut(w, wanted, &mut deliveries, |summary| summary.delivery.id.as_uuid(), (PATH, &pairs));
    let rows = rows(&dash, &visitor, deliveries).await?;
    let frame = Frame::of(&visitor, Section::Deliveries, w.deliveries.to_owned(), None);
    let filter = FilterFields::of(&dash, &visitor, &query).await?;
    page(&Deliveries { frame, w, filter, rows, pager })
}

/// What an id in the search field names.
enum ById {
    Delivery,
    Event(EventId),
    Neither,
}

/// A document may be called by such an id too: then neither a delivery nor an event has it.
async fn by_id(dash: &Dashboard, visitor: &Visitor, filter: &DeliveryFilter, id: Uuid) -> Result<ById, PageError> {
    let is_delivery = dash.store.delivery(filter.scope, DeliveryId::from(id)).await?.is_some();
    if is_delivery {
        return Ok(ById::Delivery);
    }
    let is_event = dash.store.event(visitor.scope(), EventId::from(id)).await?.is_some();
    Ok(if is_event { ById::Event(EventId::from(id)) } else { ById::Neither })
}

/// What the fields ask for. A field that says nothing sensible asks for nothing; a reason is one of dead letters.
fn filter(query: &Pairs, scope: Scope, offset: FixedOffset) -> DeliveryFilter {
    let reason = query.get("reason").and_then(DeadLetterReason::parse);
    let state = query.get("state").and_then(|text| text.parse().ok());
    let filter = DeliveryFilter {
        webhook_id: query.get("webhook").and_then(|text| text.parse().ok()),
        state,
        event_type: query.get("type").and_then(|text| text.parse().ok()),
        subject: query.get("q").map(str::to_owned),
        from: query.get("from").and_then(|text| local_time::read(text, offset)),
        to: query.get("to").and_then(|text| local_time::read(text, offset)),
        ..DeliveryFilter::all(scope)
    };
    filter.given_up_for(reason)
}

impl FilterFields {
    async fn of(dash: &Dashboard, visitor: &Visitor, query: &Pairs) -> Result<Self, PageError> {
        let w = visitor.language.words();
        let typed = |name| query.get(name).unwrap_or_default().to_owned();
        let (webhook, state) = (typed("webhook"), typed("state"));
        let any = |chosen: &str| Choice::new("", w.any, chosen);
        let all = names::all(dash, visitor.scope()).await?;
        let webhooks = all.map(|all| {
            std::iter::once(any(&webhook)).chain(all.into_iter().map(|(id, name)| Choice::new(id.to_string(), name, &webhook))).collect()
        });
        let states = DeliveryState::ALL.map(|own| Choice::new(own.as_str(), state_word(w, own), &state));
        let states = std::iter::once(any(&state)).chain(states).collect();
        let chosen = typed("reason");
        let known =
            DeadLetterReason::words().filter_map(|word| Some(Choice::new(word, given_up(w, &DeadLetterReason::parse(word)?), &chosen)));
        let reasons = std::iter::once(any(&chosen)).chain(known).collect();
        let is_set = ["webhook", "state", "reason", "type", "from", "to"].into_iter().any(|name| query.is_set(name));
        Ok(Self {
            q: typed("q"),
            webhook,
            webhooks,
            states,
            reasons,
            event_type: typed("type"),
            from: typed("from"),
            to: typed("to"),
            is_set,
        })
    }
}

/// The word for a state.
const fn state_word(w: &Words, state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Pending => w.pending,
        DeliveryState::InFlight => w.in_flight,
        DeliveryState::Delivered => w.delivered,
        DeliveryState::DeadLettered => w.dead_lettered,
        DeliveryState::Cancelled => w.cancelled,
    }
}

/// Deliveries as lists show them.
pub(super) async fn rows(dash: &Dashboard, visitor: &Visitor, deliveries: Vec<DeliverySummary>) -> Result<Vec<Row>, PageError> {
    let w = visitor.language.words();
    let names = Names::of(dash, visitor.scope(), deliveries.iter().map(|summary| summary.delivery.webhook_id)).await?;
    let row = |summary: DeliverySummary| {
        let delivery = summary.delivery;
        let is_pending = delivery.state == DeliveryState::Pending;
        Row {
            id: delivery.id,
            subject: summary.subject,
            badge: Badge::delivery(w, delivery.state),
            webhook_id: delivery.webhook_id,
            webhook: names.get(delivery.webhook_id),
            attempts: delivery.attempts,
            last: summary.last_attempt.map(|last| last_words(w, &last)).unwrap_or_default(),
            created_at: dash.moment(delivery.created_at),
            due_at: is_pending.then(|| dash.moment(delivery.due_at)),
        }
    };
    Ok(deliveries.into_iter().map(row).collect())
}

/// What came of the last attempt, in few words.
fn last_words(w: &Words, last: &LastAttempt) -> String {
    match &last.outcome {
        AttemptOutcome::Delivered => last.status.map(|status| status.to_string()).unwrap_or_default(),
        AttemptOutcome::Retryable(reason) | AttemptOutcome::Permanent(reason) => failure(w, reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_say_nothing_sensible_ask_for_nothing() {
        let query = Pairs::parse(b"webhook=7&state=lost&reason=none&type=%20!&from=x&to=&q=%20doc%20");

        let filter = filter(&query, Scope::All, FixedOffset::east_opt(0).unwrap());

        assert_eq!(filter, DeliveryFilter { subject: Some("doc".to_owned()), ..DeliveryFilter::all(Scope::All) });
    }
}
