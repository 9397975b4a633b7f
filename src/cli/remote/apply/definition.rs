//! A webhook of the file as it is sent, and as the dispatcher would show it.
//!
//! Secrets must be references. What a reference leads to is sent and never told.

use std::path::Path;

use serde_json::{Map, Value};

use super::file::Wanted;
use super::reference::{is_reference, resolved};
use crate::domain::headers::{MASK, holds_secret};
use crate::rest::{FieldProblem, Problem};

/// Fields that the dispatcher never shows as they were written.
pub(super) const HIDDEN: [&str; 4] = ["authorization", "authorizationBody", "clientCertificate", "clientKey"];

/// Of those, the one of which is not even shown whether it is there.
const INVISIBLE: &str = "authorizationBody";

/// Fields whose entries are shown, those that hold secrets masked.
pub(super) const HEADERS: [&str; 2] = ["headers", "authorizationHeaders"];

const NEEDS_REFERENCE: &str = "must be a reference, as { env = \"NAME\" } or { file = \"PATH\" }";

/// What is sent of a webhook, and what is seen of it.
pub(super) struct Definition {
    body: Map<String, Value>,
    /// The fields as the dispatcher would show them.
    pub(super) visible: Map<String, Value>,
    /// The fields that hold what only the dispatcher can compare.
    pub(super) secrets: Vec<String>,
    /// Whether what is seen is all that could differ.
    pub(super) is_all_visible: bool,
}

impl Definition {
    /// What `wanted` means for the webhook that the dispatcher shows as `current`, if it is there. With `keep_secrets` what
    /// cannot be looked up stays what it is.
    ///
    /// # Errors
    /// Names every field with a secret in clear, or a reference that leads to nothing.
    pub(super) fn of(wanted: &Wanted, current: Option<&Value>, folder: &Path, keep_secrets: bool) -> Result<Self, Problem> {
        let mut draft = Draft { current: current.filter(|_| keep_secrets), folder, errors: Vec::new(), made: Self::empty() };
        for (field, value) in &wanted.fields {
            if HIDDEN.contains(&field.as_str()) {
                draft.hidden(field, value);
            } else if let (true, Value::Object(headers)) = (HEADERS.contains(&field.as_str()), value) {
                draft.headers(field, headers);
            } else {
                draft.made.body.insert(field.clone(), value.clone());
                draft.made.visible.insert(field.clone(), value.clone());
            }
        }
        draft.take_away_the_rest(wanted, current);
        if draft.errors.is_empty() {
            return Ok(draft.made);
        }
        Err(Problem { status: 422, detail: "some fields break a rule".to_owned(), errors: draft.errors })
    }

    fn empty() -> Self {
        Self { body: Map::new(), visible: Map::new(), secrets: Vec::new(), is_all_visible: true }
    }

    /// The body of the request.
    pub(super) fn text(self) -> String {
        Value::Object(self.body).to_string()
    }
}

/// A definition while it is made.
struct Draft<'a> {
    /// The webhook whose secrets may be kept.
    current: Option<&'a Value>,
    folder: &'a Path,
    errors: Vec<FieldProblem>,
    made: Definition,
}

impl Draft<'_> {
    fn hidden(&mut self, field: &str, value: &Value) {
        if field != "clientCertificate" {
            refuse_clear(field, field, value, &mut self.errors);
        }
        match resolved(value, self.folder).and_then(|text| if field == INVISIBLE { as_object(text) } else { Ok(text) }) {
            Ok(secret) => {
                self.made.body.insert(field.to_owned(), secret);
                self.made.secrets.push(field.to_owned());
                self.made.is_all_visible = false;
            }
            // What is left out of a replacement stays.
            Err(_) if self.current.is_some_and(|current| field == INVISIBLE || !current[field].is_null()) => {}
            Err(message) => self.refuse(field.to_owned(), message),
        }
        if field != INVISIBLE {
            self.made.visible.insert(field.to_owned(), MASK.into());
        }
    }

    fn headers(&mut self, field: &str, headers: &Map<String, Value>) {
        let (mut sent, mut visible) = (Map::new(), Map::new());
        for (name, value) in headers {
            let path = format!("{field}.{name}");
            if holds_secret(name) && !is_reference(value) {
                self.refuse(path, NEEDS_REFERENCE);
                continue;
            }
            let value = match resolved(value, self.folder) {
                Ok(found) => {
                    if is_reference(value) {
                        self.made.secrets.push(path);
                        self.made.is_all_visible &= !holds_secret(name);
                    }
                    found
                }
                // The mask, sent back, stands for the secret.
                Err(message) => {
                    let Some(shown) = self.shown_header(field, name) else {
                        self.refuse(path, message);
                        continue;
                    };
                    shown
                }
            };
            visible.insert(name.clone(), if holds_secret(name) { MASK.into() } else { value.clone() });
            sent.insert(name.clone(), value);
        }
        self.made.body.insert(field.to_owned(), sent.into());
        self.made.visible.insert(field.to_owned(), visible.into());
    }

    fn shown_header(&self, field: &str, name: &str) -> Option<Value> {
        let shown = self.current?.get(field)?.as_object()?;
        shown.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
    }

    /// What the file leaves out goes; hidden fields have to be told so.
    fn take_away_the_rest(&mut self, wanted: &Wanted, current: Option<&Value>) {
        let Some(current) = current else { return };
        for field in HIDDEN.into_iter().filter(|field| !wanted.fields.contains_key(*field)) {
            if field == INVISIBLE || !current[field].is_null() {
                self.made.body.insert(field.to_owned(), Value::Null);
            }
        }
        // Nobody is told whether there is one; without a login it does not matter.
        if wanted.fields.contains_key("authorizationUrl") && !wanted.fields.contains_key(INVISIBLE) {
            self.made.is_all_visible = false;
        }
    }

    fn refuse(&mut self, field: String, message: impl Into<String>) {
        self.errors.push(FieldProblem { field, message: message.into() });
    }
}

/// A login body may be looked up whole.
fn as_object(value: Value) -> Result<Value, String> {
    match value {
        Value::String(text) => serde_json::from_str::<Map<String, Value>>(&text)
            .map(Value::Object)
            .map_err(|_| "must be, or lead to, a JSON object".to_owned()),
        other => Ok(other),
    }
}

/// Names every secret in `value`, which is called `name`, that stands there in clear.
fn refuse_clear(path: &str, name: &str, value: &Value, errors: &mut Vec<FieldProblem>) {
    match value {
        _ if is_reference(value) => {}
        Value::Object(object) => object.iter().for_each(|(name, value)| refuse_clear(&format!("{path}.{name}"), name, value, errors)),
        Value::Array(items) => items.iter().for_each(|value| refuse_clear(path, name, value, errors)),
        Value::String(_) if holds_secret(name) || name == "clientKey" => {
            errors.push(FieldProblem { field: path.to_owned(), message: NEEDS_REFERENCE.to_owned() });
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wanted(fields: Value) -> Wanted {
        let Value::Object(fields) = fields else { panic!() };
        Wanted { id: None, name: "a".to_owned(), fields }
    }

    fn made(fields: Value, current: Option<&Value>, keep_secrets: bool) -> Result<Definition, Vec<String>> {
        let made = Definition::of(&wanted(fields), current, Path::new("/nowhere"), keep_secrets);
        made.map_err(|problem| problem.errors.into_iter().map(|error| error.field).collect())
    }

    #[test]
    fn a_secret_in_clear_is_refused_wherever_it_stands() {
        let clear = json!({
            "authorization": "Bearer x", "clientKey": "PEM", "headers": {"X-Api-Key": "k", "X-Part": "7"},
            "authorizationHeaders": {"Cookie": "c"}, "authorizationBody": {"username": "root", "deep": [{"password": "p"}]},
        });

        let errors = made(clear, None, false).err().unwrap();

        let fields = ["authorization", "clientKey", "headers.X-Api-Key", "authorizationHeaders.Cookie", "authorizationBody.deep.password"];
        assert_eq!(errors, fields);
    }

    #[test]
    fn what_leads_to_nothing_is_refused_unless_there_is_something_to_keep() {
        let fields = json!({"authorization": {"file": "gone"}, "headers": {"X-Api-Key": {"file": "gone"}}});
        let current = json!({"authorization": "Bearer ****", "headers": {"x-api-key": "****"}});
        let bare = json!({"authorization": null, "headers": null});

        let kept = made(fields.clone(), Some(&current), true).unwrap();

        assert_eq!(Value::Object(kept.body), json!({"headers": {"X-Api-Key": "****"}, "authorizationBody": null}));
        assert!(kept.is_all_visible && kept.secrets.is_empty());
        for (current, keep) in [(Some(&current), false), (Some(&bare), true), (None, true)] {
            assert_eq!(made(fields.clone(), current, keep).err().unwrap(), ["authorization", "headers.X-Api-Key"]);
        }
    }

    #[test]
    fn what_the_file_leaves_out_is_taken_away() {
        let current = json!({"authorization": "Bearer ****", "clientCertificate": {"sha256": "x"}, "clientKey": "****"});

        let definition = made(json!({"name": "a"}), Some(&current), false).unwrap();

        let expected = json!({"name": "a", "authorization": null, "authorizationBody": null, "clientCertificate": null, "clientKey": null});
        assert_eq!(Value::Object(definition.body), expected);
        assert!(definition.is_all_visible);
    }
}
