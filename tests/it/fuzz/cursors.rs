//! Cursors of lists: pages made with them show everything once, and any other text is refused.

use std::collections::BTreeSet;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::for_all;
use crate::support::rest::{Rest, Tenant};

const LISTS: [&str; 4] = ["/v1/events", "/v1/deliveries", "/v1/audit", "/v1/webhooks"];

async fn rest_with_events(count: usize) -> (Rest, Tenant) {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let documents: Vec<Value> = (0..count).map(|number| json!({"id": format!("doc-{number}")})).collect();
    rest.post("/api_document/completions").key(&tenant.admin).json(&json!(documents)).send().await.expect(202);
    (rest, tenant)
}

#[test]
fn pages_of_any_size_show_everything_once() {
    let runtime = Runtime::new().unwrap();
    let (rest, tenant) = runtime.block_on(rest_with_events(23));
    for_all(&(1_usize..=30), |limit| {
        let seen = runtime.block_on(async {
            let (mut seen, mut path) = (Vec::new(), format!("/v1/events?limit={limit}"));
            loop {
                let page = rest.get(&path).key(&tenant.admin).send().await.expect(200);
                seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()));
                let Some(cursor) = page["nextCursor"].as_str() else { break seen };
                path = format!("/v1/events?limit={limit}&cursor={cursor}");
            }
        });
        prop_assert_eq!((seen.len(), seen.iter().collect::<BTreeSet<_>>().len()), (23, 23));
        Ok(())
    });
}

#[test]
fn any_text_is_a_cursor_or_refused_by_name() {
    let runtime = Runtime::new().unwrap();
    let (rest, tenant) = runtime.block_on(rest_with_events(3));
    let texts = prop_oneof![any::<String>(), "[A-Za-z0-9_-]{20,24}", "[A-Za-z0-9+/=]{0,40}"];
    for_all(&(prop::sample::select(&LISTS[..]), texts), |(list, text)| {
        let path = format!("{list}?cursor={}", utf8_percent_encode(&text, NON_ALPHANUMERIC));
        let answer = runtime.block_on(rest.get(&path).key(&tenant.admin).send());

        if answer.status == 200 {
            prop_assert!(answer.expect(200)["items"].as_array().unwrap().len() <= 10);
        } else {
            prop_assert_eq!(answer.problem(422), ["cursor"]);
        }
        Ok(())
    });
}
