//! The examples of answers in the description: recorded from a real run, held to be what such a run still gives.
//!
//! `DISPATCHER_TEST_RENEW=1` in the environment writes the file anew.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::answers::try_out;
use crate::support::rest::Rest;
use crate::support::settings::from_environment;

/// The variable that has files written anew.
pub(super) const RENEW: &str = "DISPATCHER_TEST_RENEW";

const PATH: &str = "src/api/openapi/examples.json";

/// A file of the package.
pub(super) fn file(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Whether files are to be written anew.
pub(super) fn renews() -> bool {
    from_environment::<u8>(RENEW) == Some(1)
}

#[tokio::test]
async fn the_example_of_every_answer_is_what_a_real_run_gives() {
    let operations = super::description::Description::of(&Rest::new().await).await.operations();
    let mut recorded = Map::new();
    for operation in operations.iter().filter(|operation| operation.path != "/openapi.json") {
        let status = operation.good_statuses()[0];
        if operation.answer(status).is_some_and(|answer| answer["schema"]["type"] != "string") {
            let mut answer = try_out(operation).await.remove(0);
            steady(&mut answer);
            recorded.insert(operation.id.clone(), json!({status.to_string(): answer}));
        }
    }

    let written = format!("{:#}\n", Value::from(recorded));

    if renews() {
        std::fs::write(file(PATH), &written).unwrap();
    }
    let known = std::fs::read_to_string(file(PATH)).unwrap_or_default();
    let differing = known.lines().zip(written.lines()).position(|(known, written)| known != written);
    assert!(known == written, "{PATH} differs from line {:?} on; look at it and run again with {RENEW}=1", differing.map(|line| line + 1));
}

/// What is measured is never twice the same.
pub(super) fn steady(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(steady),
        Value::Object(object) => {
            for (name, value) in object {
                match name.as_str() {
                    "silentSeconds" => *value = json!(1.204),
                    // Made by chance of the cryptographic library's own.
                    "publicKey" if value.as_str().is_some_and(|key| key.starts_with("-----")) => {
                        *value = json!("-----BEGIN PUBLIC KEY-----\n…\n-----END PUBLIC KEY-----\n");
                    }
                    // Noted by a task of its own, sooner or later.
                    "lastUsedAt" if value.is_string() => *value = Value::Null,
                    // A test calls a name that no machine knows, and each says so in its own words.
                    "attempt" if value.is_object() => {
                        value["detail"] = json!("the login got no answer: there is no such name");
                        value["phases"]["loginMs"] = json!(1.204);
                    }
                    _ => steady(value),
                }
            }
        }
        _ => {}
    }
}
