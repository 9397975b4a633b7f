//! Where everything accepted is kept: the contract that the rest of the dispatcher relies on, and the back ends behind it.
//!
//! `rusqlite` and `sqlx` are known here alone. The contract states guarantees, never mechanisms; one conformance suite
//! (`tests/it/store_conformance`) holds every back end to it.

mod backlog;
pub mod contract;
mod driver_errors;
pub mod error;
pub mod group_commit;
mod keys;
pub mod postgres;
pub mod records;
mod redelivery;
mod repeats;
mod retention;
mod rows;
mod schema;
pub mod signal;
pub mod sqlite;

pub use contract::Store;
pub use error::StoreError;
