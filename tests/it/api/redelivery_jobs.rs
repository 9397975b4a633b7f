//! Redelivery of many over REST: what is asked for, counted, begun, seen and stopped.

use serde_json::{Value, json};
use webhook_dispatcher::domain::attempt::{Attempt, AttemptOutcome, Exchange, FailureReason};
use webhook_dispatcher::domain::delivery::{DeadLetterReason, Transition};
use webhook_dispatcher::maintenance::{Duty, WorkRedeliveries};
use webhook_dispatcher::store::records::{AttemptRecord, ClaimRequest, LaneQuota};

use crate::support::rest::{ROOT_KEY, Rest, START_TEXT, Tenant};

struct Scene {
    rest: Rest,
    tenant: Tenant,
    webhook: String,
}

impl Scene {
    /// A webhook with so many dead letters, of the documents 1, 2 and so on.
    async fn with_dead_letters(count: u32) -> Self {
        let rest = Rest::new().await;
        let tenant = rest.tenant("acme").await;
        let body = json!({"name": "w", "type": 0, "method": "POST", "url": "https://example.com/:id"});
        let made = rest.post("/v1/webhooks").key(&tenant.admin).json(&body).send().await.expect(201);
        let scene = Self { webhook: made["id"].as_str().unwrap().to_owned(), rest, tenant };
        for document in 1..=count {
            let id = json!({"id": document.to_string()});
            scene.rest.post("/api_document/completions").key(&scene.tenant.producer).json(&id).send().await.expect(202);
            scene.give_up().await;
        }
        scene
    }

    async fn give_up(&self) {
        let webhook_id = self.webhook.parse().unwrap();
        let lanes = vec![LaneQuota { webhook_id, limit: 1 }];
        let now = self.rest.now();
        let claimed = self.rest.store.claim_due(ClaimRequest { node: self.rest.ids.next(now), now, lanes }).await.unwrap().remove(0);
        let outcome = AttemptOutcome::Retryable(FailureReason::Timeout);
        let attempt =
            Attempt { number: claimed.attempt_number(), started_at: now, finished_at: now, outcome, exchange: Exchange::default() };
        let transition = Transition::DeadLetter(DeadLetterReason::Exhausted);
        let webhook_version = claimed.webhook_version;
        let record = AttemptRecord { claim: claimed.claim, webhook_id, webhook_version, attempt, transition, disable_webhook: None };
        self.rest.store.record(vec![record]).await.unwrap();
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        self.rest.post(path).key(&self.tenant.operator).json(body).send().await.expect(202)
    }

    async fn get(&self, path: &str) -> Value {
        self.rest.get(path).key(&self.tenant.viewer).send().await.expect(200)
    }

    async fn dead_letters(&self) -> usize {
        self.get("/v1/dead-letters").await["items"].as_array().unwrap().len()
    }
}

#[tokio::test]
async fn dead_letters_are_counted_then_sent_again_by_a_job_that_is_watched() {
    let scene = Scene::with_dead_letters(3).await;
    let filter = json!({"webhookId": scene.webhook, "reason": "exhausted", "perSecond": 2});
    let mut dry = filter.clone();
    dry["dryRun"] = json!(true);

    let counted = scene.post("/v1/dead-letters/redeliver", &dry).await;
    let begun = scene.post("/v1/dead-letters/redeliver", &filter).await;

    assert_eq!((&counted["id"], &counted["state"], &counted["matched"]), (&Value::Null, &json!("dry_run"), &json!(3)));
    let expected = json!({
        "id": begun["id"], "clientId": scene.tenant.id, "kind": "deadLetters", "webhookId": scene.webhook, "reason": "exhausted",
        "type": null, "subject": null, "from": null, "to": null, "perSecond": 2, "state": "running", "matched": 3,
        "matchedHasMore": false, "examined": 0, "redelivered": 0, "createdAt": START_TEXT, "finishedAt": null,
    });
    assert_eq!(begun, expected);
    let path = format!("/v1/redelivery-jobs/{}", begun["id"].as_str().unwrap());
    assert_eq!(scene.get("/v1/redelivery-jobs").await, json!({"items": [begun], "nextCursor": null}));
    let work = WorkRedeliveries::new(std::sync::Arc::clone(&scene.rest.store));
    assert_eq!(work.run_once(scene.rest.now()).await.unwrap(), 2);
    assert_eq!((&scene.get(&path).await["redelivered"], scene.dead_letters().await), (&json!(2), 1));
    scene.rest.clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(work.run_once(scene.rest.now()).await.unwrap(), 1);
    let done = scene.get(&path).await;
    assert_eq!((&done["state"], &done["redelivered"], scene.dead_letters().await), (&json!("done"), &json!(3), 0));
    scene.rest.post(&format!("{path}/cancel")).key(&scene.tenant.operator).send().await.problem(409);
}

#[tokio::test]
async fn a_job_is_stopped() {
    let scene = Scene::with_dead_letters(2).await;
    let begun = scene.post("/v1/dead-letters/redeliver", &json!({"perSecond": 1})).await;
    let path = format!("/v1/redelivery-jobs/{}/cancel", begun["id"].as_str().unwrap());

    let stopped = scene.post(&path, &json!({})).await;

    assert_eq!((&stopped["state"], &stopped["finishedAt"]), (&json!("cancelled"), &json!(START_TEXT)));
    let work = WorkRedeliveries::new(std::sync::Arc::clone(&scene.rest.store));
    assert_eq!(work.run_once(scene.rest.now()).await.unwrap(), 0);
    assert_eq!(scene.dead_letters().await, 2);
}

#[tokio::test]
async fn a_webhook_is_recovered_since_a_time() {
    let scene = Scene::with_dead_letters(2).await;
    let path = format!("/v1/webhooks/{}/recover", scene.webhook);

    let begun = scene.post(&path, &json!({"since": "2024-04-11T00:00:00-03:00"})).await;

    assert_eq!((&begun["kind"], &begun["webhookId"], &begun["matched"]), (&json!("undelivered"), &json!(scene.webhook), &json!(2)));
    assert_eq!((&begun["from"], &begun["perSecond"]), (&json!("2024-04-11T00:00:00.000000-03:00"), &json!(50)));
    WorkRedeliveries::new(std::sync::Arc::clone(&scene.rest.store)).run_once(scene.rest.now()).await.unwrap();
    assert_eq!(scene.dead_letters().await, 0);
    let later = scene.post(&path, &json!({"since": "2024-04-12T00:00:00-03:00", "dryRun": true})).await;
    assert_eq!(later["matched"], 0);
}

#[tokio::test]
async fn wrong_wishes_are_refused_by_name() {
    let scene = Scene::with_dead_letters(0).await;
    let refused = async |path: &str, key: &str, body: Value| scene.rest.post(path).key(key).json(&body).send().await.problem(422);
    let (path, operator) = ("/v1/dead-letters/redeliver", &*scene.tenant.operator);
    let wrong =
        json!({"webhookId": "x", "reason": "bad luck", "type": "a b", "subject": "", "from": "soon", "to": 7, "dryRun": 1, "perSecond": 0});

    let fields = ["webhookId", "reason", "type", "subject", "from", "to", "dryRun", "perSecond"];
    assert_eq!(refused(path, operator, wrong).await, fields);
    assert_eq!(refused(path, operator, json!({"webhookId": "00000000-0000-7000-8000-000000000000"})).await, ["webhookId"]);
    assert_eq!(refused(path, operator, json!({"perSecond": 10_001})).await, ["perSecond"]);
    assert_eq!(refused(path, ROOT_KEY, json!({})).await, ["X-Client-Id"]);
    assert_eq!(refused(&format!("/v1/webhooks/{}/recover", scene.webhook), operator, json!({})).await, ["since"]);
}
