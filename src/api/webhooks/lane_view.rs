//! How a webhook's lane stands, as callers see it.

use schemars::JsonSchema;
use serde::Serialize;

use super::super::openapi::Time;
use super::super::state::Api;
use crate::domain::ids::NodeId;
use crate::domain::lane::{BreakerState, LaneState, ServedLane};

/// A lane: of a webhook that another node serves than the one that answers, as that node told it with its last heartbeat.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Lane")]
pub(super) struct LaneView {
    /// How it stands, in one word.
    #[schemars(with = "LaneState")]
    state: &'static str,
    /// Requests under way.
    in_flight: u32,
    /// How many may be under way at present.
    limit: u32,
    /// Whether the receiver is thought to be there: `open` means that it is not.
    #[schemars(with = "BreakerState")]
    breaker: &'static str,
    /// When one request is sent to see whether the receiver is there again; null unless that time is to come.
    #[schemars(with = "Option<Time>")]
    next_probe_at: Option<String>,
    /// Until when nothing is sent because the receiver asked for a pause or no login worked; null unless that time is to
    /// come.
    #[schemars(with = "Option<Time>")]
    held_back_until: Option<String>,
    /// The node that serves it; null while no node that delivers is known.
    node_id: Option<NodeId>,
}

impl LaneView {
    pub(super) fn of(api: &Api, ServedLane { node_id, lane }: &ServedLane) -> Self {
        Self {
            state: lane.state.as_str(),
            in_flight: lane.in_flight,
            limit: lane.limit,
            breaker: lane.breaker.as_str(),
            next_probe_at: lane.next_probe_at.map(|time| api.written(time)),
            held_back_until: lane.held_back_until.map(|time| api.written(time)),
            node_id: *node_id,
        }
    }
}
