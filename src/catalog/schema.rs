//! JSON Schema, compiled once: what a payload breaks of it, by JSON pointer.
//!
//! Hides the library. A reference to anything outside the schema is refused when it is compiled, and patterns run in
//! linear time. What is said of a payload never repeats its values.

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

/// How many breaches of one payload are told.
const MOST_TOLD: usize = 20;

/// How many bytes a compiled pattern may take.
const PATTERN_BYTES: usize = 1 << 20;

/// What a payload breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// Where, as a JSON pointer; empty for the payload as a whole.
    pub pointer: String,
    /// What is wrong there, to be read after the pointer.
    pub message: String,
    /// Whether all that is wrong is a field that the schema does not know.
    pub is_extra_field: bool,
}

/// A compiled schema.
#[derive(Debug)]
pub(super) struct PayloadSchema(Validator);

impl PayloadSchema {
    /// Compiles a schema; says what is wrong with it otherwise.
    pub(super) fn compile(schema: &Value) -> Result<Self, String> {
        let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES);
        let options = jsonschema::options().offline().with_pattern_options(patterns).should_validate_formats(true);
        let options = options.should_ignore_unknown_formats(false);
        options.build(schema).map(Self).map_err(|error| error.to_string())
    }

    pub(super) fn accepts(&self, payload: &Value) -> bool {
        self.0.is_valid(payload)
    }

    pub(super) fn breaches(&self, payload: &Value) -> Vec<Breach> {
        self.0.iter_errors(payload).flat_map(|error| told(&error)).take(MOST_TOLD).collect()
    }
}

fn told(error: &ValidationError<'_>) -> Vec<Breach> {
    let pointer = error.instance_path().as_str().to_owned();
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            let pointer = below(&pointer, property.as_str().unwrap_or_default());
            vec![Breach { pointer, message: "is required".to_owned(), is_extra_field: false }]
        }
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let extra = |name: &String| Breach {
                pointer: below(&pointer, name),
                message: "is no field of this event".to_owned(),
                is_extra_field: true,
            };
            unexpected.iter().map(extra).collect()
        }
        _ => vec![Breach { pointer, message: error.masked_with("what is there").to_string(), is_extra_field: false }],
    }
}

/// The pointer to a field below `pointer` (RFC 6901).
fn below(pointer: &str, field: &str) -> String {
    format!("{pointer}/{}", field.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pointers(schema: &Value, payload: &Value) -> Vec<(String, bool)> {
        let told = PayloadSchema::compile(schema).unwrap().breaches(payload);
        told.into_iter().map(|breach| (breach.pointer, breach.is_extra_field)).collect()
    }

    #[test]
    fn every_breach_is_told_with_its_pointer() {
        let schema = json!({
            "type": "object",
            "properties": {"a/b": {"type": "integer"}, "list": {"type": "array", "items": {"type": "integer"}}, "id": {"type": "string"}},
            "required": ["id"],
            "additionalProperties": false,
        });

        let told = pointers(&schema, &json!({"a/b": "x", "list": [1, "2"], "more": 1}));

        let mut expected =
            vec![("/a~1b".to_owned(), false), ("/id".to_owned(), false), ("/list/1".to_owned(), false), ("/more".to_owned(), true)];
        let mut told = told;
        told.sort();
        expected.sort();
        assert_eq!(told, expected);
    }

    #[test]
    fn what_is_told_repeats_no_value() {
        let schema = json!({"type": "object", "properties": {"authorization": {"type": "integer"}}});

        let told = PayloadSchema::compile(&schema).unwrap().breaches(&json!({"authorization": "hush"}));

        assert_eq!(told.len(), 1);
        assert!(!told[0].message.contains("hush"), "{}", told[0].message);
    }

    #[test]
    fn a_schema_that_would_have_to_be_fetched_is_refused() {
        for reference in ["https://example.com/schema.json", "file:///etc/passwd", "other.json"] {
            assert!(PayloadSchema::compile(&json!({"$ref": reference})).is_err(), "{reference}");
        }
        assert!(PayloadSchema::compile(&json!({"type": "nonsense"})).is_err());
        assert!(PayloadSchema::compile(&json!({"type": "string", "pattern": "^(a+)+$"})).is_ok());
        assert!(PayloadSchema::compile(&json!({"type": "string", "pattern": "(?=a)b"})).is_err(), "only what runs in linear time");
    }
}
