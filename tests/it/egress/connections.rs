//! Connections between two requests: used again, closed by the other side, never a reason to send anything twice.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::Instant;
use webhook_dispatcher::domain::address_policy::AddressPolicy;
use webhook_dispatcher::domain::attempt::{Attempt, AttemptOutcome, FailureReason};
use webhook_dispatcher::domain::method::Method;
use webhook_dispatcher::egress::{CallLimits, Caller, EgressSettings, HttpCaller, OutboundRequest};

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
    assert_eq!(phases.wait(), phases.answer.unwrap().checked_sub(phases.connect.unwrap()));
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

/// Far more than a socket takes before somebody reads it.
const LARGE: usize = 8 << 20;

/// How many bytes of a large body arrive at a receiver that answers with `answer` before it reads them.
async fn arrived_after(answer: &'static [u8]) -> usize {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let reading = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(answer).await.unwrap();
        let mut body = vec![0; LARGE];
        let mut read = 0;
        while read < LARGE {
            match stream.read(&mut body[read..]).await {
                Ok(0) | Err(_) => break,
                Ok(more) => read += more,
            }
        }
        read
    });
    let policy = AddressPolicy::new(vec!["127.0.0.0/8".parse().unwrap()]);
    let caller = HttpCaller::new(Arc::new(policy), EgressSettings::default()).unwrap();
    let body = Some(Bytes::from(vec![b'x'; LARGE]));
    let request = OutboundRequest { method: Method::Post, url, headers: HeaderMap::new(), body, client_certificate: None };

    let answer = caller.call(request, CallLimits { deadline: Instant::now() + Duration::from_mins(1), body_cap: 10 }).await;

    assert_eq!(answer.unwrap().status, 200);
    reading.await.unwrap()
}

#[tokio::test]
async fn what_is_answered_before_it_was_sent_is_sent_to_its_last_byte() {
    for answer in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nlonger than the cap!",
    ] {
        assert_eq!(arrived_after(answer).await, LARGE, "{}", String::from_utf8_lossy(answer));
    }
}
