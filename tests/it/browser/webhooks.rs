//! Making a webhook that works, and bringing one up to date that was away.

use serde_json::json;

use super::person::Person;
use super::site::Site;
use crate::support::receiver::Reply;

#[tokio::test]
#[ignore = "needs chromium and chromedriver, which tests/run installs"]
async fn a_webhook_is_made_with_its_faults_told_while_one_types_and_tested_with_its_login() {
    let site = Site::open(&[]).await;
    let admin = Person::at(site.address()).await;
    admin.signs_in(&site.key("admin").await).await;

    admin.presses("Webhooks").await;
    admin.presses("New webhook").await;
    admin.fills("Name", "archive").await;
    admin.chooses("Method", "PUT").await;
    admin.fills("URL", &site.receiver.url("/documents/")).await;
    admin.sees("must hold :id").await;
    admin.fills("URL", &site.receiver.url("/documents/:id")).await;
    admin.sees_no("must hold :id").await;
    admin.sees(&format!("PUT {}", site.receiver.url("/documents/00000000-"))).await;
    admin.fills("Timeout (ms)", "soon").await;
    admin.sees("must be a whole number from").await;
    admin.fills("Timeout (ms)", "2500").await;
    admin.sees_no("must be a whole number from").await;
    admin.fills("Login URL", &site.receiver.url("/login")).await;
    admin.fills("Login body (JSON)", r#"{"user": "a", "password": "hush"}"#).await;
    admin.sees("authorization: Bearer ****").await;
    admin.presses("Save").await;
    admin.sees("Created.").await;

    admin.presses("Test").await;
    admin.sees("An example went to the receiver as a delivery would").await;
    admin.sees("delivered").await;
    admin.sees("Status 200").await;
    let seen = site.receiver.seen();
    assert_eq!(seen.iter().map(|seen| seen.target.as_str()).collect::<Vec<_>>()[0], "/login");
    assert_eq!((seen.len(), seen[1].header("authorization"), seen[1].header("webhook-test")), (2, Some("Bearer t-1"), Some("true")));
    assert!(!admin.shown().await.unwrap().contains("hush"));
    admin.leaves().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver, which tests/run installs"]
async fn a_webhook_gets_everything_that_it_missed_since_a_time() {
    let site = Site::open(&[]).await;
    site.hands_in("before-it-was-made").await;
    site.add_webhook("archive", json!({"type": 0})).await;
    site.breaks("given-up", Reply::Status(500));
    site.hands_in("given-up").await;
    site.hands_in("taken").await;
    site.receiver.until_seen(2).await;
    site.mends();
    let operator = Person::at(site.address()).await;
    operator.signs_in(&site.key("operator").await).await;

    operator.presses("archive").await;
    operator.presses("Recover").await;
    operator.presses("Only count").await;
    operator.sees("Would be sent again: 2").await;
    operator.presses("Begin").await;
    operator.sees("It has begun.").await;
    operator.sees("done 2 / 2").await;
    site.receiver.until(|seen| seen.iter().any(|seen| seen.target == "/documents/before-it-was-made")).await;
    operator.leaves().await;
}
