//! Webhooks that only fail are found and disabled; tidying loses nothing.

use webhook_dispatcher::domain::ids::{ClientId, WebhookId};
use webhook_dispatcher::domain::webhook::{DisableReason, WebhookState};
use webhook_dispatcher::store::records::{AttemptRecord, ClaimedDelivery, Scope};

use super::world::{World, at, failure, finished, given_up, success};

/// All these are minutes apart, and so are the times of attempts from the times around them.
const SINCE: i64 = 200_000;
const BEFORE: i64 = 190_000;
const AFTER: i64 = 210_000;

async fn attempt(world: &World, client: ClientId, webhook: WebhookId, record: fn(&ClaimedDelivery) -> AttemptRecord, end: i64) {
    world.delivery(client).await;
    world.attempt(webhook, |claimed| finished(record(claimed), at(end))).await;
}

async fn failing(world: &World) -> Vec<WebhookId> {
    let mut failing = world.store.failing_webhooks(at(SINCE)).await.unwrap();
    failing.sort();
    failing
}

/// A webhook of a client of its own.
async fn webhook(world: &World) -> (ClientId, WebhookId) {
    let client = world.client().await;
    (client, world.webhook(client).await)
}

pub(super) async fn a_webhook_that_only_fails_is_failing(world: World) {
    let (first_client, retrying) = webhook(&world).await;
    attempt(&world, first_client, retrying, failure, BEFORE).await;
    attempt(&world, first_client, retrying, failure, AFTER).await;
    let (second_client, giving_up) = webhook(&world).await;
    attempt(&world, second_client, giving_up, given_up, AFTER).await;
    attempt(&world, second_client, giving_up, given_up, BEFORE).await;
    webhook(&world).await;

    assert_eq!(failing(&world).await, [retrying, giving_up]);
}

pub(super) async fn a_success_ends_the_failing(world: World) {
    for success_at in [BEFORE + 1_000, SINCE, AFTER - 1_000, AFTER + 1_000] {
        let (client, webhook) = webhook(&world).await;
        attempt(&world, client, webhook, given_up, BEFORE).await;
        attempt(&world, client, webhook, success, success_at).await;
        attempt(&world, client, webhook, given_up, AFTER).await;

        assert_eq!(failing(&world).await, [], "{success_at}");
    }

    let (client, webhook) = webhook(&world).await;
    attempt(&world, client, webhook, success, BEFORE - 1_000).await;
    attempt(&world, client, webhook, given_up, BEFORE).await;
    attempt(&world, client, webhook, given_up, AFTER).await;
    assert_eq!(failing(&world).await, [webhook]);
}

pub(super) async fn failures_on_one_side_are_not_enough(world: World) {
    let (client, only_before) = webhook(&world).await;
    attempt(&world, client, only_before, given_up, BEFORE).await;
    attempt(&world, client, only_before, given_up, BEFORE + 1_000).await;
    let (client, only_after) = webhook(&world).await;
    attempt(&world, client, only_after, given_up, AFTER).await;
    attempt(&world, client, only_after, given_up, AFTER + 1_000).await;

    assert_eq!(failing(&world).await, []);
}

pub(super) async fn what_was_before_a_change_of_state_does_not_count(world: World) {
    let (client, webhook) = webhook(&world).await;
    attempt(&world, client, webhook, given_up, BEFORE).await;
    attempt(&world, client, webhook, given_up, AFTER).await;
    world.store.set_webhook_state(Scope::All, webhook, WebhookState::Paused, at(BEFORE + 1_000), None).await.unwrap();
    world.store.set_webhook_state(Scope::All, webhook, WebhookState::Active, at(BEFORE + 2_000), None).await.unwrap();
    assert_eq!(failing(&world).await, []);

    attempt(&world, client, webhook, given_up, BEFORE + 3_000).await;

    assert_eq!(failing(&world).await, [webhook]);
}

pub(super) async fn setting_the_same_state_again_keeps_what_was_counted(world: World) {
    let (client, webhook) = webhook(&world).await;
    attempt(&world, client, webhook, given_up, BEFORE).await;
    attempt(&world, client, webhook, given_up, AFTER).await;

    world.store.set_webhook_state(Scope::All, webhook, WebhookState::Active, at(AFTER + 1_000), None).await.unwrap();

    assert_eq!(failing(&world).await, [webhook]);
}

pub(super) async fn only_active_webhooks_are_failing(world: World) {
    let mut webhooks = Vec::new();
    for _ in 0..3 {
        let (client, webhook) = webhook(&world).await;
        attempt(&world, client, webhook, given_up, BEFORE).await;
        attempt(&world, client, webhook, given_up, AFTER).await;
        webhooks.push(webhook);
    }

    // In the past, so that it is the state that speaks and not its change.
    world.store.set_webhook_state(Scope::All, webhooks[0], WebhookState::Paused, at(10), None).await.unwrap();
    assert!(world.store.disable_webhook(webhooks[1], DisableReason::FailingTooLong, at(11)).await.unwrap());
    world.store.delete_webhook(Scope::All, webhooks[2], at(12), None).await.unwrap();

    assert_eq!(failing(&world).await, []);
}

pub(super) async fn an_active_webhook_is_disabled_once(world: World) {
    let (_, webhook) = webhook(&world).await;

    assert!(world.store.disable_webhook(webhook, DisableReason::FailingTooLong, at(60)).await.unwrap());
    assert!(!world.store.disable_webhook(webhook, DisableReason::Gone, at(61)).await.unwrap());
    assert!(!world.store.disable_webhook(world.ids.next(at(1)), DisableReason::Gone, at(62)).await.unwrap());

    let stored = world.store.webhook(Scope::All, webhook).await.unwrap().unwrap();
    assert_eq!(stored.state, WebhookState::Disabled(DisableReason::FailingTooLong));
    assert_eq!((stored.version, stored.updated_at), (2, at(60)));
    world.store.set_webhook_state(Scope::All, webhook, WebhookState::Paused, at(63), None).await.unwrap();
    assert!(!world.store.disable_webhook(webhook, DisableReason::Gone, at(64)).await.unwrap());
}

pub(super) async fn tidying_loses_nothing(world: World) {
    let (client, webhook) = webhook(&world).await;
    let delivery = world.delivery(client).await;
    world.attempt(webhook, failure).await;
    let before = world.shown(delivery).await;

    world.store.tidy().await.unwrap();
    world.store.tidy().await.unwrap();

    world.store.check().await.unwrap();
    assert_eq!(world.shown(delivery).await, before);
    assert_eq!(world.claim(webhook).await.len(), 1);
}

pub(super) async fn pending_deliveries_are_counted_as_far_as_asked(world: World) {
    let (client, webhook) = webhook(&world).await;
    world.one_in_each_state(client, webhook).await;
    for _ in 0..3 {
        world.delivery(client).await;
    }

    let mut counted = Vec::new();
    for most in [0, 2, 100] {
        counted.push(world.store.fill(most).await.unwrap().pending);
    }

    assert_eq!(counted, [0, 2, 4]);
}
