//! Hostile calls made from the description: whatever comes, the answer is one that is described, never a fault of ours.
//!
//! `DISPATCHER_TEST_CALLS` in the environment says how many calls each operation gets, `DISPATCHER_TEST_SEED` where
//! chance begins.

use std::fmt::Write as _;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use super::answers::has_the_described_shape;
use super::chance::Source;
use super::description::{Description, Operation};
use super::world::{World, fill};
use crate::support::rest::{Answer, Call, Rest};
use crate::support::settings::{from_environment, seed};

/// Calls to each operation.
const CALLS: u64 = 60;

/// So long that nothing but a call that hangs takes it.
const PATIENCE: Duration = Duration::from_mins(1);

/// Bodies that are no JSON, or hardly.
const NO_JSON: [&[u8]; 12] = [
    b"",
    b"{",
    b"[1,",
    b"nul",
    b"{\"a\":1,}",
    b"\xff\xfe",
    b"{\"a\":\"\xff\"}",
    b"\xef\xbb\xbf{}",
    b"{\"name\":\"a\",\"name\":\"b\"}",
    b"{\"a\":\"\\ud800\"}",
    b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    b"1e9999",
];

#[tokio::test]
async fn whatever_comes_is_answered_as_described() {
    let (calls, seed) = (from_environment("DISPATCHER_TEST_CALLS").unwrap_or(CALLS), seed());
    let operations = Description::of(&Rest::new().await).await.operations();

    for (place, operation) in operations.iter().enumerate() {
        let world = World::new().await;
        for round in 0..calls {
            let mut rng = StdRng::seed_from_u64(seed ^ (round << 16) ^ place as u64);
            let mut source = Source { rng: &mut rng, description: &world.description };
            let what = format!("seed {seed}, round {round} of {}", operation.id);
            let call = hostile(&world, operation, &mut source);
            let Ok(answer) = tokio::time::timeout(PATIENCE, call.send()).await else { panic!("{what}: no answer") };
            judge(&world, operation, &answer, &what);
        }
    }
}

fn judge(world: &World, operation: &Operation, answer: &Answer, what: &str) {
    let status = answer.status.as_u16();
    assert!(status < 500, "{what}: {answer:?}");
    assert!(operation.statuses().contains(&status), "{what}: {status} is not described: {answer:?}");
    if status >= 400 {
        answer.problem(status);
    }
    has_the_described_shape(&world.description, operation, answer);
}

/// A call to an operation with something wrong in it, or nothing.
fn hostile<'a>(world: &'a World, operation: &Operation, source: &mut Source<'_>) -> Call<'a> {
    let mut path = match source.rng.random_range(0..4) {
        0 => fill(&operation.path, &encoded(&source.text())),
        _ => world.own_path(operation),
    };
    // An empty part is another path.
    if path.contains("//") || path.ends_with('/') {
        path = world.own_path(operation);
    }
    path.push_str(&query(operation, source));
    let roles = ["root", "admin", "producer", "operator", "viewer"];
    let role = operation.least_role().filter(|_| !source.one_in(8)).unwrap_or_else(|| source.one_of(&roles));
    let mut call = world.rest.call(&operation.method, &path).key(world.key(role));
    if source.one_in(8) {
        call = call.acting_for(&header(source));
    }
    for parameter in operation.parameters("header").into_iter().filter(|parameter| parameter["name"] != "X-Client-Id") {
        if source.one_in(3) {
            call = call.header(parameter["name"].as_str().unwrap(), &header(source));
        }
    }
    match operation.body() {
        Some(schema) => with_body(call, schema, source),
        None => call,
    }
}

fn encoded(text: &str) -> String {
    // An address has its own limit, which is not the interface's.
    let text: String = text.chars().take(300).collect();
    utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string()
}

/// Text that a header can carry.
fn header(source: &mut Source<'_>) -> String {
    source.text().chars().filter(|c| !c.is_control()).collect()
}

fn query(operation: &Operation, source: &mut Source<'_>) -> String {
    let mut query = String::from("?");
    for parameter in operation.parameters("query") {
        let times = if source.one_in(20) { 2 } else { u32::from(source.one_in(2)) };
        for _ in 0..times {
            let value = match source.rng.random_range(0..3) {
                0 => source.text(),
                1 => source.anything().to_string(),
                _ => match source.fitting(&parameter["schema"]) {
                    Value::String(text) => text,
                    value => value.to_string(),
                },
            };
            write!(query, "{}={}&", parameter["name"].as_str().unwrap(), encoded(&value)).unwrap();
        }
    }
    query
}

fn with_body<'a>(call: Call<'a>, schema: &Value, source: &mut Source<'_>) -> Call<'a> {
    let mut body = match source.description.examples(schema).first() {
        Some(example) if source.one_in(2) => example.clone(),
        _ => source.fitting(schema),
    };
    match source.rng.random_range(0..8) {
        0 => body = source.anything(),
        1 => body = json!([body, source.anything(), body]),
        2 => {}
        _ => (0..source.rng.random_range(1..4)).for_each(|_| source.spoil(&mut body)),
    }
    if source.one_in(12) {
        call.text(source.one_of(&NO_JSON).to_vec())
    } else if source.one_in(20) {
        call.json(&body).header("Content-Type", &header(source))
    } else {
        call.json(&body)
    }
}
