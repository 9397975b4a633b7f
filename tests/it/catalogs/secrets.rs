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
async fn while_no_catalogue_says_what_is_secret_an_event_waits_and_no_mask_is_sent() {
    let mut scene = Scene::new().await;
    let plain = json!({"name": "w", "events": ["PROCESS_STARTED_NOTIFICATION"], "method": "POST", "url": scene.receiver.url("/any")});
    scene.rest.post("/v1/webhooks").key(&scene.tenant.admin).json(&plain).send().await.expect(201);
    let event = scene.accept("PROCESS_STARTED_NOTIFICATION", PAYLOAD).await;

    scene.deliver_knowing(Catalogs::load(&["ocr".to_owned()], None).unwrap()).await;
    scene.run_until_idle().await;
    clear_up(&scene).await;

    let waiting = scene.delivery_of(&event).await;
    assert_eq!(waiting["state"], "pending");
    let reason = "no catalogue says any more where events of the type PROCESS_STARTED_NOTIFICATION hold secrets";
    assert_eq!(waiting["attempts"][0]["detail"], reason, "{waiting}");
    assert_eq!(scene.receiver.seen().len(), 0);
    scene.deliver_knowing(Catalogs::built_in().unwrap()).await;
    scene.advance(Duration::from_mins(1)).await;
    assert_eq!(scene.receiver.seen().iter().map(Seen::body_text).collect::<Vec<_>>(), [PAYLOAD]);
}

#[tokio::test]
async fn a_payload_of_which_only_the_mask_is_left_is_not_sent_whatever_the_catalogues_say() {
    let mut scene = Scene::new().await;
    scene.webhook("senior-bpm", &json!(["PROCESS_STARTED_NOTIFICATION"]), "/bpm").await;
    let event = scene.accept("PROCESS_STARTED_NOTIFICATION", PAYLOAD).await;
    scene.run_until_idle().await;
    clear_up(&scene).await;
    let plain = json!({"name": "w", "events": ["other"], "method": "POST", "url": scene.receiver.url("/any")});
    let plain = scene.rest.post("/v1/webhooks").key(&scene.tenant.admin).json(&plain).send().await.expect(201);

    scene.deliver_knowing(Catalogs::load(&["ocr".to_owned()], None).unwrap()).await;
    let redeliver = scene.rest.post(&format!("/v1/events/{event}/redeliver")).key(&scene.tenant.operator);
    redeliver.json(&json!({"webhookId": plain["id"]})).send().await.expect(202);
    scene.run_until_idle().await;

    assert_eq!(scene.receiver.seen().len(), 1);
    let shown = scene.rest.get(&format!("/v1/events/{event}")).key(&scene.tenant.viewer).send().await.expect(200);
    let states: Vec<_> = shown["deliveries"].as_array().unwrap().iter().map(|delivery| delivery["state"].clone()).collect();
    assert_eq!(states, ["delivered", "dead_lettered"]);
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
