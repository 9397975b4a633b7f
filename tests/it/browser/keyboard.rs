//! The whole way with the keyboard alone.

use super::person::Person;
use super::site::Site;
use crate::support::receiver::Reply;

#[tokio::test]
#[ignore = "needs chromium and chromedriver, which tests/run installs"]
async fn from_signing_in_to_redelivering_no_mouse_is_needed() {
    let site = Site::with_webhook(&[]).await;
    site.breaks("invoice-4711", Reply::Status(500));
    for document in ["invoice-4710", "invoice-4711"] {
        site.hands_in(document).await;
    }
    site.receiver.until_seen(2).await;
    site.mends();
    let operator = Person::at(site.address()).await;

    operator.goes_to("/dashboard").await;
    operator.sees("Sign in with an API key.").await;
    operator.types(&site.key("operator").await).await;
    operator.presses_enter().await;
    operator.sees("Webhooks, those that need attention first").await;
    operator.tabs_to("Skip to content").await;
    operator.tabs_to("Deliveries").await;
    operator.presses_enter().await;
    operator.sees("invoice-4710").await;
    operator.tabs_to("Search").await;
    operator.types("invoice-4711").await;
    operator.presses_enter().await;
    operator.sees_no("invoice-4710").await;
    operator.tabs_to("invoice-4711").await;
    operator.presses_enter().await;
    operator.sees("because the receiver answered 500.").await;
    operator.tabs_to("Redeliver").await;
    operator.presses_enter().await;
    operator.sees("delivered The receiver took it at").await;
    operator.leaves().await;
}
