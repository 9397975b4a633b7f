//! What may not be called is not called: refused when a webhook is written, and again when a connection is made.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::net::TcpListener;
use webhook_dispatcher::domain::attempt::{AttemptOutcome, FailureReason};
use webhook_dispatcher::domain::delivery::{DeadLetterReason, DeliveryState};
use webhook_dispatcher::domain::ids::DeliveryId;
use webhook_dispatcher::domain::target_url::{IdInUrl, LoginUrl, TargetUrl};

use super::corpus;
use crate::support::dispatcher::{Dispatcher, Setup};
use crate::support::names::ScriptedNames;
use crate::support::receiver::{Receiver, Reply};
use crate::support::rest::{Rest, RestSetup};

const REFUSED: &str = "this address may not be called";

/// A listener that nobody may reach.
struct Canary {
    address: SocketAddr,
    touched: Arc<AtomicUsize>,
}

impl Canary {
    async fn at(address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let (address, touched) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&touched);
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { address, touched }
    }

    #[track_caller]
    fn assert_silent(&self) {
        assert_eq!(self.touched.load(Ordering::SeqCst), 0, "the canary was touched");
    }
}

async fn assert_not_called(app: &Dispatcher, id: DeliveryId, what: &str) {
    let detail = app.delivery(id).await;
    let reason = DeadLetterReason::Permanent(FailureReason::AddressNotAllowed);
    assert_eq!(detail.summary.delivery.dead_letter_reason, Some(reason), "{what}");
    let told = detail.attempts[0].exchange.detail.clone().unwrap();
    assert!(told.ends_with(REFUSED), "{what}: {told}");
}

#[tokio::test]
async fn no_call_of_the_api_takes_such_an_address_in_any_notation() {
    let rest = Rest::with(RestSetup { allow: &[], ..RestSetup::default() }).await;
    let tenant = rest.tenant("acme").await;
    let sound = json!({"name": "w", "type": 0, "method": "POST", "url": "https://example.com/:id"});
    let made = rest.post("/v1/webhooks").key(&tenant.admin).json(&sound).send().await.expect(201);
    let id = made["id"].as_str().unwrap();
    let ocr = "/api_document/document_webhooks";
    let (ocr_one, v1_one) = (format!("{ocr}/{id}"), format!("/v1/webhooks/{id}"));
    let newer_one = format!("/document_webhooks/{id}");
    let calls = [
        ("POST", ocr),
        ("POST", "/document_webhooks"),
        ("POST", "/v1/webhooks"),
        ("PUT", ocr_one.as_str()),
        ("PATCH", &ocr_one),
        ("PUT", &newer_one),
        ("PATCH", &newer_one),
        ("PUT", &v1_one),
        ("PATCH", &v1_one),
    ];

    for (number, host) in corpus::hosts().iter().enumerate() {
        let mut body = sound.clone();
        body["url"] = format!("http://{host}/:id").into();
        body["authorizationUrl"] = format!("https://{host}:8443/login").into();
        // Every host meets every rule of reading; three ways in each are enough to meet every way in a hundred times.
        for (method, path) in (0..3).map(|step| calls[(number * 3 + step) % calls.len()]) {
            let answer = rest.call(method, path).key(&tenant.admin).json(&body).send().await;

            assert_eq!(answer.problem(422), ["url", "authorizationUrl"], "{method} {path} {host}");
            for error in answer.expect(422)["errors"].as_array().unwrap() {
                assert_eq!(error["message"], REFUSED, "{method} {path} {host}");
            }
        }
    }
    assert_eq!(rest.webhooks_stored().await, 1);
    let kept: Value = rest.get(&v1_one).key(&tenant.viewer).send().await.expect(200);
    assert_eq!((&kept["url"], &kept["authorizationUrl"]), (&sound["url"], &Value::Null));
}

#[tokio::test]
async fn what_was_stored_all_the_same_is_not_called() {
    let app = Dispatcher::with(Setup { allow: &[], ..Setup::default() }).await;
    let canary = Canary::at("0.0.0.0:0").await;
    let port = canary.address.port();
    let hosts = corpus::hosts();
    for host in &hosts {
        app.webhook(&format!("http://{host}:{port}/:id"), |_| {}).await;
    }

    let ids = app.enqueue("doc-1").await;
    app.run_until_idle().await;

    assert_eq!(ids.len(), hosts.len());
    for id in ids {
        assert_not_called(&app, id, "by number").await;
    }
    canary.assert_silent();
}

#[tokio::test]
async fn no_login_goes_there_either() {
    let names = ScriptedNames::new();
    let app = Dispatcher::with(Setup { allow: &[], names, ..Setup::default() }).await;
    let canary = Canary::at("0.0.0.0:0").await;
    let port = canary.address.port();
    let hosts = corpus::hosts();
    for host in &hosts {
        app.webhook("https://receiver.test/:id", |webhook| {
            webhook.authorization.url = Some(LoginUrl::parse(&format!("http://{host}:{port}/login")).unwrap());
        })
        .await;
    }

    let ids = app.enqueue("doc-1").await;
    app.run_until_idle().await;

    assert_eq!(ids.len(), hosts.len());
    for id in ids {
        assert_not_called(&app, id, "at the login").await;
    }
    canary.assert_silent();
}

#[tokio::test]
async fn a_name_that_stands_for_such_an_address_is_not_called_alone_or_among_good_ones() {
    let names = ScriptedNames::new();
    let app = Dispatcher::with(Setup { allow: &[], names: names.clone(), ..Setup::default() }).await;
    let canary = Canary::at("0.0.0.0:0").await;
    let port = canary.address.port();
    let addresses = corpus::addresses();
    for (number, address) in addresses.iter().enumerate() {
        let address = address.to_string();
        // Of a good one that nobody calls in a test, only its standing beside matters.
        for (kind, answer) in [
            ("alone", vec![address.as_str()]),
            ("first", vec![&address, "8.8.8.8"]),
            ("last", vec!["2606:4700::1111", "8.8.8.8", &address]),
        ] {
            let name = format!("{kind}-{number}.test");
            names.say(&name, &[&answer]);
            app.webhook(&format!("http://{name}:{port}/:id"), |_| {}).await;
        }
    }

    let ids = app.enqueue("doc-1").await;
    app.run_until_idle().await;

    assert_eq!(ids.len(), 3 * addresses.len());
    for id in ids {
        assert_not_called(&app, id, "by name").await;
    }
    canary.assert_silent();
}

#[tokio::test]
async fn a_name_is_dialled_as_it_was_judged_and_judged_anew_for_every_connection() {
    let receiver = Receiver::start(|_, _| Reply::Full(200, "connection: close\r\n", Vec::new())).await;
    let port = receiver.address.port();
    let canary = Canary::at(&format!("127.0.0.2:{port}")).await;
    let names = ScriptedNames::new();
    names.say("flips.test", &[&["127.0.0.1"], &["127.0.0.2"], &["127.0.0.1", "127.0.0.2"], &["127.0.0.1"]]);
    let app = Dispatcher::with(Setup { allow: &["127.0.0.1"], names, ..Setup::default() }).await;
    app.webhook(&format!("http://flips.test:{port}/:id"), |_| {}).await;

    let mut outcomes = Vec::new();
    for subject in ["doc-1", "doc-2", "doc-3", "doc-4"] {
        let id = app.enqueue_one(subject).await;
        app.run_until_idle().await;
        outcomes.push(app.delivery(id).await.attempts[0].outcome.clone());
    }

    let refused = AttemptOutcome::Permanent(FailureReason::AddressNotAllowed);
    assert_eq!(outcomes, [AttemptOutcome::Delivered, refused.clone(), refused, AttemptOutcome::Delivered]);
    assert_eq!(receiver.seen().len(), 2);
    canary.assert_silent();
}

#[tokio::test]
async fn no_redirect_is_followed_wherever_it_leads() {
    let canary = Canary::at("127.0.0.1:0").await;
    let port = canary.address.port();
    let mut locations: Vec<String> = corpus::hosts().iter().step_by(7).map(|host| format!("http://{host}:{port}/")).collect();
    locations.extend(
        ["//127.0.0.1/", "/elsewhere", "file:///etc/passwd", "gopher://127.0.0.1/", "javascript:alert(1)", "\u{1}"].map(str::to_owned),
    );
    let count = locations.len();
    let receiver = Receiver::start(move |seen, _| {
        let number: usize = seen.target.trim_start_matches('/').parse().unwrap();
        let status = [300, 301, 302, 303, 307, 308][number % 6];
        let location = &locations[number % locations.len()];
        Reply::Raw(
            format!("HTTP/1.1 {status} X\r\nlocation: {location}\r\nrefresh: 0;url={location}\r\ncontent-length: 0\r\n\r\n").into_bytes(),
        )
    })
    .await;
    let app = Dispatcher::with(Setup { allow: &["127.0.0.0/8"], ..Setup::default() }).await;
    app.webhook(&receiver.url("/:id"), |_| {}).await;

    for number in 0..count {
        let id = app.enqueue_one(&number.to_string()).await;
        app.run_until_idle().await;

        let outcome = app.delivery(id).await.attempts[0].outcome.clone();
        let is_failed = matches!(outcome, AttemptOutcome::Retryable(FailureReason::Status(300..=308) | FailureReason::Protocol));
        assert!(is_failed, "{number}: {outcome:?}");
        assert_eq!(app.state_of(id).await, DeliveryState::Pending);
    }
    assert_eq!(receiver.seen().len(), count);
    canary.assert_silent();
}

#[test]
fn every_host_of_the_corpus_is_one_that_a_url_can_hold() {
    for host in corpus::hosts() {
        assert!(TargetUrl::parse(&format!("http://{host}/:id"), IdInUrl::Required).is_ok(), "{host}");
    }
}
