//! `/v1/events`: handing in events of any type, and seeing them with their deliveries.

use serde_json::{Value, json};
use webhook_dispatcher::store::records::{ClaimRequest, LaneQuota};

use crate::support::rest::{Rest, START_TEXT, Tenant};

const PATH: &str = "/v1/events";

async fn scene() -> (Rest, Tenant) {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let webhook = json!({"name": "w", "events": ["invoice.paid"], "method": "POST", "url": "https://example.com/:id"});
    rest.post("/v1/webhooks").key(&tenant.admin).json(&webhook).send().await.expect(201);
    (rest, tenant)
}

async fn accept(rest: &Rest, tenant: &Tenant, body: &Value) -> Value {
    rest.post(PATH).key(&tenant.producer).json(body).send().await.expect(202)
}

async fn due_at(rest: &Rest, tenant: &Tenant, accepted: &Value) -> Value {
    let id = accepted["events"][0]["deliveryIds"][0].as_str().unwrap().to_owned();
    rest.get(&format!("/v1/deliveries/{id}")).key(&tenant.viewer).send().await.expect(200)["dueAt"].clone()
}

#[tokio::test]
async fn an_event_is_accepted_with_its_ids_and_delivered_to_who_wants_its_type() {
    let (rest, tenant) = scene().await;
    let body = json!({"type": "invoice.paid", "subject": "inv-7", "payload": {"total": 1}});

    let answer = rest.post(PATH).key(&tenant.producer).json(&body).send().await;

    let accepted = answer.expect(202);
    let (event, delivery) = (&accepted["events"][0]["eventId"], &accepted["events"][0]["deliveryIds"][0]);
    assert_eq!(
        answer.text,
        format!(r#"{{"accepted":1,"events":[{{"eventId":{event},"subject":"inv-7","deliveryIds":[{delivery}],"duplicate":false}}]}}"#)
    );
    let other = accept(&rest, &tenant, &json!({"type": "invoice.open", "subject": "inv-7", "payload": null})).await;
    assert_eq!(other["events"][0]["deliveryIds"], json!([]));
}

#[tokio::test]
async fn an_event_is_shown_with_its_payload_and_deliveries() {
    let (rest, tenant) = scene().await;
    let text = "{\"type\":\"invoice.paid\",\"subject\":\"inv-7\",\"payload\": [1.0, \"\\u00e9\" ] }";
    let accepted = rest.post(PATH).key(&tenant.producer).text(text).send().await.expect(202);
    let (event, delivery) = (accepted["events"][0]["eventId"].clone(), accepted["events"][0]["deliveryIds"][0].clone());

    let shown = rest.get(&format!("{PATH}/{}", event.as_str().unwrap())).key(&tenant.viewer).send().await;

    let webhook = shown.expect(200)["deliveries"][0]["webhookId"].clone();
    let expected = format!(
        concat!(
            r#"{{"id":{event},"clientId":"{client}","type":"invoice.paid","subject":"inv-7","createdAt":"{at}","deliveries":[{{"#,
            r#""id":{delivery},"eventId":{event},"webhookId":{webhook},"clientId":"{client}","state":"pending","dueAt":"{at}","#,
            r#""attemptCount":0,"createdAt":"{at}","finishedAt":null,"reason":null}}],"payload":[1.0, "\u00e9" ]}}"#
        ),
        event = event,
        client = tenant.id,
        at = START_TEXT,
        delivery = delivery,
        webhook = webhook,
    );
    assert_eq!(shown.text, expected);
    let list = rest.get(PATH).key(&tenant.viewer).send().await.expect(200);
    let mut without_payload = shown.expect(200);
    without_payload.as_object_mut().unwrap().shift_remove("payload");
    assert_eq!(list, json!({"items": [without_payload], "nextCursor": null}));
}

#[tokio::test]
async fn lists_are_filtered_and_walked_page_by_page() {
    let (rest, tenant) = scene().await;
    for (event_type, subject) in [("a", "1"), ("b", "1"), ("a", "2"), ("a", "1"), ("a", "1")] {
        accept(&rest, &tenant, &json!({"type": event_type, "subject": subject, "payload": {}})).await;
    }
    let list = async |query: &str| rest.get(&format!("{PATH}?{query}")).key(&tenant.viewer).send().await.expect(200);
    let count = async |query: &str| list(query).await["items"].as_array().unwrap().len();

    assert_eq!((count("").await, count("type=a").await, count("subject=1").await, count("type=a&subject=1").await), (5, 4, 4, 3));
    assert_eq!((count("type=c").await, count("subject=").await), (0, 0));
    let first = list("type=a&subject=1&limit=2").await;
    let second = list(&format!("type=a&subject=1&limit=2&cursor={}", first["nextCursor"].as_str().unwrap())).await;
    assert_eq!((first["items"].as_array().unwrap().len(), second["items"].as_array().unwrap().len()), (2, 1));
    assert_eq!(second["nextCursor"], Value::Null);
    assert!(first["items"][0]["id"].as_str() > first["items"][1]["id"].as_str());
    assert!(first["items"][1]["id"].as_str() > second["items"][0]["id"].as_str());
    let wrong = rest.get(&format!("{PATH}?type=not+a+type&limit=x")).key(&tenant.viewer).send().await;
    assert_eq!(wrong.problem(422), ["type", "limit"]);
}

#[tokio::test]
async fn a_delivery_can_be_planned_up_to_a_year_ahead() {
    let (rest, tenant) = scene().await;
    let event = |deliver_at: Value| json!({"type": "invoice.paid", "subject": "7", "payload": {}, "deliverAt": deliver_at});

    let planned = accept(&rest, &tenant, &event(json!("2024-04-11T20:00:00+02:00"))).await;
    assert_eq!(due_at(&rest, &tenant, &planned).await, "2024-04-11T15:00:00.000000-03:00");
    for now in [json!(null), json!("1970-01-01T00:00:00Z"), json!("2024-04-11T14:12:33-03:00")] {
        let accepted = accept(&rest, &tenant, &event(now)).await;
        assert_eq!(due_at(&rest, &tenant, &accepted).await, START_TEXT);
    }
    let latest = accept(&rest, &tenant, &event(json!("2025-04-11T17:12:33.741194Z"))).await;
    assert_eq!(due_at(&rest, &tenant, &latest).await, "2025-04-11T14:12:33.741194-03:00");
    for wrong in [
        json!("2025-04-11T17:12:33.741195Z"),
        json!("9999-12-31T23:59:59Z"),
        json!("2024-04-11"),
        json!("2024-04-11T15:00:00"),
        json!("soon"),
        json!(""),
        json!(1_712_855_553),
        json!([]),
    ] {
        let answer = rest.post(PATH).key(&tenant.producer).json(&event(wrong.clone())).send().await;
        assert_eq!(answer.problem(422), ["deliverAt"], "{wrong}");
    }
}

#[tokio::test]
async fn bad_events_are_refused_by_name() {
    let (rest, tenant) = scene().await;
    let valid = json!({"type": "a", "subject": "s", "payload": {}});
    let with = |field: &str, value: Value| {
        let mut event = valid.clone();
        event[field] = value;
        event
    };
    let cases: Vec<(Value, &[&str])> = vec![
        (json!({}), &["type", "subject", "payload"]),
        (json!({"type": "a", "subject": "s"}), &["payload"]),
        (with("type", json!(null)), &["type"]),
        (with("type", json!("")), &["type"]),
        (with("type", json!("a b")), &["type"]),
        (with("type", json!("a".repeat(101))), &["type"]),
        (with("type", json!("é")), &["type"]),
        (with("type", json!("a\u{0}")), &["type"]),
        (with("type", json!(0)), &["type"]),
        (with("type", json!(["a"])), &["type"]),
        (with("subject", json!("")), &["subject"]),
        (with("subject", json!("s".repeat(256))), &["subject"]),
        (with("subject", json!(7)), &["subject"]),
        (with("subject", json!({})), &["subject"]),
        (with("idempotencyKey", json!(1e300)), &["idempotencyKey"]),
        (with("idempotencyKey", json!("")), &["idempotencyKey"]),
        (json!([valid, {"type": "a"}, 7]), &["[1].subject", "[1].payload", "[2]"]),
        (json!([]), &["body"]),
        (json!(7), &["body"]),
    ];

    for (body, fields) in cases {
        let answer = rest.post(PATH).key(&tenant.producer).json(&body).send().await;
        assert_eq!(answer.problem(422), fields, "{body}");
    }
    assert_eq!(rest.events_stored().await, 0);
}

#[tokio::test]
async fn payloads_may_be_any_json() {
    let (rest, tenant) = scene().await;

    for payload in ["null", "true", "7", "-0.0", "\"text\"", "[]", "{}", "{\"a\":{\"a\":1,\"a\":2}}", "1e999"] {
        let body = format!("{{\"payload\":{payload},\"type\":\"a\",\"subject\":\"s\"}}");
        let accepted = rest.post(PATH).key(&tenant.producer).text(body).send().await.expect(202);
        let event = accepted["events"][0]["eventId"].as_str().unwrap();
        let shown = rest.get(&format!("{PATH}/{event}")).key(&tenant.viewer).send().await;
        assert!(shown.text.ends_with(&format!("\"payload\":{payload}}}")), "{}", shown.text);
    }
}

#[tokio::test]
async fn events_and_completions_share_a_clients_keys() {
    let (rest, tenant) = scene().await;
    let first = accept(&rest, &tenant, &json!({"type": "a", "subject": "s", "payload": {}, "idempotencyKey": "k"})).await;

    let answer = rest.post("/api_document/completions").key(&tenant.producer).json(&json!({"id": "7", "idempotencyKey": "k"})).send().await;

    let repeat = answer.expect(202);
    assert_eq!(repeat["events"][0]["eventId"], first["events"][0]["eventId"]);
    assert_eq!(repeat["events"][0]["duplicate"], true);
}

#[tokio::test]
async fn an_event_is_sent_again_to_webhooks_that_were_made_after_it() {
    let (rest, tenant) = scene().await;
    let accepted = accept(&rest, &tenant, &json!({"type": "receipt.made", "subject": "7", "payload": {}})).await;
    let event = accepted["events"][0]["eventId"].as_str().unwrap();
    let path = format!("{PATH}/{event}/redeliver");
    let nobody = rest.post(&path).key(&tenant.operator).send().await.expect(202);
    let webhook = json!({"name": "new", "events": ["receipt.made"], "method": "POST", "url": "https://example.com/:id"});
    let made = rest.post("/v1/webhooks").key(&tenant.admin).json(&webhook).send().await.expect(201);

    let sent = rest.post(&path).key(&tenant.operator).send().await.expect(202);
    let again = rest.post(&path).key(&tenant.operator).json(&json!({"webhookId": made["id"]})).send().await.expect(202);

    assert_eq!(nobody, json!({"eventId": event, "deliveries": [], "made": [], "inFlight": []}));
    let delivery = &sent["deliveries"][0];
    assert_eq!((&delivery["webhookId"], &delivery["state"], &delivery["dueAt"]), (&made["id"], &json!("pending"), &json!(START_TEXT)));
    assert_eq!((&sent["made"], &again["made"], &again["deliveries"][0]["id"]), (&json!([delivery["id"]]), &json!([]), &delivery["id"]));
    let entry = rest.get(&format!("/v1/audit?objectId={event}")).key(&tenant.admin).send().await.expect(200)["items"][0].clone();
    assert_eq!((&entry["action"], &entry["object"]["kind"]), (&json!("redeliver"), &json!("event")));
    assert_eq!(entry["after"], json!({"redelivered": 1, "made": 0}));
}

#[tokio::test]
async fn an_event_is_sent_again_to_its_own_clients_webhooks_alone() {
    let (rest, tenant) = scene().await;
    let other = rest.tenant("other").await;
    let webhook = json!({"name": "w", "events": ["invoice.paid"], "method": "POST", "url": "https://example.com/:id"});
    let foreign = rest.post("/v1/webhooks").key(&other.admin).json(&webhook).send().await.expect(201);
    let accepted = accept(&rest, &tenant, &json!({"type": "invoice.paid", "subject": "7", "payload": {}})).await;
    let path = format!("{PATH}/{}/redeliver", accepted["events"][0]["eventId"].as_str().unwrap());

    for wrong in [json!({"webhookId": foreign["id"]}), json!({"webhookId": 7}), json!({"webhookId": "x"})] {
        let answer = rest.post(&path).key(&tenant.operator).json(&wrong).send().await;
        assert_eq!(answer.problem(422), ["webhookId"], "{wrong}");
    }
}

#[tokio::test]
async fn a_delivery_that_is_under_way_is_not_sent_again_to_its_webhook() {
    let (rest, tenant) = scene().await;
    let accepted = accept(&rest, &tenant, &json!({"type": "invoice.paid", "subject": "7", "payload": {}})).await;
    let path = format!("{PATH}/{}/redeliver", accepted["events"][0]["eventId"].as_str().unwrap());
    let webhook = rest.get("/v1/webhooks").key(&tenant.viewer).send().await.expect(200)["items"][0]["id"].clone();
    let lanes = vec![LaneQuota { webhook_id: webhook.as_str().unwrap().parse().unwrap(), limit: 1 }];
    rest.store.claim_due(ClaimRequest { node: rest.ids.next(rest.now()), now: rest.now(), lanes }).await.unwrap();

    let named = rest.post(&path).key(&tenant.operator).json(&json!({"webhookId": webhook})).send().await;
    let all = rest.post(&path).key(&tenant.operator).send().await.expect(202);

    named.problem(409);
    assert_eq!((&all["deliveries"], &all["inFlight"]), (&json!([]), &accepted["events"][0]["deliveryIds"]));
}
