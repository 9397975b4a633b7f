//! Sending many dead letters again: counted first, at a bounded rate, watched, and stopped. The work is a job of the store,
//! which survives whoever began it.

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect};
use axum::routing::post;

use super::Page;
use super::dead_letters::{self, PATH};
use super::error::{Clash, PageError};
use super::names::Names;
use super::pairs::{Form, Pairs, address};
use super::state::Dashboard;
use super::view::{Badge, Moment, counted, given_up};
use super::visitor::{May, Visitor};
use super::words::Words;
use crate::domain::delivery::DeadLetterReason;
use crate::domain::ids::{ClientId, RedeliveryJobId, WebhookId};
use crate::domain::permission::Operate;
use crate::domain::redelivery::{
    DEFAULT_PER_SECOND, DeadLetterFilter, MOST_PER_SECOND, RedeliveryJob, RedeliveryJobState, RedeliveryWanted,
};
use crate::store::records::{JobChange, Page as StorePage};

/// So many of the newest jobs are shown.
const SHOWN: u32 = 5;

pub(super) fn routes() -> Router<Dashboard> {
    Router::new().route("/dead-letters/redeliver-all", post(redeliver_all)).route("/redelivery-jobs/{id}/cancel", post(cancel))
}

/// A job as the page shows it.
pub(super) struct JobRow {
    pub(super) id: RedeliveryJobId,
    pub(super) what: String,
    pub(super) badge: Badge,
    pub(super) redelivered: u64,
    pub(super) matched: String,
    /// For a progress bar, which needs a greatest value.
    pub(super) most: u64,
    pub(super) per_second: u32,
    pub(super) created_at: Moment,
    pub(super) is_running: bool,
}

/// The newest jobs of a scope.
pub(super) async fn jobs(dash: &Dashboard, visitor: &Visitor) -> Result<Vec<JobRow>, PageError> {
    let jobs = dash.store.redelivery_jobs(visitor.scope(), StorePage { limit: SHOWN, before: None }).await?;
    let names = Names::of(dash, visitor.scope(), jobs.iter().filter_map(|job| webhook_of(&job.wanted))).await?;
    let w = visitor.language.words();
    Ok(jobs.iter().map(|job| JobRow::of(dash, w, &names, job)).collect())
}

fn webhook_of(wanted: &RedeliveryWanted) -> Option<WebhookId> {
    match wanted {
        RedeliveryWanted::DeadLetters(filter) => filter.webhook_id,
        RedeliveryWanted::Undelivered { webhook_id, .. } => Some(*webhook_id),
    }
}

/// What is sent again, in words.
fn in_words(dash: &Dashboard, w: &'static Words, names: &Names, wanted: &RedeliveryWanted) -> String {
    let webhook = webhook_of(wanted).map_or_else(|| w.any.to_owned(), |id| names.get(id));
    match wanted {
        RedeliveryWanted::DeadLetters(filter) => {
            let reason = filter.reason.as_deref().and_then(DeadLetterReason::parse);
            let reason = reason.map_or_else(|| w.dead_letters.to_owned(), |reason| given_up(w, &reason));
            format!("{webhook}: {reason}")
        }
        RedeliveryWanted::Undelivered { since, .. } => format!("{webhook}: {} {}", w.since, dash.moment(*since).into_text()),
    }
}

/// What would be sent again with the filter that `form` says, in words.
pub(super) async fn about(dash: &Dashboard, visitor: &Visitor, form: &Pairs) -> Result<String, PageError> {
    let wanted = RedeliveryWanted::DeadLetters(filter(form));
    let names = Names::of(dash, visitor.scope(), webhook_of(&wanted).into_iter()).await?;
    Ok(in_words(dash, visitor.language.words(), &names, &wanted))
}

impl JobRow {
    fn of(dash: &Dashboard, w: &'static Words, names: &Names, job: &RedeliveryJob) -> Self {
        let (tone, word) = match job.state {
            RedeliveryJobState::Running => ("busy", w.job_running),
            RedeliveryJobState::Done => ("good", w.job_done),
            RedeliveryJobState::Cancelled => ("off", w.cancelled),
        };
        Self {
            id: job.id,
            what: in_words(dash, w, names, &job.wanted),
            badge: Badge::new(tone, word),
            redelivered: job.redelivered,
            matched: counted(job.matched),
            most: job.matched.count.max(job.redelivered).max(1),
            per_second: job.per_second,
            created_at: dash.moment(job.created_at),
            is_running: job.state == RedeliveryJobState::Running,
        }
    }
}

/// What came of a form that asks for many.
pub(super) enum Answered {
    /// So many would be sent again.
    Counted(String),
    /// A job sends them.
    Begun,
}

/// Counts what is wanted, or begins to send it again, as the form says.
pub(super) async fn answer(
    dash: &Dashboard,
    visitor: &Visitor,
    form: &Pairs,
    (client_id, wanted): (ClientId, RedeliveryWanted),
) -> Result<Answered, PageError> {
    let by = visitor.by(dash.clock.now());
    let matched = dash.store.count_wanted(client_id, wanted.clone(), by.now()).await?;
    if form.get("action") != Some("begin") {
        return Ok(Answered::Counted(counted(matched)));
    }
    let rate = per_second(form).parse().ok().filter(|rate| (1..=MOST_PER_SECOND).contains(rate)).ok_or(PageError::Unreadable)?;
    let job = RedeliveryJob::begin(dash.ids.next(by.now()), client_id, wanted, (rate, matched), by.now());
    let is_begun = dash.store.insert_redelivery_job(job, Some(by.actor)).await?;
    if is_begun { Ok(Answered::Begun) } else { Err(PageError::NotFound) }
}

/// How many a second, as it was typed.
pub(super) fn per_second(form: &Pairs) -> String {
    form.get("perSecond").map_or_else(|| DEFAULT_PER_SECOND.to_string(), str::to_owned)
}

async fn redeliver_all(State(dash): State<Dashboard>, visitor: May<Operate>, Form(form): Form) -> Page {
    let filter = filter(&form);
    let client_id = client_of(&dash, &visitor, &filter).await?;
    match answer(&dash, &visitor, &form, (client_id, RedeliveryWanted::DeadLetters(filter))).await? {
        Answered::Counted(matched) => dead_letters::shown(&dash, &visitor, &form, Some(matched)).await,
        Answered::Begun => Ok(back(&form, "begun")),
    }
}

fn filter(form: &Pairs) -> DeadLetterFilter {
    let reason = form.get("reason").and_then(DeadLetterReason::parse).map(|reason| reason.as_str().to_owned());
    DeadLetterFilter { webhook_id: form.get("webhook").and_then(|text| text.parse().ok()), reason, ..DeadLetterFilter::default() }
}

/// Whose deliveries: the visitor's own, or those of the webhook that a root key chose.
async fn client_of(dash: &Dashboard, visitor: &Visitor, filter: &DeadLetterFilter) -> Result<ClientId, PageError> {
    let webhook = match filter.webhook_id {
        Some(id) => Some(dash.store.webhook(visitor.scope(), id).await?.ok_or(PageError::NotFound)?),
        None => None,
    };
    webhook.map(|webhook| webhook.client_id).or(visitor.key.client_id).ok_or(PageError::Unreadable)
}

async fn cancel(State(dash): State<Dashboard>, visitor: May<Operate>, Path(id): Path<String>, Form(form): Form) -> Page {
    let id: RedeliveryJobId = id.parse().map_err(|_| PageError::NotFound)?;
    let by = visitor.by(dash.clock.now());
    match dash.store.cancel_redelivery_job(by.scope, id, by.now(), Some(by.actor)).await? {
        JobChange::Changed => Ok(back(&form, "stopped")),
        JobChange::NotFound => Err(PageError::NotFound),
        JobChange::NotAllowedIn(_) => Err(PageError::Conflict(Clash::JobEnded)),
    }
}

/// To the dead letters, with the filter that was set.
fn back(form: &Pairs, done: &str) -> axum::response::Response {
    let (webhook, reason) = (form.get("webhook").unwrap_or_default(), form.get("reason").unwrap_or_default());
    Redirect::to(&address(PATH, &[("webhook", webhook), ("reason", reason), ("done", done)])).into_response()
}
