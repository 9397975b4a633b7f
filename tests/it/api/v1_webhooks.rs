//! `/v1/webhooks`: the fields it has besides the OCR service's, and its lists.

use std::time::Duration;

use serde_json::{Value, json};
use webhook_dispatcher::domain::lane::{BreakerState, LaneState, LaneView};

use crate::support::rest::{Rest, START_TEXT};

#[tokio::test]
async fn a_webhook_shows_every_field() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let body = json!({
        "name": "w",
        "events": ["invoice.paid", "invoice.open", "invoice.paid"],
        "method": "POST",
        "url": "https://example.com/hooks",
        "retry": {"delaysSeconds": [5, 300]},
        "timeoutMs": 2500,
        "maxInFlight": 4,
        "rateLimit": {"requests": 30, "perSeconds": 60}
    });

    let made = rest.post("/v1/webhooks").key(&tenant.admin).json(&body).send().await;

    let view = made.expect(201);
    let expected = json!({
        "id": view["id"],
        "clientId": tenant.id,
        "name": "w",
        "type": null,
        "method": "POST",
        "headers": null,
        "headerAuth": null,
        "url": "https://example.com/hooks",
        "authorization": null,
        "authorizationUrl": null,
        "authorizationMethod": null,
        "authorizationHeaders": null,
        "authorizationResponseTokenAttr": null,
        "createdAt": START_TEXT,
        "updatedAt": START_TEXT,
        "events": ["invoice.open", "invoice.paid"],
        "catalog": null,
        "state": "active",
        "disableReason": null,
        "retry": {"delaysSeconds": [5, 300], "jitter": 0.2},
        "timeoutMs": 2500,
        "maxInFlight": 4,
        "rateLimit": {"requests": 30, "perSeconds": 60},
        "httpSignature": {"enabled": false},
        "clientCertificate": null,
        "clientKey": null,
        "signing": null,
        "lane": {"state": "idle", "inFlight": 0, "limit": 4, "breaker": "closed", "nextProbeAt": null, "heldBackUntil": null,
            "nodeId": "018ece0f-ab8a-7000-8000-000000000001"}
    });
    assert_eq!(made.text, expected.to_string());
    let read = rest.get(&format!("/v1/webhooks/{}", view["id"].as_str().unwrap())).key(&tenant.viewer).send().await;
    assert_eq!(read.text, made.text);
}

#[tokio::test]
async fn a_webhook_shows_what_its_lane_does() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let body = json!({"name": "w", "events": ["a"], "method": "POST", "url": "https://example.com/"});
    let made = rest.post("/v1/webhooks").key(&tenant.admin).json(&body).send().await.expect(201);
    let id = made["id"].as_str().unwrap();
    let open = LaneView {
        state: LaneState::Open,
        in_flight: 2,
        limit: 1,
        breaker: BreakerState::Open,
        next_probe_at: Some(rest.now()),
        held_back_until: Some(rest.now() + Duration::from_mins(1)),
    };

    rest.lanes.set(id.parse().unwrap(), open);
    let view = rest.get(&format!("/v1/webhooks/{id}")).key(&tenant.viewer).send().await.expect(200);

    assert_eq!(made["lane"]["state"], "idle");
    let expected = json!({
        "state": "open",
        "inFlight": 2,
        "limit": 1,
        "breaker": "open",
        "nextProbeAt": START_TEXT,
        "heldBackUntil": "2024-04-11T14:13:33.741194-03:00",
        "nodeId": "018ece0f-ab8a-7000-8000-000000000001"
    });
    assert_eq!(view["lane"], expected);
}

#[tokio::test]
async fn a_list_is_walked_page_by_page_from_the_newest() {
    let rest = Rest::new().await;
    let (acme, other) = (rest.tenant("acme").await, rest.tenant("other").await);
    let mut made = Vec::new();
    for (number, key) in [&acme.admin, &other.admin, &acme.admin, &acme.admin, &acme.admin, &acme.admin].into_iter().enumerate() {
        let body = json!({"name": format!("w{number}"), "events": ["a"], "method": "POST", "url": "https://example.com/"});
        made.push(rest.post("/v1/webhooks").key(key).json(&body).send().await.expect(201)["name"].clone());
    }

    let mut seen = Vec::new();
    let mut path = "/v1/webhooks?limit=2".to_owned();
    let mut pages = 0;
    loop {
        let page = rest.get(&path).key(&acme.viewer).send().await.expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|webhook| webhook["name"].clone()));
        pages += 1;
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        path = format!("/v1/webhooks?limit=2&cursor={cursor}");
    }

    assert_eq!((seen, pages), (["w5", "w4", "w3", "w2", "w0"].map(Value::from).to_vec(), 3));
    assert_eq!(rest.get("/v1/webhooks").send().await.expect(200)["items"].as_array().unwrap().len(), 6);
    assert_eq!(rest.get("/v1/webhooks").acting_for(&other.id).send().await.expect(200)["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn wrong_pages_are_refused_by_name() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let cases: [(&str, &[&str]); 9] = [
        ("limit=0", &["limit"]),
        ("limit=201", &["limit"]),
        ("limit=-1", &["limit"]),
        ("limit=abc", &["limit"]),
        ("limit=99999999999999999999", &["limit"]),
        ("limit=2&limit=3", &["limit"]),
        ("cursor=garbage", &["cursor"]),
        ("cursor=%00%FF", &["cursor"]),
        ("limit=&cursor=", &["limit", "cursor"]),
    ];

    for list in ["/v1/webhooks", "/v1/events", "/v1/deliveries", "/v1/dead-letters", "/v1/api-keys"] {
        for (query, fields) in cases {
            let answer = rest.get(&format!("{list}?{query}")).key(&tenant.admin).send().await;
            assert_eq!(answer.problem(422), fields, "{list} {query}");
        }
        let page = rest.get(&format!("{list}?limit=200&unknown=1")).key(&tenant.admin).send().await.expect(200);
        assert!(page["items"].is_array() && page["nextCursor"].is_null(), "{list}");
    }
    assert_eq!(rest.get("/v1/clients?limit=0&cursor=x").send().await.problem(422), ["limit", "cursor"]);
}
