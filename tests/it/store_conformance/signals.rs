//! Hints follow what was written, and nothing else.

use webhook_dispatcher::domain::ids::WebhookId;
use webhook_dispatcher::domain::webhook::{DisableReason, WebhookState};
use webhook_dispatcher::store::records::{AttemptRecord, Scope};
use webhook_dispatcher::store::signal::Signal;

use super::world::{SILENT, World, at, given_up, heard};

fn due(webhook: WebhookId) -> Signal {
    Signal::Due([webhook].into())
}

pub(super) async fn an_enqueue_says_for_which_webhooks(world: World) {
    let client = world.client().await;
    let (first, second) = (world.webhook(client).await, world.webhook(client).await);
    let mut signals = world.store.signals();

    world.store.enqueue(vec![world.new_event(client), world.new_event(client)]).await.unwrap();

    let heard = heard(&mut signals);
    let [Signal::Due(webhooks)] = heard.as_slice() else { panic!("{heard:?}") };
    let mut webhooks = webhooks.to_vec();
    webhooks.sort();
    assert_eq!(webhooks, [first, second]);
}

pub(super) async fn an_enqueue_that_stores_no_delivery_says_nothing(world: World) {
    let (client, unknown) = (world.client().await, world.new_client().id);
    let mut signals = world.store.signals();

    world.enqueue(world.new_event(client)).await;
    world.webhook(client).await;
    let mut keyed = world.new_event(client);
    keyed.idempotency_key = Some("once".to_owned());
    world.enqueue(keyed.clone()).await;
    heard(&mut signals);
    keyed.event.id = world.ids.next(at(9));
    world.enqueue(keyed).await;
    world.store.enqueue(vec![world.new_event(client), world.new_event(unknown)]).await.unwrap_err();

    assert_eq!(heard(&mut signals), []);
}

pub(super) async fn whatever_makes_deliveries_due_says_so(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let delivery = world.delivery(client).await;
    let mut signals = world.store.signals();

    world.store.redeliver(Scope::All, delivery, at(50), None).await.unwrap();
    assert_eq!(heard(&mut signals), [due(webhook)]);

    let claimed = world.claim_one(webhook).await;
    world.store.release(vec![claimed.claim]).await.unwrap();
    assert_eq!(heard(&mut signals), [due(webhook)]);

    world.claim_one(webhook).await;
    world.store.take_back_claims(world.ids.next(at(1)), SILENT).await.unwrap();
    assert_eq!(heard(&mut signals), [due(webhook)]);

    world.store.set_webhook_state(Scope::All, webhook, WebhookState::Paused, at(51), None).await.unwrap();
    heard(&mut signals);
    world.store.set_webhook_state(Scope::All, webhook, WebhookState::Active, at(52), None).await.unwrap();
    assert!(heard(&mut signals).contains(&due(webhook)));
}

pub(super) async fn whatever_changes_a_webhook_says_so(world: World) {
    let client = world.client().await;
    let webhooks = [world.webhook(client).await, world.webhook(client).await, world.webhook(client).await, world.webhook(client).await];
    world.enqueue(world.new_event(client)).await;
    let mut signals = world.store.signals();
    let changed = |webhook| [Signal::WebhookChanged(webhook)];

    let read = world.store.webhook(Scope::All, webhooks[0]).await.unwrap().unwrap();
    world.store.update_webhook(read, None, None).await.unwrap();
    assert_eq!(heard(&mut signals), changed(webhooks[0]));

    world.store.set_webhook_state(Scope::All, webhooks[0], WebhookState::Paused, at(50), None).await.unwrap();
    assert_eq!(heard(&mut signals), changed(webhooks[0]));

    world.store.disable_webhook(webhooks[1], DisableReason::FailingTooLong, at(51)).await.unwrap();
    assert_eq!(heard(&mut signals), changed(webhooks[1]));

    let gone = |claimed: &_| AttemptRecord { disable_webhook: Some(DisableReason::Gone), ..given_up(claimed) };
    world.attempt(webhooks[2], gone).await;
    assert_eq!(heard(&mut signals), changed(webhooks[2]));

    world.store.delete_webhook(Scope::All, webhooks[2], at(52), None).await.unwrap();
    assert_eq!(heard(&mut signals), changed(webhooks[2]));

    world.store.delete_client(client, at(53), None).await.unwrap();
    let heard = heard(&mut signals);
    assert_eq!(heard.len(), 3, "{heard:?}");
    assert!(heard.contains(&Signal::WebhookChanged(webhooks[3])), "{heard:?}");
}

pub(super) async fn what_changes_nothing_says_nothing(world: World) {
    let (client, stranger) = (world.client().await, world.client().await);
    let webhook = world.webhook(client).await;
    let delivery = world.delivery(client).await;
    let claimed = world.claim_one(webhook).await;
    world.record(given_up(&claimed)).await;
    let read = world.store.webhook(Scope::All, webhook).await.unwrap().unwrap();
    let mut signals = world.store.signals();
    let foreign = Scope::Client(stranger);

    world.store.release(vec![claimed.claim]).await.unwrap();
    world.store.take_back_claims(world.node, SILENT).await.unwrap();
    world.store.redeliver(foreign, delivery, at(50), None).await.unwrap();
    world.store.set_webhook_state(foreign, webhook, WebhookState::Active, at(51), None).await.unwrap();
    world.store.delete_webhook(foreign, webhook, at(52), None).await.unwrap();
    world.store.update_webhook(webhook_dispatcher::domain::webhook::Webhook { version: 9, ..read }, None, None).await.unwrap();
    world.record(given_up(&claimed)).await;

    assert_eq!(heard(&mut signals), []);
}
