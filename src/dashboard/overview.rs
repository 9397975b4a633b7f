//! How everything is doing: what was delivered over time, how fast, what waits, and which webhook needs attention.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;

use super::Page;
use super::chart::{Chart, Series, Shape, Subject};
use super::frame::{Frame, Section, page};
use super::pairs::Query;
use super::state::Dashboard;
use super::view::{Badge, Choice, Moment, counted, span};
use super::visitor::May;
use super::words::Words;
use crate::domain::client::Permission;
use crate::domain::ids::WebhookId;
use crate::domain::permission::Read;
use crate::domain::stats::{Counts, Health, Stats, StatsBucket, StatsQuery, StatsWindow, WebhookStats};
use crate::domain::time::Timestamp;
use crate::store::records::KnownNode;

/// So many webhooks are shown, those that need attention most.
const MOST_WEBHOOKS: usize = 50;

pub(super) fn routes() -> Router<Dashboard> {
    Router::new().route("/", get(show))
}

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    frame: Frame,
    w: &'static Words,
    windows: Vec<Choice>,
    facts: Vec<Fact>,
    charts: Charts,
    webhooks: Vec<WebhookRow>,
    left_out: usize,
    nodes: Option<Vec<NodeRow>>,
}

/// A number that people look for first.
struct Fact {
    name: &'static str,
    value: String,
    /// Whether it calls for somebody.
    tone: &'static str,
}

struct WebhookRow {
    id: WebhookId,
    name: String,
    badge: Badge,
    attempts: u64,
    success: String,
    p95: String,
    pending: String,
    oldest: String,
    dead_letters: String,
}

struct NodeRow {
    name: String,
    role: &'static str,
    version: String,
    started_at: Moment,
    silent_for: String,
    in_flight: u64,
}

async fn show(State(dash): State<Dashboard>, visitor: May<Read>, Query(query): Query) -> Page {
    let w = visitor.language.words();
    let window = query.get("window").and_then(|text| text.parse().ok()).unwrap_or(StatsWindow::Hour);
    let now = dash.clock.now();
    let asked = StatsQuery { window, webhook_id: None, now, most_webhooks: MOST_WEBHOOKS };
    let stats = dash.store.stats(visitor.scope(), asked).await?;
    let nodes = if visitor.may(Permission::ManageClients) { Some(dash.store.nodes().await?) } else { None };
    page(&Overview {
        frame: Frame::of(&visitor, Section::Overview, w.overview.to_owned(), None),
        w,
        windows: windows(w, window),
        facts: facts(w, &stats.total, &stats, now),
        charts: Charts::of(&dash, w, &stats.series),
        webhooks: stats.webhooks.iter().map(|stats| WebhookRow::of(w, stats, now)).collect(),
        left_out: stats.webhooks_left_out,
        nodes: nodes.map(|nodes| nodes.into_iter().map(|known| NodeRow::of(&dash, known)).collect()),
    })
}

/// The windows to choose from.
pub(super) fn windows(w: &'static Words, chosen: StatsWindow) -> Vec<Choice> {
    let name = |window| match window {
        StatsWindow::QuarterHour => w.quarter_hour,
        StatsWindow::Hour => w.hour,
        StatsWindow::Day => w.day,
        StatsWindow::Week => w.week,
    };
    StatsWindow::ALL.into_iter().map(|window| Choice::new(window.as_str(), name(window), chosen.as_str())).collect()
}

fn facts(w: &'static Words, total: &Counts, stats: &Stats, now: Timestamp) -> Vec<Fact> {
    let fact = |name, value: String, calls: bool| Fact { name, value, tone: if calls { "bad" } else { "" } };
    let quantile = |share| total.answers.quantile(share).map_or_else(|| "–".to_owned(), span);
    let waits_for = stats.backlog.oldest_due_at.map(|due_at| now.since(due_at));
    let rate = total.success_rate();
    vec![
        fact(w.success_rate, percent(rate), rate.is_some_and(|rate| rate < 0.99)),
        fact(w.delivered_count, total.delivered.to_string(), false),
        fact(w.failed_count, total.failed.to_string(), total.failed > 0),
        fact(w.retries, total.retries.to_string(), false),
        fact(w.p50, quantile(0.5), false),
        fact(w.p95, quantile(0.95), false),
        fact(w.p99, quantile(0.99), false),
        fact(w.pending_count, counted(stats.backlog.pending), false),
        fact(w.oldest_due, waits_for.map_or_else(|| "–".to_owned(), span), waits_for.is_some_and(|age| age.as_secs() >= 60)),
        fact(w.dead_letters, counted(stats.backlog.dead_letters), stats.backlog.dead_letters.count > 0),
    ]
}

/// A share as people read it; none of nothing.
fn percent(share: Option<f64>) -> String {
    // Never rounded up to a whole that it is not.
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", (share * 1_000.0).floor() / 10.0))
}

/// What happened over time, in two drawings.
pub(super) struct Charts {
    pub(super) outcomes: Chart,
    pub(super) latencies: Chart,
}

impl Charts {
    pub(super) fn of(dash: &Dashboard, w: &'static Words, series: &[StatsBucket]) -> Self {
        let times = || series.iter().map(|bucket| dash.moment(bucket.from)).collect();
        let count = |tone, name, of: fn(&Counts) -> u64| Series {
            tone,
            name,
            values: series.iter().map(|bucket| Some(number(of(&bucket.counts)))).collect(),
        };
        let quantile = |tone, name, share: f64| Series {
            tone,
            name,
            values: series.iter().map(|bucket| bucket.counts.answers.quantile(share).map(|took| took.as_secs_f64() * 1_000.0)).collect(),
        };
        let outcomes =
            Subject { id: "outcomes", title: w.outcomes_over_time, shape: Shape::Stacked, written: |value| format!("{value:.0}") };
        let latencies =
            Subject { id: "latencies", title: w.latency_over_time, shape: Shape::Lines, written: |value| format!("{value:.0} ms") };
        Self {
            outcomes: Chart::of(
                w,
                &outcomes,
                times(),
                &[
                    count("good", w.attempts_delivered, |counts| counts.delivered),
                    count("waiting", w.attempts_failed, |counts| counts.failed.saturating_sub(counts.dead_lettered)),
                    count("bad", w.given_up, |counts| counts.dead_lettered),
                ],
            ),
            latencies: Chart::of(
                w,
                &latencies,
                times(),
                &[quantile("p50", "p50", 0.5), quantile("p95", "p95", 0.95), quantile("p99", "p99", 0.99)],
            ),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a drawing needs no more digits than a double has")]
const fn number(count: u64) -> f64 {
    count as f64
}

impl WebhookRow {
    fn of(w: &'static Words, stats: &WebhookStats, now: Timestamp) -> Self {
        let health = stats.health();
        let (tone, word) = match health {
            Health::Idle => ("off", w.health_idle),
            Health::Healthy => ("good", w.health_healthy),
            Health::Paused => ("waiting", w.paused),
            Health::Degraded => ("waiting", w.health_degraded),
            Health::Failing => ("bad", w.health_failing),
            Health::Disabled => ("bad", w.disabled),
        };
        let oldest = stats.backlog.oldest_due_at.map(|due_at| now.since(due_at)).filter(|age| !age.is_zero());
        Self {
            id: stats.webhook.id,
            name: stats.webhook.name.clone(),
            badge: Badge::new(tone, word),
            attempts: stats.counts.attempts(),
            success: percent(stats.counts.success_rate()),
            p95: stats.counts.answers.quantile(0.95).map_or_else(|| "–".to_owned(), span),
            pending: counted(stats.backlog.pending),
            oldest: oldest.map_or_else(|| "–".to_owned(), span),
            dead_letters: counted(stats.backlog.dead_letters),
        }
    }
}

impl NodeRow {
    fn of(dash: &Dashboard, known: KnownNode) -> Self {
        let KnownNode { node, silent_for, claims } = known;
        Self {
            name: node.name,
            role: node.role.as_str(),
            version: node.version,
            started_at: dash.moment(node.started_at),
            silent_for: span(silent_for),
            in_flight: claims,
        }
    }
}
