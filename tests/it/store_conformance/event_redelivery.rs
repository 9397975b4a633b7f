//! Events that are sent again: to whoever has them, to whoever wants them by now, or to one webhook.

use webhook_dispatcher::domain::audit::{Action, Actor, ObjectKind};
use webhook_dispatcher::domain::client::Role;
use webhook_dispatcher::domain::delivery::{Delivery, DeliveryState};
use webhook_dispatcher::domain::ids::{EventId, WebhookId};
use webhook_dispatcher::store::records::{AuditFilter, EventRedelivery, Page, Redelivered, RetentionStep, Scope};
use webhook_dispatcher::store::signal::Signal;

use super::world::{World, at, event_type, heard, later, success};

async fn again(world: &World, id: EventId, to: Option<WebhookId>, seconds: i64) -> Redelivered {
    match world.store.redeliver_event(Scope::All, id, to, at(seconds), None).await.unwrap() {
        EventRedelivery::Redelivered(redelivered) => redelivered,
        refused => panic!("{refused:?}"),
    }
}

async fn deliveries(world: &World, id: EventId) -> Vec<Delivery> {
    world.store.event(Scope::All, id).await.unwrap().unwrap().deliveries
}

pub(super) async fn an_event_is_sent_again_to_all_that_have_it_and_all_that_want_it(world: World) {
    let client = world.client().await;
    let had_it = world.webhook(client).await;
    let event = world.enqueue(world.new_event(client)).await;
    world.attempt(had_it, success).await;
    let made_since = world.webhook(client).await;
    world.webhook_with(client, |webhook| webhook.definition.events = vec![event_type("other")]).await;
    let stranger = world.client().await;
    world.webhook(stranger).await;
    let mut signals = world.store.signals();
    let actor = Actor { key_id: world.ids.next(at(1)), role: Role::Root, client_id: None, remote_address: None, at: at(70_001) };

    let redelivery = world.store.redeliver_event(Scope::Client(client), event.event_id, None, at(70_000), Some(actor)).await.unwrap();

    let EventRedelivery::Redelivered(redelivered) = redelivery else { panic!() };
    assert_eq!((&redelivered.again, redelivered.made.len(), redelivered.in_flight.len()), (&event.delivery_ids, 1, 0));
    let deliveries = deliveries(&world, event.event_id).await;
    assert_eq!(deliveries.len(), 2);
    assert_eq!((deliveries[0].id, deliveries[0].webhook_id), (event.delivery_ids[0], had_it));
    assert_eq!((deliveries[0].state, deliveries[0].due_at), (DeliveryState::Pending, at(70_000)));
    assert_eq!((deliveries[0].attempts, deliveries[0].attempts_before_series, deliveries[0].finished_at), (1, 1, None));
    assert_eq!((deliveries[1].id, deliveries[1].webhook_id, deliveries[1].client_id), (redelivered.made[0], made_since, client));
    assert_eq!((deliveries[1].due_at, deliveries[1].created_at, deliveries[1].attempts), (at(70_000), at(70_000), 0));
    let heard = heard(&mut signals);
    let [Signal::Due(webhooks)] = heard.as_slice() else { panic!("{heard:?}") };
    assert_eq!(webhooks.to_vec(), [had_it, made_since]);
    let entries = world.store.audit_entries(AuditFilter::all(Scope::All), Page { limit: 9, before: None }).await.unwrap();
    let change = &entries[0].change;
    assert_eq!((change.action, change.kind, change.object_id), (Action::Redeliver, ObjectKind::Event, event.event_id.as_uuid()));
    assert_eq!((change.client_id, change.after.as_ref().unwrap()["made"].as_u64()), (Some(client), Some(1)));
}

pub(super) async fn a_named_webhook_gets_an_event_whatever_it_wants(world: World) {
    let client = world.client().await;
    let wants_it = world.webhook(client).await;
    let event = world.enqueue(world.new_event(client)).await;
    let wants_other = world.webhook_with(client, |webhook| webhook.definition.events = vec![event_type("other")]).await;

    let first = again(&world, event.event_id, Some(wants_other), 70_000).await;
    let second = again(&world, event.event_id, Some(wants_other), 71_000).await;

    assert_eq!((first.again.len(), first.made.len()), (0, 1));
    assert_eq!((second.again, second.made.len()), (first.made, 0), "it has one by now");
    let deliveries = deliveries(&world, event.event_id).await;
    assert_eq!(deliveries.iter().map(|delivery| delivery.webhook_id).collect::<Vec<_>>(), [wants_it, wants_other]);
    assert_eq!(deliveries[1].due_at, at(71_000));
    assert_ne!(deliveries[0].due_at, at(71_000));
}

pub(super) async fn what_is_in_flight_stays_and_what_is_deleted_gets_nothing(world: World) {
    let client = world.client().await;
    let (in_flight, deleted) = (world.webhook(client).await, world.webhook(client).await);
    let event = world.enqueue(world.new_event(client)).await;
    let claimed = world.claim_one(in_flight).await;
    world.store.delete_webhook(Scope::All, deleted, at(300), None).await.unwrap();

    let redelivered = again(&world, event.event_id, None, 70_000).await;

    assert_eq!((redelivered.again.len(), redelivered.made.len()), (0, 0));
    assert_eq!(redelivered.in_flight, [claimed.claim.delivery_id]);
    let states: Vec<_> = deliveries(&world, event.event_id).await.iter().map(|delivery| delivery.state).collect();
    assert_eq!(states, [DeliveryState::InFlight, DeliveryState::Cancelled]);
    world.record(success(&claimed)).await;
}

pub(super) async fn an_event_and_its_webhook_must_be_there(world: World) {
    let (client, stranger) = (world.client().await, world.client().await);
    let event = world.enqueue(world.new_event(client)).await.event_id;
    let (foreign, deleted) = (world.webhook(stranger).await, world.webhook(client).await);
    world.store.delete_webhook(Scope::All, deleted, at(300), None).await.unwrap();
    let redeliver = async |scope, id, to| world.store.redeliver_event(scope, id, to, at(400), None).await.unwrap();

    assert_eq!(redeliver(Scope::Client(stranger), event, None).await, EventRedelivery::NotFound);
    assert_eq!(redeliver(Scope::All, world.ids.next(at(5)), None).await, EventRedelivery::NotFound);
    for to in [foreign, deleted, world.ids.next(at(5))] {
        assert_eq!(redeliver(Scope::All, event, Some(to)).await, EventRedelivery::WebhookNotFound);
    }
    assert_eq!(redeliver(Scope::Client(client), event, None).await, EventRedelivery::Redelivered(Redelivered::default()));
    assert_eq!(deliveries(&world, event).await, []);
}

pub(super) async fn an_event_that_got_a_delivery_is_kept_for_it(world: World) {
    let client = world.client().await;
    let event = world.enqueue(world.new_event(client)).await.event_id;
    let webhook = world.webhook(client).await;
    again(&world, event, None, 70_000).await;
    let far = at(9_000_000);
    let step = RetentionStep {
        finished_before: far,
        dead_letters_before: far,
        idempotency_before: at(0),
        statistics_before: at(0),
        audit_before: at(0),
        limit: 100,
    };

    let removed = world.store.remove_expired(step).await.unwrap();

    assert_eq!((removed.events, removed.deliveries), (0, 0));
    let claimed = world.claim_at(later(), &[(webhook, 9)]).await;
    assert_eq!(claimed.iter().map(|claimed| claimed.event.id).collect::<Vec<_>>(), [event]);
    world.record(success(&claimed[0])).await;
}
