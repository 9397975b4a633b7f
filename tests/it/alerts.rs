//! Alerts: what an operator is told, signed and once.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use webhook_dispatcher::alerts::{AlertSettings, Alerts, Notices, Recipient};
use webhook_dispatcher::domain::address_policy::AddressPolicy;
use webhook_dispatcher::domain::ids::IdSource;
use webhook_dispatcher::domain::node::{Node, NodeRole};
use webhook_dispatcher::domain::signature::{Scheme, SigningSecret, VerifyingKey, standard};
use webhook_dispatcher::domain::time::{Clock as _, Timestamp};
use webhook_dispatcher::egress::{Caller, EgressSettings, HttpCaller};
use webhook_dispatcher::node::{Heartbeat, Membership};

use crate::support::dispatcher::{Dispatcher, START};
use crate::support::process::{Process, RestClient};
use crate::support::receiver::{Receiver, Reply};

const SECRET: [u8; 32] = [5; 32];

fn caller() -> Arc<dyn Caller> {
    let policy = AddressPolicy::new(vec!["127.0.0.0/8".parse().unwrap()]);
    Arc::new(HttpCaller::new(Arc::new(policy), EgressSettings::default()).unwrap())
}

/// Alerts about what `app` does, told to `recipient`.
async fn alerts(app: &Dispatcher, recipient: &Receiver) -> Alerts {
    alerts_of(app, recipient, START).await
}

/// The same, found by a node that started at `start`.
async fn alerts_of(app: &Dispatcher, recipient: &Receiver, start: Timestamp) -> Alerts {
    let ids = Arc::new(IdSource::seeded([9; 32]));
    let node = Node { id: ids.next(start), name: "node".to_owned(), role: NodeRole::All, version: "0".to_owned(), started_at: start };
    let heartbeat = Heartbeat { interval: Duration::from_hours(1), limit: Duration::from_hours(24) };
    let membership = Membership::join(node, heartbeat, Arc::clone(&app.store)).await.unwrap();
    let secret = SigningSecret::new(Scheme::HmacSha256, &SECRET).ok();
    let notices = Notices::new(caller(), ids, Some(Recipient { url: recipient.url("/alerts").parse().unwrap(), secret }));
    let (minute, quarter) = (Duration::from_mins(1), Duration::from_mins(15));
    Alerts::new(Arc::clone(&app.store), membership, notices, AlertSettings { look_every: minute, quiet: quarter, node_limit: minute })
}

#[tokio::test]
async fn a_webhook_that_fails_and_recovers_is_told_of_in_signed_calls() {
    let (app, recipient) = (Dispatcher::new().await, Receiver::answering([]).await);
    let receiver = Receiver::start(|_, before| Reply::Status(if before < 3 { 500 } else { 200 })).await;
    let webhook = app.webhook(&receiver.url("/:id"), |_| {}).await;
    let alerts = alerts(&app, &recipient).await;
    let look = async || alerts.run_once(app.clock.now()).await.unwrap();

    assert_eq!(look().await, 0, "nobody knows what was before");
    for document in ["1", "2", "3"] {
        app.enqueue(document).await;
    }
    app.run_until_idle().await;
    assert_eq!(look().await, 1);
    assert_eq!(look().await, 0, "it is told once");
    app.enqueue("4").await;
    app.run_until_idle().await;
    assert_eq!(look().await, 1);

    let told = recipient.seen();
    let bodies: Vec<Value> = told.iter().map(|seen| serde_json::from_slice(&seen.body).unwrap()).collect();
    assert_eq!((&bodies[0]["type"], &bodies[1]["type"]), (&json!("webhook.failing"), &json!("webhook.recovered")));
    assert_eq!((&bodies[0]["webhook"]["id"], &bodies[0]["count"]), (&json!(webhook), &json!(3)));
    assert_eq!(bodies[0]["text"], "All of the last 3 attempts for the webhook \"Webhook 1\" failed.");
    let secret = SigningSecret::new(Scheme::HmacSha256, &SECRET).unwrap();
    let key: VerifyingKey = secret.text_for_receiver().parse().unwrap();
    for seen in &told {
        let header = |name| seen.header(name).unwrap();
        assert!(standard::verify(header("webhook-signature"), header("webhook-id"), header("webhook-timestamp"), &seen.body, &key));
    }
}

#[tokio::test]
async fn a_webhook_that_is_gone_is_told_as_disabled_with_its_dead_letter() {
    let (app, recipient) = (Dispatcher::new().await, Receiver::answering([Reply::Status(500)]).await);
    let receiver = Receiver::answering([Reply::Status(410)]).await;
    app.webhook(&receiver.url("/:id"), |_| {}).await;
    let alerts = alerts(&app, &recipient).await;
    alerts.run_once(app.clock.now()).await.unwrap();
    app.enqueue("1").await;
    app.run_until_idle().await;

    assert_eq!(alerts.run_once(app.clock.now()).await.unwrap(), 2);

    let bodies: Vec<Value> = recipient.seen().iter().map(|seen| serde_json::from_slice(&seen.body).unwrap()).collect();
    let kinds: Vec<&Value> = bodies.iter().map(|body| &body["type"]).collect();
    assert_eq!(kinds, ["webhook.disabled", "webhook.disabled", "delivery.dead_lettered"], "what was refused is tried again");
    assert_eq!(bodies[0]["id"], bodies[1]["id"]);
}

#[tokio::test]
async fn of_several_nodes_the_oldest_tells() {
    let (app, recipient) = (Dispatcher::new().await, Receiver::answering([]).await);
    let receiver = Receiver::answering([Reply::Status(410)]).await;
    app.webhook(&receiver.url("/:id"), |_| {}).await;
    let younger = alerts_of(&app, &recipient, START + Duration::from_secs(1)).await;
    let oldest = alerts_of(&app, &recipient, START).await;
    let look = async || [younger.run_once(app.clock.now()).await.unwrap(), oldest.run_once(app.clock.now()).await.unwrap()];
    look().await;

    app.enqueue("1").await;
    app.run_until_idle().await;

    assert_eq!(look().await, [0, 2]);
    assert_eq!(recipient.seen().len(), 2);
}

#[tokio::test]
async fn the_running_program_signs_with_the_secret_that_is_set() {
    let (folder, recipient, receiver) =
        (tempfile::tempdir().unwrap(), Receiver::answering([]).await, Receiver::answering([Reply::Status(410)]).await);
    let text = SigningSecret::new(Scheme::HmacSha256, &SECRET).unwrap().text_for_receiver();
    let settings =
        [&format!("alerts.url={}", recipient.url("/alerts")), &format!("alerts.secret={}", text.as_str()), "alerts.look_seconds=1"];
    let (rest, process) = (RestClient::new(), Process::start(folder.path(), &settings).await);
    let key = rest.register(process.address, &receiver.url("/:id")).await;

    rest.post(process.address, "/api_document/completions", &[("x-api-key", &key)], &json!({"id": "1"})).await.unwrap();
    recipient.until_seen(1).await;

    let (seen, key) = (&recipient.seen()[0], text.parse::<VerifyingKey>().unwrap());
    let header = |name| seen.header(name).unwrap();
    assert!(standard::verify(header("webhook-signature"), header("webhook-id"), header("webhook-timestamp"), &seen.body, &key));
}
