//! Deliveries as they are listed, shown and sent again; what strangers wrote in them reaches no terminal.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::Scene;
use crate::support::receiver::Reply;

/// What moves a terminal, breaks a line, or turns the direction of writing.
fn is_harmful(character: char) -> bool {
    character.is_control() && !matches!(character, '\n' | '\t') || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}')
}

const HOSTILE: &str = "a\u{1b}]0;title\u{7}\t\u{9b}2J\r\n\u{202e}b";

#[tokio::test]
async fn a_list_is_followed_as_far_as_is_wanted() {
    let scene = Scene::new(|_, _| Reply::Status(200)).await;
    scene.webhook(json!({})).await;
    let mut made = scene.hand_in((0..450).map(|number| number.to_string())).await;
    made.reverse();

    let all = scene.run(&["deliveries", "list", "--all"]).await.expect(0);
    let some = scene.run(&["deliveries", "list", "--limit", "250", "--json"]).await.json();
    let one = scene.run(&["deliveries", "list", "--subject", "7", "--json"]).await.json();
    let none = scene.run(&["deliveries", "list", "--state", "cancelled", "--json"]).await.json();

    let listed: Vec<&str> = all.lines().map(|line| line.split('\t').next().unwrap()).collect();
    assert_eq!(listed, made);
    let ids =
        |page: &Value| page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(ids(&some), made[..250]);
    let rest = scene.get(&format!("/v1/deliveries?limit=200&cursor={}", some["nextCursor"].as_str().unwrap())).await;
    assert_eq!(ids(&rest), made[250..]);
    assert_eq!((one["items"].as_array().unwrap().len(), &one["items"][0]["subject"]), (1, &json!("7")));
    assert_eq!(none, json!({"items": [], "nextCursor": null}));
    assert_eq!(listed.iter().collect::<HashSet<_>>().len(), 450);
}

#[tokio::test]
async fn a_delivery_is_shown_with_its_attempts_and_why_it_stands_where_it_stands() {
    let scene = Scene::new(|_, _| Reply::Full(500, "x-why: broken\r\n", b"out of order".to_vec())).await;
    let webhook = scene.webhook(json!({})).await;
    let id = scene.hand_in(["doc-1".to_owned()]).await.remove(0);
    scene.until("dead_lettered", 1).await;

    let shown = scene.run(&["deliveries", "show", &id]).await.expect(0);
    let answered = scene.run(&["deliveries", "show", &id, "--json"]).await.json();

    let api = scene.get(&format!("/v1/deliveries/{id}")).await;
    assert_eq!(answered, api);
    let told =
        [api["explanation"].as_str().unwrap(), &webhook, "dead_lettered", "exhausted", "attempt 1  ", "x-why: broken", "| out of order"];
    for text in told {
        assert!(shown.contains(text), "{text} is not in\n{shown}");
    }
}

#[tokio::test]
async fn what_strangers_wrote_makes_no_terminal_do_anything() {
    let scene = Scene::new(|_, _| Reply::Full(500, "x-evil: \u{1b}[31m\r\n", HOSTILE.as_bytes().to_vec())).await;
    scene.webhook(json!({"name": "w\u{202e}"})).await;
    let id = scene.hand_in([HOSTILE.to_owned()]).await.remove(0);
    scene.until("dead_lettered", 1).await;
    let commands: [&[&str]; 8] = [
        &["deliveries", "list"],
        &["deliveries", "list", "--json"],
        &["deliveries", "show", &id],
        &["deliveries", "show", &id, "--json"],
        &["dead-letters", "list"],
        &["webhooks", "list"],
        &["stats"],
        &["stats", "--json"],
    ];

    for command in commands {
        let ended = scene.run(command).await;

        assert_eq!(ended.code, Some(0), "{command:?} {}", ended.stderr);
        assert!(!ended.stdout.contains(is_harmful), "{command:?} {:?}", ended.stdout);
    }
    let list = scene.run(&["deliveries", "list"]).await.expect(0);
    assert_eq!((list.lines().count(), list.split('\t').nth(4)), (1, Some("a\\u001b]0;title\\u0007\\t\\u009b2J\\r\\n\\u202eb")));
    let shown = scene.run(&["deliveries", "show", &id, "--json"]).await.json();
    assert_eq!(shown["subject"], HOSTILE);
}

#[tokio::test]
async fn deliveries_are_sent_again_and_called_off() {
    let scene = Scene::new(|_, before| Reply::Status(if before == 0 { 500 } else { 200 })).await;
    let webhook = scene.webhook(json!({})).await;
    let id = scene.hand_in(["1".to_owned()]).await.remove(0);
    scene.until("dead_lettered", 1).await;

    let again = scene.run(&["deliveries", "redeliver", &id, "--json"]).await.json();
    scene.until("delivered", 1).await;
    scene.post(&format!("/v1/webhooks/{webhook}/pause"), &json!({})).await;
    let held_back = scene.hand_in(["2".to_owned(), "3".to_owned()]).await;
    let called_off = scene.run(&["deliveries", "cancel", &held_back[0], &held_back[1]]).await.expect(0);

    // It may be on its way already when it is shown.
    let state = again["items"][0]["state"].as_str().unwrap();
    assert_eq!((&again["items"][0]["id"], state == "dead_lettered"), (&json!(id), false));
    assert_eq!(scene.receiver.seen().len(), 2);
    assert_eq!(called_off, format!("{}  cancelled\n{}  cancelled\n", held_back[0], held_back[1]));
}
