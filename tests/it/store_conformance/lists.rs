//! Lists of deliveries: order, pages and filters.

use std::time::Duration;

use webhook_dispatcher::domain::attempt::FailureReason;
use webhook_dispatcher::domain::delivery::{DeadLetterReason, DeliveryState, Transition};
use webhook_dispatcher::domain::ids::{DeliveryId, WebhookId};
use webhook_dispatcher::domain::time::Timestamp;
use webhook_dispatcher::store::records::{ClaimedDelivery, DeadLetterGroup, DeliveryFilter, Page, Scope};

use super::world::{World, at, event_type, failure, finished, given_up, success};

const ALL: DeliveryFilter = DeliveryFilter::all(Scope::All);

async fn found(world: &World, filter: DeliveryFilter) -> Vec<DeliveryId> {
    page(world, &filter, 1_000, None).await
}

async fn page(world: &World, filter: &DeliveryFilter, limit: u32, before: Option<DeliveryId>) -> Vec<DeliveryId> {
    let listed = world.store.deliveries(filter.clone(), Page { limit, before }).await.unwrap();
    listed.into_iter().map(|summary| summary.delivery.id).collect()
}

pub(super) async fn deliveries_are_listed_newest_first_within_their_scope(world: World) {
    let (client, stranger) = (world.client().await, world.client().await);
    world.webhook(client).await;
    world.webhook(stranger).await;
    let (first, foreign, second) = (world.delivery(client).await, world.delivery(stranger).await, world.delivery(client).await);

    assert_eq!(found(&world, ALL).await, [second, foreign, first]);
    assert_eq!(found(&world, DeliveryFilter::all(Scope::Client(client))).await, [second, first]);
    let listed = world.store.deliveries(ALL, Page { limit: 1, before: None }).await.unwrap();
    assert_eq!(listed[0].delivery, world.shown(second).await);
}

pub(super) async fn pages_neither_overlap_nor_skip_when_deliveries_are_added(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    for _ in 0..10 {
        world.delivery(client).await;
    }
    let filters = [
        ALL,
        DeliveryFilter::all(Scope::Client(client)),
        DeliveryFilter { webhook_id: Some(webhook), ..ALL },
        DeliveryFilter { state: Some(DeliveryState::Pending), ..ALL },
    ];

    for filter in filters {
        let there = found(&world, ALL).await;
        let mut seen = Vec::new();
        loop {
            let next = page(&world, &filter, 3, seen.last().copied()).await;
            if next.is_empty() {
                break;
            }
            seen.extend(next);
            world.delivery(client).await;
        }

        assert_eq!(seen, there, "{filter:?}");
    }
}

pub(super) async fn deliveries_are_found_by_webhook_event_type_and_subject(world: World) {
    let (client, stranger) = (world.client().await, world.client().await);
    let other = event_type("document.failed");
    let kinds = vec![event_type("document.finished"), other.clone()];
    let webhook = world.webhook_with(client, |webhook| webhook.definition.events.clone_from(&kinds)).await;
    let plain = world.delivery(client).await;
    let kind = world.delivery_with(client, |new| new.event.event_type = other.clone()).await;
    let second_webhook = world.webhook(client).await;
    let event = world.enqueue(world.new_event(client)).await;
    world.webhook(stranger).await;
    let foreign = world.delivery_with(stranger, |new| new.event.subject = "shared".to_owned()).await;
    let shared = {
        let mut new = world.new_event(client);
        new.event.subject = "shared".to_owned();
        world.enqueue(new).await
    };

    let [first, second] = [event.delivery_ids[0], event.delivery_ids[1]];
    let [third, fourth] = [shared.delivery_ids[0], shared.delivery_ids[1]];
    assert_eq!(found(&world, DeliveryFilter { webhook_id: Some(webhook), ..ALL }).await, [third, first, kind, plain]);
    assert_eq!(found(&world, DeliveryFilter { webhook_id: Some(second_webhook), ..ALL }).await, [fourth, second]);
    assert_eq!(found(&world, DeliveryFilter { event_id: Some(event.event_id), ..ALL }).await, [second, first]);
    assert_eq!(found(&world, DeliveryFilter { event_type: Some(other), ..ALL }).await, [kind]);
    let by_subject = DeliveryFilter { subject: Some("shared".to_owned()), ..ALL };
    assert_eq!(found(&world, by_subject.clone()).await, [fourth, third, foreign]);
    assert_eq!(found(&world, DeliveryFilter { scope: Scope::Client(client), ..by_subject }).await, [fourth, third]);
    assert_eq!(found(&world, DeliveryFilter { subject: Some("share".to_owned()), ..ALL }).await, []);
}

pub(super) async fn deliveries_are_found_by_state(world: World) {
    let (client, stranger) = (world.client().await, world.client().await);
    let webhook = world.webhook(client).await;
    let foreign_webhook = world.webhook(stranger).await;
    let own = world.one_in_each_state(client, webhook).await;
    let foreign = world.one_in_each_state(stranger, foreign_webhook).await;
    let states =
        [DeliveryState::Pending, DeliveryState::InFlight, DeliveryState::Delivered, DeliveryState::DeadLettered, DeliveryState::Cancelled];

    for ((state, own), foreign) in states.into_iter().zip(own).zip(foreign) {
        let filter = DeliveryFilter { state: Some(state), ..ALL };
        assert_eq!(found(&world, filter.clone()).await, [foreign, own], "{state:?}");
        let scoped = DeliveryFilter { scope: Scope::Client(client), ..filter.clone() };
        assert_eq!(found(&world, scoped.clone()).await, [own], "{state:?}");
        assert_eq!(page(&world, &filter, 1, Some(foreign)).await, [own], "{state:?}");
        assert_eq!(found(&world, DeliveryFilter { webhook_id: Some(webhook), ..filter }).await, [own], "{state:?}");
        assert_eq!(found(&world, DeliveryFilter { webhook_id: Some(foreign_webhook), ..scoped }).await, [], "{state:?}");
    }
}

pub(super) async fn deliveries_are_found_by_the_time_they_were_made(world: World) {
    let client = world.client().await;
    world.webhook(client).await;
    let mut made = Vec::new();
    for seconds in [100, 200, 300] {
        let delivery = world.delivery_with(client, |new| {
            (new.event.created_at, new.due_at) = (at(seconds), at(1_000 - seconds));
        });
        made.push(delivery.await);
    }
    let between = |from, to| DeliveryFilter { from, to, ..ALL };

    assert_eq!(found(&world, between(Some(at(200)), None)).await, [made[2], made[1]]);
    assert_eq!(found(&world, between(None, Some(at(200)))).await, [made[0]]);
    assert_eq!(found(&world, between(Some(at(100)), Some(at(300)))).await, [made[1], made[0]]);
    assert_eq!(found(&world, between(Some(at(301)), None)).await, []);
}

pub(super) async fn deliveries_are_found_by_the_time_they_ended(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let [_, _, delivered, dead, cancelled] = world.one_in_each_state(client, webhook).await;
    let mut ended = Vec::new();
    for id in [delivered, dead, cancelled] {
        ended.push((world.shown(id).await.finished_at.unwrap(), id));
    }
    // Two of them ended at one time.
    let expected = |from: Timestamp| {
        let mut ids: Vec<DeliveryId> = ended.iter().filter(|(time, _)| *time >= from).map(|(_, id)| *id).collect();
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids
    };

    for (time, _) in &ended {
        for from in [*time, *time + Duration::from_micros(1)] {
            let filter = DeliveryFilter { finished_from: Some(from), ..ALL };
            assert_eq!(found(&world, filter.clone()).await, expected(from));
            let pending = DeliveryFilter { state: Some(DeliveryState::Pending), ..filter.clone() };
            assert_eq!(found(&world, pending).await, []);
            let of_state = DeliveryFilter { state: Some(DeliveryState::DeadLettered), ..filter };
            let dead_alone: Vec<DeliveryId> = expected(from).into_iter().filter(|id| *id == dead).collect();
            assert_eq!(found(&world, of_state).await, dead_alone);
        }
    }
}

/// A clock that runs backwards makes ids that run ahead of their time.
pub(super) async fn a_clock_that_ran_backwards_hides_nothing(world: World) {
    let client = world.client().await;
    world.webhook(client).await;
    let first = world.delivery_with(client, |new| new.event.created_at = at(5_000)).await;
    let second = world.delivery_with(client, |new| new.event.created_at = at(1_000)).await;

    assert_eq!(found(&world, DeliveryFilter { from: Some(at(1_000)), to: Some(at(2_000)), ..ALL }).await, [second]);
    assert_eq!(found(&world, DeliveryFilter { from: Some(at(4_000)), ..ALL }).await, [first]);
}

pub(super) async fn filters_are_combined(world: World) {
    let (client, stranger) = (world.client().await, world.client().await);
    let webhook = world.webhook(client).await;
    let alike = |new: &mut webhook_dispatcher::store::records::NewEvent| new.event.subject = "shared".to_owned();
    world.delivery(client).await;
    let wanted = world.delivery_with(client, alike).await;
    for _ in 0..2 {
        world.attempt(webhook, success).await;
    }
    world.delivery_with(client, alike).await;
    let event_id = world.shown(wanted).await.event_id;
    let all_parts = DeliveryFilter {
        scope: Scope::Client(client),
        webhook_id: Some(webhook),
        event_id: None,
        state: Some(DeliveryState::Delivered),
        reason: None,
        event_type: Some(event_type("document.finished")),
        subject: Some("shared".to_owned()),
        from: Some(at(0)),
        to: Some(at(1_000)),
        finished_from: Some(at(0)),
    };

    assert_eq!(found(&world, all_parts.clone()).await, [wanted]);
    assert_eq!(found(&world, DeliveryFilter { event_id: Some(event_id), ..all_parts.clone() }).await, [wanted]);
    let none = [
        DeliveryFilter { scope: Scope::Client(stranger), ..all_parts.clone() },
        DeliveryFilter { event_type: Some(event_type("document.failed")), ..all_parts.clone() },
        DeliveryFilter { from: Some(at(1_000)), to: None, ..all_parts.clone() },
        DeliveryFilter { state: Some(DeliveryState::Cancelled), ..all_parts.clone() },
        DeliveryFilter { webhook_id: Some(world.ids.next(at(1))), ..all_parts.clone() },
        DeliveryFilter { finished_from: Some(at(1_000_000)), ..all_parts.clone() },
        DeliveryFilter { event_id: Some(world.ids.next(at(1))), ..all_parts },
    ];
    for filter in none {
        assert_eq!(found(&world, filter.clone()).await, [], "{filter:?}");
    }
}

pub(super) async fn a_list_shows_the_last_attempt(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let tried = world.delivery_with(client, |new| new.due_at = at(1)).await;
    world.attempt(webhook, failure).await;
    world
        .attempt(webhook, |claimed| {
            let mut record = success(claimed);
            record.attempt.exchange.detail = Some("the last words".to_owned());
            record
        })
        .await;
    let untried = world.delivery(client).await;

    let listed = world.store.deliveries(ALL, Page { limit: 9, before: None }).await.unwrap();

    assert_eq!((listed[0].delivery.id, &listed[0].last_attempt), (untried, &None));
    let last = listed[1].last_attempt.clone().unwrap();
    let attempts = world.detail(tried).await.attempts;
    assert_eq!((last.finished_at, last.outcome), (attempts[1].finished_at, attempts[1].outcome.clone()));
    assert_eq!(last.detail.as_deref(), Some("the last words"));
}

/// Ends the earliest delivery of a webhook as a dead letter.
async fn give_up(world: &World, webhook: WebhookId, reason: DeadLetterReason, seconds: i64) -> DeliveryId {
    let record = |claimed: &ClaimedDelivery| {
        let mut record = finished(given_up(claimed), at(seconds));
        record.transition = Transition::DeadLetter(reason);
        record
    };
    world.attempt(webhook, record).await
}

pub(super) async fn dead_letters_are_found_by_reason(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    for _ in 0..3 {
        world.delivery(client).await;
    }
    let gone = give_up(&world, webhook, DeadLetterReason::Permanent(FailureReason::Gone), 200_000).await;
    let exhausted = give_up(&world, webhook, DeadLetterReason::Exhausted, 200_001).await;
    let by_reason = |reason| DeliveryFilter { state: Some(DeliveryState::DeadLettered), reason: Some(reason), ..ALL };

    assert_eq!(found(&world, by_reason(DeadLetterReason::Exhausted)).await, [exhausted]);
    assert_eq!(found(&world, by_reason(DeadLetterReason::Permanent(FailureReason::Gone))).await, [gone]);
    assert_eq!(found(&world, by_reason(DeadLetterReason::Permanent(FailureReason::Tls))).await, []);
}

pub(super) async fn dead_letters_are_counted_by_webhook_and_reason(world: World) {
    let (client, stranger) = (world.client().await, world.client().await);
    let (webhook, foreign) = (world.webhook(client).await, world.webhook(stranger).await);
    for _ in 0..4 {
        world.delivery(client).await;
        world.delivery(stranger).await;
    }
    let gone = DeadLetterReason::Permanent(FailureReason::Gone);
    give_up(&world, webhook, gone.clone(), 200_010).await;
    give_up(&world, webhook, DeadLetterReason::Exhausted, 200_030).await;
    give_up(&world, webhook, DeadLetterReason::Exhausted, 200_020).await;
    give_up(&world, foreign, gone.clone(), 200_040).await;
    let groups = async |scope, most| world.store.dead_letter_groups(scope, most).await.unwrap();
    let group = |webhook_id, reason, count, seconds| DeadLetterGroup { webhook_id, reason, count, latest_at: at(seconds) };

    let own = [group(webhook, DeadLetterReason::Exhausted, 2, 200_030), group(webhook, gone.clone(), 1, 200_010)];
    assert_eq!(groups(Scope::Client(client), 9).await, own);
    assert_eq!(groups(Scope::All, 9).await, [own[0].clone(), group(foreign, gone, 1, 200_040), own[1].clone()]);
    assert_eq!(groups(Scope::All, 3).await.iter().map(|group| group.count).sum::<u64>(), 3);
    assert_eq!(groups(Scope::Client(world.client().await), 9).await, []);
}
