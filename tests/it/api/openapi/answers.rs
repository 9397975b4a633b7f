//! Every example of a request is accepted, and every answer has the shape that is described.

use serde_json::{Value, json};

use super::description::{Description, Operation};
use super::shape::differences;
use super::world::{ABSENT, World, fill};
use crate::support::rest::{Answer, Rest};

/// Sends each example of an operation's body, or none if it has no body, each to a world of its own, as the role that may
/// do the least; what is answered, which has the shape that is described.
pub(super) async fn try_out(operation: &Operation) -> Vec<Value> {
    let examples = match operation.body() {
        Some(body) => Description::of(&Rest::new().await).await.examples(body).into_iter().map(Some).collect(),
        None => vec![None],
    };
    let mut answers = Vec::new();
    for example in examples {
        let world = World::new().await;
        world.make_room(operation).await;
        let mut call = world.rest.call(&operation.method, &world.own_path(operation)).without("X-API-KEY");
        if let Some(role) = operation.least_role() {
            call = call.key(world.key(role));
        }
        if let Some(example) = &example {
            call = call.json(example);
        }
        let answer = call.send().await;
        assert_eq!(answer.status.as_u16(), operation.good_statuses()[0], "{}: {}", operation.id, answer.text);
        has_the_described_shape(&world.description, operation, &answer);
        answers.push(serde_json::from_str(&answer.text).unwrap_or_default());
    }
    answers
}

/// Holds an answer against what is described: a known status, and its shape.
#[track_caller]
pub(super) fn has_the_described_shape(description: &Description, operation: &Operation, answer: &Answer) {
    let status = answer.status.as_u16();
    assert!(operation.statuses().contains(&status), "{}: {status} is not described: {}", operation.id, answer.text);
    let response = description.resolve(&operation.described["responses"][status.to_string()]);
    let Some((media_type, content)) = response.get("content").and_then(|content| content.as_object()?.iter().next()) else {
        assert_eq!(answer.text, "", "{}", operation.id);
        return;
    };
    assert_eq!(answer.header("content-type"), media_type, "{}", operation.id);
    if content["schema"]["type"] == "string" {
        return;
    }
    let value: Value = serde_json::from_str(&answer.text).unwrap_or_else(|error| panic!("{}: {error}: {}", operation.id, answer.text));
    let found = differences(description, &content["schema"], &value);
    assert!(found.is_empty(), "{} {status} {value:#}:\n{}", operation.id, found.join("\n"));
}

#[tokio::test]
async fn every_example_is_accepted_and_its_answer_looks_as_described() {
    for operation in Description::of(&Rest::new().await).await.operations() {
        assert!(!try_out(&operation).await.is_empty(), "{}", operation.id);
    }
}

#[tokio::test]
async fn the_examples_of_answers_look_as_described() {
    let rest = Rest::new().await;
    let description = Description::of(&rest).await;
    let shared = description.0["components"]["responses"].as_object().unwrap().values().cloned();
    let own = description.operations().into_iter().flat_map(|of| of.described["responses"].as_object().unwrap().clone().into_values());
    let mut seen = 0;

    for response in shared.chain(own) {
        for content in response.get("content").and_then(Value::as_object).into_iter().flat_map(|content| content.values()) {
            let several = content.get("examples").and_then(Value::as_object).into_iter().flat_map(|examples| examples.values());
            for example in several.map(|example| &example["value"]).chain(content.get("example")) {
                let found = differences(&description, &content["schema"], example);
                assert!(found.is_empty(), "{example:#}:\n{}", found.join("\n"));
                seen += 1;
            }
        }
    }
    assert!(seen > 40, "only {seen} examples");
}

#[tokio::test]
async fn described_limits_of_parameters_are_those_that_hold() {
    let world = World::new().await;
    let mut held = 0;

    for operation in world.description.operations() {
        for parameter in operation.parameters("query") {
            let (name, schema) = (parameter["name"].as_str().unwrap(), &parameter["schema"]);
            let Some(wrong) = wrong_values(schema) else { continue };
            for wrong in wrong {
                let path = format!("{}?{name}={wrong}", fill(&operation.path, ABSENT));
                let key = operation.least_role().map_or("", |role| world.key(role));
                let fields = world.rest.call(&operation.method, &path).key(key).send().await.problem(422);
                assert_eq!(fields, [name], "{path}");
                held += 1;
            }
        }
    }
    assert!(held > 30, "only {held} limits were tried");
}

/// Values of a parameter beside its limits; `None` if any text will do.
fn wrong_values(schema: &Value) -> Option<Vec<String>> {
    let beyond = |keyword: &str, step: i64| schema.get(keyword).and_then(Value::as_i64).map(|limit| (limit + step).to_string());
    let number = schema["type"] == json!("integer");
    let text = schema.get("format").or_else(|| schema.get("enum")).or_else(|| schema.get("pattern")).is_some();
    (number || text).then(|| ["%F0%9F%92%A9".to_owned()].into_iter().chain(beyond("minimum", -1)).chain(beyond("maximum", 1)).collect())
}
