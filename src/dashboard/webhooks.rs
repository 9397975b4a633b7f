//! The list of webhooks: where each one calls, and whether it is called at present.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;

use super::Page;
use super::frame::{Frame, Section, page};
use super::lane::LaneWords;
use super::pager::{self, Pager};
use super::pairs::Query;
use super::state::Dashboard;
use super::view::{Badge, Moment};
use super::visitor::May;
use super::words::Words;
use crate::domain::client::Permission;
use crate::domain::event::EventType;
use crate::domain::ids::WebhookId;
use crate::domain::lane::LaneView;
use crate::domain::permission::Read;
use crate::domain::webhook::Webhook;

pub(super) const PATH: &str = "/dashboard/webhooks";

pub(super) fn routes() -> Router<Dashboard> {
    Router::new().route("/webhooks", get(list))
}

#[derive(Template)]
#[template(path = "webhooks.html")]
struct Webhooks {
    frame: Frame,
    w: &'static Words,
    rows: Vec<Row>,
    pager: Pager,
    may_manage: bool,
}

struct Row {
    id: WebhookId,
    name: String,
    badge: Badge,
    lane: LaneWords,
    call: String,
    events: String,
    updated_at: Moment,
}

async fn list(State(dash): State<Dashboard>, visitor: May<Read>, Query(query): Query) -> Page {
    let wanted = pager::wanted::<WebhookId>(&query);
    let mut webhooks = dash.store.webhooks(visitor.scope(), wanted).await?;
    let w = visitor.language.words();
    let pager = Pager::cut(w, wanted, &mut webhooks, |webhook| webhook.id.as_uuid(), (PATH, &[]));
    let lanes = dash.lanes.views(&webhooks).await?;
    let rows = webhooks.into_iter().zip(lanes).map(|(webhook, served)| Row::of(&dash, w, webhook, &served.lane)).collect();
    let frame = Frame::of(&visitor, Section::Webhooks, w.webhooks.to_owned(), query.get("done"));
    page(&Webhooks { frame, w, rows, pager, may_manage: visitor.may(Permission::ManageWebhooks) })
}

impl Row {
    fn of(dash: &Dashboard, w: &'static Words, webhook: Webhook, lane: &LaneView) -> Self {
        let lane = LaneWords::of(dash, w, lane);
        let definition = webhook.definition;
        Self {
            id: webhook.id,
            badge: Badge::webhook(w, &webhook.state),
            lane,
            call: format!("{} {}", definition.method.as_str(), definition.url.as_str()),
            events: events_in_words(&definition.events),
            updated_at: dash.moment(webhook.updated_at),
            name: definition.name,
        }
    }
}

/// Event types on one line.
pub(super) fn events_in_words(events: &[EventType]) -> String {
    events.iter().map(EventType::as_str).collect::<Vec<_>>().join(", ")
}
