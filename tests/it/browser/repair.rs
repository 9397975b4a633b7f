//! The night shift: why did this document not arrive, and how does it get there.

use super::person::Person;
use super::site::Site;
use crate::support::receiver::Reply;

#[tokio::test]
#[ignore = "needs chromium and chromedriver, which tests/run installs"]
async fn a_document_that_did_not_arrive_is_found_explained_and_redelivered() {
    let site = Site::with_webhook(&[]).await;
    site.breaks("invoice-4711", Reply::Full(500, "content-type: text/plain\r\n", b"disk full on /var".to_vec()));
    for document in ["invoice-4710", "invoice-4711", "invoice-4712"] {
        site.hands_in(document).await;
    }
    site.receiver.until_seen(3).await;
    let operator = Person::at(site.address()).await;
    operator.signs_in(&site.key("operator").await).await;

    operator.presses("Deliveries").await;
    operator.fills("Search", "invoice-4711").await;
    operator.presses("Search").await;
    operator.sees("dead letter invoice-4711").await;
    operator.sees_no("invoice-4712").await;
    operator.presses("invoice-4711").await;
    operator.sees("because its schedule ended after 1 attempt; the last one failed because the receiver answered 500.").await;
    operator.sees("disk full on /var").await;

    site.mends();
    operator.presses("Redeliver").await;
    operator.sees("It will be delivered again.").await;
    operator.sees("delivered The receiver took it at").await;
    operator.sees("with attempt 2.").await;
    operator.leaves().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver, which tests/run installs"]
async fn a_delivery_that_waits_says_until_when_and_can_be_cancelled() {
    let site = Site::with_webhook(&["retry.delays_seconds=3600"]).await;
    site.breaks("invoice", Reply::Status(503));
    let delivery = site.hands_in("invoice-1").await.remove(0);
    let operator = Person::at(site.address()).await;
    operator.signs_in(&site.key("operator").await).await;

    operator.goes_to(&format!("/dashboard/deliveries?q={delivery}")).await;
    operator.sees("Attempt 1 failed because the receiver answered 503; the next attempt is planned for").await;
    operator.presses("Cancel").await;
    operator.sees("It was called off at").await;
    assert_eq!(site.get(&format!("/v1/deliveries/{delivery}")).await["state"], "cancelled");
    operator.leaves().await;
}
