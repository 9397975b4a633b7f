//! Redeliveries of many: jobs, and the steps that work them, each a transaction with how far it came.
//!
//! A step locks its job's row and passes over those that others have locked: one node at a time works a job.

use async_trait::async_trait;
use sqlx::{PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

use super::PostgresStore;
use super::audit::Hand;
use super::connections::Call;
use super::delivery_list::first_id_at;
use super::value::{At, kept};
use super::webhooks::client_of;
use crate::domain::audit::{Action, Actor, Change};
use crate::domain::event::EventType;
use crate::domain::ids::{ClientId, DeliveryId, EventId, IdSource, RedeliveryJobId, WebhookId};
use crate::domain::redelivery::{RedeliveryJob, RedeliveryJobState, RedeliveryWanted, end_of};
use crate::domain::stats::Counted;
use crate::domain::time::Timestamp;
use crate::store::contract::Redeliveries;
use crate::store::error::StoreError;
use crate::store::records::{JobChange, JobStep, Page, Scope};
use crate::store::redelivery::{LOOKED_AT, LOOKS, Seen, Step, seen_dead_letters, seen_events, wanted_among};
use crate::store::rows::{Fields, dead_letter, dead_letter_columns, event_delivery, job_columns, redelivery_job, wanted_columns};
use crate::store::signal::Signal;

const INSERT: &str = concat!(
    "insert into redelivery_job (",
    job_columns!(),
    ") values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)"
);

const ONE: &str = concat!("select ", job_columns!(), " from redelivery_job where id = $1 and ($2::uuid is null or client_id = $2)");

/// As above, held for a change.
const ONE_HELD: &str =
    concat!("select ", job_columns!(), " from redelivery_job where id = $1 and ($2::uuid is null or client_id = $2) for no key update");

/// Along the index `redelivery_job_running`.
pub(super) const IS_DUE: &str = "select exists (select from redelivery_job where state = 'running' and step_due_at <= $1)";

/// The job whose step is due the longest, unless another node works it.
pub(super) const DUE: &str = concat!(
    "select ",
    job_columns!(),
    " from redelivery_job where state = 'running' and step_due_at <= $1 order by step_due_at, id limit 1 for no key update skip locked"
);

const MOVE_ON: &str = "
    update redelivery_job set state = $2, cursor = $3, examined = $4, redelivered = $5, step_due_at = $6, finished_at = $7 where id = $1";

const END: &str = "update redelivery_job set state = $2, finished_at = $3 where id = $1";

/// Held against its deletion.
const HOLD_WEBHOOK: &str = "select true from webhook where id = $1 and client_id = $2 and deleted_at is null for key share";

/// Of two jobs that give a webhook what it has not got, one waits and sees what the other made.
const HOLD_WEBHOOK_FOR_STEP: &str = "select true from webhook where id = $1 and deleted_at is null for no key update";

/// A page of dead letters: by ids alone, and only then whole. Each is looked up by itself, whatever the tables held when the
/// plan was made.
macro_rules! dead_letters {
    ($owner:literal) => {
        concat!(
            "select ",
            dead_letter_columns!(),
            " from (
                select d.id from delivery d where d.",
            $owner,
            " = $1 and d.state = 'dead_lettered' and d.id > $2 and d.id < $3
                order by d.id limit $4) page
            cross join lateral (select * from delivery where delivery.id = page.id limit 1) d
            cross join lateral (select * from event where event.id = d.event_id limit 1) e
            cross join lateral (select * from webhook where webhook.id = d.webhook_id limit 1) w
            order by d.id"
        )
    };
}

pub(super) const DEAD_LETTERS_OF_CLIENT: &str = dead_letters!("client_id");

pub(super) const DEAD_LETTERS_OF_WEBHOOK: &str = dead_letters!("webhook_id");

/// A page of the events that a webhook wants, with its deliveries of them.
pub(super) const EVENTS_WANTED: &str = "
    select page.id, d.id, d.state from (
        select e.id from event e
        where e.client_id = $1 and e.id > $2 and e.id < $3 and e.created_at >= $4
            and exists (select from webhook_event x where x.client_id = e.client_id and x.event_type = e.event_type and x.webhook_id = $5)
        order by e.id limit $6) page
    left join lateral (select * from delivery own where own.event_id = page.id offset 0) d on d.webhook_id = $5
    order by page.id, d.id";

/// Leaves alone what somebody sent again, and what is to be of a webhook that is deleted (which is locked against that).
const REDELIVER_ALL: &str = "
    with alive as materialized (
        select d.id from delivery d join webhook w on w.id = d.webhook_id
        where d.id = any($1::uuid[]) and w.deleted_at is null order by d.id for key share of w)
    update delivery d set state = 'pending', due_at = $2, attempts_before_series = attempts, dead_letter_reason = null, finished_at = null
    from alive where d.id = alive.id and d.state in ('dead_lettered', 'cancelled')
    returning d.id, d.webhook_id";

const MAKE_ALL: &str = "
    with made as (
        insert into delivery (id, event_id, webhook_id, client_id, state, due_at, created_at)
        select m.id, e.id, $3, $4, 'pending', $5, $5 from unnest($1::uuid[], $2::uuid[]) as m (id, event_id) join event e on e.id = m.event_id
        returning event_id)
    update event set bare = false where id in (select event_id from made) and bare";

#[async_trait]
impl Redeliveries for PostgresStore {
    async fn count_wanted(&self, client_id: ClientId, wanted: RedeliveryWanted, now: Timestamp) -> Result<Counted, StoreError> {
        self.connections.call(move |call| Box::pin(async move { count_wanted(call.db, client_id, &wanted, now).await })).await
    }

    async fn insert_redelivery_job(&self, job: RedeliveryJob, by: Option<Actor>) -> Result<bool, StoreError> {
        let hand = self.hand(by);
        self.connections.write(move |call| Box::pin(async move { insert(call.db, &job, &hand).await })).await
    }

    async fn redelivery_job(&self, scope: Scope, id: RedeliveryJobId) -> Result<Option<RedeliveryJob>, StoreError> {
        self.connections.call(move |call| Box::pin(one(call.db, ONE, scope, id))).await
    }

    async fn redelivery_jobs(&self, scope: Scope, page: Page<RedeliveryJobId>) -> Result<Vec<RedeliveryJob>, StoreError> {
        self.connections.call(move |call| Box::pin(list(call.db, scope, page))).await
    }

    async fn cancel_redelivery_job(
        &self,
        scope: Scope,
        id: RedeliveryJobId,
        now: Timestamp,
        by: Option<Actor>,
    ) -> Result<JobChange, StoreError> {
        let hand = self.hand(by);
        self.connections.write(move |call| Box::pin(async move { cancel(call.db, (scope, id), now, &hand).await })).await
    }

    async fn redelivery_step(&self, now: Timestamp) -> Result<Option<JobStep>, StoreError> {
        // Nearly always there is none: that needs no transaction.
        if !self.connections.call(move |call| Box::pin(is_due(call.db, now))).await? {
            return Ok(None);
        }
        let hand = self.hand(None);
        self.connections.write(move |call| Box::pin(async move { take_step(call, now, &hand.ids).await })).await
    }
}

async fn is_due(db: &mut PgConnection, now: Timestamp) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(IS_DUE).bind(At(now)).fetch_one(db).await?)
}

async fn one(db: &mut PgConnection, sql: &'static str, scope: Scope, id: RedeliveryJobId) -> Result<Option<RedeliveryJob>, StoreError> {
    let row = sqlx::query(sql).bind(id.as_uuid()).bind(client_of(scope)).fetch_optional(db).await?;
    row.as_ref().map(|row| redelivery_job(row)).transpose()
}

async fn list(db: &mut PgConnection, scope: Scope, page: Page<RedeliveryJobId>) -> Result<Vec<RedeliveryJob>, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new(concat!("select ", job_columns!(), " from redelivery_job where true"));
    if let Scope::Client(client_id) = scope {
        query.push(" and client_id = ").push_bind(client_id.as_uuid());
    }
    if let Some(before) = page.before {
        query.push(" and id < ").push_bind(before.as_uuid());
    }
    query.push(" order by id desc limit ").push_bind(i64::from(page.limit));
    query.build().fetch_all(db).await?.iter().map(|row| redelivery_job(row)).collect()
}

async fn insert(db: &mut PgConnection, job: &RedeliveryJob, hand: &Hand) -> Result<bool, StoreError> {
    let (kind, filter) = wanted_columns(&job.wanted);
    let client_id = job.client_id.as_uuid();
    if let Some(webhook_id) = filter.webhook_id
        && sqlx::query(HOLD_WEBHOOK).bind(webhook_id.as_uuid()).bind(client_id).fetch_optional(&mut *db).await?.is_none()
    {
        return Ok(false);
    }
    let query = sqlx::query(INSERT)
        .bind(job.id.as_uuid())
        .bind(client_id)
        .bind(kind)
        .bind(filter.webhook_id.map(WebhookId::as_uuid))
        .bind(filter.reason.as_deref().map(kept))
        .bind(filter.event_type.as_ref().map(EventType::as_str))
        .bind(filter.subject.as_deref().map(kept))
        .bind(filter.from.map(At))
        .bind(filter.to.map(At))
        .bind(i64::from(job.per_second))
        .bind(job.state.as_str())
        .bind(job.matched.count.cast_signed())
        .bind(job.matched.has_more)
        .bind(job.cursor)
        .bind(job.examined.cast_signed())
        .bind(job.redelivered.cast_signed())
        .bind(At(job.created_at))
        .bind(At(job.step_due_at))
        .bind(job.finished_at.map(At));
    query.execute(&mut *db).await?;
    hand.note(db, || Some(Change::redelivery_job(Action::Create, job))).await?;
    Ok(true)
}

async fn cancel(
    db: &mut PgConnection,
    (scope, id): (Scope, RedeliveryJobId),
    now: Timestamp,
    hand: &Hand,
) -> Result<JobChange, StoreError> {
    match one(&mut *db, ONE_HELD, scope, id).await? {
        None => Ok(JobChange::NotFound),
        Some(job) if job.state != RedeliveryJobState::Running => Ok(JobChange::NotAllowedIn(job.state)),
        Some(job) => {
            sqlx::query(END).bind(id.as_uuid()).bind(RedeliveryJobState::Cancelled.as_str()).bind(At(now)).execute(&mut *db).await?;
            hand.note(db, || Some(Change::redelivery_job(Action::Cancel, &job))).await?;
            Ok(JobChange::Changed)
        }
    }
}

/// What comes next after `cursor`, as far as one look reaches.
async fn look(
    db: &mut PgConnection,
    client_id: ClientId,
    wanted: &RedeliveryWanted,
    (cursor, ends_at): (Option<Uuid>, Timestamp),
) -> Result<Seen, StoreError> {
    let (after, before, limit) = (cursor.unwrap_or_default(), first_id_at(ends_at), i64::from(LOOKED_AT));
    match wanted {
        RedeliveryWanted::DeadLetters(filter) => {
            let (sql, owner) = match filter.webhook_id {
                Some(webhook_id) => (DEAD_LETTERS_OF_WEBHOOK, webhook_id.as_uuid()),
                None => (DEAD_LETTERS_OF_CLIENT, client_id.as_uuid()),
            };
            let rows = sqlx::query(sql).bind(owner).bind(after).bind(before).bind(limit).fetch_all(db).await?;
            let dead = rows.iter().map(|row| dead_letter(row)).collect::<Result<Vec<_>, _>>()?;
            Ok(seen_dead_letters(&dead, filter))
        }
        RedeliveryWanted::Undelivered { webhook_id, since } => {
            let after = after.max(first_id_at(*since));
            let query = sqlx::query(EVENTS_WANTED).bind(client_id.as_uuid()).bind(after).bind(before);
            let rows = query.bind(At(*since)).bind(webhook_id.as_uuid()).bind(limit).fetch_all(db).await?;
            let events = rows.iter().map(|row| event_delivery(row)).collect::<Result<Vec<_>, _>>()?;
            Ok(seen_events(&events))
        }
    }
}

async fn count_wanted(
    db: &mut PgConnection,
    client_id: ClientId,
    wanted: &RedeliveryWanted,
    now: Timestamp,
) -> Result<Counted, StoreError> {
    let (mut counted, mut cursor) = (Counted::default(), None);
    for _ in 0..LOOKS {
        let seen = look(&mut *db, client_id, wanted, (cursor, end_of(now))).await?;
        counted.count += wanted_among(&seen);
        cursor = seen.last().map(|(id, _)| *id);
        if u64::from(LOOKED_AT) > seen.len() as u64 {
            return Ok(counted);
        }
    }
    Ok(Counted { has_more: true, ..counted })
}

async fn take_step(call: &mut Call<'_>, now: Timestamp, ids: &IdSource) -> Result<Option<JobStep>, StoreError> {
    let Some(row) = sqlx::query(DUE).bind(At(now)).fetch_optional(&mut *call.db).await? else {
        return Ok(None);
    };
    let job = redelivery_job(&row)?;
    let step = next_step(call.db, &job).await?;
    let mut due = redeliver_all(call.db, &step.again, now).await?;
    if let RedeliveryWanted::Undelivered { webhook_id, .. } = job.wanted
        && !step.make.is_empty()
    {
        make_all(call.db, &step.make, (job.client_id, webhook_id), now, ids).await?;
        due.push(webhook_id);
    }
    due.sort_unstable();
    due.dedup();
    if !due.is_empty() {
        call.signal(Signal::Due(due.into()));
    }
    let job = job.after(&step.taken, now);
    move_on(call.db, &job).await?;
    Ok(Some(JobStep { job_id: job.id, redelivered: step.taken.redelivered, state: job.state }))
}

/// Of a webhook that is deleted there is nothing left to do.
async fn next_step(db: &mut PgConnection, job: &RedeliveryJob) -> Result<Step, StoreError> {
    if let RedeliveryWanted::Undelivered { webhook_id, .. } = job.wanted
        && sqlx::query(HOLD_WEBHOOK_FOR_STEP).bind(webhook_id.as_uuid()).fetch_optional(&mut *db).await?.is_none()
    {
        return Ok(Step::of(Seen::new(), 0));
    }
    Ok(Step::of(look(db, job.client_id, &job.wanted, (job.cursor, job.ends_at())).await?, job.step_size()))
}

async fn redeliver_all(db: &mut PgConnection, deliveries: &[DeliveryId], now: Timestamp) -> Result<Vec<WebhookId>, StoreError> {
    if deliveries.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = deliveries.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query(REDELIVER_ALL).bind(ids).bind(At(now)).fetch_all(db).await?;
    rows.iter()
        .map(|row| {
            let mut fields = Fields::of(row, "delivery");
            fields.id::<DeliveryId>("id")?;
            fields.id("webhook_id")
        })
        .collect()
}

async fn make_all(
    db: &mut PgConnection,
    events: &[EventId],
    (client_id, webhook_id): (ClientId, WebhookId),
    now: Timestamp,
    ids: &IdSource,
) -> Result<(), StoreError> {
    let deliveries: Vec<Uuid> = events.iter().map(|_| ids.next::<DeliveryId>(now).as_uuid()).collect();
    let events: Vec<Uuid> = events.iter().map(|id| id.as_uuid()).collect();
    let query = sqlx::query(MAKE_ALL).bind(deliveries).bind(events).bind(webhook_id.as_uuid()).bind(client_id.as_uuid());
    query.bind(At(now)).execute(db).await?;
    Ok(())
}

async fn move_on(db: &mut PgConnection, job: &RedeliveryJob) -> Result<(), StoreError> {
    let query = sqlx::query(MOVE_ON)
        .bind(job.id.as_uuid())
        .bind(job.state.as_str())
        .bind(job.cursor)
        .bind(job.examined.cast_signed())
        .bind(job.redelivered.cast_signed())
        .bind(At(job.step_due_at))
        .bind(job.finished_at.map(At));
    query.execute(db).await?;
    Ok(())
}
