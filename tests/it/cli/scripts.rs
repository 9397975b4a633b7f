//! What scripts go by: what they ask for is what is asked, and the answer is a document wherever they want one.

use serde_json::{Value, json};

use super::{Scene, command, run};
use crate::support::receiver::{Receiver, Reply};

const ID: &str = "00000000-0000-7000-8000-000000000000";

/// Every filter that deliveries and dead letters have in common.
const FILTER: [&str; 10] =
    ["--webhook", ID, "--type", "invoice.paid", "--subject", "a&b", "--from", "2024-04-11T14:12:33-03:00", "--to", "2024-04-12T00:00:00Z"];

/// Plays the dispatcher: there is nothing.
async fn nothing_there() -> Receiver {
    let nothing = json!({
        "items": [], "nextCursor": null, "webhooks": [], "webhooksLeftOut": 0, "total": {},
        "state": "running", "matched": 0, "matchedHasMore": false, "redelivered": 0,
    });
    Receiver::start(move |_, _| Reply::json(&nothing.to_string())).await
}

#[tokio::test]
async fn every_filter_is_asked_for() {
    let dispatcher = nothing_there().await;
    let with_filter = |before: &[&'static str], after: &[&'static str]| [before, &FILTER[..], after].concat();
    let commands = [
        with_filter(&["deliveries", "list"], &["--state", "delivered", "--event", ID]),
        with_filter(&["dead-letters", "list"], &["--event", ID, "--limit", "7"]),
        vec!["stats", "--webhook", ID, "--window", "24h"],
        with_filter(&["dead-letters", "redeliver", "--dry-run"], &["--reason", "exhausted", "--rate", "9"]),
    ];

    for arguments in &commands {
        run(command(&dispatcher.url(""), arguments).env("DISPATCHER_API_KEY", "k")).await.expect(0);
    }

    let seen = dispatcher.seen();
    let filter = format!("webhookId={ID}&type=invoice.paid&subject=a%26b&from=2024-04-11T14%3A12%3A33-03%3A00&to=2024-04-12T00%3A00%3A00Z");
    let asked: Vec<&str> = seen.iter().map(|seen| seen.target.as_str()).collect();
    let expected = [
        &format!("/v1/deliveries?{filter}&state=delivered&eventId={ID}&limit=50"),
        &format!("/v1/dead-letters?{filter}&eventId={ID}&limit=7"),
        &format!("/v1/stats?window=24h&webhookId={ID}"),
        "/v1/dead-letters/redeliver",
    ];
    assert_eq!(asked, expected);
    let wanted = json!({
        "dryRun": true, "webhookId": ID, "type": "invoice.paid", "subject": "a&b", "from": "2024-04-11T14:12:33-03:00",
        "to": "2024-04-12T00:00:00Z", "reason": "exhausted", "perSecond": 9,
    });
    assert_eq!(serde_json::from_slice::<Value>(&seen[3].body).unwrap(), wanted);
}

#[tokio::test]
async fn every_command_answers_a_document_when_it_is_asked_to() {
    let scene = Scene::new(|_, _| Reply::Status(500)).await;
    let webhook = scene.webhook(json!({})).await;
    let made = scene.hand_in((0..40).map(|number| number.to_string())).await;
    scene.until("dead_lettered", 40).await;
    let told = async |arguments: &[&str]| scene.run(&[arguments, &["--json"]].concat()).await.json();

    let counted = told(&["dead-letters", "redeliver", "--dry-run"]).await;
    let begun = told(&["dead-letters", "redeliver", "--yes", "--detach", "--rate", "1"]).await;
    let job = begun["id"].as_str().unwrap();
    let stopped = told(&["dead-letters", "cancel", job]).await;
    let lists = [
        (told(&["dead-letters", "jobs"]).await, job),
        (told(&["webhooks", "list"]).await, &webhook),
        (told(&["deliveries", "list", "--subject", "7"]).await, &made[7]),
    ];
    let stats = told(&["stats"]).await;

    assert_eq!((&counted["matched"], &begun["state"], &stopped["state"]), (&json!(40), &json!("running"), &json!("cancelled")));
    for (list, id) in &lists {
        assert_eq!(list["items"][0]["id"], *id);
    }
    assert_eq!(told(&["webhooks", "get", &webhook]).await, scene.get(&format!("/v1/webhooks/{webhook}")).await);
    assert_eq!((&stats["webhooks"][0]["webhookId"], stats["total"].is_object()), (&json!(webhook), true));
}

#[tokio::test]
async fn statistics_end_with_everything_together_and_what_was_left_out() {
    let numbers = |name: &str, attempts: u32| {
        json!({
            "name": name, "webhookId": ID, "health": "healthy", "state": "active", "attempts": attempts, "delivered": 3, "failed": 1,
            "retries": 1, "deadLettered": 0, "latencyMs": {"p50": 1.5, "p99": 20.0}, "pending": 2, "oldestDueSeconds": null, "deadLetters": 0,
        })
    };
    let mut total = numbers("", 9);
    total.as_object_mut().unwrap().retain(|field, _| !["name", "webhookId", "health", "state"].contains(&field.as_str()));
    let stats = json!({"webhooks": [numbers("ERP", 4)], "webhooksLeftOut": 5, "total": total}).to_string();
    let dispatcher = Receiver::start(move |_, _| Reply::json(&stats)).await;

    let told = run(command(&dispatcher.url(""), &["stats"]).env("DISPATCHER_API_KEY", "k")).await.expect(0);

    let lines = [
        format!("ERP\thealthy\tactive\t4\t3\t1\t1\t0\t1.5\t20.0\t2\t\t0\t{ID}\n"),
        "in all\t\t\t9\t3\t1\t1\t0\t1.5\t20.0\t2\t\t0\t\n".to_owned(),
        "and 5 webhooks more\n".to_owned(),
    ];
    assert_eq!(told, lines.concat());
}
