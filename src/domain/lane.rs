//! What a webhook's lane does at present, for people who ask why their deliveries do or do not go out.
//!
//! A lane lives in memory on the node that serves it; how it is worked is `delivery::lanes`' matter, and `node::lanes` how
//! the other nodes know of it.

use super::ids::NodeId;
use super::time::Timestamp;

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

/// How a lane stands, and who serves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServedLane {
    /// The node whose lane it is; `None` while no node that delivers is known.
    pub node_id: Option<NodeId>,
    /// How it stands there.
    pub lane: LaneView,
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

/// How many lanes of a node stand how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneCounts {
    /// [`LaneState::Idle`].
    pub idle: u64,
    /// [`LaneState::Busy`].
    pub busy: u64,
    /// [`LaneState::HeldBack`].
    pub held_back: u64,
    /// [`LaneState::Open`].
    pub open: u64,
    /// Requests under way in all of them.
    pub in_flight: u64,
}

impl LaneCounts {
    /// Counts a lane.
    pub fn add(&mut self, lane: &LaneView) {
        match lane.state {
            LaneState::Idle => self.idle += 1,
            LaneState::Busy => self.busy += 1,
            LaneState::HeldBack => self.held_back += 1,
            LaneState::Open => self.open += 1,
        }
        self.in_flight += u64::from(lane.in_flight);
    }

    /// How many stand so.
    #[must_use]
    pub const fn of(&self, state: LaneState) -> u64 {
        match state {
            LaneState::Idle => self.idle,
            LaneState::Busy => self.busy,
            LaneState::HeldBack => self.held_back,
            LaneState::Open => self.open,
        }
    }
}

impl LaneView {
    /// A lane in which nothing goes on, of which `limit` requests may be under way.
    #[must_use]
    pub const fn idle(limit: u32) -> Self {
        Self { state: LaneState::Idle, in_flight: 0, limit, breaker: BreakerState::Closed, next_probe_at: None, held_back_until: None }
    }

    /// What is left at `now` of how it stood when it was told: no time in it has passed.
    #[must_use]
    pub fn as_of(self, now: Timestamp) -> Self {
        let to_come = |time: Option<Timestamp>| time.filter(|time| now < *time);
        let (next_probe_at, held_back_until) = (to_come(self.next_probe_at), to_come(self.held_back_until));
        let state = match (self.state, held_back_until, self.in_flight) {
            (LaneState::HeldBack, None, 0) => LaneState::Idle,
            (LaneState::HeldBack, None, _) => LaneState::Busy,
            (state, ..) => state,
        };
        Self { state, next_probe_at, held_back_until, ..self }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_was_told_no_time_is_left_that_has_passed() {
        let [past, now, to_come] = [9, 10, 11].map(Timestamp::from_micros);
        let held_back = LaneView { state: LaneState::HeldBack, held_back_until: Some(to_come), ..LaneView::idle(16) };
        let open = LaneView { state: LaneState::Open, breaker: BreakerState::Open, next_probe_at: Some(to_come), ..LaneView::idle(1) };

        assert_eq!(held_back.as_of(now), held_back);
        assert_eq!(held_back.as_of(to_come), LaneView::idle(16));
        let busy = LaneView { in_flight: 2, held_back_until: Some(past), ..held_back };
        assert_eq!(busy.as_of(now), LaneView { state: LaneState::Busy, in_flight: 2, ..LaneView::idle(16) });
        assert_eq!(open.as_of(now), open);
        assert_eq!(open.as_of(to_come), LaneView { next_probe_at: None, ..open });
    }
}
