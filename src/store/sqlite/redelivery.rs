//! Redeliveries of many: jobs, and the steps that work them, each a transaction with how far it came.

use async_trait::async_trait;
use rusqlite::{Connection, ToSql};
use uuid::Uuid;

use super::SqliteStore;
use super::audit::Hand;
use super::deliveries::REDELIVER;
use super::delivery_list::first_id_at;
use super::event_redelivery::{Sent, make};
use super::statements::{Built, Statements};
use super::webhooks::client_of;
use super::writer::Transaction;
use crate::domain::audit::{Action, Actor, Change};
use crate::domain::ids::{ClientId, EventId, IdSource, RedeliveryJobId, WebhookId};
use crate::domain::redelivery::{RedeliveryJob, RedeliveryJobState, RedeliveryWanted, end_of};
use crate::domain::stats::Counted;
use crate::domain::time::Timestamp;
use crate::store::contract::Redeliveries;
use crate::store::error::StoreError;
use crate::store::records::{JobChange, JobStep, Page, Scope};
use crate::store::redelivery::{LOOKED_AT, LOOKS, Seen, Step, seen_dead_letters, seen_events, wanted_among};
use crate::store::rows::{Fields, dead_letter, dead_letter_columns, event_delivery, job_columns, redelivery_job, wanted_columns};
use crate::store::signal::Signal;

const INSERT: &str =
    concat!("insert into redelivery_job (", job_columns!(), ") values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");

const ONE: &str = concat!("select ", job_columns!(), " from redelivery_job where id = ?1 and (?2 is null or client_id = ?2)");

/// The job whose step is due the longest, along the index `redelivery_job_running`.
pub(super) const DUE: &str = concat!(
    "select ",
    job_columns!(),
    " from redelivery_job where state = 'running' and step_due_at <= ? order by step_due_at, id limit 1"
);

const MOVE_ON: &str = "
    update redelivery_job set state = ?2, cursor = ?3, examined = ?4, redelivered = ?5, step_due_at = ?6, finished_at = ?7 where id = ?1";

const END: &str = "update redelivery_job set state = ?2, finished_at = ?3 where id = ?1";

const WEBHOOK_IS_THERE: &str = "select count(*) from webhook where id = ? and client_id = ? and deleted_at is null";

/// A page of dead letters: by ids alone, and only then whole.
macro_rules! dead_letters {
    ($index:literal, $owner:literal) => {
        concat!(
            "select ",
            dead_letter_columns!(),
            " from (
                select d.id from delivery d indexed by ",
            $index,
            "
                where d.",
            $owner,
            " = ? and d.state = 'dead_lettered' and d.id > ? and d.id < ? order by d.id limit ?) page
            cross join delivery d on d.id = page.id cross join event e on e.id = d.event_id
            cross join webhook w on w.id = d.webhook_id
            order by d.id"
        )
    };
}

pub(super) const DEAD_LETTERS_OF_CLIENT: &str = dead_letters!("delivery_dead_letter", "client_id");

pub(super) const DEAD_LETTERS_OF_WEBHOOK: &str = dead_letters!("delivery_dead_letter_webhook", "webhook_id");

/// A page of the events that a webhook wants, with its deliveries of them.
pub(super) const EVENTS_WANTED: &str = "
    select page.id, d.id, d.state from (
        select e.id from event e indexed by event_client
        where e.client_id = ?1 and e.id > ?2 and e.id < ?3 and e.created_at >= ?4
            and exists (select 1 from webhook_event x where x.client_id = e.client_id and x.event_type = e.event_type and x.webhook_id = ?5)
        order by e.id limit ?6) page
    left join delivery d indexed by delivery_event on d.event_id = page.id and d.webhook_id = ?5
    order by page.id, d.id";

const WEBHOOK_OF: &str = "select webhook_id from delivery where id = ?";

#[async_trait]
impl Redeliveries for SqliteStore {
    async fn count_wanted(&self, client_id: ClientId, wanted: RedeliveryWanted, now: Timestamp) -> Result<Counted, StoreError> {
        self.readers.read(move |db| count_wanted(&*db.unchecked_transaction()?, client_id, &wanted, now)).await
    }

    async fn insert_redelivery_job(&self, job: RedeliveryJob, by: Option<Actor>) -> Result<bool, StoreError> {
        self.change(by, move |tx, hand| insert(tx.db, &job, hand)).await
    }

    async fn redelivery_job(&self, scope: Scope, id: RedeliveryJobId) -> Result<Option<RedeliveryJob>, StoreError> {
        self.readers.read(move |db| db.first(ONE, (id.as_uuid(), client_of(scope)), |row| redelivery_job(row))).await
    }

    async fn redelivery_jobs(&self, scope: Scope, page: Page<RedeliveryJobId>) -> Result<Vec<RedeliveryJob>, StoreError> {
        self.readers.read(move |db| job_list(scope, page).rows(db, |row| redelivery_job(row))).await
    }

    async fn cancel_redelivery_job(
        &self,
        scope: Scope,
        id: RedeliveryJobId,
        now: Timestamp,
        by: Option<Actor>,
    ) -> Result<JobChange, StoreError> {
        self.change(by, move |tx, hand| cancel(tx.db, (scope, id), now, hand)).await
    }

    async fn redelivery_step(&self, now: Timestamp) -> Result<Option<JobStep>, StoreError> {
        // Nearly always there is none: that is found out beside the writer.
        let due = self.readers.read(move |db| db.first(DUE, (now.as_micros(),), |row| redelivery_job(row))).await?;
        if due.is_none() {
            return Ok(None);
        }
        self.change_pending(None, move |tx, _, hand| take_step(tx, now, hand.ids)).await
    }
}

fn job_list(scope: Scope, page: Page<RedeliveryJobId>) -> Built {
    let mut query = Built::new(concat!("select ", job_columns!(), " from redelivery_job where true"));
    if let Scope::Client(client_id) = scope {
        query.push(" and client_id = ").bind_id(client_id.as_uuid());
    }
    if let Some(before) = page.before {
        query.push(" and id < ").bind_id(before.as_uuid());
    }
    query.push(" order by id desc limit ").bind(page.limit);
    query
}

fn insert(db: &Connection, job: &RedeliveryJob, hand: &Hand<'_>) -> Result<bool, StoreError> {
    let (kind, filter) = wanted_columns(&job.wanted);
    let client_id = job.client_id.as_uuid();
    if let Some(webhook_id) = filter.webhook_id
        && db.number(WEBHOOK_IS_THERE, (webhook_id.as_uuid(), client_id))? == 0
    {
        return Ok(false);
    }
    let (matched, examined) = (job.matched.count.cast_signed(), job.examined.cast_signed());
    let time = |time: Option<Timestamp>| time.map(Timestamp::as_micros);
    let values: [&dyn ToSql; 19] = [
        &job.id.as_uuid(),
        &client_id,
        &kind,
        &filter.webhook_id.map(WebhookId::as_uuid),
        &filter.reason,
        &filter.event_type.as_ref().map(crate::domain::event::EventType::as_str),
        &filter.subject,
        &time(filter.from),
        &time(filter.to),
        &job.per_second,
        &job.state.as_str(),
        &matched,
        &job.matched.has_more,
        &job.cursor,
        &examined,
        &job.redelivered.cast_signed(),
        &job.created_at.as_micros(),
        &job.step_due_at.as_micros(),
        &time(job.finished_at),
    ];
    db.change(INSERT, values)?;
    hand.note(db, || Some(Change::redelivery_job(Action::Create, job)))?;
    Ok(true)
}

fn cancel(db: &Connection, (scope, id): (Scope, RedeliveryJobId), now: Timestamp, hand: &Hand<'_>) -> Result<JobChange, StoreError> {
    match db.first(ONE, (id.as_uuid(), client_of(scope)), |row| redelivery_job(row))? {
        None => Ok(JobChange::NotFound),
        Some(job) if job.state != RedeliveryJobState::Running => Ok(JobChange::NotAllowedIn(job.state)),
        Some(job) => {
            db.change(END, (id.as_uuid(), RedeliveryJobState::Cancelled.as_str(), now.as_micros()))?;
            hand.note(db, || Some(Change::redelivery_job(Action::Cancel, &job)))?;
            Ok(JobChange::Changed)
        }
    }
}

/// What comes next after `cursor`, as far as one look reaches.
fn look(
    db: &Connection,
    client_id: ClientId,
    wanted: &RedeliveryWanted,
    (cursor, ends_at): (Option<Uuid>, Timestamp),
) -> Result<Seen, StoreError> {
    let (after, before) = (cursor.unwrap_or_default(), first_id_at(ends_at));
    match wanted {
        RedeliveryWanted::DeadLetters(filter) => {
            let (sql, owner) = match filter.webhook_id {
                Some(webhook_id) => (DEAD_LETTERS_OF_WEBHOOK, webhook_id.as_uuid()),
                None => (DEAD_LETTERS_OF_CLIENT, client_id.as_uuid()),
            };
            let dead = db.rows(sql, (owner, after, before, LOOKED_AT), |row| dead_letter(row))?;
            Ok(seen_dead_letters(&dead, filter))
        }
        RedeliveryWanted::Undelivered { webhook_id, since } => {
            let after = after.max(first_id_at(*since));
            let values = (client_id.as_uuid(), after, before, since.as_micros(), webhook_id.as_uuid(), LOOKED_AT);
            Ok(seen_events(&db.rows(EVENTS_WANTED, values, |row| event_delivery(row))?))
        }
    }
}

fn count_wanted(db: &Connection, client_id: ClientId, wanted: &RedeliveryWanted, now: Timestamp) -> Result<Counted, StoreError> {
    let (mut counted, mut cursor) = (Counted::default(), None);
    for _ in 0..LOOKS {
        let seen = look(db, client_id, wanted, (cursor, end_of(now)))?;
        counted.count += wanted_among(&seen);
        cursor = seen.last().map(|(id, _)| *id);
        if u64::from(LOOKED_AT) > seen.len() as u64 {
            return Ok(counted);
        }
    }
    Ok(Counted { has_more: true, ..counted })
}

fn take_step(tx: &mut Transaction<'_>, now: Timestamp, ids: &IdSource) -> Result<Option<JobStep>, StoreError> {
    let Some(job) = tx.db.first(DUE, (now.as_micros(),), |row| redelivery_job(row))? else {
        return Ok(None);
    };
    let seen = look(tx.db, job.client_id, &job.wanted, (job.cursor, job.ends_at()))?;
    let step = Step::of(seen, job.step_size());
    let mut due = Vec::new();
    for delivery in &step.again {
        tx.db.change(REDELIVER, (delivery.as_uuid(), now.as_micros()))?;
        due.extend(tx.db.first(WEBHOOK_OF, (delivery.as_uuid(),), |row| Fields::of(row, "delivery").id::<WebhookId>("webhook_id"))?);
    }
    if let RedeliveryWanted::Undelivered { webhook_id, .. } = job.wanted {
        make_all(tx.db, &step.make, (job.client_id, webhook_id), now, ids)?;
        due.extend((!step.make.is_empty()).then_some(webhook_id));
    }
    due.sort_unstable();
    due.dedup();
    if !due.is_empty() {
        tx.signal(Signal::Due(due.into()));
    }
    let job = job.after(&step.taken, now);
    move_on(tx.db, &job)?;
    Ok(Some(JobStep { job_id: job.id, redelivered: step.taken.redelivered, state: job.state }))
}

fn make_all(
    db: &Connection,
    events: &[EventId],
    (client_id, webhook_id): (ClientId, WebhookId),
    now: Timestamp,
    ids: &IdSource,
) -> Result<(), StoreError> {
    for id in events {
        make(db, Sent { id: *id, client_id }, webhook_id, now, ids)?;
    }
    Ok(())
}

fn move_on(db: &Connection, job: &RedeliveryJob) -> Result<(), StoreError> {
    let values = (
        job.id.as_uuid(),
        job.state.as_str(),
        job.cursor,
        job.examined.cast_signed(),
        job.redelivered.cast_signed(),
        job.step_due_at.as_micros(),
        job.finished_at.map(Timestamp::as_micros),
    );
    db.change(MOVE_ON, values).map(drop)
}
