//! How a webhook's lane stands, as callers see it.

use serde::Serialize;

use super::super::state::Api;
use crate::domain::lane::LaneView as Lane;

/// A lane on the node that answers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LaneView {
    state: &'static str,
    in_flight: u32,
    limit: u32,
    breaker: &'static str,
    next_probe_at: Option<String>,
    held_back_until: Option<String>,
}

impl LaneView {
    pub(super) fn of(api: &Api, lane: &Lane) -> Self {
        Self {
            state: lane.state.as_str(),
            in_flight: lane.in_flight,
            limit: lane.limit,
            breaker: lane.breaker.as_str(),
            next_probe_at: lane.next_probe_at.map(|time| api.written(time)),
            held_back_until: lane.held_back_until.map(|time| api.written(time)),
        }
    }
}
