//! Limits, pauses, edits and stops.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::poll;
use tokio::sync::{Semaphore, broadcast};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use webhook_dispatcher::domain::delivery::DeliveryState;
use webhook_dispatcher::domain::target_url::{IdInUrl, TargetUrl};
use webhook_dispatcher::domain::webhook::WebhookState;
use webhook_dispatcher::store::records::{Scope, WebhookWrite};
use webhook_dispatcher::store::signal::Signal;

use crate::support::dispatcher::{Dispatcher, START, Setup};
use crate::support::receiver::{Receiver, Reply};

/// A receiver that answers as often as `permits` allow.
async fn held(permits: &Arc<Semaphore>) -> Receiver {
    let permits = Arc::clone(permits);
    Receiver::start(move |_, _| Reply::WhenAllowed(Arc::clone(&permits))).await
}

#[tokio::test]
async fn a_receiver_never_meets_more_requests_at_once_than_its_limit() {
    let permits = Arc::new(Semaphore::new(0));
    let (app, receiver) = (Dispatcher::new().await, held(&permits).await);
    app.webhook(&receiver.url("/:id"), |webhook| webhook.delivery.max_in_flight = Some(2)).await;
    for n in 0..6 {
        app.enqueue(&format!("doc-{n}")).await;
    }

    app.pool.look_for_due().await.unwrap();
    while app.pool.run_once().await.unwrap() {}
    for answered in 0..4 {
        receiver.until_seen(answered + 2).await;
        assert_eq!(receiver.seen().len(), answered + 2, "two at once");
        permits.add_permits(1);
    }
    permits.add_permits(6);
    app.run_until_idle().await;

    assert_eq!(receiver.seen().len(), 6);
}

#[tokio::test]
async fn a_hanging_receiver_delays_no_other_webhook() {
    let permits = Arc::new(Semaphore::new(0));
    let (hanging, healthy) = (held(&permits).await, Receiver::answering([]).await);
    let app = Dispatcher::new().await;
    app.webhook(&hanging.url("/:id"), |_| {}).await;
    app.webhook(&healthy.url("/:id"), |_| {}).await;
    for n in 0..200 {
        app.enqueue(&format!("doc-{n}")).await;
    }

    app.pool.look_for_due().await.unwrap();
    while healthy.seen().len() < 200 {
        app.pool.run_once().await.unwrap();
        tokio::task::yield_now().await;
    }

    assert_eq!(hanging.seen().len(), 16);
    permits.add_permits(200);
    app.run_until_idle().await;
    assert_eq!(hanging.seen().len(), 200);
}

#[tokio::test]
async fn a_paused_webhook_keeps_its_deliveries_until_it_is_resumed() {
    let (app, receiver) = (Dispatcher::new().await, Receiver::answering([]).await);
    let webhook = app.webhook(&receiver.url("/:id"), |_| {}).await;
    app.store.set_webhook_state(Scope::All, webhook, WebhookState::Paused, START, None).await.unwrap();
    let id = app.enqueue_one("doc-1").await;

    app.run_until_idle().await;
    assert_eq!((app.state_of(id).await, receiver.seen().len()), (DeliveryState::Pending, 0));
    app.store.set_webhook_state(Scope::All, webhook, WebhookState::Active, START, None).await.unwrap();
    app.run_until_idle().await;

    assert_eq!(app.state_of(id).await, DeliveryState::Delivered);
}

#[tokio::test]
async fn an_edit_takes_effect_with_the_next_attempt() {
    let (app, receiver) = (Dispatcher::new().await, Receiver::answering([Reply::Status(500)]).await);
    let webhook = app.webhook(&receiver.url("/old/:id"), |_| {}).await;
    let id = app.enqueue_one("doc-1").await;
    app.run_until_idle().await;

    let mut stored = app.store.webhook(Scope::All, webhook).await.unwrap().unwrap();
    stored.definition.url = TargetUrl::parse(&receiver.url("/new/:id"), IdInUrl::Required).unwrap();
    assert_eq!(app.store.update_webhook(stored, None, None).await.unwrap(), WebhookWrite::Stored);
    app.advance(Duration::from_mins(1)).await;

    assert_eq!(app.state_of(id).await, DeliveryState::Delivered);
    assert_eq!(receiver.seen_at("/new/doc-1").len(), 1);
}

#[tokio::test]
async fn deleting_a_webhook_cancels_what_waits_and_what_comes_back_from_an_attempt() {
    let permits = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&permits);
    let receiver = Receiver::start(move |_, before| match before {
        0 => Reply::WhenAllowed(Arc::clone(&gate)),
        _ => Reply::Status(500),
    })
    .await;
    let app = Dispatcher::new().await;
    let webhook = app.webhook(&receiver.url("/:id"), |webhook| webhook.delivery.max_in_flight = Some(1)).await;
    let in_flight = app.enqueue_one("doc-1").await;
    app.pool.look_for_due().await.unwrap();
    app.pool.run_once().await.unwrap();
    receiver.until_seen(1).await;
    let waiting = app.enqueue_one("doc-2").await;

    app.store.delete_webhook(Scope::All, webhook, START, None).await.unwrap();
    permits.add_permits(1);
    app.run_until_idle().await;

    assert_eq!(app.state_of(in_flight).await, DeliveryState::Delivered, "it was under way");
    assert_eq!(app.state_of(waiting).await, DeliveryState::Cancelled);
    assert_eq!(receiver.seen().len(), 1);
}

#[tokio::test]
async fn a_stop_gives_back_what_waits_and_after_the_limit_what_is_in_flight() {
    let permits = Arc::new(Semaphore::new(0));
    let receiver = held(&permits).await;
    let app = Dispatcher::with(Setup::default()).await;
    app.webhook(&receiver.url("/:id"), |webhook| webhook.delivery.max_in_flight = Some(2)).await;
    let mut ids = Vec::new();
    for n in 0..10 {
        ids.push(app.enqueue_one(&format!("doc-{n}")).await);
    }
    app.pool.look_for_due().await.unwrap();
    app.pool.run_once().await.unwrap();
    receiver.until_seen(2).await;

    app.pool.drain(Duration::from_millis(1)).await;

    for id in ids {
        let delivery = app.delivery(id).await.summary.delivery;
        assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Pending, 0));
    }
}

#[tokio::test]
async fn a_stop_lets_what_is_in_flight_finish() {
    let permits = Arc::new(Semaphore::new(0));
    let receiver = held(&permits).await;
    let app = Dispatcher::new().await;
    app.webhook(&receiver.url("/:id"), |_| {}).await;
    let id = app.enqueue_one("doc-1").await;
    app.pool.look_for_due().await.unwrap();
    app.pool.run_once().await.unwrap();
    receiver.until_seen(1).await;

    permits.add_permits(1);
    app.pool.drain(Duration::from_mins(1)).await;

    assert_eq!(app.state_of(id).await, DeliveryState::Delivered);
}

#[tokio::test]
async fn a_lane_that_was_held_back_under_load_goes_on_when_the_pause_is_over() {
    let asks_for_a_pause = Reply::Full(429, "retry-after: 120\r\n", Vec::new());
    let receiver = Receiver::start(move |_, before| if before == 20 { asks_for_a_pause.clone() } else { Reply::Status(200) }).await;
    let app = Dispatcher::new().await;
    app.webhook(&receiver.url("/:id"), |webhook| webhook.delivery.max_in_flight = Some(4)).await;
    let mut ids = Vec::new();
    for n in 0..60 {
        ids.push(app.enqueue_one(&format!("doc-{n}")).await);
    }

    app.run_until_idle().await;
    let before_the_pause_ends = receiver.seen().len();
    app.advance(Duration::from_secs(119)).await;
    assert_eq!(receiver.seen().len(), before_the_pause_ends, "nothing starts during the pause");
    app.advance(Duration::from_secs(30)).await;

    assert!(before_the_pause_ends < 30, "{before_the_pause_ends}");
    for id in ids {
        assert_eq!(app.state_of(id).await, DeliveryState::Delivered);
    }
}

#[tokio::test]
async fn what_waits_in_a_stalled_lane_goes_back_to_the_store() {
    let permits = Arc::new(Semaphore::new(8));
    let receiver = held(&permits).await;
    let app = Dispatcher::new().await;
    app.webhook(&receiver.url("/:id"), |webhook| webhook.delivery.max_in_flight = Some(2)).await;
    for n in 0..40 {
        app.enqueue(&format!("doc-{n}")).await;
    }
    app.pool.look_for_due().await.unwrap();
    while app.pool.run_once().await.unwrap() || receiver.seen().len() < 10 {
        tokio::task::yield_now().await;
    }

    app.clock.advance(Duration::from_secs(1));
    app.pool.look_for_due().await.unwrap();

    let two_under_way = async {
        while app.pool.held() > 2 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), two_under_way).await.expect("nothing waits, and what was answered is recorded");
    permits.add_permits(40);
    app.run_until_idle().await;
    assert_eq!(receiver.seen().len(), 40);
}

#[tokio::test]
async fn a_webhook_that_cannot_be_read_waits_and_delays_no_other() {
    let (app, receiver) = (Dispatcher::new().await, Receiver::answering([]).await);
    let broken = app.webhook(&receiver.url("/broken/:id"), |_| {}).await;
    app.webhook(&receiver.url("/sound/:id"), |_| {}).await;
    let url_of_broken = |url: &str| format!("update webhook set url = '{url}' where id = x'{}'", broken.as_uuid().simple());
    app.write(&url_of_broken(""));
    app.enqueue("doc-1").await;

    app.run_until_idle().await;
    assert_eq!((receiver.seen_at("/sound/doc-1").len(), receiver.seen().len()), (1, 1));

    app.write(&url_of_broken(&receiver.url("/broken/:id")));
    app.run_until_idle().await;
    assert_eq!(receiver.seen().len(), 1, "not before a minute has passed");
    app.advance(Duration::from_mins(1)).await;
    assert_eq!(receiver.seen_at("/broken/doc-1").len(), 1);
}

#[tokio::test]
async fn a_node_that_lost_hints_lets_go_of_the_rest_at_once_and_looks_itself() {
    let (app, receiver) = (Dispatcher::new().await, Receiver::answering([]).await);
    app.webhook(&receiver.url("/:id"), |_| {}).await;
    app.enqueue("doc-1").await;
    let (hints, heard) = broadcast::channel(1);
    (0..2).for_each(|_| drop(hints.send(Signal::Due([].into_iter().collect()))));

    let stop = CancellationToken::new();
    let mut running = pin!(Arc::clone(&app.pool).run(heard, stop.clone()));
    assert!(poll!(running.as_mut()).is_pending());
    assert!(hints.is_empty(), "who keeps the oldest hint loses it to the next, and is behind again");
    tokio::select! {
        () = running.as_mut() => {}
        () = receiver.until_seen(1) => {}
    }

    stop.cancel();
    running.await;
    app.pool.drain(Duration::from_mins(1)).await;
}
