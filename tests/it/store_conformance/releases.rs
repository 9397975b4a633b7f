//! Claims are given back by whoever holds them, or taken back from whoever lives no more.

use webhook_dispatcher::domain::delivery::DeliveryState;
use webhook_dispatcher::domain::ids::NodeId;
use webhook_dispatcher::store::records::{ClaimRequest, LaneQuota, Scope};

use super::world::{SILENT, World, at, failure, later, success};

pub(super) async fn a_released_delivery_waits_as_before(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let delivery = world.delivery(client).await;
    world.attempt(webhook, failure).await;
    let before = world.shown(delivery).await;
    let claimed = world.claim_one(webhook).await;

    let released = world.store.release(vec![claimed.claim]).await.unwrap();

    assert_eq!(released, 1);
    assert_eq!(world.shown(delivery).await, before);
    let again = world.claim_one(webhook).await;
    assert_eq!((again.attempts, again.due_at, again.event), (claimed.attempts, claimed.due_at, claimed.event));
}

pub(super) async fn only_held_claims_are_released_and_counted(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    for _ in 0..3 {
        world.delivery(client).await;
    }
    let claimed = world.claim(webhook).await;
    let claims: Vec<_> = claimed.iter().map(|claimed| claimed.claim).collect();
    world.record(success(&claimed[0])).await;
    let mut stolen = claims[1];
    stolen.token = world.ids.next(at(1));

    let released = world.store.release(vec![claims[0], stolen, claims[2], claims[2]]).await.unwrap();

    assert_eq!(released, 1);
    let mut states = Vec::new();
    for claim in claims {
        states.push(world.state(claim.delivery_id).await);
    }
    assert_eq!(states, [DeliveryState::Delivered, DeliveryState::InFlight, DeliveryState::Pending]);
}

pub(super) async fn a_released_delivery_of_a_deleted_webhook_is_cancelled(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let delivery = world.delivery(client).await;
    let claimed = world.claim_one(webhook).await;
    world.store.delete_webhook(Scope::All, webhook, at(300), None).await.unwrap();

    let released = world.store.release(vec![claimed.claim]).await.unwrap();

    assert_eq!(released, 1);
    let shown = world.shown(delivery).await;
    assert_eq!((shown.state, shown.finished_at, shown.attempts), (DeliveryState::Cancelled, Some(at(300)), 0));
}

async fn claim_as(world: &World, node: NodeId, webhook: webhook_dispatcher::domain::ids::WebhookId) {
    let lanes = vec![LaneQuota { webhook_id: webhook, limit: 1 }];
    assert_eq!(world.store.claim_due(ClaimRequest { node, now: later(), lanes }).await.unwrap().len(), 1);
}

pub(super) async fn claims_of_dead_nodes_are_taken_back_and_own_ones_stay(world: World) {
    let (dead, older) = (world.ids.next(at(1)), world.ids.next(at(2)));
    let mut deliveries = Vec::new();
    for node in [dead, world.node, older] {
        let client = world.client().await;
        let webhook = world.webhook(client).await;
        deliveries.push(world.delivery(client).await);
        claim_as(&world, node, webhook).await;
    }
    let before = world.shown(deliveries[0]).await;

    let taken_back = world.store.take_back_claims(world.node, SILENT).await.unwrap();
    let again = world.store.take_back_claims(world.node, SILENT).await.unwrap();

    assert_eq!((taken_back, again), (2, 0));
    let mut states = Vec::new();
    for delivery in &deliveries {
        states.push(world.state(*delivery).await);
    }
    let (pending, in_flight) = (DeliveryState::Pending, DeliveryState::InFlight);
    assert_eq!(states, [pending, in_flight, pending]);
    let shown = world.shown(deliveries[0]).await;
    assert_eq!((shown.due_at, shown.attempts, shown.finished_at), (before.due_at, 0, None));
}

pub(super) async fn a_delivery_of_a_deleted_webhook_is_taken_back_as_cancelled(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let delivery = world.delivery(client).await;
    claim_as(&world, world.ids.next(at(1)), webhook).await;
    world.store.delete_webhook(Scope::All, webhook, at(300), None).await.unwrap();

    let taken_back = world.store.take_back_claims(world.node, SILENT).await.unwrap();

    assert_eq!(taken_back, 1);
    let shown = world.shown(delivery).await;
    assert_eq!((shown.state, shown.finished_at), (DeliveryState::Cancelled, Some(at(300))));
}
