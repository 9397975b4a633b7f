//! What was answered is there after the end of the process; what was begun is finished.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use webhook_dispatcher::domain::client::Role;
use webhook_dispatcher::domain::delivery::DeliveryState;
use webhook_dispatcher::store::records::{RecordOutcome, Scope};

use super::world::{SILENT, World, at, failure, later, success};

pub(super) async fn everything_is_there_after_reopening(mut world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let key = world.new_key(Role::Operator, Some(client));
    world.store.insert_api_key(key.clone(), None).await.unwrap();
    let deliveries = world.one_in_each_state(client, webhook).await;
    let mut before = Vec::new();
    for delivery in deliveries {
        before.push(world.shown(delivery).await);
    }
    let mut keyed = world.new_event(client);
    keyed.idempotency_key = Some("once".to_owned());
    let first = world.enqueue(keyed.clone()).await;

    world.reopen().await;
    world.store.take_back_claims(world.ids.next(at(8)), SILENT).await.unwrap();

    for (delivery, mut before) in deliveries.into_iter().zip(before) {
        if before.state == DeliveryState::InFlight {
            before.state = DeliveryState::Pending;
        }
        assert_eq!(world.shown(delivery).await, before);
    }
    assert_eq!(world.store.api_key(key.hash).await.unwrap(), Some(key));
    assert!(world.store.webhook(Scope::Client(client), webhook).await.unwrap().is_some());
    keyed.event.id = world.ids.next(at(9));
    let again = world.enqueue(keyed).await;
    assert_eq!((again.event_id, again.duplicate), (first.event_id, true));
}

pub(super) async fn claims_end_with_their_process_once_they_are_taken_back(mut world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let delivery = world.delivery(client).await;
    world.attempt(webhook, failure).await;
    let claimed = world.claim_one(webhook).await;

    world.reopen().await;

    world.store.take_back_claims(world.ids.next(at(1)), SILENT).await.unwrap();
    assert_eq!(world.state(delivery).await, DeliveryState::Pending);
    assert_eq!(world.claim_at(later(), &[(webhook, 1)]).await[0].attempts, 1);
    assert_eq!(world.record(success(&claimed)).await, RecordOutcome::ClaimLost);
}

/// Begins what `future` does and goes away before it is done.
fn begin_and_leave(future: impl Future) -> bool {
    pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

pub(super) async fn a_write_is_finished_although_its_caller_went_away(mut world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let delivery = world.delivery(client).await;
    let new = world.new_event(client);

    let enqueue = begin_and_leave(world.store.enqueue(vec![new.clone()]));
    let cancel = begin_and_leave(world.store.cancel(Scope::All, delivery, at(50), None));
    let delete = begin_and_leave(world.store.delete_client(client, at(60), None));
    world.reopen().await;

    assert!(enqueue && cancel && delete, "each caller left before it was answered");
    let stored = world.store.event(Scope::All, new.event.id).await.unwrap().unwrap();
    assert_eq!(stored.event, new.event);
    assert_eq!(world.state(delivery).await, DeliveryState::Cancelled);
    assert!(world.store.webhook(Scope::All, webhook).await.unwrap().is_none());
}

pub(super) async fn calls_after_closing_fail(world: World) {
    let client = world.client().await;
    world.webhook(client).await;

    world.store.close().await;
    world.store.close().await;

    assert!(world.store.check().await.is_err());
    assert!(world.store.client(client).await.is_err());
    assert!(world.store.enqueue(vec![world.new_event(client)]).await.is_err());
    assert!(world.store.lanes_due(later()).await.is_err());
    assert!(world.store.insert_client(world.new_client(), None).await.is_err());
}
