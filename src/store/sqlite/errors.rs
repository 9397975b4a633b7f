//! What SQLite and its driver report, as the contract's errors.

use sqlx::error::DatabaseError;

use crate::store::error::StoreError;

/// Primary result codes of SQLite; the extended code has them in its low byte.
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const CONSTRAINT: i32 = 19;

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(reported) => match primary_code(reported.as_ref()) {
                Some(BUSY | LOCKED) => Self::Busy(error.into()),
                Some(CONSTRAINT) => Self::Conflict { constraint: constraint(reported.message()) },
                _ => Self::Backend(error.into()),
            },
            sqlx::Error::PoolTimedOut => Self::Busy(error.into()),
            sqlx::Error::PoolClosed => closed(),
            _ => Self::Backend(error.into()),
        }
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
fn constraint(message: &str) -> String {
    message.replace(" constraint failed: ", " ").replace(" constraint failed", "")
}
