//! Webhooks that show who calls (mutual TLS): at the target and at the login, each with its own certificate.

use std::sync::Arc;

use webhook_dispatcher::domain::attempt::{AttemptOutcome, FailureReason};
use webhook_dispatcher::domain::client_certificate::ClientCertificate;
use webhook_dispatcher::domain::ids::DeliveryId;
use webhook_dispatcher::egress::EgressSettings;

use super::tls::dispatcher;
use crate::support::dispatcher::{Dispatcher, Setup};
use crate::support::names::ScriptedNames;
use crate::support::receiver::Receiver;
use crate::support::tls::Authority;

const NAME: &str = "receiver.test";

/// Makes a webhook with this certificate; sends it a document.
async fn send(app: &Dispatcher, receiver: &Receiver, certificate: Option<Arc<ClientCertificate>>) -> DeliveryId {
    app.webhook(&format!("https://{NAME}:{}/:id", receiver.address.port()), |webhook| {
        webhook.authorization.client_certificate = certificate;
    })
    .await;
    let id = app.enqueue("doc-1").await.pop().unwrap();
    app.run_until_idle().await;
    id
}

async fn outcome(app: &Dispatcher, id: DeliveryId) -> AttemptOutcome {
    app.delivery(id).await.attempts[0].outcome.clone()
}

#[tokio::test]
async fn a_receiver_that_asks_who_calls_is_shown_the_webhooks_certificate() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let receiver = Receiver::speaking_tls(servers.server_for(NAME, &clients)).await;
    let app = dispatcher(Some(&servers)).await;

    let id = send(&app, &receiver, Some(clients.client("client.test"))).await;

    assert_eq!(outcome(&app, id).await, AttemptOutcome::Delivered);
    assert_eq!(receiver.seen().len(), 1);
}

#[tokio::test]
async fn without_a_certificate_or_with_a_strangers_nothing_arrives() {
    let (servers, clients) = (Authority::new(), Authority::new());
    for certificate in [None, Some(Authority::new().client("client.test"))] {
        let receiver = Receiver::speaking_tls(servers.server_for(NAME, &clients)).await;
        let app = dispatcher(Some(&servers)).await;

        let id = send(&app, &receiver, certificate).await;

        assert_eq!(outcome(&app, id).await, AttemptOutcome::Retryable(FailureReason::Tls));
        assert_eq!(receiver.seen().len(), 0);
    }
}

#[tokio::test]
async fn two_webhooks_of_one_receiver_show_each_its_own() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let receiver = Receiver::speaking_tls(servers.server_for(NAME, &clients)).await;
    let app = dispatcher(Some(&servers)).await;

    // The first one's connection is open when the second one is called, and the second one's client is made.
    let first = send(&app, &receiver, Some(clients.client("client.test"))).await;
    let second = send(&app, &receiver, Some(Authority::new().client("client.test"))).await;
    let third = send(&app, &receiver, Some(clients.client("client.test"))).await;

    assert_eq!(outcome(&app, first).await, AttemptOutcome::Delivered);
    assert_eq!(outcome(&app, second).await, AttemptOutcome::Retryable(FailureReason::Tls));
    assert_eq!(outcome(&app, third).await, AttemptOutcome::Delivered);
}

#[tokio::test]
async fn a_certificate_opens_no_port_beside_the_one_that_may_be_called() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let receiver = Receiver::speaking_tls(servers.server_for(NAME, &clients)).await;
    let other = Receiver::speaking_tls(servers.server_for(NAME, &clients)).await;
    let names = ScriptedNames::new();
    names.say(NAME, &[&["127.0.0.1"]]);
    let egress = EgressSettings { ca_file: Some(servers.file()), ..EgressSettings::default() };
    let allow: &[&str] = vec![&*format!("127.0.0.1:{}", receiver.address.port()).leak()].leak();
    let app = Dispatcher::with(Setup { allow, egress, names, ..Setup::default() }).await;
    let certificate = clients.client("client.test");

    let allowed = send(&app, &receiver, Some(Arc::clone(&certificate))).await;
    let refused = send(&app, &other, Some(certificate)).await;

    assert_eq!(outcome(&app, allowed).await, AttemptOutcome::Delivered);
    assert_eq!(outcome(&app, refused).await, AttemptOutcome::Permanent(FailureReason::AddressNotAllowed));
    assert_eq!(other.seen().len(), 0);
}

#[tokio::test]
async fn a_receiver_that_refuses_an_expired_certificate_is_not_the_only_one_to_blame() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let receiver = Receiver::speaking_tls(servers.server_for(NAME, &clients)).await;
    let app = dispatcher(Some(&servers)).await;

    let id = send(&app, &receiver, Some(Authority::held(clients.issue_until("client.test", 2001)))).await;

    let attempt = &app.delivery(id).await.attempts[0];
    assert_eq!(attempt.outcome, AttemptOutcome::Retryable(FailureReason::Tls));
    let detail = attempt.exchange.detail.as_deref().unwrap();
    assert!(detail.ends_with("; the webhook's client certificate was good until 2001-01-01T00:00:00.000000+00:00"), "{detail}");
    assert_eq!(receiver.seen().len(), 0);
}

#[tokio::test]
async fn a_certificate_is_shown_for_its_own_webhook_alone() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let receiver = Receiver::speaking_tls(servers.server_for(NAME, &clients)).await;
    let app = dispatcher(Some(&servers)).await;

    // The first one's connection is open when the second one is called.
    let first = send(&app, &receiver, Some(clients.client("client.test"))).await;
    let second = send(&app, &receiver, None).await;

    assert_eq!(outcome(&app, first).await, AttemptOutcome::Delivered);
    let attempts = app.delivery(second).await.attempts;
    assert_eq!(attempts[0].outcome, AttemptOutcome::Retryable(FailureReason::Tls));
    // The first one was sent the second document too.
    assert_eq!(receiver.seen().len(), 2);
}
