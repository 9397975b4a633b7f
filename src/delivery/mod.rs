//! From a due delivery to its recorded attempt. Read in this order:
//!
//! 1. [`pool`] claims what is due and has room, has it made `ready`, and starts a worker for each delivery;
//! 2. [`lanes`] says what has room: the limits of every webhook and of the whole node;
//! 3. [`worker`] carries out one attempt, from the access token to the record;
//! 4. [`request`] puts the request together, [`sender`] sends it, logging in where the webhook says so, and `echo` masks
//!    what comes back of its secrets;
//! 5. [`outcome`] says what the answer means;
//! 6. [`recorder`] commits attempts in groups.
//!
//! Beside it [`telling`] tells other nodes how lanes stand, and [`served`] tells people, of the lanes of every node.
//!
//! [`trial`] goes the same way for people who try a webhook out.
//!
//! What an outcome does to a delivery is `domain::delivery`, when it is tried again is `domain::retry`.

pub mod definitions;
mod echo;
pub mod lanes;
pub mod outcome;
pub mod pool;
mod ready;
pub mod recorder;
pub mod request;
pub mod sender;
pub mod served;
pub mod telling;
pub mod trial;
pub mod worker;

use std::sync::Arc;
use std::time::Duration;

use self::lanes::LaneSettings;
use crate::catalog::Catalogs;
use crate::domain::retry::RetryPolicy;

/// What the configuration says of deliveries.
#[derive(Clone, Debug)]
pub struct PoolSettings {
    /// How many deliveries this node holds claims on, and what it bears from a receiver.
    pub lanes: LaneSettings,
    /// The deadline of an attempt whose webhook does not say so itself.
    pub timeout: Duration,
    /// How often to look for due deliveries that nobody told of.
    pub poll_interval: Duration,
    /// The most deliveries in one claim.
    pub claim_batch: u32,
    /// The most attempts in one commit.
    pub record_batch: usize,
    /// The systems in whose way webhooks may be called.
    pub catalogs: Arc<Catalogs>,
    /// How much of a receiver's answer is kept, in bytes.
    pub kept_body_bytes: usize,
    /// The schedule of a webhook that has none of its own.
    pub retry: RetryPolicy,
    /// A `Retry-After` beyond this is taken for this.
    pub retry_after_max: Duration,
    /// How long a lane waits after its first failed login; twice as long after each further one.
    pub login_backoff: Duration,
    /// The longest such wait.
    pub login_backoff_max: Duration,
}
