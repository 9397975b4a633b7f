//! Who may send now: a lane per webhook with its limits, and one bound over all lanes.
//!
//! Pure bookkeeping: no I/O, no clock, no tasks; time and chance are arguments. The pool asks it what to claim
//! ([`LaneTable::plan`]), hands it what was claimed ([`LaneTable::admit`]) and tells it what ended
//! ([`LaneTable::heed`], [`LaneTable::answered`], [`LaneTable::let_go`]).
//!
//! What holds at any time:
//! - A lane has at most its limit of requests under way (`window`): what its webhook says, or less while its receiver
//!   shows that it has too much to do.
//! - No period of a webhook's rate limit sees more starts than that allows (`pace`).
//! - A receiver that is not there gets one probe at a time (`breaker`); what is due for it waits in the store.
//! - All lanes together hold at most `capacity` claims and, beside them, `max_stalled` requests of which nothing was
//!   heard for a second; and lanes that answer always find places (`places`).
//!
//! A lane may claim ahead of its limit as much as it lately got rid of, so that a fast receiver never waits for a claim;
//! what it claimed ahead goes back when it stalls or is held back. Whatever waits in a lane therefore waits for a
//! request of that lane that is under way.

mod breaker;
mod lane;
mod pace;
mod places;
mod table;
mod turns;
mod window;

pub use self::breaker::BreakerSettings;
pub use self::lane::{Notice, Weight};
pub use self::table::{Admitted, LaneTable};

/// What the configuration says of lanes.
#[derive(Clone, Copy, Debug)]
pub struct LaneSettings {
    /// The most claims that all lanes hold, stalled requests apart.
    pub capacity: usize,
    /// The most requests that are counted as stalled instead.
    pub max_stalled: usize,
    /// The limit of a lane whose webhook has none.
    pub limit: u32,
    /// When breakers open, and for how long.
    pub breaker: BreakerSettings,
}
