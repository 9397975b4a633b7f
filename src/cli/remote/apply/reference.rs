//! Where a secret is: `{ env = "NAME" }` or `{ file = "PATH" }` stands in a file of webhooks in its place.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::cli::variable;

/// The keys of references: an environment variable, a file.
pub(in super::super) const REFERENCE_KEYS: [&str; 2] = ["env", "file"];

/// Whether a value is a reference: an object with one of those keys alone.
pub(super) fn is_reference(value: &Value) -> bool {
    parts(value).is_some()
}

fn parts(value: &Value) -> Option<(&str, &str)> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    let (key, target) = object.iter().next()?;
    REFERENCE_KEYS.contains(&key.as_str()).then_some((key.as_str(), target.as_str()?))
}

/// What `value` says, every reference in it replaced by the text that it leads to. Files lie below `folder`.
///
/// # Errors
/// Says what is not there.
pub(super) fn resolved(value: &Value, folder: &Path) -> Result<Value, String> {
    match (parts(value), value) {
        (Some(("env", name)), _) => variable(name).map(Value::from).ok_or_else(|| format!("environment variable {name} is not set")),
        (Some((_, path)), _) => {
            let text = fs::read_to_string(folder.join(path)).map_err(|error| format!("{path} cannot be read: {error}"))?;
            Ok(text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line)).into())
        }
        (None, Value::Object(object)) => {
            object.iter().map(|(name, value)| Ok((name.clone(), resolved(value, folder)?))).collect::<Result<_, _>>().map(Value::Object)
        }
        (None, Value::Array(items)) => items.iter().map(|item| resolved(item, folder)).collect::<Result<_, _>>().map(Value::Array),
        (None, plain) => Ok(plain.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_an_object_with_one_of_the_keys_alone_is_a_reference() {
        assert!(is_reference(&json!({"env": "A"})) && is_reference(&json!({"file": "a"})));
        for other in [json!({}), json!({"env": 7}), json!({"env": "A", "file": "a"}), json!({"user": "A"}), json!("env"), json!(null)] {
            assert!(!is_reference(&other), "{other}");
        }
    }

    #[test]
    fn references_are_followed_wherever_they_stand() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("password"), "s3cret \r\n").unwrap();

        let value = resolved(&json!({"user": "root", "deep": [{"password": {"file": "password"}}]}), folder.path()).unwrap();

        assert_eq!(value, json!({"user": "root", "deep": [{"password": "s3cret "}]}));
        let missing = resolved(&json!([{"file": "nowhere"}]), folder.path()).unwrap_err();
        assert!(missing.starts_with("nowhere cannot be read: No such file"), "{missing}");
        let unset = resolved(&json!({"env": "SURELY_SET_BY_NOBODY"}), folder.path()).unwrap_err();
        assert_eq!(unset, "environment variable SURELY_SET_BY_NOBODY is not set");
    }
}
