//! What has been kept long enough goes, by the right age, oldest first, in bounded steps.

use webhook_dispatcher::domain::ids::{ClientId, DeliveryId, EventId, WebhookId};
use webhook_dispatcher::domain::time::Timestamp;
use webhook_dispatcher::store::records::{AttemptRecord, ClaimedDelivery, Removed, RetentionStep, Scope};

use super::world::{World, at, failure, finished, given_up, success};

/// A step that removes nothing, for every case to change.
const NOTHING: RetentionStep = RetentionStep {
    finished_before: LONG_AGO,
    dead_letters_before: LONG_AGO,
    idempotency_before: LONG_AGO,
    statistics_before: LONG_AGO,
    audit_before: LONG_AGO,
    limit: 100,
};

const LONG_AGO: Timestamp = Timestamp::from_micros(0);

async fn ended(
    world: &World,
    client: ClientId,
    webhook: WebhookId,
    record: fn(&ClaimedDelivery) -> AttemptRecord,
    end: Timestamp,
) -> DeliveryId {
    world.delivery(client).await;
    world.attempt(webhook, |claimed| finished(record(claimed), end)).await
}

async fn is_kept(world: &World, id: DeliveryId) -> bool {
    world.store.delivery(Scope::All, id).await.unwrap().is_some()
}

async fn event_is_kept(world: &World, id: EventId) -> bool {
    world.store.event(Scope::All, id).await.unwrap().is_some()
}

async fn remove(world: &World, step: RetentionStep) -> Removed {
    world.store.remove_expired(step).await.unwrap()
}

/// The event is older, the deadline later, and only the end is on the right side.
pub(super) async fn age_counts_from_finished_at(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let old = ended(&world, client, webhook, success, at(9_999)).await;
    let young = ended(&world, client, webhook, success, at(10_000)).await;
    let called_off = world.delivery_with(client, |new| new.due_at = at(90_000)).await;
    world.store.cancel(Scope::All, called_off, at(9_998), None).await.unwrap();
    let event = world.shown(old).await.event_id;

    let removed = remove(&world, RetentionStep { finished_before: at(10_000), ..NOTHING }).await;

    assert_eq!(removed, Removed { deliveries: 2, events: 2, ..Removed::default() });
    assert!(!is_kept(&world, old).await && !is_kept(&world, called_off).await && !event_is_kept(&world, event).await);
    assert!(is_kept(&world, young).await);
    let again = remove(&world, RetentionStep { finished_before: at(10_000), ..NOTHING }).await;
    assert!(again.is_nothing());
}

pub(super) async fn dead_letters_have_an_age_of_their_own(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let old = ended(&world, client, webhook, given_up, at(4_999)).await;
    let young = ended(&world, client, webhook, given_up, at(5_000)).await;
    let delivered = ended(&world, client, webhook, success, at(4_000)).await;

    let removed = remove(&world, RetentionStep { dead_letters_before: at(5_000), ..NOTHING }).await;

    assert_eq!((removed.deliveries, is_kept(&world, old).await), (1, false));
    let removed = remove(&world, RetentionStep { finished_before: at(50_000), ..NOTHING }).await;
    assert_eq!((removed.deliveries, is_kept(&world, delivered).await), (1, false));
    assert!(is_kept(&world, young).await);
}

pub(super) async fn what_is_not_finished_is_never_removed(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let tried = world.delivery(client).await;
    world.attempt(webhook, failure).await;
    let in_flight = world.delivery_with(client, |new| new.due_at = at(1)).await;
    world.claim_one(webhook).await;
    let far = at(10_000_000);

    let removed =
        remove(&world, RetentionStep { finished_before: far, dead_letters_before: far, idempotency_before: far, ..NOTHING }).await;

    assert!(removed.is_nothing());
    assert_eq!(world.detail(tried).await.attempts.len(), 1);
    for delivery in [tried, in_flight] {
        assert!(event_is_kept(&world, world.shown(delivery).await.event_id).await);
    }
}

pub(super) async fn a_step_removes_the_oldest_up_to_its_limit(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let mut by_age = Vec::new();
    for (record, end) in [(success as fn(&_) -> _, 700), (given_up, 200), (success, 300), (given_up, 600), (success, 100)] {
        by_age.push((end, ended(&world, client, webhook, record, at(end)).await));
    }
    by_age.sort_unstable();
    let step = RetentionStep { finished_before: at(9_000), dead_letters_before: at(9_000), limit: 2, ..NOTHING };

    for kept in [3, 1, 0] {
        let removed = remove(&world, step).await;

        let oldest_gone = by_age.len() - kept;
        for (index, (_, delivery)) in by_age.iter().enumerate() {
            assert_eq!(is_kept(&world, *delivery).await, index >= oldest_gone, "{index} of {kept}");
        }
        assert!(removed.deliveries <= 2 && removed.events <= 2);
    }
    assert!(remove(&world, step).await.is_nothing());
}

pub(super) async fn an_event_stays_as_long_as_a_delivery_needs_it(world: World) {
    let client = world.client().await;
    let (first, second) = (world.webhook(client).await, world.webhook(client).await);
    let enqueued = world.enqueue(world.new_event(client)).await;
    world.attempt(first, |claimed| finished(success(claimed), at(1_000))).await;
    world.attempt(second, |claimed| finished(given_up(claimed), at(1_001))).await;

    let removed = remove(&world, RetentionStep { finished_before: at(9_000), ..NOTHING }).await;
    assert_eq!((removed.deliveries, removed.events), (1, 0));
    assert!(event_is_kept(&world, enqueued.event_id).await);

    let both = RetentionStep { finished_before: at(9_000), dead_letters_before: at(9_000), ..NOTHING };
    let removed = remove(&world, both).await;
    assert_eq!((removed.deliveries, removed.events), (1, 1));
    assert!(!event_is_kept(&world, enqueued.event_id).await);
}

pub(super) async fn an_event_without_deliveries_goes_by_its_own_age(world: World) {
    let client = world.client().await;
    let mut made = Vec::new();
    for created in [1_002, 1_000, 1_001] {
        let mut new = world.new_event(client);
        new.event.created_at = at(created);
        made.push(world.enqueue(new).await.event_id);
    }

    let removed = remove(&world, RetentionStep { finished_before: at(1_002), limit: 1, ..NOTHING }).await;
    assert_eq!(removed, Removed { events: 1, ..Removed::default() });
    assert!(!event_is_kept(&world, made[1]).await && event_is_kept(&world, made[2]).await);

    let removed = remove(&world, RetentionStep { finished_before: at(1_002), ..NOTHING }).await;
    assert_eq!(removed.events, 1);
    assert!(event_is_kept(&world, made[0]).await);
}

pub(super) async fn an_event_younger_than_its_dead_letter_goes_later(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let delivery = ended(&world, client, webhook, given_up, at(5_000)).await;
    let event = world.shown(delivery).await.event_id;

    let removed = remove(&world, RetentionStep { dead_letters_before: at(6_000), ..NOTHING }).await;
    assert_eq!((removed.deliveries, removed.events), (1, 0));
    assert!(event_is_kept(&world, event).await);

    let removed = remove(&world, RetentionStep { finished_before: at(1_000), ..NOTHING }).await;
    assert_eq!((removed.deliveries, removed.events), (0, 1));
}

pub(super) async fn a_forgotten_key_can_be_used_again(world: World) {
    let client = world.client().await;
    world.webhook(client).await;
    let keyed = |key: &str, created| {
        let mut new = world.new_event(client);
        (new.idempotency_key, new.event.created_at) = (Some(key.to_owned()), at(created));
        new
    };
    let old = world.enqueue(keyed("old", 1_000)).await;
    world.enqueue(keyed("older", 999)).await;
    world.enqueue(keyed("young", 1_001)).await;
    let step = RetentionStep { idempotency_before: at(1_001), limit: 1, ..NOTHING };

    assert_eq!(remove(&world, step).await, Removed { idempotency_keys: 1, ..Removed::default() });
    assert!(world.enqueue(keyed("old", 2_000)).await.duplicate);
    assert_eq!(remove(&world, step).await.idempotency_keys, 1);
    assert!(remove(&world, step).await.is_nothing());

    assert!(!world.enqueue(keyed("old", 2_000)).await.duplicate);
    assert!(!world.enqueue(keyed("older", 2_001)).await.duplicate);
    assert!(world.enqueue(keyed("young", 2_002)).await.duplicate);
    assert!(event_is_kept(&world, old.event_id).await);
}
