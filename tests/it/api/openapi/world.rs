//! A world in which every operation has something to work on: two clients, and one of everything that a path can name.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use webhook_dispatcher::domain::attempt::{Attempt, AttemptOutcome, Exchange, FailureReason, Phases};
use webhook_dispatcher::domain::delivery::{DeadLetterReason, Transition};
use webhook_dispatcher::domain::ids::WebhookId;
use webhook_dispatcher::domain::node::{Node, NodeRole};
use webhook_dispatcher::store::records::{AttemptRecord, ClaimRequest, LaneQuota};

use super::description::{Description, Operation};
use crate::support::rest::{ROOT_KEY, Rest, Tenant};

/// An id that nothing has.
pub(super) const ABSENT: &str = "00000000-0000-7000-8000-000000000000";

/// The world.
pub(super) struct World {
    pub(super) rest: Rest,
    pub(super) description: Description,
    pub(super) acme: Tenant,
    pub(super) other: Tenant,
    things: Things,
}

/// What belongs to `acme`.
struct Things {
    webhook: String,
    event: String,
    dead_letter: String,
    pending: String,
    key: String,
    job: String,
}

impl World {
    pub(super) async fn new() -> Self {
        let rest = Rest::new().await;
        let description = Description::of(&rest).await;
        let (acme, other) = (rest.tenant("acme").await, rest.tenant("other").await);
        beat(&rest).await;
        let things = things_of(&rest, &description, &acme).await;
        Self { rest, description, acme, other, things }
    }

    /// The path of an operation for the thing of `acme` that it can work on.
    pub(super) fn own_path(&self, operation: &Operation) -> String {
        fill(&operation.path, self.thing(operation))
    }

    /// What an operation's path names, of what belongs to `acme`. A new kind of thing needs a line here.
    fn thing(&self, operation: &Operation) -> &str {
        let nouns: Vec<&str> = operation.path.split('/').collect();
        match (nouns[nouns.iter().position(|part| part.starts_with('{')).map_or(0, |index| index - 1)], nouns.last()) {
            ("", _) => "",
            ("document_webhooks" | "webhooks", _) => &self.things.webhook,
            ("events", _) => &self.things.event,
            ("deliveries", Some(&"cancel")) => &self.things.pending,
            ("deliveries", _) => &self.things.dead_letter,
            ("api-keys", _) => &self.things.key,
            ("redelivery-jobs", _) => &self.things.job,
            ("catalogs", _) => "grafeno",
            ("clients", _) => &self.acme.id,
            (noun, _) => panic!("{}: this world has none of {noun}; make one in `things_of`", operation.path),
        }
    }

    /// Everything whose id `other` must never see.
    pub(super) fn secrets(&self) -> [&str; 7] {
        let Things { webhook, event, dead_letter, pending, key, job } = &self.things;
        [webhook, event, dead_letter, pending, key, job, &self.acme.id]
    }

    /// The key of a role of `acme`.
    pub(super) fn key(&self, role: &str) -> &str {
        key_of(&self.acme, role)
    }

    /// Makes room for what an operation's example makes.
    pub(super) async fn make_room(&self, operation: &Operation) {
        if operation.method == "POST" && operation.path.ends_with("/document_webhooks") {
            let path = format!("/v1/webhooks/{}", self.things.webhook);
            self.rest.call("DELETE", &path).send().await.expect(204);
        }
    }
}

/// The key of a tenant for a role.
pub(super) fn key_of<'a>(tenant: &'a Tenant, role: &str) -> &'a str {
    match role {
        "root" => ROOT_KEY,
        "admin" => &tenant.admin,
        "producer" => &tenant.producer,
        "operator" => &tenant.operator,
        "viewer" => &tenant.viewer,
        other => panic!("no such role: {other}"),
    }
}

/// A path with this in every place that it holds open.
pub(super) fn fill(path: &str, thing: &str) -> String {
    let parts: Vec<&str> = path.split('/').map(|part| if part.starts_with('{') { thing } else { part }).collect();
    parts.join("/")
}

async fn beat(rest: &Rest) {
    let id = rest.ids.next(rest.now());
    let node = Node { id, name: "node-1".to_owned(), role: NodeRole::All, version: "1.0.0".to_owned(), started_at: rest.now() };
    rest.store.beat(node).await.unwrap();
}

async fn things_of(rest: &Rest, description: &Description, tenant: &Tenant) -> Things {
    let example = |path: &str, method: &str| {
        let operations = description.operations();
        let operation = operations.iter().find(|operation| operation.path == path && operation.method == method).unwrap();
        description.examples(operation.body().unwrap()).remove(0)
    };
    let post = async |path: &str, body: Value| rest.post(path).key(&tenant.admin).json(&body).send().await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let webhook = text(&post("/document_webhooks", example("/document_webhooks", "POST")).await.expect(200)["id"]);
    let signed = text(&post("/v1/webhooks", example("/v1/webhooks", "POST")).await.expect(201)["id"]);
    post(&format!("/v1/webhooks/{signed}/rotate-secret"), json!({"scheme": "ed25519"})).await.expect(200);
    let completions = "/api_document/completions";
    let accepted = post(completions, example(completions, "POST")).await.expect(202);
    attempt(rest, &webhook).await;
    let pending = post(completions, json!({"id": "7"})).await.expect(202);
    let job = post("/v1/dead-letters/redeliver", json!({"subject": "none of these"})).await.expect(202);
    let keys = rest.get("/v1/api-keys").key(&tenant.admin).send().await.expect(200);
    Things {
        webhook,
        event: text(&accepted["events"][0]["eventId"]),
        dead_letter: text(&accepted["events"][0]["deliveryIds"][0]),
        pending: text(&pending["events"][0]["deliveryIds"][0]),
        // The last one made, the viewer's: its test has other keys to call with.
        key: text(&keys["items"][0]["id"]),
        job: text(&job["id"]),
    }
}

/// Claims what is due for a webhook and records that it was given up.
async fn attempt(rest: &Rest, webhook: &str) {
    let webhook_id: WebhookId = webhook.parse().unwrap();
    let lanes = vec![LaneQuota { webhook_id, limit: 1 }];
    let claimed = rest.store.claim_due(ClaimRequest { node: rest.ids.next(rest.now()), now: rest.now(), lanes }).await.unwrap().remove(0);
    let (started_at, number) = (rest.now(), claimed.attempt_number());
    rest.clock.advance(Duration::from_millis(84));
    let exchange = Exchange {
        status: Some(410),
        remote_address: Some("203.0.113.7:443".parse().unwrap()),
        phases: Phases {
            login: Some(Duration::from_micros(51_500)),
            connect: Some(Duration::from_micros(4_750)),
            answer: Some(Duration::from_micros(30_250)),
            body: None,
        },
        response_head: Some("content-type: text/plain".to_owned()),
        response_body: Some(Bytes::from_static(b"moved away")),
        ..Exchange::default()
    };
    let outcome = AttemptOutcome::Permanent(FailureReason::Gone);
    let attempt = Attempt { number, started_at, finished_at: rest.now(), outcome, exchange };
    let record = AttemptRecord {
        claim: claimed.claim,
        webhook_id,
        webhook_version: claimed.webhook_version,
        attempt,
        transition: Transition::DeadLetter(DeadLetterReason::Permanent(FailureReason::Gone)),
        disable_webhook: None,
    };
    rest.store.record(vec![record]).await.unwrap();
}
