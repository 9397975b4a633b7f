//! Alerts: what an operator is told, signed and once.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use webhook_dispatcher::alerts::{AlertSettings, Alerts, Notices, Recipient};
use webhook_dispatcher::domain::address_policy::AddressPolicy;
use webhook_dispatcher::domain::ids::IdSource;
use webhook_dispatcher::domain::node::{Node, NodeRole};
use webhook_dispatcher::domain::signature::{Scheme, SigningSecret, VerifyingKey, standard};
use webhook_dispatcher::domain::time::Clock as _;
use webhook_dispatcher::egress::{Caller, EgressSettings, HttpCaller};
use webhook_dispatcher::node::{Heartbeat, Membership};

use crate::support::dispatcher::{Dispatcher, START};
use crate::support::receiver::{Receiver, Reply};

const SECRET: [u8; 32] = [5; 32];

fn caller() -> Arc<dyn Caller> {
    let policy = AddressPolicy::new(vec!["127.0.0.0/8".parse().unwrap()]);
    Arc::new(HttpCaller::new(Arc::new(policy), EgressSettings::default()).unwrap())
}

/// Alerts about what `app` does, told to `recipient`.
async fn alerts(app: &Dispatcher, recipient: &Receiver) -> Alerts {
    let ids = Arc::new(IdSource::seeded([9; 32]));
    let node = Node { id: ids.next(START), name: "alone".to_owned(), role: NodeRole::All, version: "0".to_owned(), started_at: START };
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
