//! A tenant whose documents go to one webhook, and attempts that end as a test says.

use std::time::Duration;

use serde_json::{Value, json};
use webhook_dispatcher::domain::attempt::{Attempt, AttemptOutcome, Exchange, FailureReason};
use webhook_dispatcher::domain::delivery::{DeadLetterReason, Transition};
use webhook_dispatcher::domain::ids::WebhookId;
use webhook_dispatcher::store::records::{AttemptRecord, ClaimRequest, ClaimedDelivery, LaneQuota};

use crate::support::rest::{Rest, Tenant};

/// A tenant with one webhook for finished documents.
pub(crate) struct Scene {
    pub(crate) rest: Rest,
    pub(crate) tenant: Tenant,
    pub(crate) webhook: String,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        let rest = Rest::new().await;
        let tenant = rest.tenant("acme").await;
        let body = json!({"name": "w", "type": 0, "method": "POST", "url": "https://example.com/:id"});
        let made = rest.post("/v1/webhooks").key(&tenant.admin).json(&body).send().await.expect(201);
        Self { webhook: made["id"].as_str().unwrap().to_owned(), rest, tenant }
    }

    /// Hands in a document; answers its delivery's id.
    pub(crate) async fn enqueue(&self, id: &str) -> String {
        let call = self.rest.post("/api_document/completions").key(&self.tenant.producer).json(&json!({"id": id}));
        call.send().await.expect(202)["events"][0]["deliveryIds"][0].as_str().unwrap().to_owned()
    }

    pub(crate) fn webhook_id(&self) -> WebhookId {
        self.webhook.parse().unwrap()
    }

    pub(crate) async fn claim(&self) -> ClaimedDelivery {
        let lanes = vec![LaneQuota { webhook_id: self.webhook_id(), limit: 1 }];
        let request = ClaimRequest { node: self.rest.ids.next(self.rest.now()), now: self.rest.now(), lanes };
        self.rest.store.claim_due(request).await.unwrap().remove(0)
    }

    /// Claims the delivery that is due and records an attempt of two seconds.
    pub(crate) async fn attempt(&self, outcome: AttemptOutcome, transition: Transition, exchange: Exchange) {
        let claimed = self.claim().await;
        let (started_at, number) = (self.rest.now(), claimed.attempt_number());
        self.rest.clock.advance(Duration::from_secs(2));
        let attempt = Attempt { number, started_at, finished_at: self.rest.now(), outcome, exchange };
        let record = AttemptRecord {
            claim: claimed.claim,
            webhook_id: self.webhook_id(),
            webhook_version: claimed.webhook_version,
            attempt,
            transition,
            disable_webhook: None,
        };
        self.rest.store.record(vec![record]).await.unwrap();
    }

    pub(crate) async fn dead_letter(&self) {
        let reason = FailureReason::Status(500);
        let transition = Transition::DeadLetter(DeadLetterReason::Exhausted);
        self.attempt(AttemptOutcome::Retryable(reason), transition, Exchange { status: Some(500), ..Exchange::default() }).await;
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.rest.get(path).key(&self.tenant.viewer).send().await.expect(200)
    }

    pub(crate) async fn ids(&self, path: &str) -> Vec<String> {
        let page = self.get(path).await;
        page["items"].as_array().unwrap().iter().map(|delivery| delivery["id"].as_str().unwrap().to_owned()).collect()
    }
}
