//! Redelivery of many: dead letters that fit a filter, or everything that a webhook has not got since some time. The work
//! is done in steps by jobs, which are seen and stopped here.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::answer::Accepted;
use super::auth::{Allowed, Caller};
use super::body::{JsonBody, OptionalBody};
use super::error::{ApiError, Conflict};
use super::fields::{Fields, Message, event_type, id, integer, text, time};
use super::openapi::{Operation, Routes, Time};
use super::path::PathId;
use super::query::{PageParameters, PageView, Query};
use super::state::Api;
use crate::domain::delivery::DeadLetterReason;
use crate::domain::event::{EventType, MAX_SUBJECT_CHARS};
use crate::domain::ids::{ClientId, RedeliveryJobId, WebhookId};
use crate::domain::permission::{Operate, Read};
use crate::domain::redelivery::{
    DEFAULT_PER_SECOND, DeadLetterFilter, MOST_PER_SECOND, RedeliveryJob, RedeliveryJobState, RedeliveryWanted,
};
use crate::domain::time::Timestamp;
use crate::store::records::JobChange;

pub(super) fn routes() -> Routes {
    let redeliver = Operation::new("redeliverDeadLetters", "Sends dead letters again that fit a filter")
        .detail("A job does it at a bounded rate, and survives a restart. With `dryRun` they are counted alone, and no job is made.");
    let recover = Operation::new("recoverWebhook", "Sends a webhook everything again that it has not got since a time")
        .detail("Dead letters, what was called off, and events that it wants and has no delivery of. A job does it, as for dead letters.");
    let cancel = Operation::new("cancelRedeliveryJob", "Stops a redelivery of many")
        .detail("What it sent again stays so.")
        .conflicts([Conflict::JobEnded(RedeliveryJobState::Done)]);
    Routes::of("Redelivery", "Many deliveries sent again by one request.")
        .post("/v1/dead-letters/redeliver", redeliver, redeliver_dead_letters)
        .post("/v1/webhooks/{id}/recover", recover, self::recover)
        .get("/v1/redelivery-jobs", Operation::new("listRedeliveryJobs", "Lists redeliveries of many"), list)
        .get("/v1/redelivery-jobs/{id}", Operation::new("showRedeliveryJob", "Shows how far a redelivery of many has come"), show)
        .post("/v1/redelivery-jobs/{id}/cancel", cancel, self::cancel)
}

/// Which dead letters are sent again, and how fast. All that is left out fits everything.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", example = json!({"reason": "gone", "perSecond": 100}))]
#[expect(dead_code, reason = "it tells callers what `redeliver_dead_letters` reads")]
struct DeadLetterRedeliveryFields {
    /// For this webhook alone.
    webhook_id: Option<WebhookId>,
    /// Given up for this reason alone.
    reason: Option<DeadLetterReason>,
    /// Of events of this type alone.
    r#type: Option<EventType>,
    /// About this subject alone.
    #[schemars(length(min = 1, max = MAX_SUBJECT_CHARS))]
    subject: Option<String>,
    /// Made at this time or later.
    #[schemars(with = "Option<Time>")]
    from: Option<String>,
    /// Made before this time.
    #[schemars(with = "Option<Time>")]
    to: Option<String>,
    #[schemars(flatten)]
    terms: TermsFields,
}

/// From when on a webhook is sent what it has not got, and how fast.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", example = json!({"since": "2024-04-11T00:00:00Z"}))]
#[expect(dead_code, reason = "it tells callers what `recover` reads")]
struct RecoveryFields {
    /// Events accepted at this time or later.
    #[schemars(with = "Time")]
    since: String,
    #[schemars(flatten)]
    terms: TermsFields,
}

/// How a redelivery is worked.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[expect(dead_code, reason = "it tells callers what `read_terms` reads")]
struct TermsFields {
    /// Whether nothing is to be sent, and only counted what would be.
    dry_run: Option<bool>,
    /// How many a second at most; 50 when it is left out.
    #[schemars(range(min = 1, max = MOST_PER_SECOND))]
    per_second: Option<u32>,
}

/// A redelivery of many.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "RedeliveryJob")]
struct JobView {
    /// Its id; null of a dry run, which is nothing to come back to.
    id: Option<RedeliveryJobId>,
    /// Whose deliveries.
    client_id: ClientId,
    /// What is sent again: `deadLetters`, or what is `undelivered` since `from`.
    kind: &'static str,
    /// For this webhook alone.
    webhook_id: Option<WebhookId>,
    /// Given up for this reason alone.
    #[schemars(with = "Option<DeadLetterReason>")]
    reason: Option<String>,
    /// Of events of this type alone.
    #[schemars(with = "Option<EventType>")]
    r#type: Option<String>,
    /// About this subject alone.
    subject: Option<String>,
    /// From this time or later.
    #[schemars(with = "Option<Time>")]
    from: Option<String>,
    /// From before this time.
    #[schemars(with = "Option<Time>")]
    to: Option<String>,
    /// How many a second at most.
    per_second: u32,
    /// Where it stands: `running`, `done`, `cancelled`, or `dry_run`.
    state: &'static str,
    /// How many were wanted when it began, as far as they were counted.
    matched: u64,
    /// Whether there were more.
    matched_has_more: bool,
    /// How many were looked at.
    examined: u64,
    /// How many are sent again.
    redelivered: u64,
    /// When it began.
    #[schemars(with = "Time")]
    created_at: String,
    /// When it ended; null while it runs.
    #[schemars(with = "Option<Time>")]
    finished_at: Option<String>,
}

/// How a job is worked, or that none is begun.
struct Terms {
    dry_run: bool,
    per_second: u32,
}

async fn redeliver_dead_letters(
    State(api): State<Api>,
    caller: Allowed<Operate>,
    body: OptionalBody<DeadLetterRedeliveryFields>,
) -> Result<Accepted<JobView>, ApiError> {
    let object = body.object()?;
    let mut fields = Fields::of(&object);
    let filter = read_filter(&mut fields);
    let terms = read_terms(&mut fields);
    fields.finish(Some(()))?;
    begin(&api, &caller, caller.client_id()?, RedeliveryWanted::DeadLetters(filter), terms).await
}

async fn recover(
    State(api): State<Api>,
    caller: Allowed<Operate>,
    PathId(webhook_id): PathId<WebhookId>,
    body: JsonBody<RecoveryFields>,
) -> Result<Accepted<JobView>, ApiError> {
    let webhook = api.store.webhook(caller.scope(), webhook_id).await?.ok_or(ApiError::NotFound)?;
    let object = body.object()?;
    let mut fields = Fields::of(&object);
    let since = fields.required("since", time);
    let terms = read_terms(&mut fields);
    let since = fields.finish(since)?;
    begin(&api, &caller, webhook.client_id, RedeliveryWanted::Undelivered { webhook_id, since }, terms).await
}

fn read_filter(fields: &mut Fields<'_>) -> DeadLetterFilter {
    DeadLetterFilter {
        webhook_id: fields.optional("webhookId", id),
        reason: fields.optional("reason", reason),
        event_type: fields.optional("type", event_type),
        subject: fields.optional("subject", |value| text(value, 1..=MAX_SUBJECT_CHARS)).map(str::to_owned),
        from: fields.optional("from", time),
        to: fields.optional("to", time),
    }
}

fn read_terms(fields: &mut Fields<'_>) -> Terms {
    let dry_run = fields.optional("dryRun", |value| value.as_bool().ok_or_else(|| "must be true or false".into()));
    let per_second = fields.optional("perSecond", |value| integer(value, 1..=MOST_PER_SECOND));
    Terms { dry_run: dry_run.unwrap_or(false), per_second: per_second.unwrap_or(DEFAULT_PER_SECOND) }
}

/// A reason as dead letters show it.
fn reason(value: &Value) -> Result<String, Message> {
    let known = |word: &&str| DeadLetterReason::words().any(|known| known == *word);
    value.as_str().filter(known).map(str::to_owned).ok_or_else(|| "must be the reason of a dead letter, such as exhausted".into())
}

/// Counts what is wanted, and unless it is a dry run begins a job.
async fn begin(
    api: &Api,
    caller: &Caller,
    client_id: ClientId,
    wanted: RedeliveryWanted,
    terms: Terms,
) -> Result<Accepted<JobView>, ApiError> {
    let now = api.clock.now();
    if let RedeliveryWanted::DeadLetters(DeadLetterFilter { webhook_id: Some(webhook_id), .. }) = wanted
        && api.store.webhook(caller.scope(), webhook_id).await?.is_none()
    {
        return Err(ApiError::field("webhookId", "must name a webhook of the client"));
    }
    let matched = api.store.count_wanted(client_id, wanted.clone(), now).await?;
    let job = RedeliveryJob::begin(api.ids.next(now), client_id, wanted, (terms.per_second, matched), now);
    if terms.dry_run {
        return Ok(Accepted(JobView { id: None, state: "dry_run", ..JobView::of(api, job) }));
    }
    if api.store.insert_redelivery_job(job.clone(), Some(caller.actor(now))).await? {
        Ok(Accepted(JobView::of(api, job)))
    } else {
        Err(ApiError::NotFound)
    }
}

async fn list(
    State(api): State<Api>,
    caller: Allowed<Read>,
    mut query: Query<PageParameters>,
) -> Result<Json<PageView<JobView>>, ApiError> {
    let page = query.page::<RedeliveryJobId>();
    query.finish()?;
    let jobs = api.store.redelivery_jobs(caller.scope(), page.to_store()).await?;
    Ok(Json(page.show(jobs, |job| job.id.as_uuid(), |job| JobView::of(&api, job))))
}

async fn show(State(api): State<Api>, caller: Allowed<Read>, PathId(id): PathId<RedeliveryJobId>) -> Result<Json<JobView>, ApiError> {
    let job = api.store.redelivery_job(caller.scope(), id).await?.ok_or(ApiError::NotFound)?;
    Ok(Json(JobView::of(&api, job)))
}

async fn cancel(
    State(api): State<Api>,
    caller: Allowed<Operate>,
    PathId(id): PathId<RedeliveryJobId>,
) -> Result<Accepted<JobView>, ApiError> {
    let now = api.clock.now();
    match api.store.cancel_redelivery_job(caller.scope(), id, now, Some(caller.actor(now))).await? {
        JobChange::NotFound => Err(ApiError::NotFound),
        JobChange::NotAllowedIn(state) => Err(Conflict::JobEnded(state).into()),
        JobChange::Changed => {
            let job = api.store.redelivery_job(caller.scope(), id).await?.ok_or(ApiError::NotFound)?;
            Ok(Accepted(JobView::of(&api, job)))
        }
    }
}

impl JobView {
    fn of(api: &Api, job: RedeliveryJob) -> Self {
        let (kind, filter) = match job.wanted {
            RedeliveryWanted::DeadLetters(filter) => ("deadLetters", filter),
            RedeliveryWanted::Undelivered { webhook_id, since } => {
                ("undelivered", DeadLetterFilter { webhook_id: Some(webhook_id), from: Some(since), ..DeadLetterFilter::default() })
            }
        };
        let written = |time: Option<Timestamp>| time.map(|time| api.written(time));
        Self {
            id: Some(job.id),
            client_id: job.client_id,
            kind,
            webhook_id: filter.webhook_id,
            reason: filter.reason,
            r#type: filter.event_type.map(|event_type| event_type.to_string()),
            subject: filter.subject,
            from: written(filter.from),
            to: written(filter.to),
            per_second: job.per_second,
            state: job.state.as_str(),
            matched: job.matched.count,
            matched_has_more: job.matched.has_more,
            examined: job.examined,
            redelivered: job.redelivered,
            created_at: api.written(job.created_at),
            finished_at: written(job.finished_at),
        }
    }
}
