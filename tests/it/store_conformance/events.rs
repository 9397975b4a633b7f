//! Events as people look for them.

use std::slice::from_ref;

use webhook_dispatcher::domain::event::Event;
use webhook_dispatcher::store::records::{EventFilter, Page, Scope};

use super::world::{World, at, event_type, success};

const ALL: EventFilter = EventFilter { scope: Scope::All, event_type: None, subject: None };

async fn stored(world: &World, client: webhook_dispatcher::domain::ids::ClientId, kind: &str, subject: &str) -> Event {
    let mut new = world.new_event(client);
    (new.event.event_type, new.event.subject) = (event_type(kind), subject.to_owned());
    world.enqueue(new.clone()).await;
    new.event
}

async fn found(world: &World, filter: EventFilter) -> Vec<Event> {
    world.store.events(filter, Page { limit: 100, before: None }).await.unwrap()
}

pub(super) async fn events_are_listed_newest_first_within_their_scope(world: World) {
    let (client, stranger) = (world.client().await, world.client().await);
    let first = stored(&world, client, "a", "1").await;
    let foreign = stored(&world, stranger, "a", "2").await;
    let second = stored(&world, client, "a", "3").await;

    assert_eq!(found(&world, ALL).await, [second.clone(), foreign.clone(), first.clone()]);
    let own = EventFilter { scope: Scope::Client(client), ..ALL };
    assert_eq!(found(&world, own.clone()).await, [second.clone(), first.clone()]);
    let next = world.store.events(ALL, Page { limit: 1, before: Some(second.id) }).await.unwrap();
    assert_eq!(next, [foreign]);
    let next = world.store.events(own, Page { limit: 5, before: Some(second.id) }).await.unwrap();
    assert_eq!(next, [first]);
}

pub(super) async fn events_are_found_by_type_and_subject(world: World) {
    let (client, stranger) = (world.client().await, world.client().await);
    let first = stored(&world, client, "a", "x").await;
    let second = stored(&world, client, "b", "x").await;
    let third = stored(&world, client, "a", "y").await;
    let foreign = stored(&world, stranger, "a", "x").await;
    let (kind, subject) = (Some(event_type("a")), Some("x".to_owned()));

    let by_type = EventFilter { event_type: kind.clone(), ..ALL };
    assert_eq!(found(&world, by_type).await, [foreign.clone(), third, first.clone()]);
    let by_subject = EventFilter { subject: subject.clone(), ..ALL };
    assert_eq!(found(&world, by_subject).await, [foreign, second, first.clone()]);
    let by_all = EventFilter { scope: Scope::Client(client), event_type: kind, subject };
    assert_eq!(found(&world, by_all).await, [first]);
}

/// Of more events than a store may keep together for the sake of the search.
pub(super) async fn events_are_found_whenever_they_came_in(world: World) {
    let client = world.client().await;
    let first = stored(&world, client, "rare", "the first").await;
    for _ in 0..10 {
        let events = (0..500).map(|_| world.new_event(client)).collect();
        world.store.enqueue(events).await.unwrap();
    }
    let last = stored(&world, client, "rare", "the last").await;
    let about = |subject: &str| EventFilter { subject: Some(subject.to_owned()), ..ALL };

    assert_eq!(found(&world, about("the first")).await, from_ref(&first));
    assert_eq!(found(&world, about("the last")).await, from_ref(&last));
    assert_eq!(found(&world, about("nothing like it")).await, []);
    let rare = EventFilter { event_type: Some(event_type("rare")), ..ALL };
    assert_eq!(found(&world, rare.clone()).await, [last, first]);
    assert_eq!(found(&world, EventFilter { event_type: Some(event_type("unheard-of")), ..rare }).await, []);
}

pub(super) async fn an_event_is_shown_with_its_deliveries(world: World) {
    let (client, stranger) = (world.client().await, world.client().await);
    let (first, second) = (world.webhook(client).await, world.webhook(client).await);
    world.enqueue(world.new_event(client)).await;
    let new = world.new_event(client);
    let enqueued = world.enqueue(new.clone()).await;
    world.claim(first).await;
    world.attempt(second, success).await;

    let shown = world.store.event(Scope::Client(client), new.event.id).await.unwrap().unwrap();

    assert_eq!(shown.event, new.event);
    assert_eq!(shown.deliveries, [world.shown(enqueued.delivery_ids[0]).await, world.shown(enqueued.delivery_ids[1]).await]);
    assert!(world.store.event(Scope::Client(stranger), new.event.id).await.unwrap().is_none());
    assert!(world.store.event(Scope::All, world.ids.next(at(1))).await.unwrap().is_none());
}
