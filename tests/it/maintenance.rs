//! The recurring duties, each run once by hand.

use std::sync::Arc;
use std::time::Duration;

use webhook_dispatcher::domain::delivery::DeliveryState;
use webhook_dispatcher::domain::time::Clock;
use webhook_dispatcher::domain::webhook::{DisableReason, WebhookState};
use webhook_dispatcher::maintenance::{DisableFailing, Duty, Retention, RetentionAges, TidyStore};
use webhook_dispatcher::store::records::Scope;

use crate::support::dispatcher::Dispatcher;
use crate::support::receiver::{Receiver, Reply};

const DAY: Duration = Duration::from_hours(24);

fn ages(finished: u32, dead_letters: u32) -> RetentionAges {
    RetentionAges {
        finished: DAY * finished,
        dead_letters: DAY * dead_letters,
        idempotency_keys: DAY,
        statistics: DAY * 60,
        audit_entries: DAY * 365,
    }
}

#[tokio::test]
async fn retention_removes_what_is_old_in_as_many_steps_as_it_takes_and_leaves_the_rest() {
    let (app, receiver) = (Dispatcher::new().await, Receiver::answering([Reply::Status(410)]).await);
    let webhook = app.webhook(&receiver.url("/:id"), |_| {}).await;
    let dead = app.enqueue_one("doc-dead").await;
    app.run_until_idle().await;
    app.store.set_webhook_state(Scope::All, webhook, WebhookState::Active, app.clock.now(), None).await.unwrap();
    let mut old = Vec::new();
    for n in 0..7 {
        old.push(app.enqueue_one(&format!("doc-{n}")).await);
    }
    app.run_until_idle().await;
    app.clock.advance(DAY * 29);
    let young = app.enqueue_one("doc-young").await;
    app.run_until_idle().await;
    app.clock.advance(DAY * 2);
    let retention = Retention::new(Arc::clone(&app.store), ages(30, 90), 2);

    let rows = retention.run_once(app.clock.now()).await.unwrap();

    assert_eq!(rows, 14, "seven deliveries and their events");
    for id in old {
        assert!(app.store.delivery(Scope::All, id).await.unwrap().is_none());
    }
    assert_eq!(app.state_of(dead).await, DeliveryState::DeadLettered, "dead letters are kept longer");
    assert_eq!(app.state_of(young).await, DeliveryState::Delivered);
}

#[tokio::test]
async fn a_webhook_that_only_failed_for_five_days_is_disabled_and_its_deliveries_wait() {
    let (app, receiver) = (Dispatcher::new().await, Receiver::start(|_, _| Reply::Status(500)).await);
    let webhook = app.webhook(&receiver.url("/:id"), |_| {}).await;
    let disable = DisableFailing::new(Arc::clone(&app.store), DAY * 5);
    // The minute in which the webhook was made does not count.
    app.clock.advance(Duration::from_mins(1));
    app.enqueue("doc-1").await;
    app.run_until_idle().await;

    app.clock.advance(DAY * 4);
    app.enqueue("doc-2").await;
    app.run_until_idle().await;
    assert_eq!(disable.run_once(app.clock.now()).await.unwrap(), 0, "four days are not five");
    app.clock.advance(DAY * 2);
    app.enqueue("doc-3").await;
    app.run_until_idle().await;
    assert_eq!(disable.run_once(app.clock.now()).await.unwrap(), 1);

    let state = app.store.webhook(Scope::All, webhook).await.unwrap().unwrap().state;
    assert_eq!(state, WebhookState::Disabled(DisableReason::FailingTooLong));
    let waiting = app.enqueue_one("doc-4").await;
    app.run_until_idle().await;
    assert_eq!(app.state_of(waiting).await, DeliveryState::Pending);
}

#[tokio::test]
async fn one_success_in_five_days_keeps_a_webhook() {
    let (app, receiver) = (Dispatcher::new().await, Receiver::start(|_, before| Reply::Status(if before == 3 { 200 } else { 500 })).await);
    app.webhook(&receiver.url("/:id"), |_| {}).await;
    let disable = DisableFailing::new(Arc::clone(&app.store), DAY * 5);
    for n in 0..6 {
        app.enqueue(&format!("doc-{n}")).await;
        app.run_until_idle().await;
        app.clock.advance(DAY);
    }

    assert_eq!(disable.run_once(app.clock.now()).await.unwrap(), 0);
}

#[tokio::test]
async fn upkeep_leaves_everything_as_it_was() {
    let (app, receiver) = (Dispatcher::new().await, Receiver::answering([]).await);
    app.webhook(&receiver.url("/:id"), |_| {}).await;
    let id = app.enqueue_one("doc-1").await;
    app.run_until_idle().await;

    TidyStore::new(Arc::clone(&app.store)).run_once(app.clock.now()).await.unwrap();

    assert_eq!(app.state_of(id).await, DeliveryState::Delivered);
    let next = app.enqueue_one("doc-2").await;
    app.run_until_idle().await;
    assert_eq!(app.state_of(next).await, DeliveryState::Delivered);
}

#[tokio::test]
async fn statistics_are_removed_by_their_age() {
    let (app, receiver) = (Dispatcher::new().await, Receiver::answering([]).await);
    app.webhook(&receiver.url("/:id"), |_| {}).await;
    for n in 0..3 {
        app.enqueue(&format!("doc-{n}")).await;
        app.run_until_idle().await;
        app.clock.advance(DAY * 25);
    }
    let retention = Retention::new(Arc::clone(&app.store), ages(300, 300), 100);

    assert_eq!(retention.run_once(app.clock.now()).await.unwrap(), 2, "a minute and an hour, of 75, 50 and 25 days ago");
    assert_eq!(retention.run_once(app.clock.now()).await.unwrap(), 0);
}
