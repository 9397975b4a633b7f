//! What goes out on the wire.

use bytes::Bytes;
use webhook_dispatcher::domain::attempt::FailureReason;
use webhook_dispatcher::domain::delivery::{DeadLetterReason, DeliveryState};
use webhook_dispatcher::domain::headers::Headers;
use webhook_dispatcher::domain::method::Method;

use crate::support::dispatcher::{Dispatcher, START, Setup};
use crate::support::receiver::Receiver;

fn headers(entries: &[(&str, &str)]) -> Headers {
    Headers::check(entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))).unwrap()
}

#[tokio::test]
async fn a_post_carries_the_document_byte_for_byte_and_names_its_event() {
    let (app, receiver) = (Dispatcher::new().await, Receiver::answering([]).await);
    app.webhook(&receiver.url("/ocr_feedback/:id"), |_| {}).await;
    let payload = "{ \"id\": \"doc-1\",\t\"price\": 1.0, \"name\": \"s\\u00f3cio\", \"a\": 1, \"a\": 2 }";

    let ids = app.enqueue_payload("doc-1", Bytes::from_static(payload.as_bytes())).await;
    app.run_until_idle().await;

    let seen = receiver.seen();
    let detail = app.delivery(ids[0]).await;
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].method.as_str(), seen[0].target.as_str()), ("POST", "/ocr_feedback/doc-1"));
    assert_eq!(seen[0].body_text(), payload);
    assert_eq!(seen[0].header("content-type"), Some("application/json"));
    assert_eq!(seen[0].header("webhook-id"), Some(detail.summary.delivery.event_id.to_string().as_str()));
    assert_eq!(seen[0].header("webhook-timestamp"), Some(START.as_seconds().to_string().as_str()));
    assert_eq!(seen[0].header("user-agent"), Some("webhook-dispatcher"));
    assert_eq!(seen[0].header("authorization"), None);
    assert_eq!(detail.summary.delivery.state, DeliveryState::Delivered);
    assert_eq!(detail.attempts[0].exchange.remote_address, Some(receiver.address));
}

#[tokio::test]
async fn get_and_delete_carry_no_body_and_no_content_type() {
    let (app, receiver) = (Dispatcher::new().await, Receiver::answering([]).await);
    app.webhook(&receiver.url("/a/:id"), |webhook| webhook.method = Method::Get).await;
    app.webhook(&receiver.url("/b/:id"), |webhook| webhook.method = Method::Delete).await;

    app.enqueue("doc-1").await;
    app.run_until_idle().await;

    for (target, method) in [("/a/doc-1", "GET"), ("/b/doc-1", "DELETE")] {
        let seen = &receiver.seen_at(target)[0];
        assert_eq!((seen.method.as_str(), seen.body.len(), seen.header("content-type")), (method, 0, None));
    }
}

#[tokio::test]
async fn own_headers_go_along_and_an_own_content_type_wins() {
    let (app, receiver) = (Dispatcher::new().await, Receiver::answering([]).await);
    let own = headers(&[("X-Tenant", "acme"), ("content-type", "application/vnd.ocr+json")]);
    app.webhook(&receiver.url("/:id"), |webhook| webhook.headers = Some(own)).await;

    app.enqueue("doc-1").await;
    app.run_until_idle().await;

    let seen = &receiver.seen()[0];
    assert_eq!(seen.header("x-tenant"), Some("acme"));
    assert_eq!(seen.header("content-type"), Some("application/vnd.ocr+json"));
}

#[tokio::test]
async fn an_id_stays_one_segment_of_the_path_and_one_value_of_the_query_whatever_it_holds() {
    let (app, receiver) = (Dispatcher::new().await, Receiver::answering([]).await);
    app.webhook(&receiver.url("/docs/:id/done?doc=:id&v=1"), |_| {}).await;
    let cases = [
        ("a/b", "a%2Fb"),
        ("../../admin", "..%2F..%2Fadmin"),
        ("nota fiscal 42", "nota%20fiscal%2042"),
        ("é😀", "%C3%A9%F0%9F%98%80"),
        ("x?y=1&z#f", "x%3Fy%3D1%26z%23f"),
        ("%2e%2e", "%252e%252e"),
        ("@evil.example:80", "%40evil.example%3A80"),
        ("line\r\nX-Evil: 1", "line%0D%0AX-Evil%3A%201"),
        ("nul\0", "nul%00"),
        (":id", "%3Aid"),
    ];

    for (id, encoded) in cases {
        app.enqueue(id).await;
        app.run_until_idle().await;

        let seen = receiver.seen().pop().unwrap();
        assert_eq!(seen.target, format!("/docs/{encoded}/done?doc={encoded}&v=1"), "{id:?}");
    }
}

#[tokio::test]
async fn an_id_of_dots_alone_fits_no_path_segment_and_is_dead_lettered_without_a_call() {
    let (app, receiver) = (Dispatcher::new().await, Receiver::answering([]).await);
    app.webhook(&receiver.url("/docs/:id"), |_| {}).await;

    let id = app.enqueue_one("..").await;
    app.run_until_idle().await;

    let delivery = app.delivery(id).await.summary.delivery;
    assert_eq!(delivery.dead_letter_reason, Some(DeadLetterReason::Permanent(FailureReason::Unsendable)));
    assert_eq!(receiver.seen().len(), 0);
}

#[tokio::test]
async fn an_address_that_is_not_allowed_is_never_called_by_number_or_by_name() {
    let app = Dispatcher::with(Setup { allow: &[], ..Setup::default() }).await;
    let receiver = Receiver::answering([]).await;
    let port = receiver.address.port();
    app.webhook(&receiver.url("/number/:id"), |_| {}).await;
    app.webhook(&format!("http://localhost:{port}/name/:id"), |_| {}).await;
    app.webhook(&format!("http://[::ffff:127.0.0.1]:{port}/mapped/:id"), |_| {}).await;

    let ids = app.enqueue("doc-1").await;
    app.run_until_idle().await;

    assert_eq!(ids.len(), 3);
    for id in ids {
        let detail = app.delivery(id).await;
        let reason = detail.summary.delivery.dead_letter_reason;
        assert_eq!(reason, Some(DeadLetterReason::Permanent(FailureReason::AddressNotAllowed)));
        assert_eq!(detail.attempts[0].exchange.detail.as_deref(), Some("this address may not be called"));
    }
    assert_eq!(receiver.seen().len(), 0);
}

#[tokio::test]
async fn a_network_that_is_allowed_for_one_port_is_reached_by_name_on_that_port_alone() {
    let (receiver, other) = (Receiver::answering([]).await, Receiver::answering([]).await);
    let allow: Vec<String> = ["127.0.0.1", "[::1]"].iter().map(|host| format!("{host}:{}", receiver.address.port())).collect();
    let allow: Vec<&'static str> = allow.into_iter().map(|network| &*network.leak()).collect();
    let app = Dispatcher::with(Setup { allow: allow.leak(), ..Setup::default() }).await;
    app.webhook(&format!("http://localhost:{}/:id", receiver.address.port()), |_| {}).await;
    app.webhook(&format!("http://localhost:{}/:id", other.address.port()), |_| {}).await;

    app.enqueue("doc-1").await;
    app.run_until_idle().await;

    assert_eq!((receiver.seen().len(), other.seen().len()), (1, 0));
}
