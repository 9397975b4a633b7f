//! What the databases and their drivers report, as the contract's errors.

use rusqlite::ErrorCode;
use sqlx::error::{DatabaseError, ErrorKind};

use super::error::StoreError;

/// What PostgreSQL says when the same call may succeed later: it undid the transaction for the sake of another, a limit of
/// time passed, or it takes nobody in at the moment.
const PASSING: [&str; 7] = ["40001", "40P01", "55P03", "57014", "53300", "57P03", "25006"];

/// What PostgreSQL says when it ends a connection.
const ENDED: [&str; 2] = ["57P01", "57P02"];

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match (error.sqlite_error_code(), &error) {
            (Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked), _) => Self::Busy(error.into()),
            (Some(ErrorCode::ConstraintViolation), rusqlite::Error::SqliteFailure(_, words)) => {
                Self::Conflict { constraint: words.as_deref().map(constraint_in_words).unwrap_or_default() }
            }
            _ => Self::Backend(error.into()),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(_) => from_postgres(error),
            sqlx::Error::PoolTimedOut => Self::Busy(error.into()),
            sqlx::Error::PoolClosed => closed(),
            sqlx::Error::Io(_) => Self::Unanswered(error.into()),
            _ => Self::Backend(error.into()),
        }
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

/// `UNIQUE constraint failed: event.id` is the rule `UNIQUE event.id`.
fn constraint_in_words(words: &str) -> String {
    words.replace(" constraint failed: ", " ").replace(" constraint failed", "")
}
