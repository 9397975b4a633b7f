//! Catalogues as callers see them, and what a client settles for one.

use serde_json::{Value, json};

use super::scene::Scene;

async fn settings(scene: &Scene) -> Value {
    scene.rest.get("/v1/catalogs/sienge/settings").key(&scene.tenant.viewer).send().await.expect(200)
}

#[tokio::test]
async fn catalogues_are_listed_with_what_they_are_like() {
    let scene = Scene::new().await;

    let all = scene.rest.get("/v1/catalogs").key(&scene.tenant.viewer).send().await.expect(200);

    let all = all["items"].as_array().unwrap();
    let told: Vec<_> = all.iter().map(|catalog| (catalog["name"].as_str().unwrap(), catalog["eventCount"].as_u64().unwrap())).collect();
    assert_eq!(told, [("grafeno", 3), ("ocr", 2), ("senior-bpm", 13), ("sienge", 96)]);
    let sienge = &all[3];
    assert_eq!((&sienge["method"], &sienge["timeoutMs"], &sienge["signs"]), (&json!("POST"), &json!(2500), &json!(false)));
    assert_eq!(sienge["retry"]["delaysSeconds"], json!([600, 1800, 3600, 10800, 18000]));
    assert_eq!(all[2]["secretPaths"], json!(["/authorization"]));
}

#[tokio::test]
async fn events_are_listed_with_schemas_and_examples() {
    let scene = Scene::new().await;

    let events = scene.rest.get("/v1/catalogs/sienge/events").key(&scene.tenant.viewer).send().await.expect(200);

    let events = events["items"].as_array().unwrap();
    assert_eq!(events.len(), 96);
    assert_eq!(events.iter().filter(|event| event["later"] == true).count(), 8);
    let first = &events[0];
    assert_eq!((&first["code"], &first["aliases"]), (&json!("CUSTOMER_CREATED"), &json!([])));
    assert_eq!(first["variants"][0]["examples"], json!([{"customerId": 1510}]));
    assert_eq!(first["variants"][0]["schema"]["required"], json!(["customerId"]));
    scene.rest.get("/v1/catalogs/nonsense/events").key(&scene.tenant.viewer).send().await.expect(404);
}

#[tokio::test]
async fn what_is_settled_is_in_force_and_the_rest_has_its_default() {
    let scene = Scene::new().await;
    let defaults = json!({"onBreach": "refuse", "extraFields": false, "tenant": null, "payloadEdition": "2024"});
    assert_eq!(settings(&scene).await, json!({"settled": {}, "inForce": defaults}));

    scene.settle("sienge", &json!({"tenant": "acme-obras", "onBreach": "warn"})).await;
    let in_force = json!({"onBreach": "warn", "extraFields": false, "tenant": "acme-obras", "payloadEdition": "2024"});
    assert_eq!(settings(&scene).await, json!({"settled": {"tenant": "acme-obras", "onBreach": "warn"}, "inForce": in_force}));

    scene.settle("sienge", &json!({"onBreach": null})).await;
    assert_eq!(settings(&scene).await["settled"], json!({}));
}

#[tokio::test]
async fn what_may_not_be_settled_is_refused_by_name() {
    let scene = Scene::new().await;
    let put = |key: &str, body: Value| scene.rest.call("PUT", "/v1/catalogs/sienge/settings").key(key).json(&body).send();

    let refused = put(&scene.tenant.admin, json!({"onBreach": "ignore", "payloadEdition": 2026, "tenant": "", "nonsense": 1})).await;

    assert_eq!(refused.problem(422), ["onBreach", "payloadEdition", "tenant", "nonsense"]);
    put(&scene.tenant.operator, json!({})).await.expect(403);
    put(&scene.tenant.producer, json!({})).await.expect(403);
    assert_eq!(settings(&scene).await["settled"], json!({}));
}

#[tokio::test]
async fn a_client_may_have_what_breaks_a_schema_taken_with_a_warning() {
    let scene = Scene::new().await;
    let wrong = r#"{"customerId":"1510"}"#;
    assert_eq!(scene.hand_in("CUSTOMER_CREATED", wrong).await.problem(422), ["payload/customerId"]);

    scene.settle("sienge", &json!({"onBreach": "warn"})).await;

    let taken = scene.hand_in("CUSTOMER_CREATED", wrong).await.expect(202);
    assert_eq!(taken["warnings"][0]["field"], "payload/customerId");
    let right = scene.hand_in("CUSTOMER_CREATED", r#"{"customerId":1510}"#).await.expect(202);
    assert_eq!(right.get("warnings"), None);
    let other = scene.rest.tenant("other").await;
    let text = format!(r#"{{"type":"CUSTOMER_CREATED","subject":"s","payload":{wrong}}}"#);
    scene.rest.post("/v1/events").key(&other.producer).text(text).send().await.expect(422);
}

#[tokio::test]
async fn a_client_may_have_more_fields_than_a_schema_knows() {
    let scene = Scene::new().await;
    let more = r#"{"customerId":1510,"name":"x"}"#;
    assert_eq!(scene.hand_in("CUSTOMER_CREATED", more).await.problem(422), ["payload/name"]);

    scene.settle("sienge", &json!({"extraFields": true})).await;

    assert_eq!(scene.hand_in("CUSTOMER_CREATED", more).await.expect(202).get("warnings"), None);
    assert_eq!(scene.hand_in("CUSTOMER_CREATED", r#"{"customerId":"x","name":1}"#).await.problem(422), ["payload/customerId"]);
}

#[tokio::test]
async fn one_wrong_event_of_a_list_refuses_the_list_and_is_named() {
    let scene = Scene::new().await;
    let list = json!([
        {"type": "UNIT_CREATED", "subject": "a", "payload": {"unitId": 1}},
        {"type": "UNIT_CREATED", "subject": "b", "payload": {"unitId": "1"}},
        {"type": "anything.else", "subject": "c", "payload": 7}
    ]);

    let refused = scene.rest.post("/v1/events").key(&scene.tenant.producer).json(&list).send().await;

    assert_eq!(refused.problem(422), ["[1].payload/unitId"]);
    assert_eq!(scene.rest.events_stored().await, 0);
}

#[tokio::test]
async fn an_event_may_name_its_catalogue() {
    let scene = Scene::new().await;
    let hand_in = |catalog: &str, event_type: &str| {
        let body = json!({"catalog": catalog, "type": event_type, "subject": "s", "payload": {"unitId": 1}});
        scene.rest.post("/v1/events").key(&scene.tenant.producer).json(&body).send()
    };

    hand_in("sienge", "UNIT_CREATED").await.expect(202);
    assert_eq!(hand_in("grafeno", "UNIT_CREATED").await.problem(422), ["type"]);
    assert_eq!(hand_in("nonsense", "UNIT_CREATED").await.problem(422), ["catalog"]);
}

#[tokio::test]
async fn what_was_settled_is_told_to_who_asks_who_changed_what() {
    let scene = Scene::new().await;
    scene.settle("sienge", &json!({"tenant": "acme-obras"})).await;

    let entries = scene.rest.get("/v1/audit").key(&scene.tenant.admin).send().await.expect(200);

    let entry = &entries["items"][0];
    assert_eq!((&entry["action"], &entry["after"]["settings"]), (&json!("update"), &json!({"tenant": "acme-obras"})));
}
