//! The document, put together from what is declared.

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::super::auth::{NEWER_OCR_KEY_HEADER, NEWER_OCR_PREFIX};
use super::operation::{AnswerShape, BodyShape, Operation, Parameter};
use super::routes::Declared;
use super::{receivers, refusals};
use crate::domain::client::Role;

const ABOUT: &str = "Turns \"this document is finished\" into an HTTP call that arrives: webhooks, events, their deliveries, and \
    a person's hand in them.\n\nEvery call needs a key in `X-API-KEY`, of one of the roles in the `x-roles` of its operation; what has none is \
    open to everybody. A key belongs to one client and sees that client's things alone. Times are RFC 3339 with microseconds. \
    Whatever is refused is `application/problem+json` (RFC 9457).";

/// Answers of a real run, by operation and status. A test makes and holds them.
const EXAMPLES: &str = include_str!("examples.json");

/// Schemas of what is read and of what is answered differ: what may be left out of the one is always in the other.
struct Generators {
    read: SchemaGenerator,
    answered: SchemaGenerator,
}

/// The OpenAPI document of these routes.
pub(super) fn document(declared: &[Declared]) -> Value {
    let mut generators = Generators::new();
    let examples: Map<String, Value> = serde_json::from_str(EXAMPLES).unwrap_or_default();
    let paths = paths(declared, &mut generators, &examples);
    let responses = refusals::components(&mut generators.answered);
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "webhook-dispatcher",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": tags(declared),
        "paths": paths,
        "webhooks": receivers::webhooks(),
        "components": {
            "securitySchemes": security_schemes(),
            "responses": responses,
            "schemas": generators.into_definitions(),
        },
    });
    join_lines(&mut document);
    document
}

impl Generators {
    fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.meta_schema = None;
            })
        };
        Self { read: settings().for_deserialize().into_generator(), answered: settings().for_serialize().into_generator() }
    }

    fn into_definitions(mut self) -> Map<String, Value> {
        let mut definitions = self.read.take_definitions(true);
        definitions.extend(self.answered.take_definitions(true));
        definitions.sort_keys();
        definitions
    }
}

fn tags(declared: &[Declared]) -> Vec<Value> {
    let mut tags: Vec<Value> = Vec::new();
    for noun in declared.iter().map(|route| route.noun) {
        if tags.iter().all(|tag| tag["name"] != noun.name) {
            tags.push(json!({"name": noun.name, "description": noun.about}));
        }
    }
    tags
}

fn security_schemes() -> Value {
    let key = |header: &str, about: &str| json!({"type": "apiKey", "in": "header", "name": header, "description": about});
    json!({
        "apiKey": key("X-API-KEY", "The text of an API key."),
        "newerOcrKey": key(NEWER_OCR_KEY_HEADER, "The same, by the name that the newer edition of the OCR service has for it."),
    })
}

fn paths(declared: &[Declared], generators: &mut Generators, examples: &Map<String, Value>) -> Value {
    let mut paths = json!({});
    for route in declared {
        paths[route.path][route.method] = operation(route, generators, examples);
    }
    paths
}

fn operation(route: &Declared, generators: &mut Generators, examples: &Map<String, Value>) -> Value {
    let Operation { id, summary, detail, permission, parameters, body, answers, refusals, conflicts } = &route.operation;
    let mut described = json!({"operationId": id, "tags": [route.noun.name], "summary": summary});
    if let Some(detail) = detail {
        described["description"] = json!(detail);
    }
    described["security"] = security(route);
    if let Some(permission) = *permission {
        let roles = Role::ALL.into_iter().filter(|role| role.allows(permission));
        described["x-roles"] = roles.map(Role::as_str).collect();
    }
    let parameters: Vec<Value> = parameters.iter().flat_map(|read| self::parameters(read, route.path, &mut generators.read)).collect();
    if !parameters.is_empty() {
        described["parameters"] = parameters.into();
    }
    if let Some(body) = body {
        described["requestBody"] = request_body(body, &mut generators.read);
    }
    let mut responses = Map::new();
    for shape in answers {
        responses.insert(shape.status.to_string(), response(shape, examples.get(*id), &mut generators.answered));
    }
    responses.extend(refusals.iter().map(|status| (status.to_string(), refusals::reference(*status))));
    if !conflicts.is_empty() {
        responses.insert("409".to_owned(), refusals::conflict(conflicts, &mut generators.answered));
    }
    responses.sort_keys();
    described["responses"] = responses.into();
    described
}

fn security(route: &Declared) -> Value {
    match route.operation.permission {
        None => json!([]),
        Some(_) if route.path.starts_with(NEWER_OCR_PREFIX) => json!([{"apiKey": []}, {"newerOcrKey": []}]),
        Some(_) => json!([{"apiKey": []}]),
    }
}

fn parameters(read: &Parameter, path: &str, generator: &mut SchemaGenerator) -> Vec<Value> {
    match read {
        Parameter::Path(schema) => {
            let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
            names.map(|name| parameter(name, "path", true, schema(generator))).collect()
        }
        Parameter::Header { name, about, schema } => {
            let mut schema = schema(generator);
            schema.insert("description".to_owned(), json!(about));
            vec![parameter(name, "header", false, schema)]
        }
        Parameter::Query(schema) => {
            let properties = schema(generator).remove("properties");
            let properties = properties.as_ref().and_then(Value::as_object).cloned().unwrap_or_default();
            let schema = |property| Schema::try_from(property).unwrap_or_default();
            properties.into_iter().map(|(name, property)| parameter(&name, "query", false, not_null(schema(property)))).collect()
        }
    }
}

/// A parameter; the description of its schema is its own.
fn parameter(name: &str, place: &str, required: bool, mut schema: Schema) -> Value {
    let description = schema.remove("description").unwrap_or_default();
    json!({"name": name, "in": place, "description": description, "required": required, "schema": schema})
}

/// The schema without null: a parameter is left out instead.
fn not_null(mut schema: Schema) -> Schema {
    let types = schema.get("type").and_then(Value::as_array).cloned().unwrap_or_default();
    if let [only, null] = &types[..]
        && null == "null"
    {
        schema.insert("type".to_owned(), only.clone());
    }
    if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        words.retain(|word| !word.is_null());
    }
    schema
}

fn request_body(body: &BodyShape, generator: &mut SchemaGenerator) -> Value {
    json!({"required": body.required, "content": {"application/json": {"schema": (body.schema)(generator)}}})
}

fn response(shape: &AnswerShape, examples: Option<&Value>, generator: &mut SchemaGenerator) -> Value {
    let mut response = json!({"description": shape.about});
    if let Some((media_type, schema)) = shape.content {
        let mut content = json!({"schema": schema(generator)});
        if let Some(example) = examples.and_then(|examples| examples.get(shape.status.to_string())) {
            content["example"] = example.clone();
        }
        response["content"] = json!({media_type: content});
    }
    response
}

/// Descriptions come from comments, which are broken into lines.
fn join_lines(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(join_lines),
        Value::Object(object) => {
            for (name, value) in object {
                match value {
                    Value::String(text) if name == "description" => {
                        *text = text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect::<Vec<_>>().join("\n\n");
                    }
                    value => join_lines(value),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::all_routes;
    use super::*;

    #[test]
    fn no_name_stands_for_two_shapes() {
        let routes = all_routes();
        let mut generators = Generators::new();
        paths(routes.declared(), &mut generators, &Map::new());
        let (read, answered) = (generators.read.take_definitions(true), generators.answered.take_definitions(true));

        for (name, schema) in read {
            assert!(answered.get(&name).is_none_or(|other| *other == schema), "{name} is read and answered, but differs");
        }
    }

    #[test]
    fn the_lines_of_a_comment_become_one() {
        let mut value = json!({"description": "a\nb\n\nc", "other": "a\nb", "list": [{"description": "d\ne"}]});

        join_lines(&mut value);

        assert_eq!(value, json!({"description": "a b\n\nc", "other": "a\nb", "list": [{"description": "d e"}]}));
    }
}
