//! Nodes make themselves known, and recurring duties are one node's at a time.

use std::time::Duration;

use webhook_dispatcher::domain::ids::NodeId;
use webhook_dispatcher::domain::node::{Node, NodeRole};

use super::world::{SILENT, World, at};

pub(super) fn node(id: NodeId) -> Node {
    Node { id, name: "first node".to_owned(), role: NodeRole::Worker, version: "1.2.3".to_owned(), started_at: at(77) }
}

pub(super) async fn a_node_that_beats_is_known_as_it_says(world: World) {
    let first = world.store.beat(node(world.node)).await.unwrap();
    let second = world.store.beat(node(world.node)).await.unwrap();

    assert_eq!(first, None);
    assert!(second.is_some_and(|silent_for| silent_for < SILENT));
    let known = world.store.nodes().await.unwrap();
    assert_eq!(known.iter().map(|known| known.node.clone()).collect::<Vec<_>>(), [node(world.node)]);
    assert!(known[0].silent_for < SILENT);
    assert_eq!(known[0].claims, 0);
}

pub(super) async fn a_nodes_claims_are_counted(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    for _ in 0..3 {
        world.delivery(client).await;
    }
    world.store.beat(node(world.node)).await.unwrap();

    world.claim_at(at(100_000), &[(webhook, 2)]).await;

    assert_eq!(world.store.nodes().await.unwrap()[0].claims, 2);
}

pub(super) async fn a_node_that_left_is_not_known(world: World) {
    world.store.beat(node(world.node)).await.unwrap();

    world.store.leave(world.node).await.unwrap();

    assert_eq!(world.store.nodes().await.unwrap(), []);
    assert_eq!(world.store.beat(node(world.node)).await.unwrap(), None);
}

pub(super) async fn a_time_of_a_duty_is_had_once(world: World) {
    let take = |seconds| world.store.take_turn("sweep", world.node, at(seconds), SILENT);

    assert!(take(60).await.unwrap());
    world.store.end_turn("sweep", world.node).await.unwrap();

    assert!(!take(60).await.unwrap());
    assert!(!take(0).await.unwrap());
    assert!(take(120).await.unwrap());
}

pub(super) async fn duties_have_turns_of_their_own(world: World) {
    assert!(world.store.take_turn("sweep", world.node, at(60), SILENT).await.unwrap());

    assert!(world.store.take_turn("dust", world.node, at(60), Duration::ZERO).await.unwrap());
}

pub(super) async fn of_a_lane_of_which_nothing_was_told_nothing_is_known(world: World) {
    world.store.beat(node(world.node)).await.unwrap();

    world.store.tell_lanes(world.node, vec![], vec![]).await.unwrap();

    assert_eq!(world.store.told_lanes(vec![(world.ids.next(at(3)), world.node)]).await.unwrap(), []);
    assert_eq!(world.store.told_lanes(vec![]).await.unwrap(), []);
}
