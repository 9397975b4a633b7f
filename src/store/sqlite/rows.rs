//! Rows as the domain's values. A value that the dispatcher never writes is answered as [`StoreError::Corrupt`].
//!
//! Columns are read in the order in which the `…_columns!` macro beside each reader lists them.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row, Sqlite, Type};
use uuid::Uuid;

use crate::domain::attempt::{Attempt, AttemptOutcome, Exchange, FailureReason, Phases};
use crate::domain::delivery::{DeadLetterReason, Delivery};
use crate::domain::event::Event;
use crate::domain::time::Timestamp;
use crate::store::error::StoreError;

/// What stands before the status in the word for a dead letter's reason.
const STATUS: &str = "status ";

/// Reads the columns of a row one after the other.
pub(super) struct Fields<'r> {
    row: &'r SqliteRow,
    next: usize,
    table: &'static str,
    /// Where the id is by which an error names the row.
    id: usize,
}

impl<'r> Fields<'r> {
    /// The columns of a row from the first on; that is the id in `table`.
    pub(super) fn of(row: &'r SqliteRow, table: &'static str) -> Self {
        Self { row, next: 0, table, id: 0 }
    }

    /// From here on the columns are those of `table`, of which the next one is the id.
    pub(super) fn enter(&mut self, table: &'static str) {
        self.table = table;
        self.id = self.next;
    }

    /// The next column, of which the schema allows any value.
    pub(super) fn get<T: Decode<'r, Sqlite> + Type<Sqlite>>(&mut self, column: &'static str) -> Result<T, StoreError> {
        let index = self.next;
        self.next += 1;
        self.row.try_get(index).map_err(|_| self.corrupt(column))
    }

    /// The next column as an id.
    pub(super) fn id<Id: From<Uuid>>(&mut self, column: &'static str) -> Result<Id, StoreError> {
        self.get::<Uuid>(column).map(Id::from)
    }

    /// The next column as a time.
    pub(super) fn time(&mut self, column: &'static str) -> Result<Timestamp, StoreError> {
        self.get(column).map(Timestamp::from_micros)
    }

    /// The next column as a time, if there is one.
    pub(super) fn optional_time(&mut self, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.get::<Option<i64>>(column)?.map(Timestamp::from_micros))
    }

    /// The next column as a number of a narrower type.
    pub(super) fn number<N: TryFrom<i64>>(&mut self, column: &'static str) -> Result<N, StoreError> {
        let wide: i64 = self.get(column)?;
        N::try_from(wide).map_err(|_| self.corrupt(column))
    }

    /// The next column as a number of a narrower type, if there is one.
    pub(super) fn optional_number<N: TryFrom<i64>>(&mut self, column: &'static str) -> Result<Option<N>, StoreError> {
        let wide: Option<i64> = self.get(column)?;
        wide.map(N::try_from).transpose().map_err(|_| self.corrupt(column))
    }

    /// The next column as a value that is written as text.
    pub(super) fn parse<T: FromStr>(&mut self, column: &'static str) -> Result<T, StoreError> {
        let text: &str = self.get(column)?;
        text.parse().map_err(|_| self.corrupt(column))
    }

    /// The next column as whatever `read` makes of its text, if there is one.
    pub(super) fn optional<T>(&mut self, column: &'static str, read: impl FnOnce(&'r str) -> Option<T>) -> Result<Option<T>, StoreError> {
        let text: Option<&str> = self.get(column)?;
        text.map(|text| read(text).ok_or_else(|| self.corrupt(column))).transpose()
    }

    /// The error that names this row and a column of it.
    pub(super) fn corrupt(&self, column: &'static str) -> StoreError {
        let id = self.row.try_get::<Uuid, _>(self.id).map_or_else(|_| "unknown".to_owned(), |id| id.to_string());
        StoreError::Corrupt { table: self.table, column, id }
    }
}

macro_rules! event_columns {
    () => {
        "e.id, e.client_id, e.event_type, e.subject, e.payload, e.created_at"
    };
}
pub(super) use event_columns;

/// Reads `event_columns!`.
pub(super) fn event(fields: &mut Fields<'_>) -> Result<Event, StoreError> {
    fields.enter("event");
    Ok(Event {
        id: fields.id("id")?,
        client_id: fields.id("client_id")?,
        event_type: fields.parse("event_type")?,
        subject: fields.get("subject")?,
        payload: fields.get::<Vec<u8>>("payload")?.into(),
        created_at: fields.time("created_at")?,
    })
}

macro_rules! delivery_columns {
    () => {
        "d.id, d.event_id, d.webhook_id, d.client_id, d.state, d.due_at, d.attempts, d.attempts_before_series,
         d.dead_letter_reason, d.created_at, d.finished_at"
    };
}
pub(super) use delivery_columns;

/// Reads `delivery_columns!`.
pub(super) fn delivery(fields: &mut Fields<'_>) -> Result<Delivery, StoreError> {
    fields.enter("delivery");
    Ok(Delivery {
        id: fields.id("id")?,
        event_id: fields.id("event_id")?,
        webhook_id: fields.id("webhook_id")?,
        client_id: fields.id("client_id")?,
        state: fields.parse("state")?,
        due_at: fields.time("due_at")?,
        attempts: fields.number("attempts")?,
        attempts_before_series: fields.number("attempts_before_series")?,
        dead_letter_reason: fields.optional("dead_letter_reason", dead_letter_reason)?,
        created_at: fields.time("created_at")?,
        finished_at: fields.optional_time("finished_at")?,
    })
}

macro_rules! attempt_columns {
    () => {
        "a.delivery_id, a.number, a.started_at, a.finished_at, a.outcome, a.reason, a.status, a.detail, a.remote_address,
         a.login_us, a.answer_us, a.body_us, a.response_head, a.response_body"
    };
}
pub(super) use attempt_columns;

/// Reads `attempt_columns!`.
pub(super) fn attempt(fields: &mut Fields<'_>) -> Result<Attempt, StoreError> {
    fields.enter("attempt");
    fields.get::<Uuid>("delivery_id")?;
    let (number, started_at, finished_at) = (fields.number("number")?, fields.time("started_at")?, fields.time("finished_at")?);
    let (outcome, status) = outcome_and_status(fields)?;
    let exchange = Exchange {
        status,
        detail: fields.get("detail")?,
        remote_address: fields.optional("remote_address", |text| text.parse::<SocketAddr>().ok())?,
        phases: Phases { login: phase(fields, "login_us")?, answer: phase(fields, "answer_us")?, body: phase(fields, "body_us")? },
        response_head: fields.get("response_head")?,
        response_body: fields.get::<Option<Vec<u8>>>("response_body")?.map(Bytes::from),
    };
    Ok(Attempt { number, started_at, finished_at, outcome, exchange })
}

/// Reads the columns `outcome`, `reason` and `status`, which explain one another.
pub(super) fn outcome_and_status(fields: &mut Fields<'_>) -> Result<(AttemptOutcome, Option<u16>), StoreError> {
    let outcome: &str = fields.get("outcome")?;
    let reason: Option<&str> = fields.get("reason")?;
    let status: Option<u16> = fields.optional_number("status")?;
    let reason = reason.map(|word| FailureReason::parse(word, status).ok_or_else(|| fields.corrupt("reason"))).transpose()?;
    let outcome = match (outcome, reason) {
        ("delivered", None) => AttemptOutcome::Delivered,
        ("retryable", Some(reason)) => AttemptOutcome::Retryable(reason),
        ("permanent", Some(reason)) => AttemptOutcome::Permanent(reason),
        _ => return Err(fields.corrupt("outcome")),
    };
    Ok((outcome, status))
}

fn phase(fields: &mut Fields<'_>, column: &'static str) -> Result<Option<Duration>, StoreError> {
    Ok(fields.optional_number(column)?.map(Duration::from_micros))
}

/// The word for a reason, from which [`dead_letter_reason`] reads it back.
pub(super) fn dead_letter_word(reason: &DeadLetterReason) -> Cow<'static, str> {
    match reason {
        DeadLetterReason::Exhausted => "exhausted".into(),
        DeadLetterReason::Permanent(FailureReason::Status(status)) => format!("{STATUS}{status}").into(),
        DeadLetterReason::Permanent(reason) => reason.as_str().into(),
    }
}

fn dead_letter_reason(word: &str) -> Option<DeadLetterReason> {
    match word.strip_prefix(STATUS) {
        Some(status) => Some(DeadLetterReason::Permanent(FailureReason::Status(status.parse().ok()?))),
        None => DeadLetterReason::parse(word),
    }
}

/// The words for an outcome: those of the columns `outcome` and `reason`.
pub(super) fn outcome_words(outcome: &AttemptOutcome) -> (&'static str, Option<&'static str>) {
    match outcome {
        AttemptOutcome::Delivered => ("delivered", None),
        AttemptOutcome::Retryable(reason) => ("retryable", Some(reason.as_str())),
        AttemptOutcome::Permanent(reason) => ("permanent", Some(reason.as_str())),
    }
}

/// A duration as the whole microseconds that are stored.
pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
