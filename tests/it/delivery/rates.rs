//! Rate limits of webhooks, as their receivers see them.

use std::time::Duration;

use webhook_dispatcher::domain::delivery::DeliveryState;
use webhook_dispatcher::domain::rate_limit::RateLimit;
use webhook_dispatcher::domain::webhook::WebhookState;
use webhook_dispatcher::store::records::Scope;

use crate::support::dispatcher::Dispatcher;
use crate::support::receiver::{Receiver, Reply};

/// A dispatcher whose only webhook calls `receiver` at most so often.
async fn limited(receiver: &Receiver, requests: u32, per_seconds: u32) -> Dispatcher {
    let app = Dispatcher::new().await;
    let limit = RateLimit::new(requests, per_seconds).unwrap();
    app.webhook(&receiver.url("/:id"), |webhook| webhook.delivery.rate_limit = Some(limit)).await;
    app
}

#[tokio::test]
async fn a_backlog_is_sent_no_faster_than_the_rate_limit() {
    let receiver = Receiver::answering([]).await;
    let app = limited(&receiver, 20, 1).await;
    for n in 0..60 {
        app.enqueue(&format!("doc-{n}")).await;
    }

    let mut starts = vec![0];
    while receiver.seen().len() < 60 {
        app.run_until_idle().await;
        starts.push(receiver.seen().len());
        app.clock.advance(Duration::from_millis(50));
    }

    let most = (0..starts.len()).map(|at| starts[(at + 20).min(starts.len() - 1)] - starts[at]).max().unwrap();
    assert!(most <= 20, "{most} in twenty steps, a second: {starts:?}");
    assert!(starts.len() <= 2 + 20 * 60 / 18, "nine tenths of the limit are used: {starts:?}");
}

#[tokio::test]
async fn a_retry_counts_like_any_request() {
    let receiver = Receiver::answering([Reply::Status(500)]).await;
    let app = limited(&receiver, 1, 60).await;
    let failed = app.enqueue_one("doc-1").await;
    app.run_until_idle().await;
    let waiting = app.enqueue_one("doc-2").await;
    app.run_until_idle().await;
    assert_eq!(receiver.seen().len(), 1);

    app.advance(Duration::from_mins(1)).await;
    assert_eq!(receiver.seen().len(), 2, "both are due, one may start");
    app.advance(Duration::from_mins(1)).await;

    assert_eq!(receiver.seen().len(), 3);
    for id in [failed, waiting] {
        assert_eq!(app.state_of(id).await, DeliveryState::Delivered);
    }
}

#[tokio::test]
async fn a_pause_and_an_edit_allow_no_more_requests() {
    let receiver = Receiver::answering([]).await;
    let app = Dispatcher::new().await;
    let limit = RateLimit::new(1, 60).unwrap();
    let webhook = app.webhook(&receiver.url("/:id"), |webhook| webhook.delivery.rate_limit = Some(limit)).await;
    app.enqueue("doc-1").await;
    app.run_until_idle().await;
    app.enqueue("doc-2").await;

    for state in [WebhookState::Paused, WebhookState::Active] {
        app.store.set_webhook_state(Scope::All, webhook, state, crate::support::dispatcher::START, None).await.unwrap();
        app.heed_signals().await;
        app.run_until_idle().await;
    }

    assert_eq!(receiver.seen().len(), 1);
    app.advance(Duration::from_mins(1)).await;
    assert_eq!(receiver.seen().len(), 2);
}
