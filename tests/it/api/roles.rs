//! When a role is judged. Which role may call what is tested over the whole description, in `openapi::matrix`.

use crate::support::rest::Rest;

#[tokio::test]
async fn the_role_is_judged_before_the_body_is_looked_at() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;

    rest.post("/v1/webhooks").key(&tenant.viewer).text("not json").send().await.problem(403);
    rest.post("/v1/webhooks").key(&tenant.viewer).send().await.problem(403);
    rest.post("/v1/webhooks").key("unknown").send().await.problem(401);
}
