//! `/v1/stats`: what became of attempts over a while, together, bucket by bucket and webhook by webhook.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use super::auth::Allowed;
use super::error::ApiError;
use super::openapi::{Operation, Routes, Time};
use super::query::Query;
use super::state::Api;
use crate::domain::ids::{ClientId, WebhookId};
use crate::domain::permission::Read;
use crate::domain::stats::{Backlog, Counts, Health, Stats, StatsBucket, StatsQuery, StatsWindow, WebhookStats};
use crate::domain::time::Timestamp;
use crate::domain::webhook::WebhookState;

/// How many webhooks are shown by themselves.
const MOST_WEBHOOKS: usize = 500;

pub(super) fn routes() -> Routes {
    let show = Operation::new("showStats", "Tells what became of attempts over a while")
        .detail("Together, bucket by bucket, and webhook by webhook: those that need attention most come first.");
    Routes::of("Statistics", "What became of attempts.").get("/v1/stats", show, self::show)
}

/// Which statistics.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[expect(dead_code, reason = "it tells callers what `show` reads")]
struct StatsParameters {
    /// How far back; an hour when it is left out.
    window: Option<StatsWindow>,
    /// Of this webhook alone.
    webhook_id: Option<WebhookId>,
}

/// What became of attempts.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Stats")]
struct StatsView {
    /// How far back.
    #[schemars(with = "StatsWindow")]
    window: &'static str,
    /// When the first bucket begins.
    #[schemars(with = "Time")]
    from: String,
    /// Until when: now.
    #[schemars(with = "Time")]
    to: String,
    /// How long a bucket is.
    bucket_seconds: u64,
    /// Everything together.
    total: TotalView,
    /// Bucket by bucket, the oldest first; the last one is under way.
    series: Vec<BucketView>,
    /// Webhook by webhook; those that need attention most come first.
    webhooks: Vec<WebhookStatsView>,
    /// How many more webhooks there are.
    webhooks_left_out: usize,
}

/// Everything together.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "StatsTotal")]
struct TotalView {
    #[serde(flatten)]
    counts: CountsView,
    #[serde(flatten)]
    backlog: BacklogView,
}

/// What happened in a part of the time.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "StatsBucket")]
struct BucketView {
    /// When it begins.
    #[schemars(with = "Time")]
    from: String,
    #[serde(flatten)]
    counts: CountsView,
}

/// What became of the attempts of one webhook.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "WebhookStats")]
struct WebhookStatsView {
    /// Which.
    webhook_id: WebhookId,
    /// Whose it is.
    client_id: ClientId,
    /// What people call it.
    name: String,
    /// Whether it is called.
    #[schemars(with = "WebhookState")]
    state: &'static str,
    /// How it is doing, in one word.
    #[schemars(with = "Health")]
    health: &'static str,
    #[serde(flatten)]
    counts: CountsView,
    #[serde(flatten)]
    backlog: BacklogView,
}

/// How often what happened.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "StatsCounts")]
struct CountsView {
    /// Attempts that ended.
    attempts: u64,
    /// Attempts that the receiver took.
    delivered: u64,
    /// Attempts that failed.
    failed: u64,
    /// Attempts that were not the first of their delivery.
    retries: u64,
    /// Deliveries that were given up.
    dead_lettered: u64,
    /// The share of attempts that the receiver took, from 0 to 1; null if there were none.
    success_rate: Option<f64>,
    /// How long receivers took to answer.
    latency_ms: LatencyView,
}

/// Milliseconds until so many of a hundred receivers had answered; null while none has.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Latency")]
struct LatencyView {
    /// Half of them.
    p50: Option<f64>,
    /// 95 of 100.
    p95: Option<f64>,
    /// 99 of 100.
    p99: Option<f64>,
}

/// What waits at the moment, and what was given up and is kept.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Backlog")]
struct BacklogView {
    /// Pending deliveries, as far as they were counted.
    pending: u64,
    /// Whether there are more.
    pending_has_more: bool,
    /// How long the earliest of them is due, in seconds; null while none is.
    oldest_due_seconds: Option<f64>,
    /// Dead letters, as far as they were counted.
    dead_letters: u64,
    /// Whether there are more.
    dead_letters_has_more: bool,
}

async fn show(State(api): State<Api>, caller: Allowed<Read>, mut query: Query<StatsParameters>) -> Result<Json<StatsView>, ApiError> {
    let window = query.parsed("window").unwrap_or(StatsWindow::Hour);
    let webhook_id = query.id("webhookId");
    query.finish()?;
    let now = api.clock.now();
    let stats = api.store.stats(caller.scope(), StatsQuery { window, webhook_id, now, most_webhooks: MOST_WEBHOOKS }).await?;
    if webhook_id.is_some() && stats.webhooks.is_empty() {
        return Err(ApiError::NotFound);
    }
    Ok(Json(StatsView::of(&api, &stats, now)))
}

impl StatsView {
    fn of(api: &Api, stats: &Stats, now: Timestamp) -> Self {
        Self {
            window: stats.period.window.as_str(),
            from: api.written(stats.period.from()),
            to: api.written(now),
            bucket_seconds: stats.period.bucket().as_secs(),
            total: TotalView { counts: CountsView::of(&stats.total), backlog: BacklogView::of(&stats.backlog, now) },
            series: stats.series.iter().map(|bucket| BucketView::of(api, bucket)).collect(),
            webhooks: stats.webhooks.iter().map(|stats| WebhookStatsView::of(stats, now)).collect(),
            webhooks_left_out: stats.webhooks_left_out,
        }
    }
}

impl BucketView {
    fn of(api: &Api, bucket: &StatsBucket) -> Self {
        Self { from: api.written(bucket.from), counts: CountsView::of(&bucket.counts) }
    }
}

impl WebhookStatsView {
    fn of(stats: &WebhookStats, now: Timestamp) -> Self {
        Self {
            webhook_id: stats.webhook.id,
            client_id: stats.webhook.client_id,
            name: stats.webhook.name.clone(),
            state: stats.webhook.state.as_str(),
            health: stats.health().as_str(),
            counts: CountsView::of(&stats.counts),
            backlog: BacklogView::of(&stats.backlog, now),
        }
    }
}

impl CountsView {
    fn of(counts: &Counts) -> Self {
        let quantile = |share| counts.answers.quantile(share).map(|took| rounded(took.as_secs_f64() * 1_000.0));
        Self {
            attempts: counts.attempts(),
            delivered: counts.delivered,
            failed: counts.failed,
            retries: counts.retries,
            dead_lettered: counts.dead_lettered,
            // Rounded down: only what never failed is 1.
            success_rate: counts.success_rate().map(|rate| (rate * 100_000.0).floor() / 100_000.0),
            latency_ms: LatencyView { p50: quantile(0.5), p95: quantile(0.95), p99: quantile(0.99) },
        }
    }
}

impl BacklogView {
    fn of(backlog: &Backlog, now: Timestamp) -> Self {
        Self {
            pending: backlog.pending.count,
            pending_has_more: backlog.pending.has_more,
            oldest_due_seconds: backlog.oldest_due_at.map(|due_at| rounded(now.since(due_at).as_secs_f64())),
            dead_letters: backlog.dead_letters.count,
            dead_letters_has_more: backlog.dead_letters.has_more,
        }
    }
}

/// To three decimals.
fn rounded(number: f64) -> f64 {
    (number * 1_000.0).round() / 1_000.0
}
