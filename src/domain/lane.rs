//! What a webhook's lane does at present, for people who ask why their deliveries do or do not go out.
//!
//! A lane lives in memory on one node; how it is worked is `delivery::lanes`' matter.

use super::time::Timestamp;
use super::webhook::Webhook;

/// How a lane stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneView {
    /// In one word.
    pub state: LaneState,
    /// Requests under way.
    pub in_flight: u32,
    /// How many may be under way at present: from 1 to the webhook's own limit, as the receiver's answers have it.
    pub limit: u32,
    /// Whether the receiver is thought to be there.
    pub breaker: BreakerState,
    /// When one request is sent to see whether the receiver is there again; `None` unless that time is to come.
    pub next_probe_at: Option<Timestamp>,
    /// Until when nothing is sent because the receiver asked for a pause or no login worked; `None` unless that time is
    /// to come.
    pub held_back_until: Option<Timestamp>,
}

/// How a lane stands, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneState {
    /// Nothing is under way, and nothing is in the way.
    Idle,
    /// Requests are under way.
    Busy,
    /// Nothing is sent until the pause is over that the receiver asked for, or that failed logins brought.
    HeldBack,
    /// The receiver is not there: nothing is sent but a probe.
    Open,
}

/// Whether the receiver is thought to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// It is.
    Closed,
    /// It is not: nothing is sent but a probe.
    Open,
    /// It is there again, and gets more bit by bit.
    HalfOpen,
}

/// Who can tell how lanes stand.
pub trait Lanes: Send + Sync {
    /// How the webhook's lane stands on this node.
    fn view(&self, webhook: &Webhook) -> LaneView;
}

impl LaneView {
    /// A lane in which nothing goes on, of which `limit` requests may be under way.
    #[must_use]
    pub const fn idle(limit: u32) -> Self {
        Self { state: LaneState::Idle, in_flight: 0, limit, breaker: BreakerState::Closed, next_probe_at: None, held_back_until: None }
    }

    /// Until when nothing at all is sent.
    #[must_use]
    pub fn blocked_until(&self) -> Option<Timestamp> {
        self.held_back_until.max(self.next_probe_at)
    }
}

impl LaneState {
    /// Every way in which a lane can stand.
    pub const ALL: [Self; 4] = [Self::Idle, Self::Busy, Self::HeldBack, Self::Open];

    /// The word for it in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Busy => "busy",
            Self::HeldBack => "held_back",
            Self::Open => "open",
        }
    }
}

impl BreakerState {
    /// Every state of a breaker.
    pub const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    /// The word for it in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}
