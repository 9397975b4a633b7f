//! `/v1/deliveries` and `/v1/dead-letters`: what became of events, and a person's hand in it.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use webhook_dispatcher::domain::attempt::{AttemptOutcome, Exchange, FailureReason, Phases};
use webhook_dispatcher::domain::delivery::{DeadLetterReason, Transition};
use webhook_dispatcher::domain::lane::{BreakerState, LaneState, LaneView};

use crate::support::rest::START_TEXT;
use crate::support::scene::Scene;

#[tokio::test]
async fn a_new_delivery_is_listed_and_explained() {
    let scene = Scene::new().await;
    let id = scene.enqueue("doc/7").await;

    let listed = scene.get("/v1/deliveries").await["items"][0].clone();
    let shown = scene.get(&format!("/v1/deliveries/{id}")).await;

    let expected = json!({
        "id": id,
        "eventId": listed["eventId"],
        "webhookId": scene.webhook,
        "clientId": scene.tenant.id,
        "state": "pending",
        "dueAt": START_TEXT,
        "attemptCount": 0,
        "createdAt": START_TEXT,
        "finishedAt": null,
        "reason": null,
        "type": "document.finished",
        "subject": "doc/7",
        "lastOutcome": null,
        "lastStatus": null,
        "lastDetail": null
    });
    assert_eq!(listed, expected);
    let mut detailed = expected;
    detailed["attempts"] = json!([]);
    detailed["explanation"] =
        json!(format!("No attempt was made yet; the next attempt is due since {START_TEXT} and starts as soon as there is room."));
    detailed["nextAttemptAt"] = json!(START_TEXT);
    assert_eq!(shown, detailed);
}

#[tokio::test]
async fn a_delivery_whose_lane_is_open_says_so_and_when_it_is_probed() {
    let scene = Scene::new().await;
    let id = scene.enqueue("7").await;
    let next_probe_at = Some(scene.rest.now() + Duration::from_mins(1));
    let open = LaneView { state: LaneState::Open, breaker: BreakerState::Open, next_probe_at, ..LaneView::idle(1) };

    scene.rest.lanes.set(scene.webhook_id(), open);
    let shown = scene.get(&format!("/v1/deliveries/{id}")).await;

    assert_eq!(
        shown["explanation"],
        "No attempt was made yet; it waits because its receiver is not there: one delivery probes that at 2024-04-11T14:13:33.741194-03:00."
    );
    assert_eq!(shown["nextAttemptAt"], "2024-04-11T14:13:33.741194-03:00");
}

#[tokio::test]
async fn a_dead_letter_shows_every_attempt_and_why_it_was_given_up() {
    let scene = Scene::new().await;
    let id = scene.enqueue("7").await;
    let exchange = Exchange {
        status: Some(503),
        detail: Some("overloaded".to_owned()),
        remote_address: Some("203.0.113.7:443".parse().unwrap()),
        phases: Phases { login: Some(Duration::from_micros(1_500)), answer: Some(Duration::from_micros(20_250)), ..Phases::default() },
        response_head: Some("content-type: text/html".to_owned()),
        response_body: Some(Bytes::from_static(b"<b>\xff</b>")),
    };
    let due_at = scene.rest.now();
    scene.attempt(AttemptOutcome::Retryable(FailureReason::Status(503)), Transition::Retry { due_at }, exchange).await;
    let gone = FailureReason::Gone;
    let transition = Transition::DeadLetter(DeadLetterReason::Permanent(gone.clone()));
    scene.attempt(AttemptOutcome::Permanent(gone), transition, Exchange { status: Some(410), ..Exchange::default() }).await;

    let shown = scene.get(&format!("/v1/deliveries/{id}")).await;
    let listed = scene.get("/v1/dead-letters").await["items"][0].clone();

    assert_eq!(
        shown["attempts"],
        json!([
            {
                "number": 1,
                "startedAt": START_TEXT,
                "finishedAt": "2024-04-11T14:12:35.741194-03:00",
                "outcome": "retryable",
                "reason": "status",
                "status": 503,
                "detail": "overloaded",
                "remoteAddress": "203.0.113.7:443",
                "phases": {"loginMs": 1.5, "connectMs": null, "answerMs": 20.25, "bodyMs": null},
                "responseHead": "content-type: text/html",
                "responseBody": "<b>\u{fffd}</b>"
            },
            {
                "number": 2,
                "startedAt": "2024-04-11T14:12:35.741194-03:00",
                "finishedAt": "2024-04-11T14:12:37.741194-03:00",
                "outcome": "permanent",
                "reason": "gone",
                "status": 410,
                "detail": null,
                "remoteAddress": null,
                "phases": {"loginMs": null, "connectMs": null, "answerMs": null, "bodyMs": null},
                "responseHead": null,
                "responseBody": null
            }
        ])
    );
    assert_eq!(
        shown["explanation"],
        "It was given up at 2024-04-11T14:12:37.741194-03:00 with attempt 2 because the receiver answered 410 (gone), \
         which does not pass by itself."
    );
    assert_eq!(shown["nextAttemptAt"], Value::Null);
    assert_eq!((&listed["id"], &listed["attemptCount"], &listed["reason"]), (&json!(id), &json!(2), &json!("gone")));
    assert_eq!(listed["finishedAt"], "2024-04-11T14:12:37.741194-03:00");
    assert_eq!((&listed["lastOutcome"], &listed["lastStatus"]), (&json!("permanent"), &json!(410)));
    assert_eq!(listed["lastDetail"], "the receiver answered 410 (gone)");
}

#[tokio::test]
async fn a_delivery_that_waits_says_who_holds_it_back() {
    let scene = Scene::new().await;
    let id = scene.enqueue("7").await;
    let explanation = async || {
        let shown = scene.get(&format!("/v1/deliveries/{id}")).await;
        (shown["explanation"].as_str().unwrap().to_owned(), shown["nextAttemptAt"].clone())
    };

    scene.rest.post(&format!("/v1/webhooks/{}/pause", scene.webhook)).key(&scene.tenant.operator).send().await.expect(200);
    assert_eq!(
        explanation().await,
        ("No attempt was made yet; it waits because its webhook is paused, until somebody resumes that.".to_owned(), Value::Null)
    );
    scene.rest.post(&format!("/v1/webhooks/{}/resume", scene.webhook)).key(&scene.tenant.operator).send().await.expect(200);
    let due_at = scene.rest.now() + Duration::from_mins(5);
    let failed = AttemptOutcome::Retryable(FailureReason::Timeout);
    scene.attempt(failed, Transition::Retry { due_at }, Exchange::default()).await;
    assert_eq!(
        explanation().await,
        (
            "Attempt 1 failed because the deadline passed before an answer came; the next attempt is planned for \
             2024-04-11T14:17:33.741194-03:00."
                .to_owned(),
            json!("2024-04-11T14:17:33.741194-03:00")
        )
    );
    scene.rest.clock.advance(Duration::from_mins(5));
    let refused = AttemptOutcome::Retryable(FailureReason::Connect);
    scene.attempt(refused, Transition::DeadLetter(DeadLetterReason::Exhausted), Exchange::default()).await;
    assert_eq!(
        explanation().await,
        (
            "It was given up at 2024-04-11T14:17:37.741194-03:00 because its schedule ended after 2 attempts; the last one failed \
             because no connection to the receiver could be made."
                .to_owned(),
            Value::Null
        )
    );
}

#[tokio::test]
async fn lists_are_filtered_by_every_parameter() {
    let scene = Scene::new().await;
    let first = scene.enqueue("1").await;
    scene.dead_letter().await;
    scene.rest.clock.advance(Duration::from_secs(10));
    let second = scene.enqueue("2").await;
    let event = scene.get(&format!("/v1/deliveries/{second}")).await["eventId"].as_str().unwrap().to_owned();
    let nobody = "00000000-0000-7000-8000-000000000000";
    let both = vec![second.clone(), first.clone()];
    let cases = [
        (String::new(), both.clone()),
        (format!("webhookId={}", scene.webhook), both.clone()),
        (format!("webhookId={nobody}"), vec![]),
        (format!("eventId={event}"), vec![second.clone()]),
        ("state=pending".to_owned(), vec![second.clone()]),
        ("state=dead_lettered".to_owned(), vec![first.clone()]),
        ("type=document.finished".to_owned(), both),
        ("type=other".to_owned(), vec![]),
        ("subject=2".to_owned(), vec![second.clone()]),
        ("from=2024-04-11T14:12:40-03:00".to_owned(), vec![second.clone()]),
        ("to=2024-04-11T17:12:40Z".to_owned(), vec![first.clone()]),
        ("from=2024-04-11T17:12:40%2B00:00&state=dead_lettered".to_owned(), vec![]),
        ("reason=exhausted".to_owned(), vec![first.clone()]),
        ("reason=gone".to_owned(), vec![]),
        ("reason=status".to_owned(), vec![]),
        ("reason=exhausted&state=pending".to_owned(), vec![first.clone()]),
    ];

    for (query, expected) in cases {
        assert_eq!(scene.ids(&format!("/v1/deliveries?{query}")).await, expected, "{query}");
    }
    assert_eq!(scene.ids("/v1/dead-letters").await, [first]);
    assert_eq!(scene.ids("/v1/dead-letters?subject=1").await.len(), 1);
    assert_eq!(scene.ids("/v1/dead-letters?reason=exhausted").await.len(), 1);
    assert_eq!(scene.ids("/v1/dead-letters?reason=gone").await, Vec::<String>::new());
    assert_eq!(scene.ids("/v1/dead-letters?subject=2").await, Vec::<String>::new());
}

#[tokio::test]
async fn wrong_filters_are_refused_by_name() {
    let scene = Scene::new().await;
    let cases: [(&str, &[&str]); 10] = [
        ("webhookId=7", &["webhookId"]),
        ("reason=bad%20luck", &["reason"]),
        ("eventId=%00", &["eventId"]),
        ("state=failed", &["state"]),
        ("state=PENDING", &["state"]),
        ("type=a%20b", &["type"]),
        ("from=yesterday", &["from"]),
        ("to=2024-04-11", &["to"]),
        ("subject=a&subject=b", &["subject"]),
        ("state=x&webhookId=x&from=x&to=x&limit=x&cursor=!", &["state", "webhookId", "from", "to", "limit", "cursor"]),
    ];

    for (query, fields) in cases {
        let answer = scene.rest.get(&format!("/v1/deliveries?{query}")).key(&scene.tenant.viewer).send().await;
        assert_eq!(answer.problem(422), fields, "{query}");
    }
}

#[tokio::test]
async fn a_list_is_walked_page_by_page_while_others_come_in() {
    let scene = Scene::new().await;
    let mut expected = Vec::new();
    for number in 0..5 {
        expected.insert(0, scene.enqueue(&number.to_string()).await);
    }

    let first = scene.get("/v1/deliveries?limit=2").await;
    scene.enqueue("late").await;
    let second = scene.get(&format!("/v1/deliveries?limit=2&cursor={}", first["nextCursor"].as_str().unwrap())).await;
    let third = scene.get(&format!("/v1/deliveries?limit=2&cursor={}", second["nextCursor"].as_str().unwrap())).await;

    let seen: Vec<_> = [&first, &second, &third]
        .iter()
        .flat_map(|page| page["items"].as_array().unwrap())
        .map(|item| item["id"].as_str().unwrap())
        .collect();
    assert_eq!(seen, expected);
    assert_eq!(third["nextCursor"], Value::Null);
}

#[tokio::test]
async fn a_dead_letter_is_redelivered_and_a_waiting_delivery_cancelled() {
    let scene = Scene::new().await;
    let id = scene.enqueue("7").await;
    scene.dead_letter().await;
    let act = async |action: &str| scene.rest.post(&format!("/v1/deliveries/{id}/{action}")).key(&scene.tenant.operator).send().await;

    act("cancel").await.problem(409);
    let redelivered = act("redeliver").await.expect(202);
    assert_eq!((&redelivered["id"], &redelivered["state"], &redelivered["attemptCount"]), (&json!(id), &json!("pending"), &json!(1)));
    assert_eq!((&redelivered["reason"], &redelivered["finishedAt"]), (&Value::Null, &Value::Null));
    let shown = scene.get(&format!("/v1/deliveries/{id}")).await;
    assert!(shown["explanation"].as_str().unwrap().starts_with("It was redelivered after 1 attempt; "), "{shown}");
    let cancelled = act("cancel").await.expect(202);
    assert_eq!(cancelled["state"], "cancelled");
    act("cancel").await.problem(409);
    assert_eq!(act("redeliver").await.expect(202)["state"], "pending");
}

#[tokio::test]
async fn what_is_in_flight_or_bound_for_a_deleted_webhook_stays_as_it_is() {
    let scene = Scene::new().await;
    let id = scene.enqueue("7").await;
    let act = async |action: &str| scene.rest.post(&format!("/v1/deliveries/{id}/{action}")).key(&scene.tenant.operator).send().await;
    let claimed = scene.claim().await;

    for action in ["redeliver", "cancel"] {
        let answer = act(action).await;
        answer.problem(409);
        assert!(answer.text.contains("in_flight"), "{}", answer.text);
    }
    assert_eq!(scene.get(&format!("/v1/deliveries/{id}")).await["explanation"], "Attempt 1 is under way.");
    scene.rest.store.release(vec![claimed.claim]).await.unwrap();
    scene.rest.call("DELETE", &format!("/v1/webhooks/{}", scene.webhook)).key(&scene.tenant.admin).send().await.expect(204);
    let answer = act("redeliver").await;
    answer.problem(409);
    assert!(answer.text.contains("webhook is deleted"), "{}", answer.text);
}
