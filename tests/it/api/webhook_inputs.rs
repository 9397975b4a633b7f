//! What a webhook definition may say, and how everything else is refused: by name, and leaving nothing behind.

use serde_json::{Value, json};

use crate::support::rest::{Rest, RestSetup, Tenant};

const OCR: &str = "/api_document/document_webhooks";
const V1: &str = "/v1/webhooks";

/// A valid definition, changed by `change`: null takes a field away.
fn definition(change: &Value) -> Value {
    let mut object = json!({"name": "w", "type": 0, "method": "POST", "url": "https://example.com/:id"});
    for (field, value) in change.as_object().unwrap() {
        object[field] = value.clone();
    }
    object.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    object
}

/// Every change is refused with 422 and names exactly these fields; nothing is stored.
async fn all_refused(rest: &Rest, tenant: &Tenant, path: &str, cases: &[(Value, &[&str])]) {
    for (change, fields) in cases {
        let answer = rest.post(path).key(&tenant.admin).json(&definition(change)).send().await;
        assert_eq!(answer.problem(422), *fields, "{path} {change}");
    }
    assert_eq!(rest.webhooks_stored().await, 0);
}

/// Every change is taken.
async fn all_taken(rest: &Rest, tenant: &Tenant, path: &str, cases: &[Value]) {
    for change in cases {
        let answer = rest.post(path).key(&tenant.admin).json(&definition(change)).send().await;
        assert!(answer.status.is_success(), "{path} {change}: {}", answer.text);
        let id = serde_json::from_str::<Value>(&answer.text).unwrap()["id"].as_str().unwrap().to_owned();
        rest.call("DELETE", &format!("/v1/webhooks/{id}")).key(&tenant.admin).send().await.expect(204);
    }
}

#[tokio::test]
async fn the_four_needed_fields_are_needed() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let cases: &[(Value, &[&str])] = &[
        (json!({"name": null}), &["name"]),
        (json!({"type": null}), &["type"]),
        (json!({"method": null}), &["method"]),
        (json!({"url": null}), &["url"]),
        (json!({"name": null, "type": null, "method": null, "url": null}), &["name", "type", "method", "url"]),
    ];

    all_refused(&rest, &tenant, OCR, cases).await;
}

#[tokio::test]
async fn values_that_break_a_rule_are_named() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let long = |length: usize| "x".repeat(length);
    let cases: &[(Value, &[&str])] = &[
        (json!({"name": ""}), &["name"]),
        (json!({"name": long(256)}), &["name"]),
        (json!({"name": "a\u{0}b"}), &["name"]),
        (json!({"name": "a\nb"}), &["name"]),
        (json!({"type": 1}), &["type"]),
        (json!({"type": -1}), &["type"]),
        (json!({"type": 0.5}), &["type"]),
        (json!({"type": "0"}), &["type"]),
        (json!({"method": "PATCH"}), &["method"]),
        (json!({"method": "POST "}), &["method"]),
        (json!({"headerAuth": long(65)}), &["headerAuth"]),
        (json!({"headerAuth": "Bearer\r\nX: y"}), &["headerAuth"]),
        (json!({"authorization": ""}), &["authorization"]),
        (json!({"authorization": "a\u{0}b"}), &["authorization"]),
        (json!({"authorization": long(8_193)}), &["authorization"]),
        (json!({"authorizationMethod": "HEAD"}), &["authorizationMethod"]),
        (json!({"authorizationResponseTokenAttr": ""}), &["authorizationResponseTokenAttr"]),
        (json!({"authorizationResponseTokenAttr": long(256)}), &["authorizationResponseTokenAttr"]),
        (json!({"authorizationBody": {"a": long(16_384)}}), &["authorizationBody"]),
        (json!({"authorizationBody": [1]}), &["authorizationBody"]),
    ];

    all_refused(&rest, &tenant, OCR, cases).await;
    all_refused(&rest, &tenant, V1, cases).await;
}

#[tokio::test]
async fn urls_that_no_webhook_may_have_are_refused() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let urls = [
        "",
        "/ocr_feedback/:id",
        "example.com/:id",
        "ftp://example.com/:id",
        "javascript:alert(1)//:id",
        "file:///etc/:id",
        "https://:id",
        "https:///:id",
        "https://example.com/",
        "https://example.com/:identifier",
        "https://example.com/:id_",
        "https://:id@example.com/x",
        "https://user@example.com/:id",
        "https://user:password@example.com/:id",
        "https://example.com:0/:id",
        "https://example.com:99999/:id",
        "https://exa mple.com/:id",
        "https://example.com/:id\n",
        "https://example.com\\@evil.example/:id",
        "https://example.com/#:id",
        "https://example.com/:id#part",
        "https://[::1/:id",
        "\u{0}",
        "😀",
    ];

    for url in urls {
        let cases: &[(Value, &[&str])] = &[(json!({"url": url}), &["url"])];
        all_refused(&rest, &tenant, OCR, cases).await;
    }
    let too_long = format!("https://example.com/:id?{}", "x".repeat(2_048));
    all_refused(&rest, &tenant, OCR, &[(json!({"url": too_long}), &["url"])]).await;
    all_refused(&rest, &tenant, OCR, &[(json!({"authorizationUrl": "https://user@example.com/"}), &["authorizationUrl"])]).await;
    all_refused(&rest, &tenant, OCR, &[(json!({"authorizationUrl": "login"}), &["authorizationUrl"])]).await;
}

#[tokio::test]
async fn addresses_that_may_not_be_called_are_refused_in_the_same_words() {
    let rest = Rest::with(RestSetup { allow: &["127.0.0.1/32:5000"], ..RestSetup::default() }).await;
    let tenant = rest.tenant("acme").await;
    let hosts = [
        "127.0.0.1",
        "127.0.0.1:8080",
        "127.1",
        "2130706433",
        "0x7f.1",
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "0.0.0.0",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "[fd00::1]",
        "[fe80::1]",
    ];

    for host in hosts {
        let body = definition(&json!({"url": format!("http://{host}/:id"), "authorizationUrl": format!("http://{host}/login")}));
        let answer = rest.post(OCR).key(&tenant.admin).json(&body).send().await;
        assert_eq!(answer.problem(422), ["url", "authorizationUrl"], "{host}");
        for error in answer.expect(422)["errors"].as_array().unwrap() {
            assert_eq!(error["message"], "this address may not be called", "{host}");
        }
    }
    let allowed = ["http://127.0.0.1:5000/:id", "http://localhost/:id", "http://1.1.1.1/:id"].map(|url| json!({"url": url}));
    all_taken(&rest, &tenant, OCR, &allowed).await;
}

#[tokio::test]
async fn plain_http_is_refused_where_the_configuration_says_so() {
    let rest = Rest::with(RestSetup { allow_http: false, ..RestSetup::default() }).await;
    let tenant = rest.tenant("acme").await;
    let cases: &[(Value, &[&str])] = &[
        (json!({"url": "http://example.com/:id"}), &["url"]),
        (json!({"authorizationUrl": "HTTP://example.com/"}), &["authorizationUrl"]),
    ];

    all_refused(&rest, &tenant, OCR, cases).await;
    all_taken(&rest, &tenant, OCR, &[json!({"url": "https://example.com/:id"})]).await;
}

#[tokio::test]
async fn headers_that_are_wrong_are_named_one_by_one() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let cases: &[(Value, &[&str])] = &[
        (json!({"headers": {"Host": "x"}}), &["headers.Host"]),
        (json!({"headers": {"content-length": "1"}}), &["headers.content-length"]),
        (json!({"headers": {"Transfer-Encoding": "chunked"}}), &["headers.Transfer-Encoding"]),
        (json!({"headers": {"Connection": "close"}}), &["headers.Connection"]),
        (json!({"headers": {"webhook-id": "x"}}), &["headers.webhook-id"]),
        (json!({"headers": {"Webhook-Signature": "x"}}), &["headers.Webhook-Signature"]),
        (json!({"headers": {"X-Foo": 1}}), &["headers.X-Foo"]),
        (json!({"headers": {"X-Foo": null}}), &["headers.X-Foo"]),
        (json!({"headers": {"X-Foo": ["a"]}}), &["headers.X-Foo"]),
        (json!({"headers": {"X-Foo": "a\r\nX-Bar: b"}}), &["headers.X-Foo"]),
        (json!({"headers": {"X Foo": "a"}}), &["headers.X Foo"]),
        (json!({"headers": {"": "a"}}), &["headers."]),
        (json!({"headers": {"é": "a"}}), &["headers.é"]),
        (json!({"headers": {"X-A": "a", "x-a": "b"}}), &["headers.x-a"]),
        (json!({"headers": {"Host": "x", "X-Foo": "\n"}}), &["headers.Host", "headers.X-Foo"]),
        (json!({"authorizationHeaders": {"Host": "x"}}), &["authorizationHeaders.Host"]),
        (json!({"authorizationHeaders": {"X-Foo": false}}), &["authorizationHeaders.X-Foo"]),
    ];

    all_refused(&rest, &tenant, OCR, cases).await;
}

#[tokio::test]
async fn a_form_or_query_login_takes_no_nested_values() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let form = json!({"Content-Type": "Application/X-WWW-Form-Urlencoded; charset=utf-8"});
    let nested = json!({"user": {"name": "a"}, "list": [1], "plain": 1, "none": null, "yes": true});
    let both: &[&str] = &["authorizationBody.user", "authorizationBody.list"];

    let cases = [
        (json!({"authorizationHeaders": form, "authorizationBody": nested}), both),
        (json!({"authorizationMethod": "get", "authorizationBody": nested}), both),
        (json!({"authorizationMethod": "DELETE", "authorizationBody": nested}), both),
    ];
    all_refused(&rest, &tenant, OCR, &cases).await;
    all_taken(&rest, &tenant, OCR, &[json!({"authorizationMethod": "PUT", "authorizationBody": nested})]).await;
}

#[tokio::test]
async fn wrong_types_in_any_field_are_refused_by_name() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let wrong: &[(&str, &[Value])] = &[
        ("name", &[json!(1), json!(true), json!([]), json!({}), json!(1e300)]),
        ("type", &[json!("0"), json!(true), json!([0]), json!({}), json!(1e300), json!(u64::MAX)]),
        ("method", &[json!(1), json!(true), json!(["POST"]), json!({}), json!("")]),
        ("headers", &[json!(1), json!(true), json!([]), json!("a: b")]),
        ("headerAuth", &[json!(1), json!(true), json!([]), json!({})]),
        ("url", &[json!(1), json!(true), json!([]), json!({})]),
        ("authorization", &[json!(1), json!(true), json!([]), json!({})]),
        ("authorizationUrl", &[json!(1), json!(true), json!([]), json!({}), json!("")]),
        ("authorizationMethod", &[json!(1), json!(true), json!([]), json!({}), json!("")]),
        ("authorizationHeaders", &[json!(1), json!(true), json!([]), json!("a: b")]),
        ("authorizationBody", &[json!(1), json!(true), json!([]), json!("user=root")]),
        ("authorizationResponseTokenAttr", &[json!(1), json!(true), json!([]), json!({})]),
    ];

    for (field, values) in wrong {
        for value in *values {
            all_refused(&rest, &tenant, OCR, &[(json!({*field: value}), &[field])]).await;
        }
    }
}

#[tokio::test]
async fn the_fields_of_v1_keep_their_limits() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let events = |events: Value| json!({"type": null, "events": events});
    let many: Vec<String> = (0..101).map(|number| format!("e{number}")).collect();
    let cases: &[(Value, &[&str])] = &[
        (json!({"type": null}), &["events"]),
        (events(json!([])), &["events"]),
        (events(json!("document.finished")), &["events"]),
        (events(json!({})), &["events"]),
        (events(json!(many)), &["events"]),
        (events(json!(["ok", "not ok", 7, "x".repeat(101), ""])), &["events[1]", "events[2]", "events[3]", "events[4]"]),
        (json!({"events": ["invoice.paid"]}), &["events"]),
        (json!({"events": ["document.finished", "invoice.paid"]}), &["events"]),
        (json!({"type": 3, "events": ["invoice.paid"]}), &["events", "type"]),
        (json!({"timeoutMs": 99}), &["timeoutMs"]),
        (json!({"timeoutMs": 300_001}), &["timeoutMs"]),
        (json!({"timeoutMs": 1_000.5}), &["timeoutMs"]),
        (json!({"timeoutMs": "1000"}), &["timeoutMs"]),
        (json!({"timeoutMs": 1e300}), &["timeoutMs"]),
        (json!({"timeoutMs": -1}), &["timeoutMs"]),
        (json!({"maxInFlight": 0}), &["maxInFlight"]),
        (json!({"maxInFlight": 1_025}), &["maxInFlight"]),
        (json!({"maxInFlight": true}), &["maxInFlight"]),
        (json!({"rateLimit": 5}), &["rateLimit"]),
        (json!({"rateLimit": {}}), &["rateLimit.requests"]),
        (json!({"rateLimit": {"requests": 0}}), &["rateLimit.requests"]),
        (json!({"rateLimit": {"requests": 1.5}}), &["rateLimit.requests"]),
        (json!({"rateLimit": {"requests": 100_001}}), &["rateLimit.requests"]),
        (json!({"rateLimit": {"requests": 1, "perSeconds": 0}}), &["rateLimit.perSeconds"]),
        (json!({"rateLimit": {"requests": 1, "perSeconds": "1"}}), &["rateLimit.perSeconds"]),
        (json!({"rateLimit": {"requests": 1, "perSeconds": 86_401}}), &["rateLimit.perSeconds"]),
        (json!({"retry": 5}), &["retry"]),
        (json!({"retry": [5]}), &["retry"]),
        (json!({"retry": {}}), &["retry.delaysSeconds"]),
        (json!({"retry": {"delaysSeconds": 5}}), &["retry.delaysSeconds"]),
        (json!({"retry": {"delaysSeconds": [5, "6"]}}), &["retry.delaysSeconds"]),
        (json!({"retry": {"delaysSeconds": [1.5]}}), &["retry.delaysSeconds"]),
        (json!({"retry": {"delaysSeconds": [0]}}), &["retry.delaysSeconds"]),
        (json!({"retry": {"delaysSeconds": [u64::MAX]}}), &["retry.delaysSeconds"]),
        (json!({"retry": {"delaysSeconds": vec![5; 51]}}), &["retry.delaysSeconds"]),
        (json!({"retry": {"delaysSeconds": [5], "jitter": 0.6}}), &["retry.jitter"]),
        (json!({"retry": {"delaysSeconds": [5], "jitter": -0.1}}), &["retry.jitter"]),
        (json!({"retry": {"delaysSeconds": [5], "jitter": "0.1"}}), &["retry.jitter"]),
    ];

    all_refused(&rest, &tenant, V1, cases).await;
}

#[tokio::test]
async fn what_lies_exactly_on_a_limit_is_taken() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let text = |length: usize| "é".repeat(length);
    let ocr = [
        json!({"name": text(255)}),
        json!({"name": "💾 Ω 文"}),
        json!({"method": "pOsT"}),
        json!({"headerAuth": ""}),
        json!({"headerAuth": "x".repeat(64)}),
        json!({"authorization": "x".repeat(8_192)}),
        json!({"authorizationResponseTokenAttr": text(255)}),
        json!({"authorizationBody": {"a": "x".repeat(16_376)}}),
        json!({"url": "https://example.com/?a=:id&b=:id"}),
        json!({"headers": {}}),
        json!({"unknown": {"deep": [1, 2, 3]}, "id": 7, "catalogue": "x"}),
    ];
    let v1 = [
        json!({"type": null, "events": ["a"], "url": "https://example.com/no-place"}),
        json!({"type": null, "events": (0..100).map(|number| format!("e{number}")).collect::<Vec<_>>()}),
        json!({"events": ["document.finished"]}),
        json!({"timeoutMs": 100, "maxInFlight": 1, "retry": {"delaysSeconds": []}}),
        json!({"rateLimit": {"requests": 1}}),
        json!({"rateLimit": {"requests": 100_000, "perSeconds": 86_400}}),
        json!({"timeoutMs": 300_000, "maxInFlight": 1_024, "retry": {"delaysSeconds": [1, 2_592_000], "jitter": 0.5}}),
    ];

    all_taken(&rest, &tenant, OCR, &ocr).await;
    all_taken(&rest, &tenant, V1, &ocr).await;
    all_taken(&rest, &tenant, V1, &v1).await;
}
