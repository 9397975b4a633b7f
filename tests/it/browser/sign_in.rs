//! Getting in, getting out, and in which language.

use super::person::Person;
use super::site::Site;

#[tokio::test]
#[ignore = "needs chromium and chromedriver, which tests/run installs"]
async fn a_wrong_key_opens_nothing_a_good_one_opens_what_was_wanted_and_signing_out_closes_it() {
    let site = Site::open(&[]).await;
    let operator = Person::at(site.address()).await;

    operator.goes_to("/dashboard/deliveries?state=pending").await;
    operator.fills("API key", "whd_wrong").await;
    operator.presses("Sign in").await;
    operator.sees("This key opens nothing.").await;

    operator.fills("API key", &site.key("operator").await).await;
    operator.presses("Sign in").await;
    operator.sees("No deliveries.").await;
    assert_eq!(operator.finds_out("return location.pathname + location.search;").await, "/dashboard/deliveries?state=pending");
    operator.sees("operator · operator").await;

    operator.presses("Sign out").await;
    operator.sees("Sign in with an API key.").await;
    operator.goes_to("/dashboard/webhooks").await;
    operator.sees("Sign in with an API key.").await;
    operator.leaves().await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver, which tests/run installs"]
async fn whoever_reads_portuguese_is_spoken_to_in_portuguese_until_they_choose_otherwise() {
    let site = Site::with_webhook(&[]).await;
    let operator = Person::reading("pt-BR,en", site.address()).await;

    operator.goes_to("/dashboard/sign-in").await;
    operator.fills("Chave de API", &site.key("viewer").await).await;
    operator.presses("Entrar").await;
    operator.sees("Webhooks, primeiro os que precisam de atenção").await;
    assert_eq!(operator.finds_out("return document.documentElement.lang;").await, "pt-BR");

    operator.presses("English").await;
    operator.sees("Webhooks, those that need attention first").await;
    operator.goes_to("/dashboard/dead-letters").await;
    operator.sees("No dead letters.").await;
    operator.leaves().await;
}
