//! Receivers that are not there: they get probes, their deliveries wait, and they come back to a trickle.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use webhook_dispatcher::domain::delivery::DeliveryState;
use webhook_dispatcher::domain::ids::{DeliveryId, WebhookId};
use webhook_dispatcher::domain::lane::{BreakerState, LaneState, LaneView};
use webhook_dispatcher::domain::webhook::WebhookState;
use webhook_dispatcher::store::records::Scope;

use crate::support::dispatcher::{Dispatcher, START};
use crate::support::receiver::{Receiver, Reply};

/// A receiver that answers 503 until the flag is set.
async fn down_until(is_back: &Arc<AtomicBool>) -> Receiver {
    let is_back = Arc::clone(is_back);
    Receiver::start(move |_, _| Reply::Status(if is_back.load(Ordering::SeqCst) { 200 } else { 503 })).await
}

async fn enqueue(app: &Dispatcher, count: u32) -> Vec<DeliveryId> {
    let mut ids = Vec::new();
    for n in 0..count {
        ids.push(app.enqueue_one(&format!("doc-{n}")).await);
    }
    ids
}

async fn attempts(app: &Dispatcher, ids: &[DeliveryId]) -> Vec<u32> {
    let mut attempts = Vec::new();
    for id in ids {
        attempts.push(app.delivery(*id).await.summary.delivery.attempts);
    }
    attempts
}

async fn lane(app: &Dispatcher, id: WebhookId) -> LaneView {
    app.pool.view(&app.store.webhook(Scope::All, id).await.unwrap().unwrap())
}

#[tokio::test]
async fn a_receiver_that_is_not_there_gets_probes_and_no_other_delivery_loses_an_attempt() {
    let is_back = Arc::new(AtomicBool::new(false));
    let receiver = down_until(&is_back).await;
    let app = Dispatcher::new().await;
    let webhook = app.webhook(&receiver.url("/:id"), |webhook| webhook.delivery.max_in_flight = Some(1)).await;
    let ids = enqueue(&app, 20).await;

    app.run_until_idle().await;
    assert_eq!(attempts(&app, &ids).await, [[1; 5].as_slice(), &[0; 15]].concat(), "five failures open the breaker");
    app.advance(Duration::from_secs(3)).await;
    assert_eq!(receiver.seen().len(), 5, "nothing is sent during the pause");
    app.advance(Duration::from_secs(4)).await;
    assert_eq!(receiver.seen().len(), 6, "one probe");
    app.advance(Duration::from_secs(7)).await;
    assert_eq!(receiver.seen().len(), 6, "the second pause is longer");
    let waiting = app.delivery(ids[19]).await.summary.delivery;
    assert_eq!((waiting.attempts, waiting.due_at), (0, START), "its schedule did not move");
    let view = lane(&app, webhook).await;
    assert_eq!((view.state, view.breaker, view.limit), (LaneState::Open, BreakerState::Open, 1));
    assert!(view.next_probe_at.is_some());

    is_back.store(true, Ordering::SeqCst);
    app.advance(Duration::from_mins(2)).await;

    assert_eq!(attempts(&app, &ids).await, [[2; 6].as_slice(), &[1; 14]].concat(), "only probes were spent");
    for id in ids {
        assert_eq!(app.state_of(id).await, DeliveryState::Delivered);
    }
    assert_eq!(lane(&app, webhook).await, LaneView::idle(1));
}

#[tokio::test]
async fn a_webhook_that_is_resumed_is_called_at_once() {
    let is_back = Arc::new(AtomicBool::new(false));
    let receiver = down_until(&is_back).await;
    let app = Dispatcher::new().await;
    let webhook = app.webhook(&receiver.url("/:id"), |webhook| webhook.delivery.max_in_flight = Some(1)).await;
    let ids = enqueue(&app, 6).await;
    app.run_until_idle().await;
    is_back.store(true, Ordering::SeqCst);
    app.run_until_idle().await;
    assert_eq!(app.state_of(ids[5]).await, DeliveryState::Pending);

    app.store.set_webhook_state(Scope::All, webhook, WebhookState::Active, START, None).await.unwrap();
    app.heed_signals().await;
    app.run_until_idle().await;

    assert_eq!(app.state_of(ids[5]).await, DeliveryState::Delivered);
}

#[tokio::test]
async fn a_receiver_that_refuses_is_there() {
    let receiver = Receiver::start(|_, before| Reply::Status(if before.is_multiple_of(2) { 500 } else { 404 })).await;
    let app = Dispatcher::new().await;
    let webhook = app.webhook(&receiver.url("/:id"), |_| {}).await;
    let ids = enqueue(&app, 30).await;

    app.run_until_idle().await;

    assert_eq!(attempts(&app, &ids).await, [1; 30]);
    assert_eq!(lane(&app, webhook).await, LaneView::idle(16));
}

#[tokio::test]
async fn an_overloaded_receiver_gets_less_at_once_and_after_answers_more_again() {
    let receiver = Receiver::start(|_, before| Reply::Status(if before < 8 { 429 } else { 200 })).await;
    let app = Dispatcher::new().await;
    let webhook = app.webhook(&receiver.url("/:id"), |webhook| webhook.delivery.max_in_flight = Some(8)).await;
    enqueue(&app, 8).await;

    app.run_until_idle().await;
    assert_eq!(lane(&app, webhook).await, LaneView::idle(4), "halved once for requests that were under way together");
    for n in 0..40 {
        app.enqueue(&format!("more-{n}")).await;
    }
    app.run_until_idle().await;

    assert_eq!(lane(&app, webhook).await, LaneView::idle(8));
}

#[tokio::test]
async fn a_receiver_that_comes_back_meets_one_request_then_two_and_never_more_than_its_limit() {
    let (is_back, permits) = (Arc::new(AtomicBool::new(false)), Arc::new(Semaphore::new(0)));
    let (flag, gate) = (Arc::clone(&is_back), Arc::clone(&permits));
    let receiver =
        Receiver::start(move |_, _| if flag.load(Ordering::SeqCst) { Reply::WhenAllowed(Arc::clone(&gate)) } else { Reply::Status(503) })
            .await;
    let app = Dispatcher::new().await;
    let webhook = app.webhook(&receiver.url("/:id"), |webhook| webhook.delivery.max_in_flight = Some(3)).await;
    let ids = enqueue(&app, 20).await;
    app.pool.look_for_due().await.unwrap();
    while lane(&app, webhook).await.state != LaneState::Open {
        app.pool.run_once().await.unwrap();
        tokio::task::yield_now().await;
    }
    app.settle(|| app.pool.held() == 0).await;
    let before = receiver.seen().len();

    is_back.store(true, Ordering::SeqCst);
    app.clock.advance(Duration::from_secs(7));
    let mut at_once = Vec::new();
    for answered in 0..10 {
        app.settle(|| receiver.seen().len() >= before + answered + at_once_by(answered)).await;
        app.drive(20).await;
        at_once.push(receiver.seen().len() - before - answered);
        permits.add_permits(1);
    }
    permits.add_permits(40);
    app.advance(Duration::from_mins(1)).await;

    assert_eq!(at_once, [1, 1, 2, 2, 3, 3, 3, 3, 3, 3]);
    for id in ids {
        assert_eq!(app.state_of(id).await, DeliveryState::Delivered);
    }
}

/// How many requests are under way after so many answers: one until the probe and one more were answered, and so on.
const fn at_once_by(answered: usize) -> usize {
    match answered {
        0..=1 => 1,
        2..=3 => 2,
        _ => 3,
    }
}
