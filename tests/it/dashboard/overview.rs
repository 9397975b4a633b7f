//! How everything is doing, and what is done about many dead letters at once.

use webhook_dispatcher::domain::attempt::{AttemptOutcome, Exchange};
use webhook_dispatcher::domain::delivery::Transition;

use crate::support::pages::Browser;
use crate::support::rest::ROOT_KEY;
use crate::support::scene::Scene;

/// What stands in the box of this name.
fn number<'p>(page: &'p str, name: &str) -> &'p str {
    let after = page.split(&format!("<dt>{name}</dt><dd>")).nth(1).unwrap_or_else(|| panic!("{name}\n{page}"));
    after.split('<').next().unwrap()
}

#[tokio::test]
async fn the_overview_counts_what_happened_and_what_waits() {
    let scene = Scene::new().await;
    for document in ["taken", "lost", "waits"] {
        scene.enqueue(document).await;
    }
    scene.attempt(AttemptOutcome::Delivered, Transition::Deliver, Exchange { status: Some(204), ..Exchange::default() }).await;
    scene.dead_letter().await;
    let viewer = Browser::signed_in(&scene.rest, &scene.tenant.viewer).await;

    let page = viewer.page("/dashboard").await;

    let numbers = ["Success", "Delivered", "Failed attempts", "Pending", "Oldest due", "Dead letters"].map(|name| number(&page, name));
    assert_eq!(numbers, ["50.0 %", "1", "1", "1", "4.0 s", "1"]);
    assert!(page.contains("some fail") && page.contains(r#"<figure class="chart" id="outcomes""#), "{page}");
    assert!(!page.contains("<h2>Nodes</h2>"), "nodes are for root keys");
    let root = Browser::signed_in(&scene.rest, ROOT_KEY).await;
    assert!(root.page("/dashboard?window=7d").await.contains("<h2>Nodes</h2>"));
    let stranger = scene.rest.tenant("other").await;
    assert_eq!(number(&Browser::signed_in(&scene.rest, &stranger.viewer).await.page("/dashboard").await, "Pending"), "0");
}

#[tokio::test]
async fn the_values_of_a_chart_stand_in_a_table_too() {
    let scene = Scene::new().await;
    scene.enqueue("taken").await;
    scene.attempt(AttemptOutcome::Delivered, Transition::Deliver, Exchange { status: Some(204), ..Exchange::default() }).await;
    let viewer = Browser::signed_in(&scene.rest, &scene.tenant.viewer).await;

    let page = viewer.page("/dashboard?window=15m").await;

    let table = page.split(r#"id="outcomes-values""#).nth(1).unwrap().split("</table>").next().unwrap();
    assert_eq!(table.matches(r#"<th scope="row">"#).count(), 15);
    assert_eq!(table.matches(r#"<td class="number">1</td>"#).count(), 1);
}

#[tokio::test]
async fn dead_letters_are_grouped_counted_and_sent_again_by_a_job_that_can_be_stopped() {
    let scene = Scene::new().await;
    for document in ["a", "b", "c"] {
        scene.enqueue(document).await;
        scene.dead_letter().await;
    }
    let operator = Browser::signed_in(&scene.rest, &scene.tenant.operator).await;
    let filter = [("webhook", scene.webhook.as_str()), ("reason", "exhausted")];
    let with = |more: &[(&'static str, &'static str)]| filter.iter().copied().chain(more.iter().copied()).collect::<Vec<_>>();

    let page = operator.page("/dashboard/dead-letters").await;
    assert!(
        page.contains(r#"<td data-label="Reason it was given up">schedule ended</td>"#) && page.contains(r#"class="number">3</td>"#),
        "{page}"
    );
    let counted = operator.post("/dashboard/dead-letters/redeliver-all", &with(&[("action", "count")])).await;
    assert!(counted.text.contains("Would be sent again: <strong>3</strong>"), "{}", counted.text);
    assert_eq!(scene.ids("/v1/redelivery-jobs").await, Vec::<String>::new());

    let begun = operator.post("/dashboard/dead-letters/redeliver-all", &with(&[("action", "begin"), ("perSecond", "1")])).await;

    assert_eq!(begun.status.as_u16(), 303, "{}", begun.text);
    let job = scene.ids("/v1/redelivery-jobs").await.remove(0);
    assert!(operator.page(begun.header("location")).await.contains("running"));
    let viewer = Browser::signed_in(&scene.rest, &scene.tenant.viewer).await;
    assert_eq!(viewer.post(&format!("/dashboard/redelivery-jobs/{job}/cancel"), &filter).await.status.as_u16(), 403);
    assert_eq!(operator.post(&format!("/dashboard/redelivery-jobs/{job}/cancel"), &filter).await.status.as_u16(), 303);
    assert_eq!(operator.post(&format!("/dashboard/redelivery-jobs/{job}/cancel"), &filter).await.status.as_u16(), 409);
    let nonsense = operator.post("/dashboard/dead-letters/redeliver-all", &with(&[("action", "begin"), ("perSecond", "0")])).await;
    assert_eq!(nonsense.status.as_u16(), 400);
}

#[tokio::test]
async fn a_webhook_is_sent_what_it_missed_since_a_time_by_whoever_may() {
    let scene = Scene::new().await;
    scene.enqueue("lost").await;
    scene.dead_letter().await;
    let operator = Browser::signed_in(&scene.rest, &scene.tenant.operator).await;
    let viewer = Browser::signed_in(&scene.rest, &scene.tenant.viewer).await;
    let webhook = format!("/dashboard/webhooks/{}", scene.webhook);
    let path = format!("{webhook}/recover");
    let page = operator.page(&path).await;
    assert!(page.contains(r#"type="datetime-local" required value="2024-04-10T14:12""#), "a day back, in the offset of the pages\n{page}");
    assert!(operator.page(&webhook).await.contains(&path) && !viewer.page(&webhook).await.contains(&path));

    let count = async |since| operator.post(&path, &[("since", since), ("perSecond", "7"), ("action", "count")]).await;
    let (all, none) = (count("2024-04-11T14:12").await, count("2024-04-11T14:13").await);
    assert!(all.text.contains("Would be sent again: <strong>1</strong>") && all.text.contains(r#"value="7""#), "{}", all.text);
    assert!(none.text.contains("Would be sent again: <strong>0</strong>"), "{}", none.text);
    assert_eq!(scene.ids("/v1/redelivery-jobs").await, Vec::<String>::new());
    let form = [("since", "2024-04-11T14:12"), ("perSecond", "7"), ("action", "begin")];
    assert_eq!(viewer.get(&path).await.status.as_u16(), 403);
    assert_eq!(viewer.post(&path, &form).await.status.as_u16(), 403);
    assert_eq!(operator.post(&path, &[("action", "begin")]).await.status.as_u16(), 400);

    let begun = operator.post(&path, &form).await;

    assert_eq!(begun.header("location"), format!("/dashboard/dead-letters?webhook={}&done=begun", scene.webhook));
    assert!(operator.page(begun.header("location")).await.contains("w: since 2024-04-11 14:12:00"));
    assert_eq!(scene.get("/v1/redelivery-jobs").await["items"][0]["kind"], "undelivered");
    let stranger = scene.rest.tenant("other").await;
    assert_eq!(Browser::signed_in(&scene.rest, &stranger.admin).await.post(&path, &form).await.status.as_u16(), 404);
}

#[tokio::test]
async fn chosen_dead_letters_are_sent_again_and_others_stay() {
    let scene = Scene::new().await;
    let mut made = Vec::new();
    for document in ["a", "b"] {
        made.push(scene.enqueue(document).await);
        scene.dead_letter().await;
    }
    let operator = Browser::signed_in(&scene.rest, &scene.tenant.operator).await;

    let sent = operator.post("/dashboard/dead-letters/redeliver", &[("id", made[0].as_str()), ("webhook", scene.webhook.as_str())]).await;

    assert_eq!(sent.header("location"), format!("/dashboard/dead-letters?webhook={}&done=redelivered", scene.webhook));
    assert_eq!(scene.ids("/v1/dead-letters").await, [made[1].clone()]);
    let viewer = Browser::signed_in(&scene.rest, &scene.tenant.viewer).await;
    assert_eq!(viewer.post("/dashboard/dead-letters/redeliver", &[("id", made[1].as_str())]).await.status.as_u16(), 403);
}
