//! `POST /api_document/completions`: documents in, byte for byte, all or none.

use serde_json::{Value, json};
use webhook_dispatcher::intake::Bounds;
use webhook_dispatcher::store::records::Scope;

use crate::support::rest::{Rest, RestSetup, Tenant};

const PATH: &str = "/api_document/completions";

async fn webhook(rest: &Rest, tenant: &Tenant) {
    let webhook = json!({"name": "w", "type": 0, "method": "POST", "url": "https://example.com/:id"});
    rest.post("/document_webhooks").key(&tenant.admin).json(&webhook).send().await.expect(200);
}

/// The stored payload of an accepted event.
async fn payload(rest: &Rest, accepted: &Value) -> String {
    let id = accepted["eventId"].as_str().unwrap().parse().unwrap();
    let event = rest.store.event(Scope::All, id).await.unwrap().unwrap().event;
    String::from_utf8(event.payload.to_vec()).unwrap()
}

#[tokio::test]
async fn a_completion_is_accepted_with_the_ids_of_its_event_and_deliveries() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    webhook(&rest, &tenant).await;

    let body = json!({"id": "bc1bc4ea", "type": 1, "status": 1});
    let answer = rest.post(PATH).key(&tenant.producer).json(&body).send().await;

    let accepted = answer.expect(202);
    let (event, delivery) = (&accepted["events"][0]["eventId"], &accepted["events"][0]["deliveryIds"][0]);
    assert_eq!(
        answer.text,
        format!(
            r#"{{"accepted":1,"events":[{{"eventId":{event},"documentId":"bc1bc4ea","deliveryIds":[{delivery}],"duplicate":false}}]}}"#
        )
    );
    let shown = rest.get(&format!("/v1/events/{}", event.as_str().unwrap())).key(&tenant.viewer).send().await.expect(200);
    assert_eq!((&shown["type"], &shown["subject"]), (&json!("document.finished"), &json!("bc1bc4ea")));
    assert_eq!((&shown["payload"], &shown["deliveries"][0]["id"]), (&body, delivery));
}

#[tokio::test]
async fn a_client_without_a_webhook_gets_its_event_kept_and_no_deliveries() {
    let rest = Rest::new().await;
    let (acme, other) = (rest.tenant("acme").await, rest.tenant("other").await);
    webhook(&rest, &other).await;

    let accepted = rest.post(PATH).key(&acme.admin).json(&json!({"id": "7"})).send().await.expect(202);

    assert_eq!(accepted["events"][0]["deliveryIds"], json!([]));
    assert_eq!((rest.events_stored().await, rest.deliveries_stored().await), (1, 0));
}

#[tokio::test]
async fn payloads_are_kept_byte_for_byte() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let one = "{ \"b\": 1.0e0,\r\n\t\"id\" : \"\\u00e9\\/\", \"a\":[ ],\"n\": 12345678901234567890123 ,\"b\":2 }";

    let lone = rest.post(PATH).key(&tenant.producer).text(format!("\n  {one}\r\n")).send().await.expect(202);
    let list = rest.post(PATH).key(&tenant.producer).text(format!("[ {one} ,{{\"id\":\"x\" }} ]")).send().await.expect(202);

    assert_eq!(lone["events"][0]["documentId"], "é/");
    assert_eq!(payload(&rest, &lone["events"][0]).await, one);
    assert_eq!(payload(&rest, &list["events"][0]).await, one);
    assert_eq!(payload(&rest, &list["events"][1]).await, "{\"id\":\"x\" }");
}

#[tokio::test]
async fn an_id_may_be_any_text() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    webhook(&rest, &tenant).await;
    let ids =
        ["../../etc/passwd", "a/b?c=d#e", "😀👩‍👩‍👧", "a\u{0}b", "\u{202e}\n\t\"\\", "' or 1=1 --", ":id", " ", &"é".repeat(255), "\u{10ffff}"];

    for id in ids {
        let accepted = rest.post(PATH).key(&tenant.producer).json(&json!({"id": id})).send().await.expect(202);
        assert_eq!(accepted["events"][0]["documentId"], id);
        let event = accepted["events"][0]["eventId"].as_str().unwrap();
        let shown = rest.get(&format!("/v1/events/{event}")).key(&tenant.viewer).send().await.expect(200);
        assert_eq!((&shown["subject"], &shown["payload"]["id"]), (&json!(id), &json!(id)));
        let delivery = rest.get(&format!("/v1/deliveries/{}", shown["deliveries"][0]["id"].as_str().unwrap())).key(&tenant.viewer);
        assert_eq!(delivery.send().await.expect(200)["subject"], id);
        let query: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("subject", id).finish();
        let found = rest.get(&format!("/v1/deliveries?{query}")).key(&tenant.viewer).send().await.expect(200);
        assert_eq!(found["items"].as_array().unwrap().len(), 1, "{id:?}");
    }
}

#[tokio::test]
async fn bad_documents_are_refused_by_name() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let cases: Vec<(Value, &[&str])> = vec![
        (json!({}), &["id"]),
        (json!({"id": null}), &["id"]),
        (json!({"id": ""}), &["id"]),
        (json!({"id": "x".repeat(256)}), &["id"]),
        (json!({"id": 7}), &["id"]),
        (json!({"id": 1.5e300}), &["id"]),
        (json!({"id": true}), &["id"]),
        (json!({"id": ["x"]}), &["id"]),
        (json!({"id": {"id": "x"}}), &["id"]),
        (json!({"ID": "x"}), &["id"]),
        (json!({"id": "x", "idempotencyKey": 7}), &["idempotencyKey"]),
        (json!({"id": "x", "idempotencyKey": ""}), &["idempotencyKey"]),
        (json!({"id": "x", "idempotencyKey": "k".repeat(256)}), &["idempotencyKey"]),
        (json!({"id": "x", "idempotencyKey": []}), &["idempotencyKey"]),
        (json!({"idempotencyKey": {}}), &["idempotencyKey", "id"]),
        (json!("text"), &["body"]),
        (json!(7), &["body"]),
        (json!(null), &["body"]),
        (json!(true), &["body"]),
        (json!([]), &["body"]),
        (json!(vec![json!({"id": "x"}); 1_001]), &["body"]),
        (json!([{"id": "x"}, 7, null, "x", [], {"id": 7}]), &["[1]", "[2]", "[3]", "[4]", "[5].id"]),
        (json!([{"id": "x"}, {"id": "x"}, {"id": "x"}, {"id": ""}]), &["[3].id"]),
        (json!([{"id": "x", "idempotencyKey": 0}]), &["[0].idempotencyKey"]),
        (json!([[{"id": "x"}]]), &["[0]"]),
    ];

    for (body, fields) in cases {
        let answer = rest.post(PATH).key(&tenant.producer).json(&body).send().await;
        assert_eq!(answer.problem(422), fields, "{body}");
    }
    assert_eq!(rest.events_stored().await, 0);
}

#[tokio::test]
async fn what_is_not_json_is_refused_as_such() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let bodies: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b" ".to_vec(),
        b"{".to_vec(),
        b"[".to_vec(),
        b"{\"id\":\"x\"".to_vec(),
        b"{\"id\":\"x\"} {}".to_vec(),
        b"{\"id\":\"x\"},".to_vec(),
        b"[{\"id\":\"x\"},]".to_vec(),
        b"{\"id\":\"x\",}".to_vec(),
        b"{'id':'x'}".to_vec(),
        b"{id:\"x\"}".to_vec(),
        b"{\"id\":\"x\" \"a\":1}".to_vec(),
        b"{\"id\":\"x\",\"a\":01}".to_vec(),
        b"{\"id\":\"x\",\"a\":NaN}".to_vec(),
        b"{\"id\":\"x\",\"a\":\"\\x\"}".to_vec(),
        b"{\"id\":\"a\nb\"}".to_vec(),
        b"{\"id\":\"x\",\"a\":\"\0\"}".to_vec(),
        b"id=x".to_vec(),
        b"<id>x</id>".to_vec(),
        b"\xef\xbb\xbf{\"id\":\"x\"}".to_vec(),
        b"{\"id\":\"\xff\"}".to_vec(),
        b"{\"id\":\"x\",\"a\":\"\xc3\x28\"}".to_vec(),
        b"\xff\xfe{\0}\0".to_vec(),
    ];

    for body in bodies {
        let shown = String::from_utf8_lossy(&body).into_owned();
        let answer = rest.post(PATH).key(&tenant.producer).text(body).send().await;
        assert!(answer.problem(400).is_empty(), "{shown}");
    }
    assert_eq!(rest.events_stored().await, 0);
}

#[tokio::test]
async fn odd_json_is_json() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let deep = format!("{{\"id\":\"deep\",\"data\":{}{}}}", "[".repeat(50_000), "]".repeat(50_000));
    let huge = "{\"id\":\"huge\",\"n\":1e999,\"m\":-123456789012345678901234567890.5e-9999}".to_owned();
    let twice = "{\"id\":7,\"id\":\"last\"}".to_owned();
    let escaped = "{\"\\u0069d\":\"escaped\"}".to_owned();

    for (body, id) in [(deep, "deep"), (huge, "huge"), (twice, "last"), (escaped, "escaped")] {
        let accepted = rest.post(PATH).key(&tenant.producer).text(body.clone()).send().await.expect(202);
        assert_eq!(accepted["events"][0]["documentId"], id);
        assert_eq!(payload(&rest, &accepted["events"][0]).await, body);
        let shown =
            rest.get(&format!("/v1/events/{}", accepted["events"][0]["eventId"].as_str().unwrap())).key(&tenant.viewer).send().await;
        assert_eq!(shown.status, 200);
        assert!(shown.text.contains(&body));
    }
}

#[tokio::test]
async fn a_batch_of_a_thousand_is_one_commit_in_the_order_given() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    webhook(&rest, &tenant).await;
    let documents: Vec<Value> = (0..1_000).map(|number| json!({"id": format!("doc-{number}"), "status": 1})).collect();

    let accepted = rest.post(PATH).key(&tenant.producer).json(&json!(documents)).send().await.expect(202);

    assert_eq!(accepted["accepted"], 1_000);
    let ids: Vec<_> = accepted["events"].as_array().unwrap().iter().map(|event| event["documentId"].clone()).collect();
    assert_eq!(ids, documents.iter().map(|document| document["id"].clone()).collect::<Vec<_>>());
    assert_eq!((rest.events_stored().await, rest.deliveries_stored().await), (1_000, 1_000));
}

#[tokio::test]
async fn a_batch_of_a_thousand_with_one_bad_document_stores_nothing() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let mut documents: Vec<Value> = (0..1_000).map(|number| json!({"id": format!("doc-{number}")})).collect();
    documents[617] = json!({"id": 617});

    let answer = rest.post(PATH).key(&tenant.producer).json(&json!(documents)).send().await;

    assert_eq!(answer.problem(422), ["[617].id"]);
    assert_eq!(rest.events_stored().await, 0);
}

#[tokio::test]
async fn too_much_at_once_is_turned_away_at_once() {
    let rest = Rest::with(RestSetup { waiting: 1, ..RestSetup::default() }).await;
    let tenant = rest.tenant("acme").await;
    rest.post(PATH).key(&tenant.producer).json(&json!({"id": "first"})).send().await.expect(202);

    let send = |id: &str| rest.post(PATH).key(&tenant.producer).json(&json!({"id": id})).send();
    let (taken, refused) = futures_util::future::join(send("second"), send("third")).await;

    taken.expect(202);
    refused.problem(503);
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(rest.events_stored().await, 2);
    send("fourth").await.expect(202);
}

#[tokio::test]
async fn beyond_its_bounds_the_store_takes_nothing_more_until_less_is_pending() {
    let bounds = Bounds { max_pending: Some(2), ..Bounds::default() };
    let rest = Rest::with(RestSetup { bounds, ..RestSetup::default() }).await;
    let tenant = rest.tenant("acme").await;
    webhook(&rest, &tenant).await;
    let send = |id: &str| rest.post(PATH).key(&tenant.producer).json(&json!({"id": id})).send();
    for id in ["first", "second"] {
        rest.intake.look().await.unwrap();
        send(id).await.expect(202);
    }

    let readiness = async || rest.get("/readyz").send().await.expect(200);
    assert_eq!(readiness().await["intake"], "open");

    rest.intake.look().await.unwrap();
    let refused = send("third").await;
    let full = readiness().await;
    let newest = rest.get("/v1/deliveries?limit=1").key(&tenant.admin).send().await.expect(200);
    let cancel = format!("/v1/deliveries/{}/cancel", newest["items"][0]["id"].as_str().unwrap());
    rest.post(&cancel).key(&tenant.admin).send().await;
    rest.intake.look().await.unwrap();

    refused.problem(503);
    assert_eq!(refused.header("retry-after"), "1");
    assert!(rest.get("/metrics").send().await.text.contains("\ndispatcher_events_refused_total 1\n"));
    assert_eq!((&full["intake"], &readiness().await["intake"]), (&json!("full"), &json!("open")), "it is ready all the same");
    send("fourth").await.expect(202);
    assert_eq!(rest.events_stored().await, 3);
}

#[tokio::test]
async fn a_disk_that_is_nearly_full_takes_nothing_in() {
    let bounds = Bounds { min_free_bytes: u64::MAX, ..Bounds::default() };
    let rest = Rest::with(RestSetup { bounds, ..RestSetup::default() }).await;
    let tenant = rest.tenant("acme").await;
    rest.intake.look().await.unwrap();

    rest.post(PATH).key(&tenant.producer).json(&json!({"id": "first"})).send().await.problem(503);

    assert_eq!(rest.events_stored().await, 0);
}

#[tokio::test]
async fn what_was_handed_in_is_stored_before_the_intake_closes_and_nothing_is_taken_after() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    rest.post(PATH).key(&tenant.producer).json(&json!({"id": "first"})).send().await.expect(202);

    let sent = rest.post(PATH).key(&tenant.producer).json(&json!({"id": "second"})).send();
    let (answer, ()) = futures_util::future::join(sent, rest.intake.close()).await;

    answer.expect(202);
    rest.post(PATH).key(&tenant.producer).json(&json!({"id": "third"})).send().await.problem(503);
    assert_eq!(rest.events_stored().await, 2);
}

#[tokio::test]
async fn root_hands_in_for_the_client_it_names() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    webhook(&rest, &tenant).await;

    assert_eq!(rest.post(PATH).json(&json!({"id": "7"})).send().await.problem(422), ["X-Client-Id"]);
    let accepted = rest.post(PATH).acting_for(&tenant.id).json(&json!({"id": "7"})).send().await.expect(202);

    assert_eq!(accepted["events"][0]["deliveryIds"].as_array().unwrap().len(), 1);
    let events = rest.get("/v1/events").key(&tenant.viewer).send().await.expect(200);
    assert_eq!(events["items"].as_array().unwrap().len(), 1);
}
