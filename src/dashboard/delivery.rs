//! One delivery: why it stands where it stands, what was sent, what came back, and a person's hand in it.

use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect};
use axum::routing::{get, post};

use super::Page;
use super::error::{Clash, PageError};
use super::frame::{Frame, Section, page};
use super::language::Language;
use super::pairs::Query;
use super::request::Request;
use super::state::Dashboard;
use super::view::{Badge, Moment, failure, span};
use super::visitor::{May, Visitor};
use super::words::Words;
use crate::domain::attempt::{Attempt, AttemptOutcome, Exchange, Phases};
use crate::domain::client::Permission;
use crate::domain::delivery::DeliveryState;
use crate::domain::explanation::Standing;
use crate::domain::ids::{DeliveryId, EventId, WebhookId};
use crate::domain::lane::LaneView;
use crate::domain::permission::{Operate, Read};
use crate::domain::trial::{RequestPreview, Unpresentable};
use crate::store::records::{DeliveryChange, DeliveryDetail};

pub(super) fn routes() -> Router<Dashboard> {
    Router::new()
        .route("/deliveries/{id}", get(show))
        .route("/deliveries/{id}/redeliver", post(redeliver))
        .route("/deliveries/{id}/cancel", post(cancel))
}

#[derive(Template)]
#[template(path = "delivery.html")]
struct DeliveryPage {
    frame: Frame,
    w: &'static Words,
    id: DeliveryId,
    event_id: EventId,
    webhook_id: WebhookId,
    webhook: String,
    subject: String,
    event_type: String,
    badge: Badge,
    explanation: String,
    next_attempt_at: Option<Moment>,
    created_at: Moment,
    finished_at: Option<Moment>,
    attempts: Vec<AttemptView>,
    request: Request,
    may_redeliver: bool,
    may_cancel: bool,
}

/// An attempt as pages show it.
pub(super) struct AttemptView {
    number: u32,
    pub(super) badge: Badge,
    pub(super) why: String,
    pub(super) status: Option<u16>,
    pub(super) detail: Option<String>,
    pub(super) remote_address: Option<String>,
    pub(super) started_at: Moment,
    pub(super) took: String,
    pub(super) phases: Option<PhaseBar>,
    pub(super) response_head: Option<String>,
    pub(super) response_body: Option<String>,
}

/// How long the parts of an attempt took, drawn to scale.
pub(super) struct PhaseBar {
    pub(super) parts: Vec<Part>,
}

/// One of them.
pub(super) struct Part {
    pub(super) tone: &'static str,
    pub(super) name: &'static str,
    pub(super) took: String,
    /// Where it begins and how wide it is, of a thousand.
    pub(super) x: u128,
    pub(super) width: u128,
}

async fn show(State(dash): State<Dashboard>, visitor: May<Read>, Path(id): Path<String>, Query(query): Query) -> Page {
    let id: DeliveryId = id.parse().map_err(|_| PageError::NotFound)?;
    let detail = dash.store.delivery(visitor.scope(), id).await?.ok_or(PageError::NotFound)?;
    let event = dash.store.event(visitor.scope(), detail.summary.delivery.event_id).await?.ok_or(PageError::NotFound)?.event;
    let request = dash.trials.preview(detail.webhook.clone(), &event).await;
    let lane = dash.lanes.view(&detail.webhook).await?.lane;
    page(&view(&dash, &visitor, (detail, lane), request, query.get("done")))
}

fn view(
    dash: &Dashboard,
    visitor: &Visitor,
    (detail, lane): (DeliveryDetail, LaneView),
    request: Result<RequestPreview, Unpresentable>,
    done: Option<&str>,
) -> DeliveryPage {
    let w = visitor.language.words();
    let (summary, webhook) = (detail.summary, detail.webhook);
    let delivery = &summary.delivery;
    let last = detail.attempts.last().map(|attempt| &attempt.outcome);
    let standing = Standing { delivery, webhook: &webhook.state, lane: &lane, last, now: dash.clock.now() };
    let may_operate = visitor.may(Permission::Operate);
    let written = |time| dash.moment(time).into_text();
    DeliveryPage {
        explanation: match visitor.language {
            Language::English => standing.explain(written),
            Language::Portuguese => standing.explain_in_portuguese(written),
        },
        next_attempt_at: standing.next_attempt_at().map(|time| dash.moment(time)),
        frame: Frame::of(visitor, Section::Deliveries, format!("{} {}", w.delivery, summary.subject), done),
        w,
        id: delivery.id,
        event_id: delivery.event_id,
        webhook_id: webhook.id,
        event_type: summary.event_type.to_string(),
        badge: Badge::delivery(w, delivery.state),
        created_at: dash.moment(delivery.created_at),
        finished_at: delivery.finished_at.map(|time| dash.moment(time)),
        attempts: detail.attempts.iter().rev().map(|attempt| AttemptView::of(dash, w, attempt)).collect(),
        request: request.map_or_else(Request::none, Request::from),
        may_redeliver: may_operate && delivery.state != DeliveryState::InFlight,
        may_cancel: may_operate && delivery.state == DeliveryState::Pending,
        webhook: webhook.definition.name,
        subject: summary.subject,
    }
}

impl AttemptView {
    pub(super) fn of(dash: &Dashboard, w: &'static Words, attempt: &Attempt) -> Self {
        let Exchange { status, detail, remote_address, phases, response_head, response_body } = attempt.exchange.clone();
        let why = match &attempt.outcome {
            AttemptOutcome::Delivered => String::new(),
            AttemptOutcome::Retryable(reason) | AttemptOutcome::Permanent(reason) => failure(w, reason),
        };
        Self {
            number: attempt.number,
            badge: Badge::attempt(w, &attempt.outcome),
            why,
            status,
            detail,
            remote_address: remote_address.map(|address| address.to_string()),
            started_at: dash.moment(attempt.started_at),
            took: span(attempt.finished_at.since(attempt.started_at)),
            phases: PhaseBar::of(w, phases),
            response_head,
            response_body: response_body.filter(|body| !body.is_empty()).map(|body| String::from_utf8_lossy(&body).into_owned()),
        }
    }
}

impl PhaseBar {
    fn of(w: &'static Words, phases: Phases) -> Option<Self> {
        let known = [
            ("login", w.phase_login, phases.login),
            ("connect", w.phase_connect, phases.connect),
            ("answer", w.phase_wait, phases.wait()),
            ("body", w.phase_body, phases.body),
        ];
        let known: Vec<(_, _, Duration)> = known.into_iter().filter_map(|(tone, name, took)| Some((tone, name, took?))).collect();
        let total = known.iter().map(|(.., took)| took.as_micros()).sum::<u128>().max(1);
        let mut x = 0;
        let parts = known.into_iter().map(|(tone, name, took)| {
            let part = Part { tone, name, took: span(took), x, width: took.as_micros() * 1_000 / total };
            x += part.width;
            part
        });
        let parts: Vec<Part> = parts.collect();
        (!parts.is_empty()).then_some(Self { parts })
    }
}

async fn redeliver(State(dash): State<Dashboard>, visitor: May<Operate>, Path(id): Path<String>) -> Page {
    let id: DeliveryId = id.parse().map_err(|_| PageError::NotFound)?;
    let by = visitor.by(dash.clock.now());
    let change = dash.store.redeliver(by.scope, id, by.now(), Some(by.actor)).await?;
    changed(id, change, "redelivered")
}

async fn cancel(State(dash): State<Dashboard>, visitor: May<Operate>, Path(id): Path<String>) -> Page {
    let id: DeliveryId = id.parse().map_err(|_| PageError::NotFound)?;
    let by = visitor.by(dash.clock.now());
    let change = dash.store.cancel(by.scope, id, by.now(), Some(by.actor)).await?;
    changed(id, change, "cancelled")
}

fn changed(id: DeliveryId, change: DeliveryChange, done: &str) -> Page {
    match change {
        DeliveryChange::Changed => Ok(Redirect::to(&format!("/dashboard/deliveries/{id}?done={done}")).into_response()),
        DeliveryChange::NotFound => Err(PageError::NotFound),
        DeliveryChange::NotAllowedIn(_) => Err(PageError::Conflict(Clash::DeliveryState)),
        DeliveryChange::WebhookDeleted => Err(PageError::Conflict(Clash::WebhookDeleted)),
    }
}
