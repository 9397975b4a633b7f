//! A proxy is used when the operator names one, and at no other time.

use std::sync::Arc;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use webhook_dispatcher::domain::attempt::{AttemptOutcome, FailureReason};
use webhook_dispatcher::egress::EgressSettings;

use crate::support::dispatcher::{Dispatcher, Setup};
use crate::support::names::ScriptedNames;
use crate::support::process::{Process, RestClient};
use crate::support::receiver::{Receiver, Reply};
use crate::support::tls::Authority;

/// An HTTP proxy that makes tunnels to one place, whatever it is asked for, and keeps the heads of what it was asked.
struct Tunnels {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Tunnels {
    async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (own_port, asked) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::new(Vec::new())));
        let heads = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(tunnel(client, port, Arc::clone(&heads)));
            }
        });
        Self { port: own_port, asked }
    }
}

async fn tunnel(mut client: TcpStream, port: u16, asked: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    asked.lock().await.push(String::from_utf8(head).unwrap());
    let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    // Either side may end it.
    drop(copy_bidirectional(&mut client, &mut server).await);
}

async fn app(proxy: &str, authority: Option<&Authority>, allow: &'static [&'static str]) -> Dispatcher {
    let egress = EgressSettings {
        proxy: (!proxy.is_empty()).then(|| proxy.to_owned().into()),
        ca_file: authority.map(Authority::file),
        ..EgressSettings::default()
    };
    // No name stands for anything here: the proxy asks by itself.
    Dispatcher::with(Setup { egress, allow, names: ScriptedNames::new(), ..Setup::default() }).await
}

#[tokio::test]
async fn a_call_goes_through_the_proxy_by_name_with_its_password_and_stays_sealed() {
    let authority = Authority::new();
    let receiver = Receiver::speaking_tls(authority.server("receiver.test")).await;
    let proxy = Tunnels::to(receiver.address.port()).await;
    let app = app(&format!("http://user:pass@127.0.0.1:{}", proxy.port), Some(&authority), &[]).await;
    app.webhook("https://receiver.test/:id", |_| {}).await;

    let id = app.enqueue_one("doc-1").await;
    app.run_until_idle().await;

    let attempt = app.delivery(id).await.attempts.remove(0);
    assert_eq!(attempt.outcome, AttemptOutcome::Delivered, "{:?}", attempt.exchange.detail);
    let asked = proxy.asked.lock().await;
    assert!(asked[0].starts_with("CONNECT receiver.test:443 HTTP/1.1\r\n"), "{asked:?}");
    assert!(asked[0].to_ascii_lowercase().contains("proxy-authorization: basic dxnlcjpwyxnz\r\n"), "{asked:?}");
    assert_eq!(receiver.seen()[0].header("proxy-authorization"), None);
    assert_eq!(receiver.seen()[0].target, "/doc-1");
}

#[tokio::test]
async fn a_call_that_is_not_sealed_is_handed_to_the_proxy_with_its_whole_url() {
    let proxy = Receiver::answering([]).await;
    let url = format!("http://user:p%40ss@{}", proxy.address);
    let app = app(&url, None, &[]).await;
    app.webhook("http://receiver.test:8080/:id?a=b", |_| {}).await;

    let id = app.enqueue_one("doc-1").await;
    app.run_until_idle().await;

    assert_eq!(app.delivery(id).await.attempts[0].outcome, AttemptOutcome::Delivered);
    let asked = &proxy.seen()[0];
    assert_eq!(asked.target, "http://receiver.test:8080/doc-1?a=b");
    assert_eq!(asked.header("host"), Some("receiver.test:8080"));
    assert_eq!(asked.header("proxy-authorization"), Some("Basic dXNlcjpwQHNz"));
}

#[tokio::test]
async fn a_proxy_that_makes_no_tunnel_is_to_blame_and_gets_nothing_but_its_question() {
    let proxy = Receiver::answering([Reply::Full(407, "proxy-authenticate: Basic\r\n", b"who are you?".to_vec())]).await;
    let app = app(&proxy.url(""), None, &[]).await;
    app.webhook("https://receiver.test/:id", |_| {}).await;

    let id = app.enqueue_one("doc-1").await;
    app.run_until_idle().await;

    let attempt = app.delivery(id).await.attempts.remove(0);
    assert_eq!(attempt.outcome, AttemptOutcome::Retryable(FailureReason::Connect));
    assert_eq!(attempt.exchange.detail.as_deref(), Some("the proxy answered 407 Proxy Authentication Required"));
    let asked = proxy.seen();
    assert_eq!((asked.len(), asked[0].method.as_str(), asked[0].target.as_str()), (1, "CONNECT", "receiver.test:443"));
    assert!(asked[0].body.is_empty());
}

#[tokio::test]
async fn an_address_in_a_url_is_judged_although_a_proxy_makes_the_connection() {
    let proxy = Receiver::answering([]).await;
    let app = app(&proxy.url(""), None, &[]).await;
    app.webhook("http://169.254.169.254/:id", |_| {}).await;
    app.webhook("http://[::ffff:10.0.0.1]/:id", |_| {}).await;

    let ids = app.enqueue("doc-1").await;
    app.run_until_idle().await;

    for id in ids {
        let outcome = app.delivery(id).await.attempts[0].outcome.clone();
        assert_eq!(outcome, AttemptOutcome::Permanent(FailureReason::AddressNotAllowed));
    }
    assert_eq!(proxy.seen().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proxies_that_the_environment_names_see_nothing() {
    let (canary, receiver, folder) = (Receiver::answering([]).await, Receiver::answering([]).await, tempfile::tempdir().unwrap());
    let log = folder.path().join("log");
    let proxy = canary.url("");
    let names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let environment = names.map(|name| (name, proxy.as_str()));
    let process = Process::start_in(folder.path(), &[], &environment, &log).await;
    let rest = RestClient::new();
    let key = rest.register(process.address, &receiver.url("/:id")).await;

    let (status, _) =
        rest.post(process.address, "/api_document/completions", &[("x-api-key", &key)], &json!({"id": "doc-1"})).await.unwrap();
    assert_eq!(status, 202);
    tokio::select! {
        () = receiver.until_seen(1) => {}
        () = canary.until_seen(1) => panic!("the proxy was asked"),
    }

    assert_eq!(process.ask_to_stop().await.code(), Some(0));
    assert_eq!((receiver.seen().len(), canary.seen().len()), (1, 0));
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("a proxy that the environment names is not used"), "{log}");
}
