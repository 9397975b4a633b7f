//! What a customer of each system gets, header by header and byte by byte, and when it comes again.

use std::time::Duration;

use serde_json::json;
use webhook_dispatcher::catalog::Catalogs;

use super::scene::{Scene, headers};
use crate::support::receiver::Reply;

const SENIOR: &str = concat!(
    r#"{"context_flow":{},"authorization":"Bearer token-of-the-platform","event_type":"ProcessStartedNotification","#,
    r#""process_instance_id":98412,"activity_id":7,"step_id":3,"next_steps":[],"tenant":"acme","#,
    r#""current_user":"maria.souza@acme.com.br"}"#
);

const CANCELED: &str = concat!(
    r#"{"context_flow":{},"authorization":"Bearer token-of-the-platform","event_type":"ProcessCanceledNotification","#,
    r#""process_id":120,"process_version":4,"process_name":"Compra","canceled_by":"maria","canceled_at":"AT","#,
    r#""process_instance_id":98412,"next_steps":[],"tenant":"acme","current_user":"maria"}"#
);

#[tokio::test]
async fn a_sienge_hook_gets_its_headers_and_the_payload_as_it_came() {
    let scene = Scene::new().await;
    let body = json!({
        "name": "w", "catalog": "sienge", "events": ["CUSTOMER_CREATED"], "url": scene.receiver.url("/h?token=q"),
        "authorization": "Bearer my-secret-token"
    });
    let made = scene.rest.post("/v1/webhooks").key(&scene.tenant.admin).json(&body).send().await.expect(201);

    let event = scene.accept("CUSTOMER_CREATED", r#"{"customerId":1510}"#).await;
    scene.run_until_idle().await;

    let seen = &scene.receiver.seen()[0];
    assert_eq!((seen.method.as_str(), seen.target.as_str(), seen.body_text().as_str()), ("POST", "/h?token=q", r#"{"customerId":1510}"#));
    let expected = [
        ("authorization", "Bearer my-secret-token"),
        ("content-type", "application/json"),
        ("user-agent", "sienge-hooks"),
        ("x-sienge-event", "CUSTOMER_CREATED"),
        ("x-sienge-hook-id", made["id"].as_str().unwrap()),
        ("x-sienge-id", event.as_str()),
        ("x-sienge-tenant", "acme"),
    ];
    assert_eq!(headers(seen), expected);
    assert_eq!(made["method"], "POST");
}

#[tokio::test]
async fn a_sienge_hook_that_fails_is_called_six_times_with_the_same_id() {
    let scene = Scene::with(Catalogs::built_in().unwrap(), vec![Reply::Status(500); 6]).await;
    scene.webhook("sienge", &json!(["UNIT_CREATED"]), "/h").await;
    let event = scene.accept("UNIT_CREATED", r#"{"unitId":204}"#).await;
    scene.run_until_idle().await;

    for (attempts, minutes) in [(1, 10), (2, 30), (3, 60), (4, 180), (5, 300)] {
        scene.advance(Duration::from_secs(minutes * 60 - 1)).await;
        assert_eq!(scene.receiver.seen().len(), attempts);
        scene.advance(Duration::from_secs(1)).await;
        assert_eq!(scene.receiver.seen().len(), attempts + 1);
    }

    assert!(scene.receiver.seen().iter().all(|seen| seen.header("x-sienge-id") == Some(&event)));
    let delivery = scene.delivery_of(&event).await;
    assert_eq!((&delivery["state"], &delivery["reason"]), (&json!("dead_lettered"), &json!("exhausted")));
}

#[tokio::test]
async fn an_own_schedule_and_deadline_win_over_the_catalogues() {
    let scene = Scene::with(Catalogs::built_in().unwrap(), vec![Reply::Status(500)]).await;
    let body = json!({
        "name": "w", "catalog": "sienge", "events": ["UNIT_CREATED"], "url": scene.receiver.url("/h"),
        "retry": {"delaysSeconds": [5], "jitter": 0}
    });
    scene.rest.post("/v1/webhooks").key(&scene.tenant.admin).json(&body).send().await.expect(201);
    scene.accept("UNIT_CREATED", r#"{"unitId":204}"#).await;
    scene.run_until_idle().await;

    scene.advance(Duration::from_secs(5)).await;

    assert_eq!(scene.receiver.seen().len(), 2);
}

#[tokio::test]
async fn the_later_edition_of_sienges_payloads_is_a_setting() {
    let scene = Scene::new().await;
    scene.webhook("sienge", &json!(["RECEIVABLE_INSTALLMENT_CREATED"]), "/h").await;
    let payload = r#"{"receivableId":11045,"installmentId":5}"#;
    assert_eq!(scene.told("RECEIVABLE_INSTALLMENT_CREATED", payload).await.body_text(), payload);

    scene.settle("sienge", &json!({"payloadEdition": "2026", "tenant": "acme-obras"})).await;

    let seen = scene.told("RECEIVABLE_INSTALLMENT_CREATED", payload).await;
    assert_eq!(seen.body_text(), r#"{"receivableBillId":11045,"installmentId":5}"#);
    assert_eq!(seen.header("x-sienge-tenant"), Some("acme-obras"));
}

#[tokio::test]
async fn a_senior_webhook_gets_the_flat_object_and_no_header_that_is_not_switched_on() {
    let scene = Scene::new().await;
    scene.webhook("senior-bpm", &json!(["PROCESS_STARTED_NOTIFICATION"]), "/bpm").await;

    let seen = scene.told("PROCESS_STARTED_NOTIFICATION", SENIOR).await;

    assert_eq!((seen.method.as_str(), seen.target.as_str(), seen.body_text().as_str()), ("POST", "/bpm", SENIOR));
    assert_eq!(headers(&seen), [("content-type", "application/json"), ("user-agent", "webhook-dispatcher")]);
}

#[tokio::test]
async fn seniors_headers_and_the_key_of_the_type_are_settings() {
    let scene = Scene::new().await;
    scene.webhook("senior-bpm", &json!(["PROCESS_STARTED_NOTIFICATION"]), "/bpm").await;
    let settings = json!({
        "tenantHeader": true, "userHeader": true, "tokenHeader": true, "eventIdHeader": true, "eventTypeKey": "tipo"
    });
    scene.settle("senior-bpm", &settings).await;

    let event = scene.accept("ProcessStartedNotification", SENIOR).await;
    scene.run_until_idle().await;

    let seen = &scene.receiver.seen()[0];
    let expected = [
        ("content-type", "application/json"),
        ("user-agent", "webhook-dispatcher"),
        ("webhook-id", event.as_str()),
        ("x-senior-tenant", "acme"),
        ("x-senior-token", "Bearer token-of-the-platform"),
        ("x-senior-user", "maria.souza@acme.com.br"),
    ];
    assert_eq!(headers(seen), expected);
    assert_eq!(seen.body_text(), SENIOR.replace("event_type", "tipo"));
}

#[tokio::test]
async fn seniors_times_are_local_to_the_clients_zone() {
    let scene = Scene::new().await;
    scene.webhook("senior-bpm", &json!(["PROCESS_CANCELED_NOTIFICATION"]), "/bpm").await;
    let at = |time: &str| CANCELED.replace("AT", time);
    let told = async |time: &str| scene.told("PROCESS_CANCELED_NOTIFICATION", &at(time)).await.body_text();

    assert_eq!(told("2025-03-10T17:05:00.75Z").await, at("2025-03-10T14:05:00"));
    assert_eq!(told("2025-03-10T14:05:00").await, at("2025-03-10T14:05:00"));
    scene.settle("senior-bpm", &json!({"timeZone": "America/Manaus"})).await;
    assert_eq!(told("2025-03-10T17:05:00Z").await, at("2025-03-10T13:05:00"));
    scene.hand_in("PROCESS_CANCELED_NOTIFICATION", &at("10/03/2025")).await.problem(422);
}

#[tokio::test]
async fn a_webhook_without_a_catalogue_gets_the_same_event_in_the_dispatchers_own_way() {
    let scene = Scene::new().await;
    let body = json!({"name": "w", "events": ["PROCESS_STARTED_NOTIFICATION"], "method": "POST", "url": scene.receiver.url("/own")});
    scene.rest.post("/v1/webhooks").key(&scene.tenant.admin).json(&body).send().await.expect(201);

    let seen = scene.told("PROCESS_STARTED_NOTIFICATION", SENIOR).await;

    assert_eq!(seen.body_text(), SENIOR);
    assert!(seen.header("webhook-id").is_some() && seen.header("webhook-timestamp").is_some());
}

#[tokio::test]
async fn a_key_of_its_own_signs_the_body_beside_whatever_the_system_does() {
    let scene = Scene::new().await;
    let id = scene.webhook("sienge", &json!(["UNIT_CREATED"]), "/h").await;
    scene.rest.post(&format!("/v1/webhooks/{id}/rotate-secret")).key(&scene.tenant.admin).send().await.expect(200);

    let seen = scene.told("UNIT_CREATED", r#"{"unitId":204}"#).await;

    assert!(["webhook-id", "webhook-timestamp", "webhook-signature"].iter().all(|name| seen.header(name).is_some()));
    assert_eq!(seen.header("x-sienge-event"), Some("UNIT_CREATED"));
}
