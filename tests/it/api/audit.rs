//! `/v1/audit`: who changed what, as root and as an admin see it.

use serde_json::{Value, json};

use crate::support::rest::{Rest, START_TEXT};

fn actions(list: &Value) -> Vec<String> {
    let word = |entry: &Value| format!("{} {}", entry["action"].as_str().unwrap(), entry["object"]["kind"].as_str().unwrap());
    list["items"].as_array().unwrap().iter().map(word).collect()
}

async fn webhook(rest: &Rest, key: &str) -> String {
    let webhook = json!({"name": "w", "type": 0, "method": "POST", "url": "https://example.com/:id", "authorization": "Bearer s3cret"});
    rest.post("/v1/webhooks").key(key).json(&webhook).send().await.expect(201)["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_admin_sees_who_changed_what_is_its_clients_and_no_secrets() {
    let rest = Rest::new().await;
    let (acme, other) = (rest.tenant("acme").await, rest.tenant("other").await);
    let id = webhook(&rest, &acme.admin).await;
    let path = format!("/v1/webhooks/{id}");
    rest.call("PATCH", &path).key(&acme.admin).json(&json!({"name": "new", "authorization": "Bearer 0ther"})).send().await.expect(200);
    rest.post(&format!("{path}/pause")).key(&acme.operator).send().await.expect(200);
    rest.post(&format!("{path}/rotate-secret")).send().await.expect(200);

    let answer = rest.get(&format!("/v1/audit?objectId={id}")).key(&acme.admin).send().await;

    let list = answer.expect(200);
    assert_eq!(actions(&list), ["rotate-secret webhook", "pause webhook", "update webhook", "create webhook"]);
    let update = &list["items"][2];
    assert_eq!(update["before"], json!({"name": "w", "authorization": "changed"}));
    assert_eq!(update["after"], json!({"name": "new", "authorization": "changed"}));
    assert_eq!((&update["at"], &update["actor"]["role"]), (&json!(START_TEXT), &json!("admin")));
    assert_eq!((&update["actor"]["clientId"], &update["object"]["clientId"]), (&json!(acme.id), &json!(acme.id)));
    assert_eq!((&list["items"][1]["actor"]["role"], &list["items"][0]["actor"]["role"]), (&json!("operator"), &json!("root")));
    assert!(!answer.text.contains("s3cret") && !answer.text.contains("0ther"), "{}", answer.text);
    let foreign = rest.get(&format!("/v1/audit?objectId={id}")).key(&other.admin).send().await;
    assert_eq!(foreign.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn calls_that_change_nothing_leave_no_entry() {
    let rest = Rest::new().await;
    let acme = rest.tenant("acme").await;
    let id = webhook(&rest, &acme.admin).await;
    let path = format!("/v1/webhooks/{id}");

    rest.call("PATCH", &path).key(&acme.admin).json(&json!({"name": "w"})).send().await.expect(200);
    rest.post(&format!("{path}/resume")).key(&acme.admin).send().await.expect(200);
    rest.post("/v1/webhooks").key(&acme.viewer).json(&json!({})).send().await.problem(403);

    let list = rest.get(&format!("/v1/audit?objectId={id}")).send().await.expect(200);
    assert_eq!(actions(&list), ["create webhook"]);
}

#[tokio::test]
async fn root_sees_everything_in_pages() {
    let rest = Rest::new().await;
    rest.tenant("acme").await;
    let (mut seen, mut path) = (Vec::new(), "/v1/audit?limit=2".to_owned());
    loop {
        let list = rest.get(&path).send().await.expect(200);
        seen.extend(actions(&list));
        let Some(cursor) = list["nextCursor"].as_str() else { break };
        path = format!("/v1/audit?limit=2&cursor={cursor}");
    }

    assert_eq!(seen, ["create api-key", "create api-key", "create api-key", "create api-key", "create client"]);
    assert_eq!(rest.get("/v1/audit?from=yesterday&objectId=7").send().await.problem(422), ["objectId", "from"]);
}

#[tokio::test]
async fn an_entry_says_from_where_a_change_came() {
    let rest = Rest::new().await;
    let acme = rest.tenant("acme").await;
    let id = webhook(&rest, &acme.admin).await;
    let path = format!("/v1/webhooks/{id}");
    for (name, address) in [("four", "192.0.2.7"), ("six", "2001:db8::7"), ("mapped", "::ffff:192.0.2.8")] {
        rest.call("PATCH", &path).from(address).key(&acme.admin).json(&json!({"name": name})).send().await.expect(200);
    }

    let list = rest.get(&format!("/v1/audit?objectId={id}")).key(&acme.admin).send().await.expect(200);

    let addresses: Vec<&Value> = list["items"].as_array().unwrap().iter().map(|entry| &entry["actor"]["remoteAddress"]).collect();
    assert_eq!(addresses, [&json!("192.0.2.8"), &json!("2001:db8::7"), &json!("192.0.2.7"), &Value::Null]);
}

#[tokio::test]
async fn an_entry_tells_no_value_of_a_urls_query_but_that_it_changed() {
    let rest = Rest::new().await;
    let acme = rest.tenant("acme").await;
    let id = webhook(&rest, &acme.admin).await;
    let path = format!("/v1/webhooks/{id}");
    for key in ["s3cret", "0ther"] {
        let urls =
            json!({"url": format!("https://example.com/:id?key={key}"), "authorizationUrl": format!("https://example.com/?k={key}")});
        rest.call("PATCH", &path).key(&acme.admin).json(&urls).send().await.expect(200);
    }

    let answer = rest.get(&format!("/v1/audit?objectId={id}")).key(&acme.admin).send().await;

    let list = answer.expect(200);
    let masked = json!({"url": "https://example.com/:id?key=****", "authorizationUrl": "https://example.com/?k=****"});
    assert_eq!((&list["items"][0]["before"], &list["items"][0]["after"]), (&masked, &masked));
    assert!(!answer.text.contains("s3cret") && !answer.text.contains("0ther"), "{}", answer.text);
}
