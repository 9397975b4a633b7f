//! How long a key opens anything, and when it last did, on one node and on several.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;
use webhook_dispatcher::domain::ids::IdSource;
use webhook_dispatcher::domain::time::{Clock, ManualClock, SystemClock};
use webhook_dispatcher::store::Store;
use webhook_dispatcher::store::postgres::{PostgresOptions, PostgresStore};

use crate::support::keys;
use crate::support::postgres::FreshDatabase;
use crate::support::rest::{Rest, RestSetup, START, START_TEXT};

const PATH: &str = "/v1/api-keys";

/// A key for somebody who looks: its id and its text.
async fn viewer(rest: &Rest, client: &str, expires_at: Option<&str>) -> (String, String) {
    let wanted = json!({"clientId": client, "role": "viewer", "expiresAt": expires_at});
    let made = rest.post(PATH).json(&wanted).send().await.expect(201);
    assert_eq!((&made["expiresAt"], &made["lastUsedAt"]), (&json!(expires_at), &Value::Null));
    let text = |field: &str| made[field].as_str().unwrap().to_owned();
    (text("id"), text("key"))
}

async fn status(rest: &Rest, key: &str) -> u16 {
    rest.get("/v1/webhooks").key(key).send().await.status.as_u16()
}

async fn listed(rest: &Rest, id: &str) -> Value {
    let list = rest.get(PATH).send().await.expect(200);
    list["items"].as_array().unwrap().iter().find(|key| key["id"] == id).unwrap().clone()
}

/// Waits until the key is said to have been used last at `expected`.
async fn until_last_used(rest: &Rest, id: &str, expected: &str) {
    let noted = async { while listed(rest, id).await["lastUsedAt"] != expected {} };
    timeout(Duration::from_secs(30), noted).await.expect("the use is noted");
}

#[tokio::test]
async fn a_key_opens_nothing_from_its_end_on() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let end = "2024-04-11T14:13:33.741194-03:00";
    let (id, key) = viewer(&rest, &tenant.id, Some(end)).await;
    assert_eq!(listed(&rest, &id).await["expiresAt"], end);

    rest.clock.advance(Duration::from_micros(59_999_999));
    assert_eq!(status(&rest, &key).await, 200);
    rest.clock.advance(Duration::from_micros(1));

    let (expired, unknown) = (rest.get("/v1/webhooks").key(&key).send().await, rest.get("/v1/webhooks").key("whd_0_0").send().await);
    expired.problem(401);
    assert_eq!((expired.text, expired.headers), (unknown.text, unknown.headers));
    assert_eq!(status(&rest, &tenant.viewer).await, 200);
    rest.call("DELETE", &format!("{PATH}/{id}")).send().await.expect(204);
}

#[tokio::test]
async fn of_the_root_keys_one_that_does_not_expire_stays() {
    let rest = Rest::new().await;
    let first = rest.get(PATH).send().await.expect(200)["items"][0]["id"].as_str().unwrap().to_owned();
    let expiring = rest.post(PATH).json(&json!({"role": "root", "expiresAt": "2024-04-12T00:00:00Z"})).send().await.expect(201);
    assert_eq!(expiring["expiresAt"], "2024-04-11T21:00:00.000000-03:00");

    rest.call("DELETE", &format!("{PATH}/{first}")).key(expiring["key"].as_str().unwrap()).send().await.problem(409);

    rest.call("DELETE", &format!("{PATH}/{}", expiring["id"].as_str().unwrap())).send().await.expect(204);
}

#[tokio::test]
async fn when_a_key_was_used_is_noted_once_a_minute() {
    let rest = Rest::new().await;
    let tenant = rest.tenant("acme").await;
    let (id, key) = viewer(&rest, &tenant.id, None).await;
    assert_eq!(listed(&rest, &id).await["lastUsedAt"], Value::Null);

    assert_eq!(status(&rest, &key).await, 200);
    until_last_used(&rest, &id, START_TEXT).await;

    rest.clock.advance(Duration::from_secs(59));
    assert_eq!(status(&rest, &key).await, 200);
    // Uses are noted in their order: once a later one is, the earlier one would be.
    let (other_id, other) = viewer(&rest, &tenant.id, None).await;
    assert_eq!(status(&rest, &other).await, 200);
    until_last_used(&rest, &other_id, "2024-04-11T14:13:32.741194-03:00").await;
    assert_eq!(listed(&rest, &id).await["lastUsedAt"], START_TEXT);

    rest.clock.advance(Duration::from_secs(6));
    assert_eq!(status(&rest, &key).await, 200);
    until_last_used(&rest, &id, "2024-04-11T14:13:38.741194-03:00").await;
}

/// Two nodes on one database, by one clock, and who knows a root key.
async fn two_nodes(database: &FreshDatabase) -> [Rest; 2] {
    let clock = Arc::new(ManualClock::at(START));
    let node = async |seed: u8| {
        let ids = Arc::new(IdSource::seeded([seed; 32]));
        let options = PostgresOptions {
            through_pooler: false,
            url: database.url(),
            connections: 8,
            call_limit: Duration::from_secs(10),
            ids: Arc::clone(&ids),
            keyring: keys::ring(&[keys::KEY]),
            now: SystemClock.now(),
        };
        let store: Arc<dyn Store> = Arc::new(PostgresStore::open(options).await.unwrap());
        let setup = RestSetup { first_key_made: seed, ..RestSetup::default() };
        Rest::on(store, ids, Arc::clone(&clock), &setup)
    };
    let nodes = [node(1).await, node(101).await];
    nodes[0].make_root_key().await;
    nodes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn every_node_sees_within_five_seconds_that_a_key_is_gone() {
    let database = FreshDatabase::create();
    let [one, other] = two_nodes(&database).await;
    let tenant = one.tenant("acme").await;
    let (id, key) = viewer(&one, &tenant.id, None).await;
    for node in [&one, &other] {
        assert_eq!(status(node, &key).await, 200);
    }

    one.call("DELETE", &format!("{PATH}/{id}")).send().await.expect(204);

    assert_eq!(status(&one, &key).await, 401);
    one.clock.advance(Duration::from_secs(5));
    assert_eq!(status(&other, &key).await, 401);
    assert_eq!(status(&other, &tenant.viewer).await, 200);
    for node in [&one, &other] {
        node.store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn every_node_sees_a_new_key_and_its_end_at_once_and_its_use_soon() {
    let database = FreshDatabase::create();
    let [one, other] = two_nodes(&database).await;
    let tenant = one.tenant("acme").await;
    let (id, key) = viewer(&one, &tenant.id, Some("2024-04-11T14:12:35.741194-03:00")).await;

    assert_eq!(status(&other, &key).await, 200);
    until_last_used(&one, &id, START_TEXT).await;
    one.clock.advance(Duration::from_secs(2));

    for node in [&one, &other] {
        assert_eq!(status(node, &key).await, 401);
        node.store.close().await;
    }
}
