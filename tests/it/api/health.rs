//! `/healthz` and `/readyz`.

use crate::support::rest::Rest;

#[tokio::test]
async fn a_living_process_says_so_to_everybody() {
    let rest = Rest::new().await;

    for (path, expected) in [("/healthz", r#"{"status":"ok"}"#), ("/readyz", r#"{"status":"ok","intake":"open"}"#)] {
        let answer = rest.get(path).without("X-API-KEY").send().await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, expected), "{path}");
    }
}

#[tokio::test]
async fn without_its_store_the_process_lives_but_is_not_ready() {
    let rest = Rest::new().await;
    rest.store.close().await;

    rest.get("/healthz").without("X-API-KEY").send().await.expect(200);
    let answer = rest.get("/readyz").without("X-API-KEY").send().await;
    answer.problem(503);
    assert_eq!(answer.header("retry-after"), "1");
}

#[tokio::test]
async fn a_broken_store_is_a_500_that_tells_nothing() {
    let rest = Rest::new().await;
    rest.get("/v1/webhooks").send().await.expect(200);
    rest.store.close().await;

    let answer = rest.get("/v1/webhooks").send().await;

    assert_eq!(
        (answer.status.as_u16(), answer.text.as_str()),
        (500, r#"{"type":"about:blank","title":"Internal Server Error","status":500,"detail":"the store could not do it"}"#)
    );
}
