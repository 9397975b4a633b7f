//! The document as it was last looked at. A change of it is a change of the contract, to be made on purpose.
//!
//! `DISPATCHER_TEST_RENEW=1` in the environment writes the file anew.

use serde_json::{Value, json};

use super::description::Description;
use super::recorded::{RENEW, file, renews};
use crate::support::rest::Rest;

const PATH: &str = "tests/it/api/openapi/snapshot.json";

#[tokio::test]
async fn the_document_changes_only_on_purpose() {
    let rest = Rest::new().await;
    let mut document = Description::of(&rest).await.0;
    // What answers look like in full is held by `recorded`, and the version changes by itself.
    for methods in document["paths"].as_object_mut().unwrap().values_mut() {
        for operation in methods.as_object_mut().unwrap().values_mut() {
            operation["responses"].as_object_mut().unwrap().values_mut().for_each(forget_example);
        }
    }
    document["info"]["version"] = json!("0.0.0");

    let written = format!("{document:#}\n");

    if renews() {
        std::fs::write(file(PATH), &written).unwrap();
    }
    let known = std::fs::read_to_string(file(PATH)).unwrap_or_default();
    let differing = known.lines().zip(written.lines()).position(|(known, written)| known != written);
    assert!(known == written, "{PATH} differs from line {:?} on; look at it and run again with {RENEW}=1", differing.map(|line| line + 1));
}

fn forget_example(response: &mut Value) {
    for content in response.get_mut("content").and_then(Value::as_object_mut).into_iter().flat_map(|of| of.values_mut()) {
        content.as_object_mut().unwrap().remove("example");
    }
}
