//! Connections between two requests: used again, closed by the other side, never a reason to send anything twice.

use std::time::Duration;

use tokio::net::TcpListener;
use webhook_dispatcher::domain::attempt::{Attempt, AttemptOutcome, FailureReason};
use webhook_dispatcher::egress::EgressSettings;

use crate::support::dispatcher::{Dispatcher, Setup};
use crate::support::receiver::{Receiver, Reply};

/// The first attempt for a document of its own.
async fn attempt(app: &Dispatcher, subject: &str) -> Attempt {
    let id = app.enqueue_one(subject).await;
    app.run_until_idle().await;
    app.delivery(id).await.attempts.remove(0)
}

#[tokio::test]
async fn a_connection_is_used_again_and_only_the_first_attempt_makes_one() {
    let receiver = Receiver::answering([]).await;
    let app = Dispatcher::new().await;
    app.webhook(&receiver.url("/:id"), |_| {}).await;

    let (first, second) = (attempt(&app, "doc-1").await, attempt(&app, "doc-2").await);

    let phases = first.exchange.phases;
    assert!(phases.connect.unwrap() > Duration::ZERO && phases.connect < phases.answer, "{phases:?}");
    assert_eq!(phases.wait(), Some(phases.answer.unwrap() - phases.connect.unwrap()));
    assert_eq!(second.exchange.phases.connect, None);
    assert_eq!(second.exchange.remote_address, Some(receiver.address));
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_noticed_before_anything_is_sent() {
    let closing = Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec());
    let receiver = Receiver::answering([closing.clone(), closing]).await;
    let app = Dispatcher::new().await;
    app.webhook(&receiver.url("/:id"), |_| {}).await;

    for subject in ["doc-1", "doc-2", "doc-3"] {
        let attempt = attempt(&app, subject).await;

        assert_eq!(attempt.outcome, AttemptOutcome::Delivered, "{subject}: {:?}", attempt.exchange.detail);
        assert!(attempt.exchange.phases.connect.is_some(), "{subject}");
    }
    assert_eq!(receiver.seen().len(), 3);
}

#[tokio::test]
async fn what_may_have_arrived_over_an_open_connection_is_not_sent_again() {
    let receiver = Receiver::answering([Reply::Status(200), Reply::Close]).await;
    let app = Dispatcher::new().await;
    app.webhook(&receiver.url("/:id"), |_| {}).await;
    attempt(&app, "doc-1").await;

    let broken = attempt(&app, "doc-2").await;

    assert_eq!(broken.outcome, AttemptOutcome::Retryable(FailureReason::Protocol));
    assert_eq!(receiver.seen().len(), 2);
}

#[tokio::test]
async fn an_answer_longer_than_what_is_kept_gives_its_connection_up() {
    let long = Reply::Full(200, "", vec![b'x'; 100_000]);
    let receiver = Receiver::answering([long]).await;
    let app = Dispatcher::new().await;
    app.webhook(&receiver.url("/:id"), |_| {}).await;

    let (first, second) = (attempt(&app, "doc-1").await, attempt(&app, "doc-2").await);

    assert_eq!((first.outcome, second.outcome), (AttemptOutcome::Delivered, AttemptOutcome::Delivered));
    assert!(second.exchange.phases.connect.is_some());
}

#[tokio::test]
async fn an_attempt_whose_time_is_up_says_how_far_it_came() {
    let receiver = Receiver::answering([Reply::RawThenSilence(Vec::new())]).await;
    // Accepts by itself, and never says a word of TLS.
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let egress = EgressSettings { connect_timeout: Duration::from_millis(200), ..EgressSettings::default() };
    let app = Dispatcher::with(Setup { egress, ..Setup::default() }).await;
    let sealed = format!("https://{}/:id", mute.local_addr().unwrap());
    for url in [receiver.url("/:id"), sealed] {
        app.webhook(&url, |webhook| webhook.delivery.timeout = Some(Duration::from_millis(400))).await;
    }

    let ids = app.enqueue("doc-1").await;
    app.run_until_idle().await;

    let mut told = Vec::new();
    for id in ids {
        let attempt = app.delivery(id).await.attempts.remove(0);
        assert_eq!(attempt.outcome, AttemptOutcome::Retryable(FailureReason::Timeout));
        told.push(attempt.exchange.detail.unwrap());
    }
    told.sort_unstable();
    assert_eq!(told, ["connected, but no answer came in time", "no connection was made in time"]);
}
