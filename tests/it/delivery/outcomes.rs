//! What an answer does to a delivery.

use std::time::Duration;

use webhook_dispatcher::domain::attempt::{AttemptOutcome, FailureReason};
use webhook_dispatcher::domain::delivery::{DeadLetterReason, DeliveryState};
use webhook_dispatcher::domain::webhook::{DisableReason, WebhookState};
use webhook_dispatcher::store::records::{DeliveryChange, Scope};

use crate::support::dispatcher::{Dispatcher, START};
use crate::support::receiver::{Receiver, Reply};

const FIRST_DELAY: Duration = Duration::from_mins(1);
const SECOND_DELAY: Duration = Duration::from_mins(10);

#[tokio::test]
async fn a_503_is_retried_after_the_first_delay_with_the_same_webhook_id_and_a_new_timestamp() {
    let (app, receiver) = (Dispatcher::new().await, Receiver::answering([Reply::Status(503)]).await);
    app.webhook(&receiver.url("/:id"), |_| {}).await;
    let id = app.enqueue_one("doc-1").await;

    app.run_until_idle().await;
    assert_eq!(app.state_of(id).await, DeliveryState::Pending);
    app.advance(Duration::from_secs(59)).await;
    assert_eq!(receiver.seen().len(), 1, "not before it is due");
    app.advance(Duration::from_secs(1)).await;

    let (seen, detail) = (receiver.seen(), app.delivery(id).await);
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].header("webhook-id"), seen[1].header("webhook-id"));
    assert_eq!(seen[1].header("webhook-timestamp"), Some((START.as_seconds() + 60).to_string().as_str()));
    assert_eq!(detail.summary.delivery.state, DeliveryState::Delivered);
    let attempts: Vec<_> = detail.attempts.iter().map(|attempt| (attempt.number, attempt.exchange.status)).collect();
    assert_eq!(attempts, [(1, Some(503)), (2, Some(200))]);
}

#[tokio::test]
async fn a_redirect_is_a_failed_attempt_and_its_target_is_never_called() {
    let elsewhere = Receiver::answering([]).await;
    let location: &'static str = format!("location: {}\r\n", elsewhere.url("/stolen")).leak();
    let receiver = Receiver::answering([301, 302, 303, 307, 308].map(|status| Reply::Full(status, location, Vec::new()))).await;
    let app = Dispatcher::new().await;
    app.webhook(&receiver.url("/:id"), |_| {}).await;

    let id = app.enqueue_one("doc-1").await;
    app.run_until_idle().await;

    let detail = app.delivery(id).await;
    assert_eq!(detail.attempts[0].outcome, AttemptOutcome::Retryable(FailureReason::Status(301)));
    assert!(detail.attempts[0].exchange.response_head.as_ref().unwrap().contains("location: "));
    assert_eq!((receiver.seen().len(), elsewhere.seen().len()), (1, 0));
}

#[tokio::test]
async fn when_the_schedule_is_exhausted_the_delivery_is_a_dead_letter_that_can_be_redelivered() {
    let (app, receiver) = (Dispatcher::new().await, Receiver::answering([500, 500, 500].map(Reply::Status)).await);
    app.webhook(&receiver.url("/:id"), |_| {}).await;
    let id = app.enqueue_one("doc-1").await;

    app.run_until_idle().await;
    app.advance(FIRST_DELAY).await;
    app.advance(SECOND_DELAY).await;
    let dead = app.delivery(id).await.summary.delivery;
    assert_eq!((dead.state, dead.attempts), (DeliveryState::DeadLettered, 3));
    assert_eq!(dead.dead_letter_reason, Some(DeadLetterReason::Exhausted));

    let change = app.store.redeliver(Scope::Client(app.client), id, START, None).await.unwrap();
    assert_eq!(change, DeliveryChange::Changed);
    app.run_until_idle().await;

    let detail = app.delivery(id).await;
    assert_eq!((detail.summary.delivery.state, detail.attempts.last().unwrap().number), (DeliveryState::Delivered, 4));
    assert_eq!(receiver.seen()[0].header("webhook-id"), receiver.seen()[3].header("webhook-id"));
}

#[tokio::test]
async fn a_redelivery_begins_the_schedule_anew() {
    let (app, receiver) = (Dispatcher::new().await, Receiver::start(|_, _| Reply::Status(500)).await);
    app.webhook(&receiver.url("/:id"), |_| {}).await;
    let id = app.enqueue_one("doc-1").await;
    app.run_until_idle().await;
    app.advance(FIRST_DELAY).await;
    app.advance(SECOND_DELAY).await;

    app.store.redeliver(Scope::All, id, START, None).await.unwrap();
    app.run_until_idle().await;
    app.advance(FIRST_DELAY).await;
    assert_eq!(app.state_of(id).await, DeliveryState::Pending);
    app.advance(SECOND_DELAY).await;

    let dead = app.delivery(id).await.summary.delivery;
    assert_eq!((dead.state, dead.attempts), (DeliveryState::DeadLettered, 6));
}

#[tokio::test]
async fn gone_dead_letters_at_once_and_disables_the_webhook_whose_deliveries_then_wait() {
    let (app, receiver) = (Dispatcher::new().await, Receiver::answering([Reply::Status(410)]).await);
    let webhook = app.webhook(&receiver.url("/:id"), |_| {}).await;
    let first = app.enqueue_one("doc-1").await;
    app.run_until_idle().await;

    let second = app.enqueue_one("doc-2").await;
    app.run_until_idle().await;

    let reason = app.delivery(first).await.summary.delivery.dead_letter_reason;
    assert_eq!(reason, Some(DeadLetterReason::Permanent(FailureReason::Gone)));
    let state = app.store.webhook(Scope::All, webhook).await.unwrap().unwrap().state;
    assert_eq!(state, WebhookState::Disabled(DisableReason::Gone));
    assert_eq!(app.state_of(second).await, DeliveryState::Pending);
    assert_eq!(receiver.seen().len(), 1);
}

#[tokio::test]
async fn retry_after_moves_the_next_attempt_in_seconds_and_as_a_date() {
    // The test clock begins at 17:12:33 GMT.
    for (header, seconds) in [("retry-after: 120\r\n", 120), ("Retry-After: Thu, 11 Apr 2024 17:15:33 GMT\r\n", 180)] {
        let (app, receiver) = (Dispatcher::new().await, Receiver::answering([Reply::Full(503, header, Vec::new())]).await);
        app.webhook(&receiver.url("/:id"), |_| {}).await;
        let id = app.enqueue_one("doc-1").await;

        app.run_until_idle().await;

        let due_at = app.delivery(id).await.summary.delivery.due_at;
        assert_eq!(due_at.as_seconds() - START.as_seconds(), seconds, "{header}");
    }
}

#[tokio::test]
async fn rubbish_in_retry_after_leaves_the_plan_as_it_is() {
    let headers = [
        "retry-after: soon\r\n",
        "retry-after: -5\r\n",
        "retry-after: 1e9\r\n",
        "retry-after: \r\n",
        "retry-after: Thu, 99 Foo 2024\r\n",
        "retry-after: \u{fffd}\u{fffd}\r\n",
    ];
    for header in headers {
        let (app, receiver) = (Dispatcher::new().await, Receiver::answering([Reply::Full(429, header, Vec::new())]).await);
        app.webhook(&receiver.url("/:id"), |_| {}).await;
        let id = app.enqueue_one("doc-1").await;

        app.run_until_idle().await;

        assert_eq!(app.delivery(id).await.summary.delivery.due_at, START + FIRST_DELAY, "{header}");
    }
}

#[tokio::test]
async fn an_endless_retry_after_is_clamped() {
    let header = "retry-after: 99999999999999999999999999\r\n";
    let (app, receiver) = (Dispatcher::new().await, Receiver::answering([Reply::Full(503, header, Vec::new())]).await);
    app.webhook(&receiver.url("/:id"), |_| {}).await;
    let id = app.enqueue_one("doc-1").await;

    app.run_until_idle().await;

    assert_eq!(app.delivery(id).await.summary.delivery.due_at, START + Duration::from_hours(24));
}

#[tokio::test]
async fn the_beginning_of_the_answer_is_kept() {
    let answer = Reply::Full(500, "x-request: 7\r\nset-cookie: session=secret\r\n", vec![b'x'; 100_000]);
    let (app, receiver) = (Dispatcher::new().await, Receiver::answering([answer]).await);
    app.webhook(&receiver.url("/:id"), |_| {}).await;
    let id = app.enqueue_one("doc-1").await;

    app.run_until_idle().await;

    let exchange = &app.delivery(id).await.attempts[0].exchange;
    assert_eq!(exchange.response_head.as_deref(), Some("x-request: 7\nset-cookie: ****\ncontent-length: 100000"));
    assert_eq!(exchange.response_body.as_ref().map(bytes::Bytes::len), Some(8192));
}
