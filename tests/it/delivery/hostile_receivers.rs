//! Receivers that are slow, broken or mean: an attempt ends by its deadline, costs one attempt and leaks no slot.

use std::time::Duration;

use webhook_dispatcher::domain::attempt::{AttemptOutcome, FailureReason};
use webhook_dispatcher::domain::delivery::DeliveryState;

use crate::support::dispatcher::{Dispatcher, Setup};
use crate::support::receiver::{Receiver, Reply};

fn timeout() -> AttemptOutcome {
    AttemptOutcome::Retryable(FailureReason::Timeout)
}

fn broken() -> AttemptOutcome {
    AttemptOutcome::Retryable(FailureReason::Protocol)
}

/// Meets `reply` under a short deadline, and then delivers another document through the same lane.
async fn outcome_of(reply: Reply) -> AttemptOutcome {
    let app = Dispatcher::with(Setup::default()).await;
    let receiver = Receiver::answering([reply]).await;
    app.webhook(&receiver.url("/:id"), |webhook| {
        webhook.delivery.timeout = Some(Duration::from_millis(300));
        webhook.delivery.max_in_flight = Some(1);
    })
    .await;
    let met = app.enqueue_one("doc-1").await;
    app.run_until_idle().await;

    let after = app.enqueue_one("doc-2").await;
    app.run_until_idle().await;

    assert_eq!(app.state_of(after).await, DeliveryState::Delivered, "the slot came back");
    app.delivery(met).await.attempts[0].outcome.clone()
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    assert_eq!(outcome_of(Reply::RawThenSilence(Vec::new())).await, timeout());
}

#[tokio::test]
async fn half_a_head_ends_at_the_deadline() {
    assert_eq!(outcome_of(Reply::RawThenSilence(b"HTTP/1.1 200 OK\r\ncontent-le".to_vec())).await, timeout());
}

#[tokio::test]
async fn a_head_that_drips_for_ever_ends_at_the_deadline() {
    assert_eq!(
        outcome_of(Reply::Drip(b"HTTP/1.1 200 OK\r\nx-a: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".to_vec())).await,
        timeout()
    );
}

#[tokio::test]
async fn interim_answers_without_end_end_at_the_deadline() {
    assert_eq!(outcome_of(Reply::Drip(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec())).await, timeout());
}

#[tokio::test]
async fn a_2xx_head_is_delivered_even_when_its_body_never_ends() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc".to_vec();

    assert_eq!(outcome_of(Reply::RawThenSilence(head)).await, AttemptOutcome::Delivered);
}

#[tokio::test]
async fn an_endless_body_is_read_up_to_the_cap() {
    let mut answer = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    answer.resize(4 << 20, b'x');

    assert_eq!(outcome_of(Reply::RawThenSilence(answer)).await, AttemptOutcome::Delivered);
}

#[tokio::test]
async fn what_is_not_http_is_a_broken_answer() {
    let rubbish: [&[u8]; 7] = [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\0\0\0\0\0\0\0\0\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
    ];
    for bytes in rubbish {
        assert_eq!(outcome_of(Reply::Raw(bytes.to_vec())).await, broken(), "{:?}", String::from_utf8_lossy(bytes));
    }
}

#[tokio::test]
async fn a_closed_connection_is_a_broken_answer() {
    assert_eq!(outcome_of(Reply::Close).await, broken());
}

#[tokio::test]
async fn a_head_without_end_is_a_broken_answer() {
    let mut answer = b"HTTP/1.1 200 OK\r\n".to_vec();
    for n in 0..50_000 {
        answer.extend_from_slice(format!("x-{n}: {n}\r\n").as_bytes());
    }

    assert_eq!(outcome_of(Reply::Raw(answer)).await, broken());
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_no_connection() {
    let app = Dispatcher::new().await;
    let gone = Receiver::answering([]).await;
    app.webhook(&gone.url("/:id"), |_| {}).await;
    drop(gone);
    tokio::task::yield_now().await;

    let id = app.enqueue_one("doc-1").await;
    app.run_until_idle().await;

    let attempt = &app.delivery(id).await.attempts[0];
    assert_eq!(attempt.outcome, AttemptOutcome::Retryable(FailureReason::Connect), "{:?}", attempt.exchange.detail);
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_a_name_that_is_not_resolved() {
    let app = Dispatcher::new().await;
    app.webhook("http://does-not-exist.invalid/:id", |_| {}).await;

    let id = app.enqueue_one("doc-1").await;
    app.run_until_idle().await;

    assert_eq!(app.delivery(id).await.attempts[0].outcome, AttemptOutcome::Retryable(FailureReason::Dns));
}

#[tokio::test]
async fn a_receiver_that_speaks_no_tls_is_no_trusted_connection() {
    let (app, receiver) = (Dispatcher::new().await, Receiver::answering([]).await);
    app.webhook(&format!("https://{}/:id", receiver.address), |webhook| {
        webhook.delivery.timeout = Some(Duration::from_millis(300));
    })
    .await;

    let id = app.enqueue_one("doc-1").await;
    app.run_until_idle().await;

    let outcome = &app.delivery(id).await.attempts[0].outcome;
    assert!(matches!(outcome, AttemptOutcome::Retryable(FailureReason::Tls | FailureReason::Timeout)), "{outcome:?}");
}
