//! What strangers send and answer is text in a real browser too: no script of theirs runs, no dialog opens.

use serde_json::{Value, json};

use super::person::Person;
use super::site::Site;
use crate::support::hostile::MARKUP;
use crate::support::receiver::{Receiver, Reply};

/// A receiver that refuses everything, and says back in head and body what it was sent.
async fn echo() -> Receiver {
    Receiver::start(|seen, _| {
        let sent: Value = serde_json::from_slice(&seen.body).unwrap();
        let text = sent["text"].as_str().unwrap();
        let head = format!("HTTP/1.1 500 X\r\nx-text: {}\r\ncontent-type: text/html\r\ncontent-length: {}", on_a_line(text), text.len());
        Reply::Raw(format!("{head}\r\n\r\n{text}").into_bytes())
    })
    .await
}

/// A name or a header takes no control characters; the rest counts.
fn on_a_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// A site where strangers have written wherever one can; and every page that shows it.
async fn with_strangers(site: &Site, echo: &Receiver) -> Vec<String> {
    let mut paths = Vec::new();
    for (number, text) in MARKUP.into_iter().enumerate() {
        let (event, line) = (format!("stranger.e{number}"), on_a_line(text));
        let fields = json!({
            "url": echo.url("/:id"), "events": [event], "headers": {"X-Text": line}, "authorizationResponseTokenAttr": line,
        });
        let webhook = site.add_webhook(&line, fields).await;
        let accepted = site.posts("/v1/events", json!({"type": event, "subject": text, "payload": {"text": text}})).await;
        paths.push(format!("/dashboard/deliveries/{}", accepted["events"][0]["deliveryIds"][0].as_str().unwrap()));
        paths.push(format!("/dashboard/webhooks/{webhook}/edit"));
    }
    site.until_given_up(MARKUP.len()).await;
    let lists = ["", "/deliveries", "/dead-letters", "/webhooks", "/keys", "/audit"];
    paths.extend(lists.map(|list| format!("/dashboard{list}")));
    paths
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver, which tests/run installs"]
async fn no_text_of_strangers_runs_on_any_page() {
    let (site, echo) = (Site::open(&[]).await, echo().await);
    let paths = with_strangers(&site, &echo).await;
    let admin = Person::at(site.address()).await;
    admin.signs_in(&site.key("admin").await).await;

    for path in paths {
        // An open dialog refuses both, and of a script that was kept from running the browser complains.
        admin.goes_to(&path).await;
        let complaints = admin.complaints().await;
        assert!(complaints.is_empty(), "{path}: {complaints:#?}");
    }
}
