//! How a webhook's lane stands, in words.

use super::state::Dashboard;
use super::view::{Badge, Moment};
use super::words::Words;
use crate::domain::lane::{BreakerState, LaneState, LaneView};

/// A lane in words.
pub(super) struct LaneWords {
    pub(super) badge: Badge,
    pub(super) in_flight: u32,
    pub(super) limit: u32,
    pub(super) breaker: &'static str,
    pub(super) next_probe_at: Option<Moment>,
    pub(super) held_back_until: Option<Moment>,
}

impl LaneWords {
    pub(super) fn of(dash: &Dashboard, w: &'static Words, lane: &LaneView) -> Self {
        let badge = match lane.state {
            LaneState::Idle => Badge::new("off", w.lane_idle),
            LaneState::Busy => Badge::new("busy", w.lane_busy),
            LaneState::HeldBack => Badge::new("waiting", w.lane_held_back),
            LaneState::Open => Badge::new("bad", w.lane_open),
        };
        let breaker = match lane.breaker {
            BreakerState::Closed => w.breaker_closed,
            BreakerState::Open => w.breaker_open,
            BreakerState::HalfOpen => w.breaker_half_open,
        };
        Self {
            badge,
            in_flight: lane.in_flight,
            limit: lane.limit,
            breaker,
            next_probe_at: lane.next_probe_at.map(|time| dash.moment(time)),
            held_back_until: lane.held_back_until.map(|time| dash.moment(time)),
        }
    }
}
