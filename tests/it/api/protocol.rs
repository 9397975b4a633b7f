//! What holds for every call: paths, methods, media types, sizes, and the form of every answer.

use serde_json::json;

use crate::support::rest::{Rest, RestSetup};

/// Routes that take a body.
const WITH_BODY: [(&str, &str); 10] = [
    ("POST", "/api_document/document_webhooks"),
    ("PUT", "/api_document/document_webhooks/00000000-0000-7000-8000-000000000000"),
    ("PATCH", "/document_webhooks/00000000-0000-7000-8000-000000000000"),
    ("POST", "/api_document/completions"),
    ("POST", "/v1/events"),
    ("POST", "/v1/webhooks"),
    ("PUT", "/v1/webhooks/00000000-0000-7000-8000-000000000000"),
    ("PATCH", "/v1/webhooks/00000000-0000-7000-8000-000000000000"),
    ("POST", "/v1/clients"),
    ("POST", "/v1/api-keys"),
];

#[tokio::test]
async fn unknown_paths_are_not_found_with_any_key_and_none() {
    let rest = Rest::new().await;

    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v1/webhooks/",
        "/v1/nothing",
        "/V1/webhooks",
        "/api_document",
        "/completions",
        "//v1/webhooks",
        "/v1/events/../webhooks",
        "/%00",
        "/%ff",
    ] {
        rest.get(path).send().await.problem(404);
        rest.get(path).without("X-API-KEY").send().await.problem(404);
    }
}

#[tokio::test]
async fn a_method_that_a_path_does_not_know_is_told_which_it_knows() {
    let rest = Rest::new().await;
    let id = "00000000-0000-7000-8000-000000000000";
    let cases = [
        ("PATCH", "/api_document/document_webhooks".to_owned(), "GET,HEAD,POST"),
        ("POST", format!("/document_webhooks/{id}"), "GET,HEAD,PUT,PATCH,DELETE"),
        ("GET", "/api_document/completions".to_owned(), "POST"),
        ("DELETE", "/v1/events".to_owned(), "GET,HEAD,POST"),
        ("PUT", "/v1/deliveries".to_owned(), "GET,HEAD"),
        ("GET", format!("/v1/deliveries/{id}/redeliver"), "POST"),
        ("GET", format!("/v1/clients/{id}"), "DELETE"),
        ("OPTIONS", "/v1/webhooks".to_owned(), "GET,HEAD,POST"),
        ("POST", "/healthz".to_owned(), "GET,HEAD"),
        ("BREW", "/readyz".to_owned(), "GET,HEAD"),
    ];

    for (method, path, allowed) in cases {
        let answer = rest.call(method, &path).send().await;
        answer.problem(405);
        let mut known: Vec<_> = answer.header("allow").split(',').collect();
        let mut expected: Vec<_> = allowed.split(',').collect();
        known.sort_unstable();
        expected.sort_unstable();
        assert_eq!(known, expected, "{method} {path}");
    }
}

#[tokio::test]
async fn bodies_that_are_not_declared_as_json_are_refused() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;

    for (method, path) in WITH_BODY {
        let call = || rest.call(method, path).acting_for(&tenant.id).json(&json!({}));
        call().without("Content-Type").send().await.problem(415);
        for media_type in [
            "",
            "text/plain",
            "text/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/xml",
            "json",
            "é",
        ] {
            call().header("Content-Type", media_type).send().await.problem(415);
        }
        for media_type in ["application/json", "APPLICATION/JSON;charset=UTF-8", "application/merge-patch+json"] {
            let status = call().header("Content-Type", media_type).send().await.status.as_u16();
            assert!([404, 422].contains(&status), "{method} {path} {media_type}: {status}");
        }
    }
}

#[tokio::test]
async fn bodies_that_are_not_json_are_refused_on_every_route() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let too_deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
    let deep_key = format!("{}1{}", "{\"a\":".repeat(200), "}".repeat(200));

    for (method, path) in WITH_BODY {
        let call = || rest.call(method, path).acting_for(&tenant.id);
        for body in ["", "{", "[", "nul", "{\"a\":1,}", "{\"a\"}", "\u{feff}{}", "{\"a\":\"\\ud800\"", "\0", "{} {}"] {
            call().text(body).send().await.problem(400);
        }
        for body in [&b"\xff"[..], b"{\"a\":\"\xff\"}", b"{\"\xc3\x28\":1}"] {
            call().text(body.to_vec()).send().await.problem(400);
        }
        // Where payloads are not taken apart, depth costs nothing and only fields are missing.
        for body in [&too_deep, &deep_key] {
            let answer = call().text(body.clone()).send().await;
            let expected = if path.ends_with("completions") || path.ends_with("events") { 422 } else { 400 };
            answer.problem(expected);
        }
    }
}

#[tokio::test]
async fn json_that_is_no_object_is_refused_on_every_route() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;

    for (method, path) in WITH_BODY {
        for body in ["null", "true", "7", "-0", "1e300", "\"text\"", "\"\\u0000\"", "[]", "[[]]", "[7]"] {
            let answer = rest.call(method, path).acting_for(&tenant.id).text(body).send().await;
            let fields = answer.problem(422);
            assert!(fields == ["body"] || fields == ["[0]"], "{method} {path} {body}: {fields:?}");
        }
    }
}

#[tokio::test]
async fn bodies_beyond_the_cap_are_refused_and_those_at_the_cap_are_not() {
    let rest = Rest::with(RestSetup { max_body_bytes: 2_000, ..RestSetup::default() }).await;
    let tenant = rest.tenant("acme").await;
    let body = |length: usize| {
        let frame = r#"{"id":"7","data":""}"#.len();
        format!(r#"{{"id":"7","data":"{}"}}"#, "x".repeat(length - frame))
    };

    for (method, path) in WITH_BODY {
        let answer = rest.call(method, path).acting_for(&tenant.id).text(body(2_001)).send().await;
        answer.problem(413);
        assert!(answer.text.contains("2000 bytes"), "{}", answer.text);
    }
    rest.post("/api_document/completions").key(&tenant.producer).text(body(2_000)).send().await.expect(202);
    assert_eq!(rest.events_stored().await, 1);
}

#[tokio::test]
async fn bodies_that_are_taken_apart_have_a_cap_of_their_own() {
    let rest = Rest::with(RestSetup { max_body_bytes: 4 << 20, ..RestSetup::default() }).await;
    let tenant = rest.tenant("acme").await;
    let body = format!(r#"{{"id":"7","name":"x","list":[{}0]}}"#, "0,".repeat(1 << 20));

    rest.post("/api_document/completions").key(&tenant.producer).text(body.clone()).send().await.expect(202);
    for path in ["/v1/webhooks", "/document_webhooks", "/v1/api-keys"] {
        rest.post(path).key(&tenant.admin).text(body.clone()).send().await.problem(413);
    }
    rest.post("/v1/clients").text(body).send().await.problem(413);
}

#[tokio::test]
async fn every_answer_forbids_guessing_its_type_and_keeping_it() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let answers = [
        rest.get("/healthz").send().await,
        rest.get("/v1/webhooks").send().await,
        rest.get("/nothing").send().await,
        rest.call("PUT", "/healthz").send().await,
        rest.get("/v1/webhooks").key("unknown").send().await,
        rest.post("/v1/webhooks").key(&tenant.admin).text("{").send().await,
        rest.call("DELETE", &format!("/v1/clients/{}", tenant.id)).send().await,
    ];

    for answer in answers {
        assert_eq!((answer.header("x-content-type-options"), answer.header("cache-control")), ("nosniff", "no-store"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_head_request_is_answered_like_a_get_without_a_body() {
    let rest = Rest::new().await;

    let answer = rest.call("HEAD", "/v1/webhooks").send().await;

    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, ""));
}
