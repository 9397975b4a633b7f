//! What people do with single deliveries: look, send again, call off.

use webhook_dispatcher::domain::delivery::DeliveryState;
use webhook_dispatcher::store::records::{DeliveryChange, Scope};

use super::world::{World, at, failure, given_up, later, success};

pub(super) async fn redelivering_begins_a_new_series_from_every_state_but_in_flight(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let [pending, _, delivered, dead_lettered, cancelled] = world.one_in_each_state(client, webhook).await;
    let retried = world.delivery_with(client, |new| new.due_at = at(2)).await;
    world.attempt(webhook, failure).await;

    for (delivery, attempts) in [(pending, 0), (delivered, 1), (dead_lettered, 1), (cancelled, 0), (retried, 1)] {
        let before = world.shown(delivery).await;

        let change = world.store.redeliver(Scope::All, delivery, at(70_000), None).await.unwrap();

        assert_eq!(change, DeliveryChange::Changed);
        let shown = world.shown(delivery).await;
        assert_eq!((shown.state, shown.due_at), (DeliveryState::Pending, at(70_000)));
        assert_eq!((shown.attempts, shown.attempts_before_series), (attempts, attempts));
        assert_eq!((shown.finished_at, shown.dead_letter_reason), (None, None));
        assert_eq!((shown.created_at, shown.event_id), (before.created_at, before.event_id));
    }
}

pub(super) async fn a_redelivery_is_claimed_with_the_next_number(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let delivery = world.delivery(client).await;
    world.attempt(webhook, given_up).await;
    world.store.redeliver(Scope::All, delivery, at(70_000), None).await.unwrap();

    assert!(world.claim_at(at(69_999), &[(webhook, 1)]).await.is_empty());
    let claimed = world.claim_at(at(70_000), &[(webhook, 1)]).await;

    assert_eq!((claimed[0].attempt_number(), claimed[0].attempt_in_series()), (2, 1));
    world.record(success(&claimed[0])).await;
    let attempts = world.detail(delivery).await.attempts;
    assert_eq!(attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 2]);
}

pub(super) async fn a_delivery_in_flight_is_not_redelivered(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let delivery = world.delivery(client).await;
    let claimed = world.claim_one(webhook).await;

    let change = world.store.redeliver(Scope::All, delivery, at(70_000), None).await.unwrap();

    assert_eq!(change, DeliveryChange::NotAllowedIn(DeliveryState::InFlight));
    assert_eq!(world.record(success(&claimed)).await, webhook_dispatcher::store::records::RecordOutcome::Recorded);
}

pub(super) async fn a_delivery_of_a_deleted_webhook_is_not_redelivered(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let deliveries = world.one_in_each_state(client, webhook).await;
    world.store.delete_webhook(Scope::All, webhook, at(300), None).await.unwrap();

    for delivery in [deliveries[0], deliveries[2], deliveries[3], deliveries[4]] {
        let before = world.shown(delivery).await;

        let change = world.store.redeliver(Scope::All, delivery, at(70_000), None).await.unwrap();

        assert_eq!(change, DeliveryChange::WebhookDeleted);
        assert_eq!(world.shown(delivery).await, before);
    }
}

pub(super) async fn a_cancelled_delivery_is_finished_and_not_claimed(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let delivery = world.delivery(client).await;
    let before = world.shown(delivery).await;

    let change = world.store.cancel(Scope::All, delivery, at(555), None).await.unwrap();

    assert_eq!(change, DeliveryChange::Changed);
    let shown = world.shown(delivery).await;
    assert_eq!((shown.state, shown.finished_at, shown.due_at), (DeliveryState::Cancelled, Some(at(555)), before.due_at));
    assert!(world.claim_at(later(), &[(webhook, 1)]).await.is_empty());
}

pub(super) async fn only_pending_deliveries_are_cancelled(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let [_, in_flight, delivered, dead_lettered, cancelled] = world.one_in_each_state(client, webhook).await;
    let refused = [
        (in_flight, DeliveryState::InFlight),
        (delivered, DeliveryState::Delivered),
        (dead_lettered, DeliveryState::DeadLettered),
        (cancelled, DeliveryState::Cancelled),
    ];

    for (delivery, state) in refused {
        let before = world.shown(delivery).await;

        let change = world.store.cancel(Scope::All, delivery, at(555), None).await.unwrap();

        assert_eq!(change, DeliveryChange::NotAllowedIn(state));
        assert_eq!(world.shown(delivery).await, before);
    }
}

pub(super) async fn people_change_only_what_is_in_their_scope(world: World) {
    let (client, stranger) = (world.client().await, world.client().await);
    world.webhook(client).await;
    let delivery = world.delivery(client).await;
    let (own, foreign) = (Scope::Client(client), Scope::Client(stranger));

    assert_eq!(world.store.cancel(foreign, delivery, at(1), None).await.unwrap(), DeliveryChange::NotFound);
    assert_eq!(world.store.redeliver(foreign, delivery, at(2), None).await.unwrap(), DeliveryChange::NotFound);
    assert_eq!(world.state(delivery).await, DeliveryState::Pending);
    assert!(world.store.delivery(foreign, delivery).await.unwrap().is_none());

    assert_eq!(world.store.cancel(own, delivery, at(3), None).await.unwrap(), DeliveryChange::Changed);
    assert_eq!(world.store.redeliver(own, delivery, at(4), None).await.unwrap(), DeliveryChange::Changed);
    assert!(world.store.delivery(own, delivery).await.unwrap().is_some());

    let unknown = world.ids.next(at(5));
    assert_eq!(world.store.cancel(Scope::All, unknown, at(5), None).await.unwrap(), DeliveryChange::NotFound);
    assert_eq!(world.store.redeliver(Scope::All, unknown, at(6), None).await.unwrap(), DeliveryChange::NotFound);
    assert!(world.store.delivery(Scope::All, unknown).await.unwrap().is_none());
}

pub(super) async fn a_delivery_is_shown_with_its_webhook_and_attempts(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let new = world.new_event(client);
    let delivery = world.enqueue(new.clone()).await.delivery_ids[0];
    for _ in 0..11 {
        world.attempt(webhook, failure).await;
    }

    let detail = world.detail(delivery).await;

    assert_eq!((detail.summary.delivery.id, detail.summary.delivery.event_id), (delivery, new.event.id));
    assert_eq!((detail.summary.event_type, detail.summary.subject), (new.event.event_type, new.event.subject));
    assert_eq!(detail.webhook.id, webhook);
    assert_eq!(detail.attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), (1..=11).collect::<Vec<_>>());
    let last = detail.summary.last_attempt.unwrap();
    assert_eq!((last.finished_at, last.outcome), (detail.attempts[10].finished_at, detail.attempts[10].outcome.clone()));
    assert_eq!(last.detail, detail.attempts[10].exchange.detail);
}

pub(super) async fn a_deleted_webhook_is_still_shown_with_its_deliveries(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let before = world.store.webhook(Scope::All, webhook).await.unwrap().unwrap();
    let delivery = world.delivery(client).await;
    world.store.delete_webhook(Scope::All, webhook, at(300), None).await.unwrap();

    let shown = world.detail(delivery).await.webhook;

    assert_eq!((shown.id, shown.client_id), (webhook, client));
    assert_eq!((shown.definition.name, shown.definition.url), (before.definition.name, before.definition.url));
    assert_eq!(shown.definition.events, before.definition.events);
}
