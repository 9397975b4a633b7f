//! Whether a value has the shape that a schema describes: the keywords that the document uses, and no property besides
//! those that are described.

use serde_json::Value;

use super::description::Description;

/// What of `value` is not as `schema` says, with the place of each.
pub(super) fn differences(description: &Description, schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare(description, schema, value, "", &mut found);
    found
}

fn compare(description: &Description, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    let schema = description.resolve(schema);
    if let Some(alternatives) = schema.get("anyOf").and_then(Value::as_array) {
        let tried: Vec<Vec<String>> = alternatives.iter().map(|one| differences(description, one, value)).collect();
        if tried.iter().all(|differences| !differences.is_empty()) {
            found.push(format!("{place}: none of the alternatives: {tried:?}"));
        }
    }
    if let Some(problem) = type_problem(schema, value).or_else(|| range_problem(schema, value)).or_else(|| text_problem(schema, value)) {
        found.push(format!("{place}: {problem}: {value}"));
    }
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                compare(description, schema.get("items").unwrap_or(&Value::Bool(true)), item, &format!("{place}[{index}]"), found);
            }
        }
        Value::Object(_) => compare_object(description, schema, value, place, found),
        _ => {}
    }
}

fn compare_object(description: &Description, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    for required in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
        if value.get(required.as_str().unwrap()).is_none() {
            found.push(format!("{place}: {required} is missing"));
        }
    }
    let properties = schema.get("properties");
    for (name, value) in value.as_object().unwrap() {
        let known = properties.and_then(|properties| properties.get(name)).or_else(|| schema.get("additionalProperties"));
        match known {
            Some(schema) => compare(description, schema, value, &format!("{place}.{name}"), found),
            None if properties.is_some() => found.push(format!("{place}: {name} is not described")),
            None => {}
        }
    }
}

fn type_problem(schema: &Value, value: &Value) -> Option<String> {
    let types: Vec<&str> = match schema.get("type")? {
        Value::String(one) => vec![one],
        several => several.as_array()?.iter().filter_map(Value::as_str).collect(),
    };
    let fits = types.iter().any(|of| match *of {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no such type: {other}"),
    });
    (!fits).then(|| format!("must be {}", types.join(" or ")))
}

fn range_problem(schema: &Value, value: &Value) -> Option<String> {
    let limit = |keyword: &str| schema.get(keyword).and_then(Value::as_f64);
    #[expect(clippy::cast_precision_loss, reason = "texts and lists of tests are short")]
    let (measured, least, most) = match value {
        Value::Number(number) => (number.as_f64()?, limit("minimum"), limit("maximum")),
        Value::String(text) => (text.chars().count() as f64, limit("minLength"), limit("maxLength")),
        Value::Array(items) => (items.len() as f64, limit("minItems"), limit("maxItems")),
        _ => return None,
    };
    let fits = least.is_none_or(|least| least <= measured) && most.is_none_or(|most| measured <= most);
    (!fits).then(|| format!("must be {least:?} to {most:?}"))
}

fn text_problem(schema: &Value, value: &Value) -> Option<String> {
    if let Some(words) = schema.get("enum").and_then(Value::as_array)
        && !words.contains(value)
    {
        return Some(format!("must be one of {words:?}"));
    }
    let text = value.as_str()?;
    match schema.get("format").and_then(Value::as_str) {
        Some("uuid") => text.parse::<uuid::Uuid>().is_err().then(|| "must be an id".to_owned()),
        Some("date-time") => chrono::DateTime::parse_from_rfc3339(text).is_err().then(|| "must be a time".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_does_not_fit_is_named() {
        let description = Description(json!({"components": {"schemas": {"Id": {"type": "string", "format": "uuid"}}}}));
        let schema = json!({
            "type": "object",
            "properties": {
                "id": {"$ref": "#/components/schemas/Id"},
                "size": {"type": ["integer", "null"], "minimum": 1},
                "kind": {"enum": ["a", "b"]},
                "list": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["id", "size"],
        });
        let good = json!({"id": "00000000-0000-7000-8000-000000000000", "size": null, "kind": "b", "list": ["x"]});
        let bad = json!({"id": "7", "kind": "c", "list": [1], "more": 1});

        assert_eq!(differences(&description, &schema, &good), Vec::<String>::new());
        let found = differences(&description, &schema, &bad).join("\n");
        for part in
            ["\"size\" is missing", ".id: must be an id", ".kind: must be one of", ".list[0]: must be string", "more is not described"]
        {
            assert!(found.contains(part), "{part}: {found}");
        }
        assert_eq!(differences(&description, &json!({"type": "integer", "minimum": 1}), &json!(0)).len(), 1);
    }
}
