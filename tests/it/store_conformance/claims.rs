//! Claims: the right deliveries, in order, each to one caller.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use webhook_dispatcher::domain::delivery::DeliveryState;
use webhook_dispatcher::domain::event::PayloadState;
use webhook_dispatcher::domain::ids::{DeliveryId, WebhookId};
use webhook_dispatcher::domain::trace::TraceContext;
use webhook_dispatcher::domain::webhook::{DisableReason, WebhookState};
use webhook_dispatcher::store::records::{ClaimedDelivery, Scope};

use super::world::{World, at, failure, later, success};

const MOMENT: Duration = Duration::from_micros(1);

fn ids(claimed: &[ClaimedDelivery]) -> Vec<DeliveryId> {
    claimed.iter().map(|claimed| claimed.claim.delivery_id).collect()
}

pub(super) async fn deliveries_come_earliest_due_first(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let mut made = Vec::new();
    for due in [30, 10, 20, 5, 25] {
        made.push(world.delivery_with(client, |new| new.due_at = at(due)).await);
    }

    let first = world.claim_at(later(), &[(webhook, 3)]).await;
    let rest = world.claim_at(later(), &[(webhook, 3)]).await;

    assert_eq!(ids(&first), [made[3], made[1], made[2]]);
    assert_eq!(ids(&rest), [made[4], made[0]]);
}

pub(super) async fn nothing_is_claimed_before_it_is_due(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let delivery = world.delivery_with(client, |new| new.due_at = at(500)).await;

    let before = world.claim_at(at(500) - MOMENT, &[(webhook, 9)]).await;
    let then = world.claim_at(at(500), &[(webhook, 9)]).await;

    assert!(before.is_empty());
    assert_eq!(ids(&then), [delivery]);
}

pub(super) async fn a_lane_gives_its_limit_and_no_more(world: World) {
    let client = world.client().await;
    let webhooks = [world.webhook(client).await, world.webhook(client).await, world.webhook(client).await];
    for _ in 0..4 {
        world.enqueue(world.new_event(client)).await;
    }

    let claimed = world.claim_at(later(), &[(webhooks[0], 3), (webhooks[1], 9), (webhooks[2], 0)]).await;

    let of = |webhook| claimed.iter().filter(|claimed| claimed.webhook_id == webhook).count();
    assert_eq!(webhooks.map(of), [3, 4, 0]);
}

pub(super) async fn only_the_named_webhooks_are_claimed(world: World) {
    let client = world.client().await;
    let (named, other) = (world.webhook(client).await, world.webhook(client).await);
    world.enqueue(world.new_event(client)).await;

    let claimed = world.claim(named).await;

    assert_eq!(claimed.iter().map(|claimed| claimed.webhook_id).collect::<Vec<_>>(), [named]);
    assert_eq!(world.claim(other).await.len(), 1);
}

pub(super) async fn hundreds_of_lanes_are_claimed_at_once(world: World) {
    let client = world.client().await;
    let mut lanes = Vec::new();
    for _ in 0..333 {
        lanes.push((world.webhook(client).await, 2));
    }
    let events = (0..3).map(|_| world.new_event(client)).collect();
    world.store.enqueue(events).await.unwrap();

    let claimed = world.claim_at(later(), &lanes).await;

    assert_eq!(claimed.len(), 666);
    assert_eq!(ids(&claimed).into_iter().collect::<HashSet<_>>().len(), 666);
    assert_eq!(world.claim_at(later(), &lanes).await.len(), 333);
}

pub(super) async fn a_claim_carries_all_that_an_attempt_needs(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    world.store.set_webhook_state(Scope::All, webhook, WebhookState::Paused, at(41), None).await.unwrap();
    world.store.set_webhook_state(Scope::All, webhook, WebhookState::Active, at(42), None).await.unwrap();
    let new = world.new_event(client);
    let enqueued = world.enqueue(new.clone()).await;

    let claimed = world.claim_one(webhook).await;

    assert_eq!(claimed.claim.delivery_id, enqueued.delivery_ids[0]);
    assert_eq!((claimed.webhook_id, claimed.webhook_version), (webhook, 3));
    assert_eq!((claimed.attempts, claimed.attempts_before_series), (0, 0));
    assert_eq!(claimed.due_at, new.due_at);
    assert_eq!(claimed.event, new.event);
    assert_eq!(claimed.payload_state, PayloadState::Whole);
}

pub(super) async fn a_claim_carries_the_trace_of_its_events_producer(mut world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let traces = [
        Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 rojo=00f067aa0ba902b7,congo=x y"),
        None,
        Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"),
    ];
    let traces = traces.map(|trace| trace.map(|text| text.parse::<TraceContext>().unwrap()));
    for trace in &traces {
        world.delivery_with(client, |new| new.trace.clone_from(trace)).await;
    }
    let again = world.attempt(webhook, failure).await;

    world.reopen().await;
    let claimed = world.claim_at(later(), &[(webhook, 3)]).await;

    assert_eq!(claimed[2].claim.delivery_id, again, "a retry is due later");
    assert_eq!([&claimed[2], &claimed[0], &claimed[1]].map(|claimed| claimed.trace.clone()), traces);
}

pub(super) async fn a_claim_counts_earlier_attempts_and_series(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let delivery = world.delivery(client).await;
    for _ in 0..2 {
        world.attempt(webhook, failure).await;
    }
    world.store.redeliver(Scope::All, delivery, at(70_000), None).await.unwrap();
    world.attempt(webhook, failure).await;

    let claimed = world.claim_one(webhook).await;

    assert_eq!((claimed.attempts, claimed.attempts_before_series), (3, 2));
    assert_eq!((claimed.attempt_number(), claimed.attempt_in_series()), (4, 2));
}

pub(super) async fn a_claimed_delivery_is_in_flight_and_not_claimed_again(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let delivery = world.delivery(client).await;
    let before = world.shown(delivery).await;

    world.claim_one(webhook).await;

    let shown = world.shown(delivery).await;
    assert_eq!(shown.state, DeliveryState::InFlight);
    assert_eq!((shown.due_at, shown.attempts, shown.finished_at), (before.due_at, 0, None));
    assert!(world.claim(webhook).await.is_empty());
}

pub(super) async fn two_callers_never_share_a_delivery(world: World) {
    let client = world.client().await;
    let webhooks = [world.webhook(client).await, world.webhook(client).await];
    let events = (0..300).map(|_| world.new_event(client)).collect();
    world.store.enqueue(events).await.unwrap();
    let world = Arc::new(world);

    let callers: Vec<_> = (0..8)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                let mut mine = Vec::new();
                loop {
                    let claimed = world.claim_at(later(), &[(webhooks[0], 7), (webhooks[1], 7)]).await;
                    if claimed.is_empty() {
                        return mine;
                    }
                    mine.extend(ids(&claimed));
                }
            })
        })
        .collect();
    let mut all = Vec::new();
    for caller in callers {
        all.extend(caller.await.unwrap());
    }

    assert_eq!(all.len(), 600);
    assert_eq!(all.into_iter().collect::<HashSet<_>>().len(), 600);
}

pub(super) async fn no_two_claims_of_a_delivery_have_the_same_token(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    world.delivery(client).await;

    let mut tokens = HashSet::new();
    for _ in 0..5 {
        let claimed = world.claim_one(webhook).await;
        tokens.insert(claimed.claim.token);
        world.store.release(vec![claimed.claim]).await.unwrap();
    }

    assert_eq!(tokens.len(), 5);
}

pub(super) async fn a_webhook_that_is_not_active_gives_nothing(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let delivery = world.delivery(client).await;

    for state in [WebhookState::Paused, WebhookState::Disabled(DisableReason::FailingTooLong)] {
        world.store.set_webhook_state(Scope::All, webhook, state, at(60), None).await.unwrap();
        assert!(world.claim(webhook).await.is_empty());
        assert_eq!(world.state(delivery).await, DeliveryState::Pending);
    }

    world.store.set_webhook_state(Scope::All, webhook, WebhookState::Active, at(61), None).await.unwrap();
    assert_eq!(ids(&world.claim(webhook).await), [delivery]);
}

/// A webhook of a client of its own, with one delivery that is due at 500.
async fn lane(world: &World) -> WebhookId {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    world.delivery_with(client, |new| new.due_at = at(500)).await;
    webhook
}

pub(super) async fn a_lane_is_due_although_what_is_held_of_it_is_not_due_yet(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    world.delivery_with(client, |new| new.due_at = at(900)).await;
    world.claim_one(webhook).await;
    world.delivery_with(client, |new| new.due_at = at(500)).await;

    let when_the_clock_was_set_back = world.store.lanes_due(at(600)).await.unwrap();

    assert_eq!(when_the_clock_was_set_back, [webhook]);
}

pub(super) async fn lanes_due_names_active_webhooks_with_something_due(world: World) {
    let [due, paused, deleted, done, in_flight, also_due] =
        [lane(&world).await, lane(&world).await, lane(&world).await, lane(&world).await, lane(&world).await, lane(&world).await];
    let idle_client = world.client().await;
    world.webhook(idle_client).await;
    world.store.set_webhook_state(Scope::All, paused, WebhookState::Paused, at(60), None).await.unwrap();
    world.store.delete_webhook(Scope::All, deleted, at(61), None).await.unwrap();
    world.attempt(done, success).await;
    world.claim(in_flight).await;

    let before = world.store.lanes_due(at(500) - MOMENT).await.unwrap();
    let mut then = world.store.lanes_due(at(500)).await.unwrap();

    then.sort();
    assert_eq!(before, []);
    assert_eq!(then, [due, also_due]);
}
