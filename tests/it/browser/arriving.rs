//! Pages that are left open tell what happens meanwhile.

use super::person::Person;
use super::site::Site;
use crate::support::receiver::Reply;

/// Leaves a mark that goes when the page is loaded anew.
const MARK: &str = "window.isTheSamePage = true;";

#[tokio::test]
#[ignore = "needs chromium and chromedriver, which tests/run installs"]
async fn a_delivery_shows_up_in_the_open_list_and_on_the_overview_without_reloading() {
    let site = Site::with_webhook(&[]).await;
    let operator = Person::at(site.address()).await;
    operator.signs_in(&site.key("viewer").await).await;
    operator.goes_to("/dashboard/deliveries").await;
    operator.finds_out(MARK).await;
    operator.sees("No deliveries.").await;

    site.hands_in("invoice-4711").await;

    operator.sees("delivered invoice-4711 archive 1 200").await;
    assert_eq!(operator.finds_out("return window.isTheSamePage;").await, true);

    operator.presses("Overview").await;
    operator.sees("Delivered 1").await;
    operator.finds_out(MARK).await;
    site.hands_in("invoice-4712").await;
    operator.sees("Delivered 2").await;
    assert_eq!(operator.finds_out("return window.isTheSamePage;").await, true);
    operator.leaves().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver, which tests/run installs"]
async fn whoever_is_at_a_row_by_keyboard_stays_there_and_what_is_open_stays_open() {
    let site = Site::with_webhook(&[]).await;
    site.hands_in("invoice-1").await;
    let operator = Person::at(site.address()).await;
    operator.signs_in(&site.key("operator").await).await;
    operator.goes_to("/dashboard/deliveries").await;
    operator.sees("delivered invoice-1").await;
    operator.tabs_to("invoice-1").await;

    site.hands_in("invoice-2").await;

    operator.sees("delivered invoice-2").await;
    assert_eq!(operator.finds_out("return document.activeElement.textContent;").await, "invoice-1");

    operator.goes_to("/dashboard").await;
    operator.presses("As a table").await;
    operator.finds_out("document.querySelector('.scroll').scrollTop = 99;").await;
    site.hands_in("invoice-3").await;
    operator.sees("Delivered 3").await;
    assert_eq!(operator.finds_out("return document.querySelector('.scroll').scrollTop;").await, 99);
    operator.leaves().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver, which tests/run installs"]
async fn what_somebody_has_ticked_stays_ticked_while_more_arrives() {
    let site = Site::with_webhook(&[]).await;
    site.breaks("invoice", Reply::Status(500));
    site.hands_in("invoice-1").await;
    let operator = Person::at(site.address()).await;
    operator.signs_in(&site.key("operator").await).await;
    operator.goes_to("/dashboard/dead-letters").await;
    operator.ticks("invoice-1").await;
    operator.finds_out("document.activeElement.blur();").await;

    site.hands_in("invoice-2").await;

    operator.sees("schedule ended 2").await;
    assert_eq!(operator.finds_out("return document.querySelectorAll('input:checked').length;").await, 1);
    operator.presses("Redeliver the chosen ones").await;
    operator.sees("It will be delivered again.").await;
    operator.leaves().await;
}
