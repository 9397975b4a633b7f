//! Nodes: running processes that share one store, and which of them serves a webhook's lane.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use super::ids::{NodeId, WebhookId};
use super::time::Timestamp;

/// A running process, as it tells others of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its id, new with every start.
    pub id: NodeId,
    /// What people call it.
    pub name: String,
    /// What it does.
    pub role: NodeRole,
    /// The release that it runs.
    pub version: String,
    /// When it started, by its own clock.
    pub started_at: Timestamp,
}

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeRole {
    /// Takes in and delivers.
    All,
    /// Takes in, answers people, delivers nothing.
    Api,
    /// Delivers, and answers only whether it is well.
    Worker,
}

/// The text is no role of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no role of a node")]
pub struct NotARole;

impl NodeRole {
    /// Every role.
    pub const EACH: [Self; 3] = [Self::All, Self::Api, Self::Worker];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Api => "api",
            Self::Worker => "worker",
        }
    }

    /// Whether it serves lanes and does what recurs.
    #[must_use]
    pub const fn delivers(self) -> bool {
        matches!(self, Self::All | Self::Worker)
    }

    /// Whether it answers producers and people.
    #[must_use]
    pub const fn answers(self) -> bool {
        matches!(self, Self::All | Self::Api)
    }
}

impl fmt::Display for NodeRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for NodeRole {
    type Err = NotARole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::EACH.into_iter().find(|role| role.as_str() == text).ok_or(NotARole)
    }
}

/// The node that serves a webhook's lane, of those that live: the one that rendezvous hashing ranks first.
///
/// Every node that knows of the same nodes names the same one, and when a node comes or goes only lanes of that node
/// change hands. So what a webhook may be sent at once and per second is held by one node, and needs no talk with others.
#[must_use]
pub fn server_of(webhook: WebhookId, nodes: &[NodeId]) -> Option<NodeId> {
    nodes.iter().copied().max_by_key(|node| (weight(webhook.as_uuid(), node.as_uuid()), *node))
}

fn weight(webhook: Uuid, node: Uuid) -> u64 {
    let (high, low) = webhook.as_u64_pair();
    let (node_high, node_low) = node.as_u64_pair();
    [low, node_high, node_low].into_iter().fold(mixed(high), |sum, part| mixed(sum ^ part))
}

/// The finalizer of `SplitMix64`: every bit of the input changes half of the output's.
const fn mixed(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::IdSource;

    fn made<Id: From<Uuid>>(count: usize) -> Vec<Id> {
        let ids = IdSource::seeded([3; 32]);
        (0..count).map(|_| ids.next(Timestamp::from_micros(1_700_000_000_000_000))).collect()
    }

    #[test]
    fn without_nodes_nobody_serves() {
        assert_eq!(server_of(made(1)[0], &[]), None);
    }

    #[test]
    fn the_order_in_which_nodes_are_known_changes_nothing() {
        let nodes: Vec<NodeId> = made(5);
        let backwards: Vec<NodeId> = nodes.iter().rev().copied().collect();

        for webhook in made(100) {
            assert_eq!(server_of(webhook, &nodes), server_of(webhook, &backwards));
        }
    }

    #[test]
    fn lanes_are_spread_evenly() {
        let nodes: Vec<NodeId> = made(4);
        let webhooks: Vec<WebhookId> = made(4_000);

        for node in &nodes {
            let served = webhooks.iter().filter(|webhook| server_of(**webhook, &nodes) == Some(*node)).count();
            assert!((850..1_150).contains(&served), "{served}");
        }
    }

    #[test]
    fn when_a_node_goes_only_its_lanes_change_hands() {
        let nodes: Vec<NodeId> = made(5);

        for webhook in made(1_000) {
            let before = server_of(webhook, &nodes);
            let after = server_of(webhook, &nodes[1..]);
            assert!(before == after || before == Some(nodes[0]));
        }
    }

    #[test]
    fn a_role_is_read_as_it_is_written() {
        for role in [NodeRole::All, NodeRole::Api, NodeRole::Worker] {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        assert_eq!("ALL".parse::<NodeRole>(), Err(NotARole));
    }
}
