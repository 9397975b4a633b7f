//! Whom calls trust, and how old a TLS may be.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use webhook_dispatcher::domain::attempt::{AttemptOutcome, FailureReason};
use webhook_dispatcher::domain::delivery::{DeadLetterReason, DeliveryState};
use webhook_dispatcher::egress::EgressSettings;

use crate::support::dispatcher::{Dispatcher, Setup};
use crate::support::names::ScriptedNames;
use crate::support::receiver::Receiver;
use crate::support::tls::Authority;

const NAME: &str = "receiver.test";

/// A dispatcher that knows the receiver by its name, and trusts `authority` if there is one.
pub(super) async fn dispatcher(authority: Option<&Authority>) -> Dispatcher {
    let names = ScriptedNames::new();
    names.say(NAME, &[&["127.0.0.1"]]);
    names.say("other.test", &[&["127.0.0.1"]]);
    let egress = EgressSettings { ca_file: authority.map(Authority::file), ..EgressSettings::default() };
    Dispatcher::with(Setup { egress, names, ..Setup::default() }).await
}

/// What one attempt to call `host` on the receiver's port comes to.
async fn attempt(app: &Dispatcher, host: &str, port: u16) -> (AttemptOutcome, String) {
    app.webhook(&format!("https://{host}:{port}/:id"), |webhook| {
        webhook.delivery.timeout = Some(Duration::from_secs(5));
    })
    .await;
    let id = app.enqueue_one("doc-1").await;
    app.run_until_idle().await;
    let attempt = app.delivery(id).await.attempts.remove(0);
    (attempt.outcome, attempt.exchange.detail.unwrap_or_default())
}

#[tokio::test]
async fn a_receiver_whose_authority_nobody_knows_is_not_trusted_and_gets_nothing() {
    let authority = Authority::new();
    let receiver = Receiver::speaking_tls(authority.server(NAME)).await;

    let (outcome, detail) = attempt(&dispatcher(None).await, NAME, receiver.address.port()).await;

    assert_eq!(outcome, AttemptOutcome::Retryable(FailureReason::Tls), "{detail}");
    assert_eq!(receiver.seen().len(), 0);
}

#[tokio::test]
async fn an_authority_in_the_file_is_trusted_beside_the_systems() {
    let authority = Authority::new();
    let receiver = Receiver::speaking_tls(authority.server(NAME)).await;

    let (outcome, detail) = attempt(&dispatcher(Some(&authority)).await, NAME, receiver.address.port()).await;

    assert_eq!(outcome, AttemptOutcome::Delivered, "{detail}");
    assert_eq!(receiver.seen().len(), 1);
}

#[tokio::test]
async fn a_receiver_that_knows_nothing_newer_than_tls_1_2_is_called() {
    let authority = Authority::new();
    let receiver = Receiver::speaking_tls(authority.server_of_tls_1_2(NAME)).await;

    let (outcome, detail) = attempt(&dispatcher(Some(&authority)).await, NAME, receiver.address.port()).await;

    assert_eq!(outcome, AttemptOutcome::Delivered, "{detail}");
    assert_eq!(receiver.seen().len(), 1);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_trusted() {
    let authority = Authority::new();
    let receiver = Receiver::speaking_tls(authority.server(NAME)).await;

    for host in ["other.test", "127.0.0.1"] {
        let (outcome, detail) = attempt(&dispatcher(Some(&authority)).await, host, receiver.address.port()).await;

        assert_eq!(outcome, AttemptOutcome::Retryable(FailureReason::Tls), "{host}: {detail}");
    }
    assert_eq!(receiver.seen().len(), 0);
}

/// What a server says that knows nothing newer than TLS 1.1: a `ServerHello` of that version.
fn server_hello_of_tls_1_1() -> Vec<u8> {
    let mut hello = vec![0x03, 0x02];
    hello.extend([7; 32]);
    // No session; TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA; no compression.
    hello.extend([0, 0xc0, 0x13, 0]);
    let length = u8::try_from(hello.len()).unwrap();
    [&[0x16, 0x03, 0x02, 0, length + 4, 0x02, 0, 0, length][..], &hello].concat()
}

#[tokio::test]
async fn tls_before_1_2_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = vec![0; 16_384];
        let read = stream.read(&mut asked).await.unwrap();
        stream.write_all(&server_hello_of_tls_1_1()).await.unwrap();
        // An alert of the level "fatal", and its reason.
        let mut alert = [0; 7];
        stream.read_exact(&mut alert).await.unwrap();
        (read, alert)
    });

    let (outcome, detail) = attempt(&dispatcher(None).await, NAME, port).await;

    assert_eq!(outcome, AttemptOutcome::Retryable(FailureReason::Tls), "{detail}");
    let (read, alert) = server.await.unwrap();
    assert!(read > 0);
    assert_eq!((alert[0], alert[5], alert[6]), (0x15, 2, 70), "the version is what is refused");
}

#[tokio::test]
async fn plain_http_that_was_stored_before_it_was_forbidden_is_not_sent() {
    let receiver = Receiver::answering([]).await;
    let egress = EgressSettings { allow_http: false, ..EgressSettings::default() };
    let app =
        Dispatcher::with(Setup { egress, names: Arc::new(webhook_dispatcher::egress::SystemNames::default()), ..Setup::default() }).await;
    app.webhook(&receiver.url("/:id"), |_| {}).await;

    let id = app.enqueue_one("doc-1").await;
    app.run_until_idle().await;

    let detail = app.delivery(id).await;
    assert_eq!(detail.summary.delivery.state, DeliveryState::DeadLettered);
    let reason = DeadLetterReason::Permanent(FailureReason::AddressNotAllowed);
    assert_eq!(detail.summary.delivery.dead_letter_reason, Some(reason));
    assert_eq!(detail.attempts[0].exchange.detail.as_deref(), Some("the url does not begin with https://"));
    assert_eq!(receiver.seen().len(), 0);
}
