//! What can go wrong in a store beyond what the contract expects and answers as data.

use crate::secrets::UnsealError;

/// Whatever a back end's library reports.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A store could not do what was asked. Nothing of the failed call is stored, but for [`StoreError::Unanswered`].
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store is there but did not get to it in time; the same call may succeed later.
    #[error("store is busy")]
    Busy(#[source] BoxError),
    /// The connection ended before the store answered: whether the call took effect is unknown.
    #[error("store gave no answer")]
    Unanswered(#[source] BoxError),
    /// A rule of the schema forbids what was to be stored.
    #[error("constraint {constraint} does not hold")]
    Conflict {
        /// The back end's name of the rule.
        constraint: String,
    },
    /// A stored value is not one that the dispatcher writes.
    #[error("column {column} of {table} row {id} holds an invalid value")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row's id as text.
        id: String,
    },
    /// The secrets of a row cannot be decrypted.
    #[error("the secrets of {table} row {id} cannot be read")]
    Sealed {
        /// The table.
        table: &'static str,
        /// The row's id as text.
        id: String,
        /// Why.
        #[source]
        source: UnsealError,
    },
    /// The store refuses to be opened.
    #[error("{reason}")]
    Unusable {
        /// Why, in words for an operator.
        reason: String,
        /// What the back end said, if it was asked.
        #[source]
        source: Option<BoxError>,
    },
    /// Anything else that the back end reports.
    #[error("store failed")]
    Backend(#[source] BoxError),
}

impl StoreError {
    /// Whether it says nothing but that the store is away at the moment.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Unanswered(_))
    }

    /// Whether it says nothing but that one row cannot be read.
    #[must_use]
    pub const fn is_of_one_row(&self) -> bool {
        matches!(self, Self::Corrupt { .. } | Self::Sealed { .. })
    }
}
