//! `/v1/stats`: what became of attempts over a while.

use std::time::Duration;

use serde_json::{Value, json};
use webhook_dispatcher::domain::attempt::{Attempt, AttemptOutcome, Exchange, FailureReason, Phases};
use webhook_dispatcher::domain::delivery::{DeadLetterReason, Transition};
use webhook_dispatcher::store::records::{AttemptRecord, ClaimRequest, LaneQuota};

use crate::support::rest::{ROOT_KEY, Rest, Tenant};

async fn webhook(rest: &Rest, tenant: &Tenant) -> String {
    let body = json!({"name": "w", "type": 0, "method": "POST", "url": "https://example.com/:id"});
    rest.post("/v1/webhooks").key(&tenant.admin).json(&body).send().await.expect(201)["id"].as_str().unwrap().to_owned()
}

async fn complete(rest: &Rest, tenant: &Tenant) {
    rest.post("/api_document/completions").key(&tenant.producer).json(&json!({"id": "7"})).send().await.expect(202);
}

/// Claims what is due of a webhook and records that it ended so, answered after 30 ms.
async fn attempt(rest: &Rest, webhook: &str, outcome: AttemptOutcome, transition: Transition) {
    let webhook_id = webhook.parse().unwrap();
    let lanes = vec![LaneQuota { webhook_id, limit: 1 }];
    let request = ClaimRequest { node: rest.ids.next(rest.now()), now: rest.now(), lanes };
    let claimed = rest.store.claim_due(request).await.unwrap().remove(0);
    let phases = Phases { answer: Some(Duration::from_millis(30)), ..Phases::default() };
    let exchange = Exchange { phases, ..Exchange::default() };
    let number = claimed.attempt_number();
    let attempt = Attempt { number, started_at: rest.now(), finished_at: rest.now(), outcome, exchange };
    let webhook_version = claimed.webhook_version;
    let record = AttemptRecord { claim: claimed.claim, webhook_id, webhook_version, attempt, transition, disable_webhook: None };
    rest.store.record(vec![record]).await.unwrap();
}

async fn give_up(rest: &Rest, webhook: &str) {
    let failed = AttemptOutcome::Retryable(FailureReason::Status(500));
    attempt(rest, webhook, failed, Transition::DeadLetter(DeadLetterReason::Exhausted)).await;
}

async fn get(rest: &Rest, key: &str, query: &str) -> Value {
    rest.get(&format!("/v1/stats{query}")).key(key).send().await.expect(200)
}

#[tokio::test]
async fn what_became_of_attempts_is_told_together_by_minute_and_by_webhook() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let id = webhook(&rest, &tenant).await;
    for _ in 0..4 {
        complete(&rest, &tenant).await;
    }
    attempt(&rest, &id, AttemptOutcome::Delivered, Transition::Deliver).await;
    let due_at = rest.now() + Duration::from_hours(9);
    attempt(&rest, &id, AttemptOutcome::Retryable(FailureReason::Timeout), Transition::Retry { due_at }).await;
    give_up(&rest, &id).await;
    rest.clock.advance(Duration::from_mins(3));

    let stats = get(&rest, &tenant.viewer, "?window=15m").await;

    let counted = json!({
        "attempts": 3, "delivered": 1, "failed": 2, "retries": 0, "deadLettered": 1, "successRate": 0.33333,
        "latencyMs": {"p50": 25.0, "p95": 29.5, "p99": 29.9},
    });
    let mut whole = counted.clone();
    let waiting = json!({"pending": 2, "pendingHasMore": false, "oldestDueSeconds": 180.0, "deadLetters": 1, "deadLettersHasMore": false});
    whole.as_object_mut().unwrap().extend(waiting.as_object().unwrap().clone());
    assert_eq!(stats["total"], whole);
    assert_eq!((&stats["window"], &stats["bucketSeconds"]), (&json!("15m"), &json!(60)));
    assert_eq!((&stats["from"], &stats["to"]), (&json!("2024-04-11T14:01:00.000000-03:00"), &json!("2024-04-11T14:15:33.741194-03:00")));
    assert_eq!((stats["series"].as_array().unwrap().len(), &stats["series"][10]["attempts"]), (15, &json!(0)));
    let mut bucket = counted;
    bucket["from"] = json!("2024-04-11T14:12:00.000000-03:00");
    assert_eq!(stats["series"][11], bucket);
    let mut of_webhook = whole;
    for (field, value) in [("webhookId", &*id), ("clientId", &*tenant.id), ("name", "w"), ("state", "active"), ("health", "degraded")] {
        of_webhook[field] = json!(value);
    }
    assert_eq!((&stats["webhooks"], &stats["webhooksLeftOut"]), (&json!([of_webhook]), &json!(0)));
}

#[tokio::test]
async fn statistics_are_a_clients_own_and_of_one_webhook_if_asked() {
    let rest = Rest::new().await;
    let (acme, other) = (rest.tenant("acme").await, rest.tenant("other").await);
    let id = webhook(&rest, &acme).await;
    complete(&rest, &acme).await;
    give_up(&rest, &id).await;
    let path = format!("/v1/stats?webhookId={id}");

    assert_eq!(get(&rest, &acme.viewer, &format!("?webhookId={id}&window=7d")).await["total"]["failed"], 1);
    assert_eq!(get(&rest, ROOT_KEY, "").await["total"]["failed"], 1);
    let foreign = get(&rest, &other.viewer, "?window=24h").await;
    assert_eq!((&foreign["total"]["failed"], &foreign["webhooks"]), (&json!(0), &json!([])));
    assert_eq!((foreign["total"]["successRate"].clone(), foreign["series"].as_array().unwrap().len()), (Value::Null, 144));
    rest.get(&path).key(&other.viewer).send().await.problem(404);
    rest.call("DELETE", &format!("/v1/webhooks/{id}")).key(&acme.admin).send().await;
    rest.get(&path).key(&acme.viewer).send().await.problem(404);
}

#[tokio::test]
async fn wrong_parameters_are_named() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;

    let answer = rest.get("/v1/stats?window=2h&webhookId=7").key(&tenant.viewer).send().await;

    assert_eq!(answer.problem(422), ["window", "webhookId"]);
}
