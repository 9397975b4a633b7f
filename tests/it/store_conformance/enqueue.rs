//! Events come in once, whole, and for the right webhooks.

use bytes::Bytes;
use webhook_dispatcher::domain::delivery::{Delivery, DeliveryState};
use webhook_dispatcher::domain::webhook::{DisableReason, WebhookState};
use webhook_dispatcher::store::StoreError;
use webhook_dispatcher::store::records::{DeliveryFilter, EventFilter, NewEvent, Page, Scope};

use super::world::{World, at, event_type};

const EVERYTHING: EventFilter = EventFilter { scope: Scope::All, event_type: None, subject: None };

async fn stored_events(world: &World) -> usize {
    world.store.events(EVERYTHING, Page { limit: 10_000, before: None }).await.unwrap().len()
}

async fn stored_deliveries(world: &World) -> usize {
    world.store.deliveries(DeliveryFilter::all(Scope::All), Page { limit: 10_000, before: None }).await.unwrap().len()
}

fn with_key(mut new: NewEvent, key: &str) -> NewEvent {
    new.idempotency_key = Some(key.to_owned());
    new
}

pub(super) async fn an_event_and_its_delivery_come_back_as_they_went_in(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let new = world.new_event(client);

    let enqueued = world.enqueue(new.clone()).await;

    assert_eq!((enqueued.event_id, enqueued.duplicate), (new.event.id, false));
    let stored = world.store.event(Scope::All, new.event.id).await.unwrap().unwrap();
    assert_eq!(stored.event, new.event);
    let delivery = Delivery {
        id: enqueued.delivery_ids[0],
        event_id: new.event.id,
        webhook_id: webhook,
        client_id: client,
        state: DeliveryState::Pending,
        due_at: new.due_at,
        attempts: 0,
        attempts_before_series: 0,
        dead_letter_reason: None,
        created_at: new.event.created_at,
        finished_at: None,
    };
    assert_eq!(stored.deliveries, [delivery]);
}

pub(super) async fn every_webhook_that_wants_the_type_gets_one_delivery(world: World) {
    let (client, stranger) = (world.client().await, world.client().await);
    let both = vec![event_type("document.finished"), event_type("document.failed")];
    let active = world.webhook_with(client, |webhook| webhook.definition.events = both).await;
    let paused = world.webhook_with(client, |webhook| webhook.state = WebhookState::Paused).await;
    let disabled = world.webhook_with(client, |webhook| webhook.state = WebhookState::Disabled(DisableReason::Gone)).await;
    let deleted = world.webhook(client).await;
    world.store.delete_webhook(Scope::All, deleted, at(40), None).await.unwrap();
    world.webhook_with(client, |webhook| webhook.definition.events = vec![event_type("document.failed")]).await;
    world.webhook(stranger).await;

    let enqueued = world.enqueue(world.new_event(client)).await;

    let stored = world.store.event(Scope::All, enqueued.event_id).await.unwrap().unwrap();
    let webhooks: Vec<_> = stored.deliveries.iter().map(|delivery| delivery.webhook_id).collect();
    assert_eq!(webhooks, [active, paused, disabled]);
    assert_eq!(enqueued.delivery_ids, stored.deliveries.iter().map(|delivery| delivery.id).collect::<Vec<_>>());
}

pub(super) async fn an_event_that_nobody_wants_is_stored_without_deliveries(world: World) {
    let client = world.client().await;

    let enqueued = world.enqueue(world.new_event(client)).await;

    assert_eq!((enqueued.delivery_ids.len(), enqueued.duplicate), (0, false));
    assert!(world.store.event(Scope::All, enqueued.event_id).await.unwrap().unwrap().deliveries.is_empty());
}

pub(super) async fn answers_come_in_the_order_given(world: World) {
    let clients = [world.client().await, world.client().await, world.client().await];
    for client in clients {
        world.webhook(client).await;
    }
    world.webhook(clients[2]).await;
    let mut events: Vec<_> = (0..600).map(|index| world.new_event(clients[index % 3])).collect();
    events.reverse();

    let enqueued = world.store.enqueue(events.clone()).await.unwrap();

    assert_eq!(enqueued.len(), 600);
    for (new, enqueued) in events.iter().zip(&enqueued) {
        assert_eq!(enqueued.event_id, new.event.id);
        assert_eq!(enqueued.delivery_ids.len(), if new.event.client_id == clients[2] { 2 } else { 1 });
    }
    let last = world.store.event(Scope::All, enqueued[599].event_id).await.unwrap().unwrap();
    assert_eq!(last.deliveries[0].id, enqueued[599].delivery_ids[0]);
    assert_eq!(last.deliveries[0].due_at, events[599].due_at);
}

pub(super) async fn a_key_that_was_used_gives_the_first_ids_back(world: World) {
    let client = world.client().await;
    world.webhook(client).await;
    let first = world.enqueue(with_key(world.new_event(client), "once")).await;

    let again = world.store.enqueue(vec![with_key(world.new_event(client), "once"), world.new_event(client)]).await.unwrap();

    assert_eq!((again[0].event_id, &again[0].delivery_ids, again[0].duplicate), (first.event_id, &first.delivery_ids, true));
    assert!(!again[1].duplicate);
    assert_eq!((stored_events(&world).await, stored_deliveries(&world).await), (2, 2));
}

pub(super) async fn a_key_that_comes_twice_in_a_batch_stores_one_event(world: World) {
    let client = world.client().await;
    world.webhook(client).await;
    let batch = vec![
        with_key(world.new_event(client), "twice"),
        with_key(world.new_event(client), "other"),
        with_key(world.new_event(client), "twice"),
    ];

    let enqueued = world.store.enqueue(batch.clone()).await.unwrap();

    assert_eq!(enqueued.iter().map(|enqueued| enqueued.duplicate).collect::<Vec<_>>(), [false, false, true]);
    assert_eq!((enqueued[2].event_id, &enqueued[2].delivery_ids), (batch[0].event.id, &enqueued[0].delivery_ids));
    assert_eq!((stored_events(&world).await, stored_deliveries(&world).await), (2, 2));
}

pub(super) async fn a_key_belongs_to_its_client(world: World) {
    let (client, stranger) = (world.client().await, world.client().await);
    let batch = vec![with_key(world.new_event(client), "shared"), with_key(world.new_event(stranger), "shared")];
    let in_batch = world.store.enqueue(batch).await.unwrap();
    let third = world.client().await;

    let across = world.enqueue(with_key(world.new_event(third), "shared")).await;

    assert!(!in_batch[0].duplicate && !in_batch[1].duplicate && !across.duplicate);
    assert_eq!(stored_events(&world).await, 3);
}

pub(super) async fn events_without_a_key_are_never_repeats(world: World) {
    let client = world.client().await;
    let new = world.new_event(client);
    let mut alike = world.new_event(client);
    (alike.event.subject, alike.event.payload) = (new.event.subject.clone(), new.event.payload.clone());

    let enqueued = world.store.enqueue(vec![new, alike]).await.unwrap();

    assert!(!enqueued[0].duplicate && !enqueued[1].duplicate);
    assert_eq!(stored_events(&world).await, 2);
}

pub(super) async fn a_repeat_gets_the_first_deliveries_whatever_became_of_them(world: World) {
    let client = world.client().await;
    let (gone, kept) = (world.webhook(client).await, world.webhook(client).await);
    let first = world.enqueue(with_key(world.new_event(client), "once")).await;
    world.store.delete_webhook(Scope::All, gone, at(40), None).await.unwrap();
    world.webhook(client).await;
    world.claim(kept).await;

    let again = world.enqueue(with_key(world.new_event(client), "once")).await;

    assert_eq!((again.event_id, &again.delivery_ids, again.duplicate), (first.event_id, &first.delivery_ids, true));
    assert_eq!(again.delivery_ids.len(), 2);
}

pub(super) async fn a_batch_with_an_event_of_an_unknown_client_stores_nothing(world: World) {
    let client = world.client().await;
    world.webhook(client).await;
    let unknown = world.new_client().id;
    let batch = vec![with_key(world.new_event(client), "lost"), world.new_event(unknown), world.new_event(client)];

    let refused = world.store.enqueue(batch).await.unwrap_err();

    assert!(matches!(refused, StoreError::Conflict { .. }), "{refused:?}");
    assert_eq!((stored_events(&world).await, stored_deliveries(&world).await), (0, 0));
    assert!(!world.enqueue(with_key(world.new_event(client), "lost")).await.duplicate);
}

pub(super) async fn an_event_id_that_is_taken_is_a_conflict_and_stores_nothing(world: World) {
    let client = world.client().await;
    let first = world.enqueue(world.new_event(client)).await;
    let mut taken = world.new_event(client);
    taken.event.id = first.event_id;

    let refused = world.store.enqueue(vec![world.new_event(client), taken]).await.unwrap_err();

    assert!(matches!(refused, StoreError::Conflict { .. }), "{refused:?}");
    assert_eq!(stored_events(&world).await, 1);
}

pub(super) async fn awkward_text_comes_back_unchanged(world: World) {
    let client = world.client().await;
    let long = "ü".repeat(255);
    for text in ["", " ", "a'b\"c`d", "%_*?[", "🦀\u{200D}🔥", "line\r\nline\t", "'; drop table event; --", "\u{202E}rtl", &long, "null"]
    {
        let mut new = world.new_event(client);
        text.clone_into(&mut new.event.subject);

        let id = world.enqueue(with_key(new.clone(), text)).await.event_id;

        assert_eq!(world.store.event(Scope::All, id).await.unwrap().unwrap().event, new.event);
        let filter = EventFilter { subject: Some(text.to_owned()), ..EVERYTHING };
        let found = world.store.events(filter, Page { limit: 10, before: None }).await.unwrap();
        assert_eq!(found, [new.event], "{text:?}");
        assert!(world.enqueue(with_key(world.new_event(client), text)).await.duplicate, "{text:?}");
    }
}

pub(super) async fn payloads_are_kept_byte_for_byte(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let large: Vec<u8> = (0..=255).cycle().take(1_000_000).collect();
    let payloads = [b"".to_vec(), b"{ \"a\":1.0,\"a\":\"\\u00e9\"}\r\n".to_vec(), b"\0\xFF\xFE".to_vec(), large];
    for payload in payloads.clone() {
        world.delivery_with(client, |new| new.event.payload = Bytes::from(payload)).await;
    }

    let claimed = world.claim(webhook).await;

    let kept: Vec<_> = claimed.into_iter().map(|claimed| claimed.event.payload.to_vec()).collect();
    assert!(kept == payloads);
}

pub(super) async fn an_empty_batch_has_an_empty_answer(world: World) {
    assert_eq!(world.store.enqueue(Vec::new()).await.unwrap(), []);
    assert_eq!(world.store.record(Vec::new()).await.unwrap(), []);
    assert_eq!(world.store.release(Vec::new()).await.unwrap(), 0);
    assert!(world.claim_at(at(0), &[]).await.is_empty());
}

/// Not every back end has NUL in text; none may cut it off there.
pub(super) async fn text_with_nul_is_kept_whole_or_refused_whole(world: World) {
    let client = world.client().await;
    let mut new = world.new_event(client);
    "before\0after".clone_into(&mut new.event.subject);

    let enqueued = world.store.enqueue(vec![new.clone(), world.new_event(client)]).await;

    let stored = world.store.event(Scope::All, new.event.id).await.unwrap();
    match enqueued {
        Ok(_) => assert_eq!(stored.unwrap().event, new.event),
        Err(_) => assert_eq!(stored_events(&world).await, 0),
    }
}
