//! One webhook: its definition without its secrets, how its lane stands, what became of its deliveries, and what can be
//! done with it.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect};
use axum::routing::{get, post};
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};

use super::Page;
use super::deliveries::{self, Row};
use super::error::PageError;
use super::frame::{Frame, Section, page};
use super::lane::LaneWords;
use super::overview::Charts;
use super::pairs::{Form, Query};
use super::state::Dashboard;
use super::view::{Badge, Moment};
use super::visitor::{May, Visitor};
use super::webhooks::{PATH, events_in_words};
use super::words::Words;
use crate::domain::authorization::mask_authorization;
use crate::domain::client::Permission;
use crate::domain::headers::Headers;
use crate::domain::ids::{ClientId, WebhookId};
use crate::domain::permission::{ManageWebhooks, Operate, Read};
use crate::domain::stats::{StatsQuery, StatsWindow};
use crate::domain::target_url::LoginUrl;
use crate::domain::webhook::{DisableReason, Webhook, WebhookState};
use crate::management::edition::Edition;
use crate::management::signing::{self, Wanted};
use crate::management::webhooks;
use crate::store::records::{DeliveryFilter, Page as StorePage};

/// How many deliveries are shown beside a webhook.
const RECENT: u32 = 10;

pub(super) fn routes() -> Router<Dashboard> {
    Router::new()
        .route("/webhooks/{id}", get(show))
        .route("/webhooks/{id}/pause", post(pause))
        .route("/webhooks/{id}/resume", post(resume))
        .route("/webhooks/{id}/rotate", post(rotate))
        .route("/webhooks/{id}/delete", post(delete))
}

#[derive(Template)]
#[template(path = "webhook.html")]
struct WebhookPage {
    frame: Frame,
    w: &'static Words,
    id: WebhookId,
    client_id: ClientId,
    name: String,
    badge: Badge,
    disabled_because: Option<&'static str>,
    call: String,
    events: String,
    headers: Vec<String>,
    authorization: Vec<(&'static str, String)>,
    limits: Vec<(&'static str, String)>,
    signing: Option<Signing>,
    lane: LaneWords,
    created_at: Moment,
    updated_at: Moment,
    rows: Vec<Row>,
    charts: Charts,
    may_operate: bool,
    may_manage: bool,
    is_active: bool,
}

/// What is known of the keys that sign.
struct Signing {
    scheme: &'static str,
    key_id: String,
    created_at: Moment,
    previous_valid_until: Option<Moment>,
}

/// A key that is shown once.
#[derive(Template)]
#[template(path = "new_secret.html")]
struct NewSecret {
    frame: Frame,
    w: &'static Words,
    what: &'static str,
    secret: String,
    back: String,
}

pub(super) fn id_of(text: &str) -> Result<WebhookId, PageError> {
    text.parse().map_err(|_| PageError::NotFound)
}

async fn show(State(dash): State<Dashboard>, visitor: May<Read>, Path(id): Path<String>, Query(query): Query) -> Page {
    let webhook = webhooks::find(dash.desk(), visitor.scope(), id_of(&id)?, Edition::V1).await?;
    let filter = DeliveryFilter { webhook_id: Some(webhook.id), ..DeliveryFilter::all(visitor.scope()) };
    let recent = dash.store.deliveries(filter, StorePage { limit: RECENT, before: None }).await?;
    let rows = deliveries::rows(&dash, &visitor, recent).await?;
    let asked = StatsQuery { window: StatsWindow::Day, webhook_id: Some(webhook.id), now: dash.clock.now(), most_webhooks: 1 };
    let stats = dash.store.stats(visitor.scope(), asked).await?;
    let charts = Charts::of(&dash, visitor.language.words(), &stats.series);
    let lane = LaneWords::of(&dash, visitor.language.words(), &dash.lanes.view(&webhook).await?.lane);
    page(&WebhookPage::of(&dash, &visitor, webhook, (lane, rows, charts), query.get("done")))
}

impl WebhookPage {
    fn of(
        dash: &Dashboard,
        visitor: &Visitor,
        webhook: Webhook,
        (lane, rows, charts): (LaneWords, Vec<Row>, Charts),
        done: Option<&str>,
    ) -> Self {
        let w = visitor.language.words();
        let definition = &webhook.definition;
        let disabled_because = match webhook.state {
            WebhookState::Disabled(DisableReason::Gone) => Some(w.disabled_gone),
            WebhookState::Disabled(DisableReason::FailingTooLong) => Some(w.disabled_failing),
            WebhookState::Active | WebhookState::Paused => None,
        };
        Self {
            frame: Frame::of(visitor, Section::Webhooks, definition.name.clone(), done),
            w,
            id: webhook.id,
            client_id: webhook.client_id,
            badge: Badge::webhook(w, &webhook.state),
            disabled_because,
            call: format!("{} {}", definition.method.as_str(), definition.url.as_str()),
            events: events_in_words(&definition.events),
            headers: definition.headers.as_ref().map(header_lines).unwrap_or_default(),
            authorization: authorization(w, &webhook),
            limits: limits(w, &webhook),
            signing: Signing::of(dash, &webhook),
            lane,
            created_at: dash.moment(webhook.created_at),
            updated_at: dash.moment(webhook.updated_at),
            rows,
            charts,
            may_operate: visitor.may(Permission::Operate),
            may_manage: visitor.may(Permission::ManageWebhooks),
            is_active: webhook.state.is_active(),
            name: webhook.definition.name,
        }
    }
}

/// Headers a line each, secrets masked.
pub(super) fn header_lines(headers: &Headers) -> Vec<String> {
    headers.masked().map(|(name, value)| format!("{name}: {value}")).collect()
}

/// What is set of the authorization, secrets masked.
fn authorization(w: &'static Words, webhook: &Webhook) -> Vec<(&'static str, String)> {
    let fields = &webhook.definition.authorization;
    let all = [
        (w.header_auth, fields.header_auth.clone()),
        (w.authorization, fields.fixed.as_ref().map(|fixed| mask_authorization(fixed.expose_secret()))),
        (w.authorization_url, fields.url.as_ref().map(LoginUrl::as_str).map(str::to_owned)),
        (w.authorization_method, fields.method.map(|method| method.as_str().to_owned())),
        (w.authorization_headers, fields.headers.as_ref().map(|headers| header_lines(headers).join("\n"))),
        (w.authorization_body, fields.body.as_ref().map(|_| "****".to_owned())),
        (w.authorization_attribute, fields.response_token_attr.clone()),
        (w.client_certificate, fields.client_certificate.as_deref().map(|certificate| certificate.facts().subject.clone())),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// What the webhook says of its own deliveries.
fn limits(w: &'static Words, webhook: &Webhook) -> Vec<(&'static str, String)> {
    let delivery = &webhook.definition.delivery;
    let seconds = |delays: &[std::time::Duration]| delays.iter().map(|delay| delay.as_secs().to_string()).collect::<Vec<_>>().join(", ");
    let all = [
        (w.timeout, delivery.timeout.map(|timeout| timeout.as_millis().to_string())),
        (w.max_in_flight, delivery.max_in_flight.map(|most| most.to_string())),
        (w.rate_limit, delivery.rate_limit.map(|limit| format!("{} / {} s", limit.requests(), limit.period().as_secs()))),
        (w.retry_delays, delivery.retry.as_ref().map(|retry| seconds(retry.delays()))),
        (w.http_signature, delivery.http_signature.then(|| w.yes.to_owned())),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

impl Signing {
    fn of(dash: &Dashboard, webhook: &Webhook) -> Option<Self> {
        let keys = &webhook.signing_keys;
        let current = keys.current()?;
        Some(Self {
            scheme: current.secret.scheme().as_str(),
            key_id: current.id.to_string(),
            created_at: dash.moment(current.created_at),
            previous_valid_until: keys.previous_valid_until(dash.clock.now()).map(|time| dash.moment(time)),
        })
    }
}

async fn pause(State(dash): State<Dashboard>, visitor: May<Operate>, Path(id): Path<String>) -> Page {
    set_state(&dash, &visitor, &id, WebhookState::Paused, "paused").await
}

async fn resume(State(dash): State<Dashboard>, visitor: May<Operate>, Path(id): Path<String>) -> Page {
    set_state(&dash, &visitor, &id, WebhookState::Active, "resumed").await
}

async fn set_state(dash: &Dashboard, visitor: &Visitor, id: &str, state: WebhookState, done: &str) -> Page {
    let webhook = webhooks::set_state(dash.desk(), &visitor.by(dash.clock.now()), id_of(id)?, state).await?;
    Ok(Redirect::to(&format!("{PATH}/{}?done={done}", webhook.id)).into_response())
}

async fn delete(State(dash): State<Dashboard>, visitor: May<ManageWebhooks>, Path(id): Path<String>) -> Page {
    webhooks::delete(dash.desk(), &visitor.by(dash.clock.now()), id_of(&id)?, Edition::V1).await?;
    Ok(Redirect::to(&format!("{PATH}?done=deleted")).into_response())
}

/// The new key stands on the page that answers, and nowhere else ever after.
async fn rotate(State(dash): State<Dashboard>, visitor: May<ManageWebhooks>, Path(id): Path<String>, Form(form): Form) -> Page {
    let id = id_of(&id)?;
    let hours =
        form.get("overlapHours").map(|text| text.parse::<u64>().map_or(Value::from(text), |hours| json!(hours.saturating_mul(3_600))));
    let fields = [("scheme", form.get("scheme").map(Value::from)), ("overlapSeconds", hours)];
    let object: Map<String, Value> = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    let wanted = Wanted::read(&object).map_err(|_| PageError::Unreadable)?;
    let rotated = signing::rotate(dash.desk(), &visitor.by(dash.clock.now()), id, wanted, &(dash.token_chance)()).await?;
    let w = visitor.language.words();
    let frame = Frame::of(&visitor, Section::Webhooks, w.new_secret.to_owned(), None);
    let secret = rotated.secret.text_for_receiver().to_string();
    page(&NewSecret { frame, w, what: w.new_secret_how, secret, back: format!("{PATH}/{id}") })
}
