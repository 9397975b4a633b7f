//! Work that recurs: removing what was kept long enough, giving up on webhooks that only fail, tidying the database; and
//! encrypting secrets anew when there is a new key, sending many deliveries again when somebody asks for it, and cancelling
//! what deleted webhooks leave over.
//!
//! Each duty is a [`Duty::run_once`] that production calls when its schedule says so and tests call when they like.

mod disable;
mod left_over;
mod redelivery;
mod reencrypt;
mod retention;
mod scheduler;
mod upkeep;

use async_trait::async_trait;

pub use disable::DisableFailing;
pub use left_over::CancelLeftOver;
pub use redelivery::WorkRedeliveries;
pub use reencrypt::Reencrypt;
pub use retention::{Retention, RetentionAges};
pub use scheduler::{ScheduledDuty, run, run_often};
pub use upkeep::TidyStore;

use crate::domain::time::Timestamp;
use crate::store::StoreError;

/// Something to be done now and then.
#[async_trait]
pub trait Duty: Send + Sync {
    /// What it is, for logs.
    fn name(&self) -> &'static str;

    /// Does it once, as of `now`; answers how many things it changed.
    ///
    /// # Errors
    /// When the store fails. What was done before stays done, and the next run does the rest.
    async fn run_once(&self, now: Timestamp) -> Result<u64, StoreError>;
}
