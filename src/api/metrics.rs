//! `/metrics`: what Prometheus asks for. Whom it is told is a setting.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{ConnectInfo, FromRequestParts, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use std::net::SocketAddr;

use super::auth::Allowed;
use super::error::ApiError;
use super::openapi::{Answer, AnswerShape, Input, Operation, Routes, schema_of};
use super::state::Api;
use crate::config::MetricsAccess;
use crate::domain::lane::LaneState;
use crate::domain::permission::Read;
use crate::domain::stats::{Health, StatsQuery, StatsWindow};
use crate::domain::time::Timestamp;
use crate::store::StoreError;
use crate::store::records::{KnownNode, Scope};
use crate::telemetry::metrics::{CONTENT_TYPE, Sights, StoreSights};

/// What the store told is good for so long, however often it is asked for.
const FRESH: Duration = Duration::from_secs(5);

/// A node is silent that did not say for so long that it lives.
const SILENT: Duration = Duration::from_secs(30);

/// Headers by which a proxy says for whom it asks.
const FORWARDED: [&str; 3] = ["forwarded", "x-forwarded-for", "x-real-ip"];

pub(super) fn routes() -> Routes {
    let show = Operation::new("showMetrics", "Tells what Prometheus asks for")
        .detail("In the OpenMetrics format. By default it needs no key from the machine itself: `server.metrics_access` says who may.");
    Routes::of("Metrics", "What Prometheus reads.").get("/metrics", show, self::show)
}

/// Somebody who may read metrics.
struct Reader;

impl FromRequestParts<Api> for Reader {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let is_open = match api.settings.metrics_access {
            MetricsAccess::Everybody => true,
            MetricsAccess::Loopback => is_local(parts),
            MetricsAccess::Key => false,
        };
        if !is_open {
            Allowed::<Read>::from_request_parts(parts, api).await?;
        }
        Ok(Self)
    }
}

/// A proxy on this machine asks for others.
fn is_local(parts: &Parts) -> bool {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let is_near = peer.is_some_and(|ConnectInfo(address)| address.ip().to_canonical().is_loopback());
    is_near && !FORWARDED.iter().any(|name| parts.headers.contains_key(*name))
}

impl Input for Reader {
    fn declare(operation: &mut Operation) {
        Allowed::<Read>::declare(operation);
    }
}

/// The text.
struct Text(String);

impl Answer for Text {
    fn declare(operation: &mut Operation) {
        operation.answers(AnswerShape::new(200, CONTENT_TYPE, schema_of::<String>));
    }
}

impl IntoResponse for Text {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, CONTENT_TYPE)], self.0).into_response()
    }
}

/// What the store told, and when.
#[derive(Default)]
pub(super) struct LastLook(Mutex<Option<(Timestamp, StoreSights)>>);

async fn show(State(api): State<Api>, _: Reader) -> Result<Text, ApiError> {
    let (now, lanes) = (api.clock.now(), api.lanes.counts());
    let sights = Sights {
        lanes: LaneState::ALL.map(|state| (state.as_str(), lanes.of(state))).to_vec(),
        in_flight: lanes.in_flight,
        store_connections: api.store.connections(),
        // Without the store there is the more to be told of the rest.
        store: look(&api, now).await.ok(),
    };
    api.metrics.text(&sights).map(Text).map_err(|_| ApiError::Panicked)
}

async fn look(api: &Api, now: Timestamp) -> Result<StoreSights, StoreError> {
    let last = api.last_look.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some((at, sights)) = last
        && now.since(at) < FRESH
        && at <= now
    {
        return Ok(sights);
    }
    let sights = ask(api, now).await?;
    *api.last_look.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, sights.clone()));
    Ok(sights)
}

async fn ask(api: &Api, now: Timestamp) -> Result<StoreSights, StoreError> {
    let query = StatsQuery { window: StatsWindow::QuarterHour, webhook_id: None, now, most_webhooks: usize::MAX };
    let stats = api.store.stats(Scope::All, query).await?;
    let nodes = api.store.nodes().await?;
    let silent = nodes.iter().filter(|KnownNode { silent_for, .. }| *silent_for > SILENT).count() as u64;
    let of_health = |health| stats.webhooks.iter().filter(|stats| stats.health() == health).count() as u64;
    Ok(StoreSights {
        pending: stats.backlog.pending.count,
        dead_letters: stats.backlog.dead_letters.count,
        oldest_due: stats.backlog.oldest_due_at.map(|due_at| now.since(due_at)).unwrap_or_default(),
        webhooks: Health::ALL.into_iter().map(|health| (health.as_str(), of_health(health))).collect(),
        nodes: (nodes.len() as u64 - silent, silent),
        free_bytes: api.store.fill(0).await?.free_bytes,
    })
}
