//! What was given up, sent again: a few that are chosen, all that match, and everything since a time.

use serde_json::json;

use super::person::Person;
use super::site::Site;
use crate::support::receiver::Reply;

/// A site with so many dead letters of one webhook, whose receiver is well again.
async fn with_dead_letters(count: usize) -> Site {
    let site = Site::with_webhook(&[]).await;
    site.breaks("invoice", Reply::Status(500));
    for number in 1..=count {
        site.hands_in(&format!("invoice-{number}")).await;
    }
    site.until_given_up(count).await;
    site.mends();
    site
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver, which tests/run installs"]
async fn dead_letters_are_grouped_chosen_counted_and_redelivered_to_the_last() {
    let site = with_dead_letters(6).await;
    let operator = Person::at(site.address()).await;
    operator.signs_in(&site.key("operator").await).await;

    operator.presses("Dead letters").await;
    operator.sees("archive schedule ended 6").await;
    operator.presses("archive").await;
    operator.sees("Redeliver all that match archive: schedule ended").await;
    operator.ticks("invoice-2").await;
    operator.ticks("invoice-5").await;
    operator.presses("Redeliver the chosen ones").await;
    operator.sees("It will be delivered again.").await;
    operator.sees("archive schedule ended 4").await;

    operator.fills("Per second", "7").await;
    operator.presses("Only count").await;
    operator.sees("Would be sent again: 4").await;
    operator.presses("Begin").await;
    operator.sees("It has begun.").await;
    operator.sees("archive: schedule ended done 4 / 4 7 20").await;
    operator.sees("No dead letters.").await;
    site.receiver.until_seen(12).await;
    operator.leaves().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver, which tests/run installs"]
async fn a_redelivery_of_many_is_watched_and_stopped() {
    let site = with_dead_letters(40).await;
    let operator = Person::at(site.address()).await;
    operator.signs_in(&site.key("operator").await).await;

    operator.goes_to("/dashboard/dead-letters").await;
    operator.fills("Per second", "1").await;
    operator.presses("Begin").await;
    operator.sees("running").await;
    let so_far = operator.finds_out("return document.querySelector('progress').value;").await;
    operator.awaits("more", &format!("return document.querySelector('progress').value > {so_far};")).await;
    operator.presses("Stop").await;
    operator.sees("It is stopped; what was sent again stays so.").await;
    operator.sees("cancelled").await;
    operator.sees_no("Stop").await;
    let job = site.get("/v1/redelivery-jobs").await["items"][0].clone();
    assert_eq!((&job["state"], job["redelivered"].as_u64() < Some(40)), (&json!("cancelled"), true), "{job}");
    operator.leaves().await;
}
