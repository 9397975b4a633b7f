//! Logging in before a delivery.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::json;
use webhook_dispatcher::domain::attempt::{AttemptOutcome, FailureReason};
use webhook_dispatcher::domain::delivery::DeliveryState;
use webhook_dispatcher::domain::headers::Headers;
use webhook_dispatcher::domain::method::Method;
use webhook_dispatcher::domain::target_url::LoginUrl;
use webhook_dispatcher::domain::webhook::{SecretObject, WebhookDefinition};

use crate::support::dispatcher::{Dispatcher, START, Setup};
use crate::support::receiver::{Receiver, Reply, Seen};

/// A receiver that answers logins with `login`, and other requests by whether they carry the `Authorization` it wants.
async fn guarded(login: impl Fn(usize) -> Reply + Send + Sync + 'static, wanted: &'static str) -> Receiver {
    let logins = AtomicUsize::new(0);
    Receiver::start(move |seen, _| match is_login(seen) {
        true => login(logins.fetch_add(1, Ordering::SeqCst)),
        false if seen.header("authorization") == Some(wanted) => Reply::Status(200),
        false => Reply::Status(401),
    })
    .await
}

fn is_login(seen: &Seen) -> bool {
    seen.target.starts_with("/login")
}

/// The seed's way of logging in.
fn seed_login(receiver: &Receiver) -> impl FnOnce(&mut WebhookDefinition) + use<> {
    let url = LoginUrl::parse(&receiver.url("/login")).unwrap();
    move |webhook| {
        let authorization = &mut webhook.authorization;
        authorization.url = Some(url);
        authorization.headers = Some(headers("Content-Type", "application/x-www-form-urlencoded"));
        authorization.body = Some(object(&json!({"username": "root", "password": "r&t=ö"})));
        authorization.response_token_attr = Some("access_token".to_owned());
    }
}

fn headers(name: &str, value: &str) -> Headers {
    Headers::check([(name.to_owned(), value.to_owned())]).unwrap()
}

fn object(value: &serde_json::Value) -> SecretObject {
    SecretObject::new(value.as_object().unwrap().clone())
}

#[tokio::test]
async fn the_login_is_sent_as_a_form_and_its_token_goes_along() {
    let receiver = guarded(|_| Reply::json(r#"{"access_token":"t0","token_type":"bearer"}"#), "Bearer t0").await;
    let app = Dispatcher::new().await;
    app.webhook(&receiver.url("/ocr_feedback/:id"), seed_login(&receiver)).await;

    let id = app.enqueue_one("doc-1").await;
    app.run_until_idle().await;

    let login = &receiver.seen_at("/login")[0];
    assert_eq!((login.method.as_str(), login.body_text().as_str()), ("POST", "username=root&password=r%26t%3D%C3%B6"));
    assert_eq!(login.header("content-type"), Some("application/x-www-form-urlencoded"));
    let detail = app.delivery(id).await;
    assert_eq!(detail.summary.delivery.state, DeliveryState::Delivered);
    let phases = detail.attempts[0].exchange.phases;
    assert!(phases.login.is_some() && phases.answer.is_some());
    assert_eq!(phases.connect, None, "the login's connection was open");
}

#[tokio::test]
async fn a_login_without_content_type_is_json_and_a_nested_attribute_is_found() {
    let receiver = guarded(|_| Reply::json(r#"{"data":{"auth":{"jwt":"t0"}}}"#), "Token t0").await;
    let app = Dispatcher::new().await;
    let login = seed_login(&receiver);
    app.webhook(&receiver.url("/:id"), |webhook| {
        login(webhook);
        webhook.authorization.headers = None;
        webhook.authorization.header_auth = Some("Token".to_owned());
        webhook.authorization.response_token_attr = Some("data.auth.jwt".to_owned());
    })
    .await;

    let id = app.enqueue_one("doc-1").await;
    app.run_until_idle().await;

    let login = &receiver.seen_at("/login")[0];
    assert_eq!(login.body_text(), r#"{"username":"root","password":"r&t=ö"}"#);
    assert_eq!(login.header("content-type"), Some("application/json"));
    assert_eq!(app.state_of(id).await, DeliveryState::Delivered);
}

#[tokio::test]
async fn a_login_by_get_puts_its_body_into_the_query_and_an_empty_scheme_sends_the_bare_token() {
    let receiver = guarded(|_| Reply::json(r#"{"access_token":"t0"}"#), "t0").await;
    let app = Dispatcher::new().await;
    let login = seed_login(&receiver);
    let url = LoginUrl::parse(&receiver.url("/login?realm=a%20b")).unwrap();
    app.webhook(&receiver.url("/:id"), |webhook| {
        login(webhook);
        webhook.authorization.url = Some(url);
        webhook.authorization.method = Some(Method::Get);
        webhook.authorization.header_auth = Some(String::new());
    })
    .await;

    let id = app.enqueue_one("doc-1").await;
    app.run_until_idle().await;

    let login = &receiver.seen_at("/login")[0];
    assert_eq!((login.method.as_str(), login.body.len()), ("GET", 0));
    assert_eq!(login.target, "/login?realm=a%20b&username=root&password=r%26t%3D%C3%B6");
    assert_eq!(app.state_of(id).await, DeliveryState::Delivered);
}

#[tokio::test]
async fn however_many_deliveries_wait_there_is_one_login() {
    let receiver = guarded(|_| Reply::json(r#"{"access_token":"t0"}"#), "Bearer t0").await;
    let app = Dispatcher::new().await;
    app.webhook(&receiver.url("/ocr/:id"), seed_login(&receiver)).await;

    for n in 0..40 {
        app.enqueue(&format!("doc-{n}")).await;
    }
    app.run_until_idle().await;

    assert_eq!((receiver.seen_at("/login").len(), receiver.seen_at("/ocr").len()), (1, 40));
}

/// How many logins `documents` take that are delivered one after another, `apart` from each other.
async fn logins_of(answer: String, setup: Setup, apart: Duration, documents: usize) -> usize {
    let receiver = Receiver::start(move |seen, _| if is_login(seen) { Reply::json(&answer) } else { Reply::Status(200) }).await;
    let app = Dispatcher::with(setup).await;
    app.webhook(&receiver.url("/ocr/:id"), seed_login(&receiver)).await;
    for n in 0..documents {
        app.enqueue(&format!("doc-{n}")).await;
        app.run_until_idle().await;
        app.advance(apart).await;
    }
    assert_eq!(receiver.seen_at("/ocr").len(), documents);
    receiver.seen_at("/login").len()
}

#[tokio::test]
async fn a_token_is_kept_for_the_lifetime_its_answer_states_less_the_margin() {
    let answer = |lifetime: &str| format!(r#"{{"access_token":"t0","expires_in":{lifetime}}}"#);
    let minute = Duration::from_mins(1);

    assert_eq!(logins_of(answer("3600"), Setup::default(), minute, 5).await, 1);
    assert_eq!(logins_of(answer("\"130\""), Setup::default(), minute, 5).await, 3, "good for 120 s: two deliveries each");
    assert_eq!(logins_of(answer("1e300"), Setup::default(), minute, 5).await, 1);
    assert_eq!(logins_of(answer("-1"), Setup::default(), Duration::from_secs(61), 5).await, 5, "nothing stated: 60 s");
}

#[tokio::test]
async fn a_jwt_states_its_own_lifetime() {
    let claims = json!({ "exp": START.as_seconds() + 190 }).to_string();
    let jwt = format!("eyJhbGciOiJub25lIn0.{}.sig", BASE64_URL_SAFE_NO_PAD.encode(claims));

    let logins = logins_of(json!({ "access_token": jwt }).to_string(), Setup::default(), Duration::from_mins(1), 3).await;

    assert_eq!(logins, 1, "good for 180 s");
}

#[tokio::test]
async fn with_no_time_to_keep_a_token_every_attempt_logs_in() {
    let mut setup = Setup::default();
    setup.token.default_ttl = Duration::ZERO;

    assert_eq!(logins_of(r#"{"access_token":"t0"}"#.to_owned(), setup, Duration::ZERO, 4).await, 4);
}

#[tokio::test]
async fn with_no_time_to_keep_a_token_deliveries_at_once_log_in_one_after_another() {
    let mut setup = Setup::default();
    setup.token.default_ttl = Duration::ZERO;
    let receiver = guarded(|_| Reply::json(r#"{"access_token":"t0"}"#), "Bearer t0").await;
    let app = Dispatcher::with(setup).await;
    app.webhook(&receiver.url("/ocr/:id"), seed_login(&receiver)).await;

    for n in 0..8 {
        app.enqueue(&format!("doc-{n}")).await;
    }
    app.run_until_idle().await;

    assert_eq!((receiver.seen_at("/login").len(), receiver.seen_at("/ocr").len()), (8, 8));
}

#[tokio::test]
async fn a_revoked_token_costs_one_new_login_within_the_same_attempt() {
    for status in [401, 403, 407] {
        let revoked = Arc::new(AtomicUsize::new(0));
        let tokens = Arc::clone(&revoked);
        let receiver = Receiver::start(move |seen, _| {
            let current = format!("Bearer t{}", tokens.load(Ordering::SeqCst));
            match is_login(seen) {
                true => Reply::json(&format!(r#"{{"access_token":"t{}"}}"#, tokens.load(Ordering::SeqCst))),
                false if seen.header("authorization") == Some(current.as_str()) => Reply::Status(200),
                false => Reply::Status(status),
            }
        })
        .await;
        let app = Dispatcher::new().await;
        app.webhook(&receiver.url("/ocr/:id"), seed_login(&receiver)).await;
        app.enqueue("doc-1").await;
        app.run_until_idle().await;

        revoked.store(1, Ordering::SeqCst);
        let id = app.enqueue_one("doc-2").await;
        app.run_until_idle().await;

        let detail = app.delivery(id).await;
        assert_eq!((detail.summary.delivery.state, detail.attempts.len()), (DeliveryState::Delivered, 1), "{status}");
        assert_eq!((receiver.seen_at("/login").len(), receiver.seen_at("/ocr/doc-2").len()), (2, 2), "{status}");
    }
}

#[tokio::test]
async fn a_receiver_that_takes_no_token_gets_one_more_login_an_attempt_and_no_more() {
    let receiver = guarded(|_| Reply::json(r#"{"access_token":"t0"}"#), "Bearer never").await;
    let app = Dispatcher::new().await;
    app.webhook(&receiver.url("/ocr/:id"), seed_login(&receiver)).await;

    let id = app.enqueue_one("doc-1").await;
    app.run_until_idle().await;

    let detail = app.delivery(id).await;
    assert_eq!(detail.attempts[0].outcome, AttemptOutcome::Retryable(FailureReason::Status(401)));
    assert_eq!((receiver.seen_at("/login").len(), receiver.seen_at("/ocr").len()), (2, 2));
}

#[tokio::test]
async fn a_fresh_token_that_is_forbidden_is_not_asked_for_again() {
    let receiver =
        Receiver::start(|seen, _| if is_login(seen) { Reply::json(r#"{"access_token":"t0"}"#) } else { Reply::Status(403) }).await;
    let app = Dispatcher::new().await;
    app.webhook(&receiver.url("/ocr/:id"), seed_login(&receiver)).await;

    app.enqueue("doc-1").await;
    app.run_until_idle().await;

    assert_eq!((receiver.seen_at("/login").len(), receiver.seen_at("/ocr").len()), (1, 1));
}

#[tokio::test]
async fn a_failed_login_fails_the_attempt_and_the_target_is_not_called() {
    let mut big = br#"{"access_token":""#.to_vec();
    big.resize(100_000, b'x');
    let answers = [
        Reply::Status(500),
        Reply::Status(302),
        Reply::Full(401, "", b"{\"access_token\":\"t0\"}".to_vec()),
        Reply::json("{}"),
        Reply::json("not json"),
        Reply::json(r#"{"access_token":null}"#),
        Reply::json(r#"{"access_token":7}"#),
        Reply::json(r#"{"access_token":""}"#),
        Reply::json(r#"{"access_token":"line\r\nbreak"}"#),
        Reply::json(&"[".repeat(50_000)),
        Reply::Full(200, "", big),
        Reply::Close,
        Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{\"access_token\":\"t0\"}".to_vec()),
        Reply::RawThenSilence(b"HTTP/1.1 200 OK\r\n".to_vec()),
    ];
    for answer in answers {
        let told = format!("{answer:.80?}");
        let receiver = guarded(move |_| answer.clone(), "Bearer t0").await;
        let app = Dispatcher::new().await;
        let login = seed_login(&receiver);
        app.webhook(&receiver.url("/ocr/:id"), |webhook| {
            login(webhook);
            webhook.delivery.timeout = Some(Duration::from_millis(300));
        })
        .await;

        let id = app.enqueue_one("doc-1").await;
        app.run_until_idle().await;

        let attempt = &app.delivery(id).await.attempts[0];
        assert_eq!(attempt.outcome, AttemptOutcome::Retryable(FailureReason::Authorization), "{told}");
        assert_eq!(receiver.seen_at("/ocr").len(), 0, "{told}");
    }
}

#[tokio::test]
async fn after_a_failed_login_the_lane_waits_and_burns_no_attempts() {
    let receiver =
        guarded(|before| if before < 2 { Reply::Status(500) } else { Reply::json(r#"{"access_token":"t0"}"#) }, "Bearer t0").await;
    let app = Dispatcher::new().await;
    app.webhook(&receiver.url("/ocr/:id"), seed_login(&receiver)).await;
    app.enqueue("doc-1").await;
    app.run_until_idle().await;

    let waiting = app.enqueue_one("doc-2").await;
    app.run_until_idle().await;
    assert_eq!(app.delivery(waiting).await.summary.delivery.attempts, 0, "the first pause is 5 s");
    app.advance(Duration::from_secs(5)).await;
    assert_eq!(app.delivery(waiting).await.summary.delivery.attempts, 1, "the second login fails too");
    app.advance(Duration::from_secs(70)).await;

    assert_eq!(app.state_of(waiting).await, DeliveryState::Delivered);
    assert_eq!(receiver.seen_at("/login").len(), 3);
}

#[tokio::test]
async fn a_login_at_an_address_that_is_not_allowed_is_hopeless() {
    let receiver = guarded(|_| Reply::json(r#"{"access_token":"t0"}"#), "Bearer t0").await;
    let app = Dispatcher::with(Setup { allow: &[], ..Setup::default() }).await;
    app.webhook("http://192.0.2.1/:id", seed_login(&receiver)).await;

    let id = app.enqueue_one("doc-1").await;
    app.run_until_idle().await;

    assert_eq!(app.delivery(id).await.attempts[0].outcome, AttemptOutcome::Permanent(FailureReason::AddressNotAllowed));
    assert_eq!(receiver.seen().len(), 0);
}

#[tokio::test]
async fn a_fixed_authorization_wins_over_a_login_and_over_an_own_header() {
    let receiver = guarded(|_| Reply::json(r#"{"access_token":"t0"}"#), "Bearer fixed").await;
    let app = Dispatcher::new().await;
    let login = seed_login(&receiver);
    app.webhook(&receiver.url("/ocr/:id"), |webhook| {
        login(webhook);
        webhook.authorization.fixed = Some("Bearer fixed".into());
        webhook.headers = Some(headers("AUTHORIZATION", "Basic own"));
    })
    .await;

    let id = app.enqueue_one("doc-1").await;
    app.run_until_idle().await;

    assert_eq!(app.state_of(id).await, DeliveryState::Delivered);
    assert_eq!(receiver.seen_at("/login").len(), 0);
}
