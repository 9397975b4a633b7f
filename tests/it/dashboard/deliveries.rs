//! Finding a delivery, reading why it stands where it stands, and a person's hand in it.

use std::time::Duration;

use bytes::Bytes;
use webhook_dispatcher::domain::attempt::{AttemptOutcome, Exchange, FailureReason, Phases};
use webhook_dispatcher::domain::delivery::Transition;

use crate::support::pages::Browser;
use crate::support::rest::ROOT_KEY;
use crate::support::scene::Scene;

/// The rows of the list: the documents, in their order.
fn documents(page: &str) -> Vec<&str> {
    let rows = page.split(r#"<a class="id" href="/dashboard/deliveries/"#).skip(1);
    rows.map(|row| row.split_once('>').unwrap().1.split('<').next().unwrap()).collect()
}

#[tokio::test]
async fn a_document_is_found_by_its_id_its_delivery_and_its_event() {
    let scene = Scene::new().await;
    let delivery = scene.enqueue("doc/7 é").await;
    scene.enqueue("other").await;
    let event = scene.get(&format!("/v1/deliveries/{delivery}")).await["eventId"].as_str().unwrap().to_owned();
    let viewer = Browser::signed_in(&scene.rest, &scene.tenant.viewer).await;

    assert_eq!(documents(&viewer.page("/dashboard/deliveries").await), ["other", "doc/7 é"]);
    assert_eq!(documents(&viewer.page("/dashboard/deliveries?q=doc%2F7+%C3%A9").await), ["doc/7 é"]);
    assert_eq!(documents(&viewer.page(&format!("/dashboard/deliveries?q={event}")).await), ["doc/7 é"]);
    let by_delivery = viewer.get(&format!("/dashboard/deliveries?q={delivery}")).await;
    assert_eq!((by_delivery.status.as_u16(), by_delivery.header("location")), (303, format!("/dashboard/deliveries/{delivery}").as_str()));
    assert!(viewer.page("/dashboard/deliveries?q=nowhere").await.contains("No deliveries."));
}

#[tokio::test]
async fn a_document_that_is_called_by_a_uuid_is_found_too() {
    let scene = Scene::new().await;
    scene.enqueue("bc1bc4ea-0000-4000-8000-000000000001").await;
    let viewer = Browser::signed_in(&scene.rest, &scene.tenant.viewer).await;

    let page = viewer.page("/dashboard/deliveries?q=bc1bc4ea-0000-4000-8000-000000000001").await;

    assert_eq!(documents(&page), ["bc1bc4ea-0000-4000-8000-000000000001"]);
}

#[tokio::test]
async fn the_address_holds_the_filter_and_the_page() {
    let scene = Scene::new().await;
    for number in 0..52 {
        scene.enqueue(&format!("doc-{number:02}")).await;
    }
    scene.dead_letter().await;
    let viewer = Browser::signed_in(&scene.rest, &scene.tenant.viewer).await;
    let path = format!("/dashboard/deliveries?state=pending&webhook={}", scene.webhook);

    let first = viewer.page(&path).await;
    let older = first.split(r#"href=""#).map(|rest| rest.split('"').next().unwrap()).find(|href| href.contains("before=")).unwrap();
    let second = viewer.page(&older.replace("&#38;", "&")).await;

    assert_eq!(documents(&first).len(), 50);
    assert!(older.contains("state=pending") && older.contains(&scene.webhook), "{older}");
    assert_eq!(documents(&second), ["doc-01"]);
    assert!(first.contains(r#"<option value="pending" selected>pending</option>"#));
    assert_eq!(documents(&viewer.page("/dashboard/deliveries?state=dead_lettered").await), ["doc-00"]);
    assert_eq!(documents(&viewer.page("/dashboard/deliveries?state=pending&reason=exhausted").await), ["doc-00"]);
    assert_eq!(documents(&viewer.page("/dashboard/deliveries?reason=gone").await), Vec::<&str>::new());
    assert_eq!(documents(&viewer.page("/dashboard/deliveries?from=2024-04-11T14:13").await), Vec::<&str>::new());
    assert_eq!(documents(&viewer.page("/dashboard/deliveries?to=2024-04-11T14:12").await), Vec::<&str>::new());
    assert_eq!(documents(&viewer.page("/dashboard/deliveries?q=doc-33&from=2024-04-11T14:12&to=2024-04-11T14:13").await), ["doc-33"]);
}

#[tokio::test]
async fn a_delivery_says_why_it_waits_and_what_came_back() {
    let scene = Scene::new().await;
    let id = scene.enqueue("doc-7").await;
    let due_at = scene.rest.now() + Duration::from_mins(5);
    let exchange = Exchange {
        status: Some(503),
        detail: Some("a word on it".to_owned()),
        remote_address: Some("192.0.2.7:443".parse().unwrap()),
        phases: Phases {
            login: Some(Duration::from_millis(30)),
            connect: Some(Duration::from_millis(20)),
            answer: Some(Duration::from_millis(1_490)),
            body: Some(Duration::from_micros(500)),
        },
        response_head: Some("retry-after: 300".to_owned()),
        response_body: Some(Bytes::from_static(b"try later \xFF")),
    };
    scene.attempt(AttemptOutcome::Retryable(FailureReason::Status(503)), Transition::Retry { due_at }, exchange).await;
    let viewer = Browser::signed_in(&scene.rest, &scene.tenant.viewer).await;

    let page = viewer.page(&format!("/dashboard/deliveries/{id}")).await;

    for expected in [
        "Attempt 1 failed because the receiver answered 503; the next attempt is planned for 2024-04-11 14:17:33.",
        "a word on it",
        "192.0.2.7:443",
        r#"aria-label="Login 30 ms, Connect 20 ms, Wait 1.5 s, Body 0.5 ms""#,
        "retry-after: 300",
        "try later \u{FFFD}",
        "POST https://example.com/doc-7",
        "{&#34;id&#34;:&#34;doc-7&#34;}",
    ] {
        assert!(page.contains(expected), "{expected}\n{page}");
    }
    assert!(!page.contains("/redeliver") && !page.contains("/cancel"), "a viewer changes nothing");
}

#[tokio::test]
async fn an_operator_redelivers_and_cancels_and_a_viewer_does_not() {
    let scene = Scene::new().await;
    let id = scene.enqueue("doc-7").await;
    scene.dead_letter().await;
    let operator = Browser::signed_in(&scene.rest, &scene.tenant.operator).await;
    let viewer = Browser::signed_in(&scene.rest, &scene.tenant.viewer).await;
    let path = format!("/dashboard/deliveries/{id}");
    let state = async || scene.get(&format!("/v1/deliveries/{id}")).await["state"].as_str().unwrap().to_owned();

    assert_eq!(viewer.post(&format!("{path}/redeliver"), &[]).await.status.as_u16(), 403);
    assert_eq!(state().await, "dead_lettered");
    let again = operator.post(&format!("{path}/redeliver"), &[]).await;
    assert_eq!((again.status.as_u16(), again.header("location")), (303, format!("{path}?done=redelivered").as_str()));
    assert_eq!(state().await, "pending");
    assert!(operator.page(again.header("location")).await.contains("It will be delivered again."));
    assert_eq!(operator.post(&format!("{path}/cancel"), &[]).await.status.as_u16(), 303);
    assert_eq!(state().await, "cancelled");
    let too_late = operator.post(&format!("{path}/cancel"), &[]).await;
    assert_eq!(too_late.status.as_u16(), 409);
    assert!(too_late.text.contains("has moved on meanwhile"), "{}", too_late.text);
    let entries = scene.rest.get("/v1/audit").key(&scene.tenant.admin).send().await.expect(200);
    let actions: Vec<&str> = entries["items"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions[..2], ["cancel", "redeliver"]);
}

#[tokio::test]
async fn what_is_another_clients_does_not_exist() {
    let scene = Scene::new().await;
    let id = scene.enqueue("doc-7").await;
    let other = scene.rest.tenant("other").await;
    let stranger = Browser::signed_in(&scene.rest, &other.admin).await;
    let root = Browser::signed_in(&scene.rest, ROOT_KEY).await;
    let paths = [
        format!("/dashboard/deliveries/{id}"),
        format!("/dashboard/webhooks/{}", scene.webhook),
        format!("/dashboard/webhooks/{}/edit", scene.webhook),
    ];

    for path in &paths {
        assert_eq!(stranger.get(path).await.status.as_u16(), 404, "{path}");
        assert_eq!(root.get(path).await.status.as_u16(), 200, "{path}");
    }
    for path in
        [format!("{}/redeliver", paths[0]), format!("{}/cancel", paths[0]), format!("{}/pause", paths[1]), format!("{}/delete", paths[1])]
    {
        assert_eq!(stranger.post(&path, &[]).await.status.as_u16(), 404, "{path}");
    }
    assert_eq!(documents(&stranger.page(&format!("/dashboard/deliveries?q={id}")).await), Vec::<&str>::new());
    assert_eq!(stranger.get("/dashboard/deliveries/7").await.status.as_u16(), 404);
    assert_eq!(stranger.get("/dashboard/deliveries/%00%ff").await.status.as_u16(), 400);
}
