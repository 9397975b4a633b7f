//! How many webhooks an event may have.

use serde_json::json;

use super::scene::Scene;

#[tokio::test]
async fn a_client_has_at_most_ten_webhooks_for_an_event_of_senior() {
    let scene = Scene::new().await;
    for _ in 0..10 {
        scene.webhook("senior-bpm", &json!(["PROCESS_STARTED_NOTIFICATION"]), "/bpm").await;
    }
    let register = |key: &str, events: &[&str]| {
        let body = json!({"name": "w", "catalog": "senior-bpm", "events": events, "url": scene.receiver.url("/bpm")});
        scene.rest.post("/v1/webhooks").key(key).json(&body).send()
    };

    let refused = register(&scene.tenant.admin, &["PROCESS_ENDED_NOTIFICATION", "ProcessStartedNotification"]).await;

    assert_eq!(refused.problem(422), ["events[1]"]);
    let other = register(&scene.tenant.admin, &["PROCESS_ENDED_NOTIFICATION"]).await.expect(201);
    let place = format!("/v1/webhooks/{}", other["id"].as_str().unwrap());
    let change =
        |events: serde_json::Value| scene.rest.call("PATCH", &place).key(&scene.tenant.admin).json(&json!({"events": events})).send();
    assert_eq!(change(json!(["PROCESS_STARTED_NOTIFICATION"])).await.problem(422), ["events[0]"]);
    change(json!(["PROCESS_CANCELED_NOTIFICATION"])).await.expect(200);
    let stranger = scene.rest.tenant("other").await;
    register(&stranger.admin, &["PROCESS_STARTED_NOTIFICATION"]).await.expect(201);
}

#[tokio::test]
async fn a_webhook_names_events_of_its_catalogue_alone_and_the_method_it_has() {
    let scene = Scene::new().await;
    let register = |body: serde_json::Value| scene.rest.post("/v1/webhooks").key(&scene.tenant.admin).json(&body).send();
    let url = "https://example.com/h";

    let strange = register(json!({"name": "w", "catalog": "sienge", "events": ["UNIT_CREATED", "approved"], "url": url})).await;
    assert_eq!(strange.problem(422), ["events[1]"]);
    let wrong = register(json!({"name": "w", "catalog": "sienge", "events": ["UNIT_CREATED"], "method": "PUT", "url": url})).await;
    assert_eq!(wrong.problem(422), ["method"]);
    let unknown = register(json!({"name": "w", "catalog": "nonsense", "events": ["a"], "method": "POST", "url": url})).await;
    assert_eq!(unknown.problem(422), ["catalog"]);
    let made =
        register(json!({"name": "w", "catalog": "sienge", "events": ["USER_CREATED"], "method": "post", "url": url})).await.expect(201);
    assert_eq!((&made["catalog"], &made["events"]), (&json!("sienge"), &json!(["USER_CREATED"])));
}
