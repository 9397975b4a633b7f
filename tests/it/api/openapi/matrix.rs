//! Who may call what: every operation of the description, with every role, with no key, and with another client's key.
//!
//! Roles are described by the same type that a handler enforces them with; what is tested is that there is no handler
//! that forgot, and that what is another client's looks like what does not exist.

use axum::http::HeaderMap;
use serde_json::Value;

use super::answers::has_the_described_shape;
use super::description::{Description, Operation};
use super::recorded::steady;
use super::world::{ABSENT, World, fill, key_of};
use crate::support::rest::{Answer, Call, ROOT_KEY, Rest, Tenant};

const ROLES: [&str; 5] = ["root", "admin", "producer", "operator", "viewer"];

/// A call with an example of the operation's body.
fn call<'a>(world: &'a World, operation: &Operation, path: &str) -> Call<'a> {
    let call = world.rest.call(&operation.method, path);
    match operation.body().map(|body| world.description.examples(body).remove(0)) {
        Some(example) => call.json(&example),
        None => call,
    }
}

/// What a caller can tell answers apart by.
fn told(answer: &Answer) -> (u16, &str, &HeaderMap) {
    (answer.status.as_u16(), &answer.text, &answer.headers)
}

async fn protected() -> Vec<Operation> {
    let operations = Description::of(&Rest::new().await).await.operations();
    operations.into_iter().filter(|operation| !operation.is_public()).collect()
}

#[tokio::test]
async fn each_role_may_call_what_is_said_of_it_and_nothing_else() {
    let world = World::new().await;

    for operation in protected().await {
        for role in ROLES {
            let path = fill(&operation.path, ABSENT);
            let answer = call(&world, &operation, &path).key(world.key(role)).send().await;
            let status = answer.status.as_u16();
            has_the_described_shape(&world.description, &operation, &answer);
            if operation.roles.iter().any(|allowed| allowed == role) {
                assert!(![401, 403].contains(&status) && status < 500, "{role} {}: {status}", operation.id);
                assert!(status == 404 || !operation.names_a_thing(), "{role} {}: {status} for what does not exist", operation.id);
            } else {
                answer.problem(403);
            }
        }
    }
}

#[tokio::test]
async fn no_key_and_an_unknown_key_get_the_same_answer_everywhere() {
    let world = World::new().await;
    let expected = r#"{"type":"about:blank","title":"Unauthorized","status":401,"detail":"a known API key is needed in X-API-KEY"}"#;

    for operation in protected().await {
        let call = || call(&world, &operation, &world.own_path(&operation));
        let none = call().without("X-API-KEY").send().await;
        none.problem(401);
        assert_eq!(none.text, expected, "{}", operation.id);
        assert!(none.headers.contains_key("www-authenticate"));
        let almost = &ROOT_KEY[1..];
        for key in ["", "unknown", almost, "whd_000000000000000000000000000000000000000000000000_000000", "é", "😀"] {
            assert_eq!(told(&call().key(key).send().await), told(&none), "{} {key}", operation.id);
        }
        let authorization = call().without("X-API-KEY").header("Authorization", &format!("Bearer {ROOT_KEY}")).send().await;
        assert_eq!(told(&authorization), told(&none), "{}", operation.id);
    }
}

#[tokio::test]
async fn what_is_open_to_everybody_asks_for_no_key() {
    let world = World::new().await;

    for operation in world.description.operations().iter().filter(|operation| operation.is_public()) {
        let plain = world.rest.call(&operation.method, &operation.path).without("X-API-KEY").send().await;
        let unknown = world.rest.call(&operation.method, &operation.path).key("unknown").send().await;
        assert_eq!((plain.status.as_u16(), told(&unknown)), (200, told(&plain)), "{}", operation.id);
    }
}

#[tokio::test]
async fn what_is_another_clients_looks_like_what_does_not_exist() {
    let world = World::new().await;
    let mut tried = 0;

    for operation in protected().await.iter().filter(|operation| operation.names_a_thing() && !is_everybodys(operation)) {
        for role in ROLES.into_iter().filter(|role| *role != "root") {
            let answer = async |id: &str| {
                let call = call(&world, operation, &fill(&operation.path, id));
                call.key(key_of(&world.other, role)).send().await
            };
            let absent = answer(ABSENT).await;
            let own = world.own_path(operation);
            let foreign = call(&world, operation, &own).key(key_of(&world.other, role)).send().await;
            assert_eq!(told(&foreign), told(&absent), "{role} {}", operation.id);
            for no_id in ["7", "%00%ff", "..%2F", "%F0%9F%92%A9"] {
                assert_eq!(told(&answer(no_id).await), told(&absent), "{role} {} {no_id}", operation.id);
            }
            tried += 1;
        }
        if operation.roles != ["root"] {
            let acting = async |path: &str| call(&world, operation, path).acting_for(&world.other.id).send().await;
            let (foreign, absent) = (acting(&world.own_path(operation)).await, acting(&fill(&operation.path, ABSENT)).await);
            assert_eq!(told(&foreign), told(&absent), "root for another client: {}", operation.id);
        }
    }
    assert!(tried > 60, "only {tried}");
    assert_eq!(picture(&world, &world.acme).await, picture(&World::new().await, &world.acme).await, "something was changed");
}

/// Whether what the path names is nobody's: a catalogue is there for every client.
fn is_everybodys(operation: &Operation) -> bool {
    operation.path.starts_with("/v1/catalogs")
}

/// All that a client owns, as its admin sees it.
async fn picture(world: &World, tenant: &Tenant) -> Vec<Value> {
    let mut seen = Vec::new();
    for path in ["/v1/webhooks", "/v1/events", "/v1/deliveries", "/v1/api-keys", "/v1/audit"] {
        let mut value = world.rest.get(path).key(&tenant.admin).send().await.expect(200);
        steady(&mut value);
        seen.push(value);
    }
    seen
}

#[tokio::test]
async fn no_list_shows_anything_of_another_client() {
    let world = World::new().await;

    // Metrics count for all clients together, and name nothing of any.
    let is_list = |operation: &&Operation| {
        operation.method == "GET" && !operation.names_a_thing() && !is_everybodys(operation) && operation.id != "showMetrics"
    };
    for operation in protected().await.iter().filter(is_list) {
        for role in operation.roles.iter().filter(|role| *role != "root") {
            let own = world.rest.get(&operation.path).key(world.key(role)).send().await;
            let answer = world.rest.get(&operation.path).key(key_of(&world.other, role)).send().await;
            answer.expect(200);
            let shown = world.secrets().into_iter().find(|id| answer.text.contains(id));
            assert_eq!(shown, None, "{role} {}: {}", operation.id, answer.text);
            assert!(own.text.contains(&world.acme.id), "{role} {} shows nothing of one's own, which proves nothing", operation.id);
        }
    }
}
