//! Secrets in payloads: sent as they came, masked wherever anybody looks, gone once nothing waits for them.

use std::time::Duration;

use serde_json::json;
use webhook_dispatcher::catalog::Catalogs;
use webhook_dispatcher::store::records::RetentionStep;

use super::scene::Scene;
use crate::support::receiver::{Reply, Seen};

const PAYLOAD: &str = concat!(
    r#"{ "context_flow": {}, "authorization": "Bearer token-of-the-platform", "event_type": "ProcessStartedNotification", "#,
    r#""process_instance_id": 1, "activity_id": 7, "step_id": 3, "next_steps": [], "tenant": "acme", "current_user": "maria" }"#
);

/// Removes what nothing waits for, and nothing else.
async fn clear_up(scene: &Scene) {
    let before = webhook_dispatcher::domain::time::Timestamp::from_micros(0);
    let step = RetentionStep {
        finished_before: before,
        dead_letters_before: before,
        idempotency_before: before,
        statistics_before: before,
        audit_before: before,
        limit: 100,
    };
    scene.rest.store.remove_expired(step).await.unwrap();
}

#[tokio::test]
async fn a_secret_is_sent_as_it_came_and_shown_to_nobody_even_when_it_comes_back() {
    let echo = Reply::Full(500, "", b"got Bearer token-of-the-platform, or token-of-the-platform".to_vec());
    let scene = Scene::with(Catalogs::built_in().unwrap(), vec![echo]).await;
    scene.webhook("senior-bpm", &json!(["PROCESS_STARTED_NOTIFICATION"]), "/bpm").await;

    let event = scene.accept("PROCESS_STARTED_NOTIFICATION", PAYLOAD).await;
    scene.run_until_idle().await;
    scene.advance(Duration::from_mins(1)).await;

    let seen = scene.receiver.seen();
    assert_eq!(seen.iter().map(Seen::body_text).collect::<Vec<_>>(), [PAYLOAD; 2]);
    let shown = scene.rest.get(&format!("/v1/events/{event}")).key(&scene.tenant.viewer).send().await;
    assert_eq!(shown.expect(200)["payload"]["authorization"], "****");
    let delivery = scene.delivery_of(&event).await;
    assert_eq!(delivery["state"], "delivered");
    for text in [shown.text, delivery.to_string()] {
        assert!(!text.contains("token-of-the-platform"), "{text}");
    }
}

#[tokio::test]
async fn what_is_redelivered_after_the_secret_is_gone_says_so_and_sends_no_mask() {
    let scene = Scene::new().await;
    scene.webhook("senior-bpm", &json!(["PROCESS_STARTED_NOTIFICATION"]), "/bpm").await;
    let event = scene.accept("PROCESS_STARTED_NOTIFICATION", PAYLOAD).await;
    scene.run_until_idle().await;
    let id = scene.delivery_of(&event).await["id"].as_str().unwrap().to_owned();
    let redeliver = async || {
        scene.rest.post(&format!("/v1/deliveries/{id}/redeliver")).key(&scene.tenant.operator).send().await.expect(202);
        scene.run_until_idle().await;
    };

    redeliver().await;
    assert_eq!(scene.receiver.seen().len(), 2);
    clear_up(&scene).await;
    redeliver().await;

    assert_eq!(scene.receiver.seen().len(), 2);
    let delivery = scene.delivery_of(&event).await;
    assert_eq!(delivery["state"], "dead_lettered");
    assert!(delivery.to_string().contains("the secrets of the payload are not kept any more"), "{delivery}");
}
