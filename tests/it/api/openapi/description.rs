//! The OpenAPI document as tests read it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::rest::Rest;

/// The whole document.
pub(super) struct Description(pub(super) Value);

/// One operation of it.
#[derive(Clone)]
pub(super) struct Operation {
    pub(super) id: String,
    /// In capitals.
    pub(super) method: String,
    /// With names in braces.
    pub(super) path: String,
    /// Empty for what is open to everybody.
    pub(super) roles: Vec<String>,
    pub(super) described: Value,
}

impl Description {
    /// What the interface says of itself.
    pub(super) async fn of(rest: &Rest) -> Self {
        Self(rest.get("/openapi.json").without("X-API-KEY").send().await.expect(200))
    }

    /// Every operation, in the order of the document.
    pub(super) fn operations(&self) -> Vec<Operation> {
        let paths = self.0["paths"].as_object().unwrap();
        let operations = paths.iter().flat_map(|(path, methods)| methods.as_object().unwrap().iter().map(move |of| (path, of)));
        operations.map(|(path, (method, described))| Operation::read(path, method, described)).collect()
    }

    /// The schema that `schema` refers to, or itself.
    pub(super) fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema.get("$ref").and_then(Value::as_str) {
            Some(reference) => self.0.pointer(reference.trim_start_matches('#')).unwrap_or_else(|| panic!("{reference} leads nowhere")),
            None => schema,
        }
    }

    /// The examples that a schema, or the first of its alternatives that has some, gives.
    pub(super) fn examples(&self, schema: &Value) -> Vec<Value> {
        let schema = self.resolve(schema);
        if let Some(examples) = schema.get("examples") {
            return examples.as_array().unwrap().clone();
        }
        let alternatives = schema.get("anyOf").and_then(Value::as_array);
        alternatives.into_iter().flatten().map(|one| self.examples(one)).find(|examples| !examples.is_empty()).unwrap_or_default()
    }
}

impl Operation {
    fn read(path: &str, method: &str, described: &Value) -> Self {
        let roles = described.get("x-roles").and_then(Value::as_array);
        let roles: Vec<String> = roles.into_iter().flatten().map(|role| role.as_str().unwrap().to_owned()).collect();
        assert_eq!(roles.is_empty(), described["security"] == json!([]), "{method} {path}: security and roles do not agree");
        Self {
            id: described["operationId"].as_str().unwrap().to_owned(),
            method: method.to_uppercase(),
            path: path.to_owned(),
            roles,
            described: described.clone(),
        }
    }

    pub(super) fn is_public(&self) -> bool {
        self.roles.is_empty()
    }

    /// The role that may do the least of those that may call it.
    pub(super) fn least_role(&self) -> Option<&str> {
        self.roles.last().map(String::as_str)
    }

    /// Whether its path names one thing.
    pub(super) fn names_a_thing(&self) -> bool {
        self.path.contains('{')
    }

    /// The schema of its body.
    pub(super) fn body(&self) -> Option<&Value> {
        self.described.pointer("/requestBody/content/application~1json/schema")
    }

    /// Its parameters in one place: `path`, `query` or `header`.
    pub(super) fn parameters(&self, place: &str) -> Vec<&Value> {
        let parameters = self.described.get("parameters").and_then(Value::as_array);
        parameters.into_iter().flatten().filter(|parameter| parameter["in"] == place).collect()
    }

    /// Every status that it may answer.
    pub(super) fn statuses(&self) -> BTreeSet<u16> {
        self.described["responses"].as_object().unwrap().keys().map(|status| status.parse().unwrap()).collect()
    }

    /// The schema and the example of an answer; `None` for one without a body.
    pub(super) fn answer(&self, status: u16) -> Option<&Value> {
        self.described["responses"][status.to_string()].get("content")?.as_object()?.values().next()
    }

    /// The statuses of its answers when nothing is wrong.
    pub(super) fn good_statuses(&self) -> Vec<u16> {
        self.statuses().into_iter().filter(|status| *status < 300).collect()
    }
}

#[tokio::test]
async fn the_description_is_complete_and_says_what_everything_is() {
    let rest = Rest::new().await;
    let description = Description::of(&rest).await;
    let mut ids = BTreeSet::new();

    for operation in description.operations() {
        let (id, described) = (&operation.id, &operation.described);
        assert!(ids.insert(id.clone()), "two operations are called {id}");
        assert!(described["summary"].as_str().is_some_and(|text| !text.is_empty() && !text.ends_with('.')), "{id} has no summary");
        assert_eq!(operation.good_statuses().len(), 1, "{id}");
        assert_eq!(operation.path.matches('{').count(), operation.parameters("path").len(), "{id} does not say what its path holds");
        for parameter in described["parameters"].as_array().into_iter().flatten() {
            assert!(!parameter["description"].as_str().unwrap_or_default().is_empty(), "{id}: {parameter}");
        }
        if let Some(body) = operation.body() {
            assert!(!description.examples(body).is_empty(), "{id} has no example of its body");
        }
    }
    for (name, schema) in description.0["components"]["schemas"].as_object().unwrap() {
        for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
            let said = schema.get("description").and_then(Value::as_str).unwrap_or_default();
            assert!(said.ends_with('.') && !said.contains("[`"), "{name}.{field}: {said:?}");
        }
    }
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    let rest = Rest::new().await;
    let description = Description::of(&rest).await;
    let mut open = vec![&description.0];
    let mut followed = 0;

    while let Some(value) = open.pop() {
        if value.get("$ref").is_some() {
            description.resolve(value);
            followed += 1;
        }
        match value {
            Value::Array(items) => open.extend(items),
            Value::Object(object) => open.extend(object.values()),
            _ => {}
        }
    }
    assert!(followed > 200, "only {followed}");
}

#[tokio::test]
async fn what_is_open_to_everybody_is_this_alone() {
    let rest = Rest::new().await;

    let operations = Description::of(&rest).await.operations();

    let public: Vec<String> = operations.into_iter().filter(Operation::is_public).map(|operation| operation.path).collect();
    assert_eq!(public, ["/openapi.json", "/docs", "/docs/docs.css", "/docs/docs.js", "/.well-known/webhook-keys", "/healthz", "/readyz"]);
}
