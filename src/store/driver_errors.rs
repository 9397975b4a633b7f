//! What the databases and their drivers report, as the contract's errors.

use sqlx::error::{DatabaseError, ErrorKind};
use sqlx::postgres::PgDatabaseError;

use super::error::StoreError;

/// Primary result codes of SQLite; the extended code has them in its low byte.
mod sqlite {
    pub(super) const BUSY: i32 = 5;
    pub(super) const LOCKED: i32 = 6;
    pub(super) const CONSTRAINT: i32 = 19;
}

/// What PostgreSQL says when the same call may succeed later: it undid the transaction for the sake of another, a limit of
/// time passed, or it takes nobody in at the moment.
const PASSING: [&str; 7] = ["40001", "40P01", "55P03", "57014", "53300", "57P03", "25006"];

/// What PostgreSQL says when it ends a connection.
const ENDED: [&str; 2] = ["57P01", "57P02"];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(reported) => match reported.try_downcast_ref::<PgDatabaseError>() {
                Some(_) => from_postgres(error),
                None => from_sqlite(error),
            },
            sqlx::Error::PoolTimedOut => Self::Busy(error.into()),
            sqlx::Error::PoolClosed => closed(),
            sqlx::Error::Io(_) => Self::Unanswered(error.into()),
            _ => Self::Backend(error.into()),
        }
    }
}

fn from_sqlite(error: sqlx::Error) -> StoreError {
    let reported = error.as_database_error();
    match reported.and_then(primary_code) {
        Some(sqlite::BUSY | sqlite::LOCKED) => StoreError::Busy(error.into()),
        Some(sqlite::CONSTRAINT) => StoreError::Conflict { constraint: reported.map(constraint_in_words).unwrap_or_default() },
        _ => StoreError::Backend(error.into()),
    }
}

fn from_postgres(error: sqlx::Error) -> StoreError {
    let reported = error.as_database_error();
    let code = reported.and_then(DatabaseError::code).unwrap_or_default();
    if PASSING.contains(&&*code) {
        return StoreError::Busy(error.into());
    }
    if ENDED.contains(&&*code) {
        return StoreError::Unanswered(error.into());
    }
    match reported.filter(|reported| reported.kind() != ErrorKind::Other) {
        Some(reported) => StoreError::Conflict { constraint: reported.constraint().unwrap_or("not null").to_owned() },
        None => StoreError::Backend(error.into()),
    }
}

/// The answer to every call after the store was closed.
pub(super) fn closed() -> StoreError {
    unusable("the store is closed")
}

/// A refusal in words alone.
pub(super) fn unusable(reason: impl Into<String>) -> StoreError {
    StoreError::Unusable { reason: reason.into(), source: None }
}

fn primary_code(error: &dyn DatabaseError) -> Option<i32> {
    error.code()?.parse::<i32>().ok().map(|code| code & 0xFF)
}

/// `UNIQUE constraint failed: event.id` is the rule `UNIQUE event.id`.
fn constraint_in_words(error: &dyn DatabaseError) -> String {
    error.message().replace(" constraint failed: ", " ").replace(" constraint failed", "")
}
