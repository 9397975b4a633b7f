//! Webhooks are switched on and off, and deleted.

use webhook_dispatcher::domain::delivery::DeliveryState;
use webhook_dispatcher::domain::ids::{ClientId, DeliveryId};
use webhook_dispatcher::domain::webhook::{DisableReason, Webhook, WebhookState};
use webhook_dispatcher::store::contract::CANCELLED_AT_ONCE;
use webhook_dispatcher::store::records::{DeliveryFilter, Page, Scope, WebhookWrite};

use super::webhooks::full_definition;
use super::world::{World, at, failure, later, success};

pub(super) async fn a_state_is_set_with_a_new_version(world: World) {
    let client = world.client().await;
    let id = world.webhook(client).await;
    let states = [
        WebhookState::Paused,
        WebhookState::Disabled(DisableReason::Gone),
        WebhookState::Disabled(DisableReason::FailingTooLong),
        WebhookState::Active,
        WebhookState::Active,
    ];

    for (state, version) in states.into_iter().zip(2..) {
        let before = world.store.webhook(Scope::All, id).await.unwrap().unwrap();

        assert!(world.store.set_webhook_state(Scope::All, id, state.clone(), at(100 + version), None).await.unwrap());

        let after = world.store.webhook(Scope::All, id).await.unwrap().unwrap();
        assert_eq!((&after.state, after.version, after.updated_at), (&state, version, at(100 + version)));
        assert_eq!((after.created_at, after.definition.name), (before.created_at, before.definition.name));
    }
}

pub(super) async fn a_state_is_set_only_in_its_scope(world: World) {
    let (client, stranger) = (world.client().await, world.client().await);
    let id = world.webhook(client).await;
    let set = async |scope, id| world.store.set_webhook_state(scope, id, WebhookState::Paused, at(50), None).await.unwrap();

    assert!(!set(Scope::Client(stranger), id).await);
    assert!(!set(Scope::All, world.ids.next(at(1))).await);
    assert_eq!(world.store.webhook(Scope::All, id).await.unwrap().unwrap().state, WebhookState::Active);
    assert!(set(Scope::Client(client), id).await);
}

pub(super) async fn a_deleted_webhook_is_found_no_more(world: World) {
    let client = world.client().await;
    let id = world.webhook(client).await;
    let read = world.store.webhook(Scope::All, id).await.unwrap().unwrap();

    assert!(world.store.delete_webhook(Scope::All, id, at(50), None).await.unwrap());

    assert!(world.store.webhook(Scope::All, id).await.unwrap().is_none());
    assert!(world.store.webhooks(Scope::All, Page { limit: 9, before: None }).await.unwrap().is_empty());
    assert!(!world.store.delete_webhook(Scope::All, id, at(51), None).await.unwrap());
    assert!(!world.store.set_webhook_state(Scope::All, id, WebhookState::Active, at(52), None).await.unwrap());
    assert!(!world.store.disable_webhook(id, DisableReason::Gone, at(53)).await.unwrap());
    assert_eq!(world.store.update_webhook(read, None, None).await.unwrap(), WebhookWrite::NotFound);
    assert!(world.enqueue(world.new_event(client)).await.delivery_ids.is_empty());
}

pub(super) async fn a_deleted_webhooks_pending_deliveries_are_cancelled_and_no_others(world: World) {
    let client = world.client().await;
    let id = world.webhook(client).await;
    let [pending, in_flight, delivered, dead_lettered, cancelled] = world.one_in_each_state(client, id).await;
    let other = world.webhook(client).await;
    let elsewhere = world.enqueue(world.new_event(client)).await.delivery_ids[1];
    let untouched = [in_flight, delivered, dead_lettered, cancelled, elsewhere];
    let mut before = Vec::new();
    for delivery in untouched {
        before.push(world.shown(delivery).await);
    }

    world.store.delete_webhook(Scope::All, id, at(5_000), None).await.unwrap();

    let shown = world.shown(pending).await;
    assert_eq!((shown.state, shown.finished_at, shown.attempts), (DeliveryState::Cancelled, Some(at(5_000)), 0));
    for (delivery, before) in untouched.into_iter().zip(before) {
        assert_eq!(world.shown(delivery).await, before);
    }
    assert_eq!(world.claim(other).await.len(), 1);
    assert!(world.claim(id).await.is_empty());
}

/// Of one webhook more than a deletion cancels by itself.
pub(super) async fn what_a_deleted_webhook_leaves_over_is_cancelled_step_by_step(world: World) {
    let client = world.client().await;
    let id = world.webhook(client).await;
    let in_flight = world.delivery(client).await;
    let claimed = world.claim_one(id).await;
    let waiting = enqueue_many(&world, client, CANCELLED_AT_ONCE + 7).await;

    world.store.delete_webhook(Scope::All, id, at(5_000), None).await.unwrap();

    assert_eq!(count(&world, DeliveryState::Pending).await, 7);
    assert!(world.claim(id).await.is_empty(), "nothing of a deleted webhook is claimed");
    assert!(world.store.lanes_due(later()).await.unwrap().is_empty());
    for expected in [5, 2, 0, 0] {
        assert_eq!(world.store.cancel_left_over(5).await.unwrap(), expected);
    }
    for delivery in waiting {
        let shown = world.shown(delivery).await;
        assert_eq!((shown.state, shown.finished_at), (DeliveryState::Cancelled, Some(at(5_000))));
    }
    assert_eq!(world.state(in_flight).await, DeliveryState::InFlight);
    world.record(failure(&claimed)).await;
    assert_eq!(world.state(in_flight).await, DeliveryState::Cancelled);
}

/// A webhook of which something is in flight does not keep the others waiting.
pub(super) async fn what_a_deleted_clients_webhooks_leave_over_is_cancelled_too(world: World) {
    let (client, other) = (world.client().await, world.client().await);
    let id = world.webhook(client).await;
    world.webhook(client).await;
    world.webhook(other).await;
    world.delivery(other).await;
    enqueue_many(&world, client, CANCELLED_AT_ONCE / 2 + 4).await;
    world.claim_one(id).await;

    world.store.delete_client(client, at(5_000), None).await.unwrap();

    assert_eq!(count(&world, DeliveryState::Pending).await, 8, "seven of the client's are left, and the other client's own");
    assert_eq!(world.store.cancel_left_over(100).await.unwrap(), 7);
    assert_eq!(count(&world, DeliveryState::Pending).await, 1);
    assert_eq!(count(&world, DeliveryState::InFlight).await, 1);
}

async fn enqueue_many(world: &World, client: ClientId, count: u32) -> Vec<DeliveryId> {
    let events = (0..count).map(|_| world.new_event(client)).collect();
    let enqueued = world.store.enqueue(events).await.unwrap();
    enqueued.into_iter().flat_map(|enqueued| enqueued.delivery_ids).collect()
}

async fn count(world: &World, state: DeliveryState) -> usize {
    let filter = DeliveryFilter { state: Some(state), ..DeliveryFilter::all(Scope::All) };
    world.store.deliveries(filter, Page { limit: 10_000, before: None }).await.unwrap().len()
}

pub(super) async fn a_deleted_webhooks_secrets_are_gone(world: World) {
    let client = world.client().await;
    let webhook = Webhook { definition: full_definition(), ..world.new_webhook(client) };
    world.store.insert_webhook(webhook.clone(), None, None).await.unwrap();
    world.delivery(client).await;
    let delivery = world.attempt(webhook.id, success).await;

    world.store.delete_webhook(Scope::Client(client), webhook.id, at(50), None).await.unwrap();

    let shown = world.detail(delivery).await.webhook.definition;
    assert!(shown.headers.is_none());
    assert!(shown.authorization.fixed.is_none());
    assert!(shown.authorization.headers.is_none());
    assert!(shown.authorization.body.is_none());
    assert_eq!(shown.url, webhook.definition.url);
    assert_eq!(shown.authorization.url, webhook.definition.authorization.url);
}

pub(super) async fn a_webhook_is_deleted_only_in_its_scope(world: World) {
    let (client, stranger) = (world.client().await, world.client().await);
    let id = world.webhook(client).await;

    assert!(!world.store.delete_webhook(Scope::Client(stranger), id, at(50), None).await.unwrap());
    assert!(!world.store.delete_webhook(Scope::All, world.ids.next(at(1)), at(50), None).await.unwrap());
    assert!(world.store.webhook(Scope::All, id).await.unwrap().is_some());
    assert!(world.store.delete_webhook(Scope::Client(client), id, at(51), None).await.unwrap());
}
