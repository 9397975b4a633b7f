//! Which webhook of the dispatcher a webhook of the file is, and what would be seen to change.

use std::collections::BTreeSet;
use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::Ended;
use super::definition::{HEADERS, HIDDEN};
use super::file::Wanted;
use crate::domain::headers::MASK;
use crate::domain::method::Method;
use crate::domain::rate_limit::RateLimit;
use crate::domain::retry::RetryPolicy;
use crate::management::edition::Edition;
use crate::rest::{FieldProblem, Problem};

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step<'a> {
    /// There is none yet.
    Create,
    /// This one is it.
    Change(&'a Value),
}

/// A field that reads otherwise afterwards; null stands for what is not there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Difference {
    /// Which.
    pub(super) field: String,
    /// What it reads now.
    pub(super) before: Value,
    /// What it will read.
    pub(super) after: Value,
}

impl<'a> Step<'a> {
    /// The webhook that is there.
    pub(super) const fn current(self) -> Option<&'a Value> {
        match self {
            Self::Create => None,
            Self::Change(current) => Some(current),
        }
    }
}

/// Names tell webhooks apart within one client alone.
///
/// # Errors
/// When the key sees the webhooks of several.
pub(super) fn of_one_client(present: &[Value]) -> Result<(), Ended> {
    let clients: BTreeSet<&str> = present.iter().filter_map(|webhook| webhook["clientId"].as_str()).collect();
    if clients.len() > 1 {
        return Err(Ended::usage("this key sees the webhooks of several clients: name one with --client"));
    }
    Ok(())
}

/// What is to be done for `wanted`.
///
/// # Errors
/// When it is not clear which webhook is meant, or that one is not there.
pub(super) fn step<'a>(wanted: &Wanted, present: &'a [Value]) -> Result<Step<'a>, Problem> {
    let refused = |status, field: &str, message: &str| {
        let errors = vec![FieldProblem { field: field.to_owned(), message: message.to_owned() }];
        Problem { status, detail: "it is not clear which webhook is meant".to_owned(), errors }
    };
    let mut meant = present.iter().filter(|webhook| is_meant(wanted, webhook));
    match (meant.next(), meant.next(), wanted.id) {
        (None, _, None) => Ok(Step::Create),
        (None, _, Some(_)) => Err(refused(404, "id", "names no webhook; leave it out to make one")),
        (Some(current), None, _) => Ok(Step::Change(current)),
        (Some(_), Some(_), _) => Err(refused(409, "name", "is that of several webhooks; say which by its id")),
    }
}

fn is_meant(wanted: &Wanted, webhook: &Value) -> bool {
    match wanted.id {
        Some(id) => webhook["id"].as_str().and_then(|known| known.parse().ok()) == Some(id),
        None => webhook["name"] == wanted.name,
    }
}

/// The webhooks that the file does not name.
pub(super) fn beside<'a>(present: &'a [Value], wanted: &[Wanted]) -> Vec<&'a Value> {
    present.iter().filter(|webhook| !wanted.iter().any(|wanted| is_meant(wanted, webhook))).collect()
}

/// Every field that would read otherwise than it does.
pub(super) fn differences(visible: &Map<String, Value>, current: Option<&Value>) -> Vec<Difference> {
    let before = current.map(shown).unwrap_or_default();
    let (before, after) = (normal(before), normal(visible.clone()));
    let fields = Edition::V1.written().filter(|field| before.get(*field) != after.get(*field));
    let value = |of: &Map<String, Value>, field| of.get(field).cloned().unwrap_or(Value::Null);
    let all = fields.map(|field| Difference { field: field.to_owned(), before: value(&before, field), after: value(&after, field) });
    // A way of sending may bring a method of its own.
    all.filter(|difference| difference.field != "method" || !difference.after.is_null()).collect()
}

/// The fields that a file could hold, as the dispatcher shows them.
fn shown(webhook: &Value) -> Map<String, Value> {
    let fields = webhook.as_object().into_iter().flatten().filter(|(field, value)| Edition::V1.writes(field) && !value.is_null());
    let masked = fields.map(|(field, value)| {
        let is_hidden = HIDDEN.contains(&field.as_str());
        (field.clone(), if is_hidden { MASK.into() } else { value.clone() })
    });
    masked.collect()
}

/// The same definition, written as the dispatcher writes it; what breaks a rule stays as it is, for the dispatcher to say so.
fn normal(mut fields: Map<String, Value>) -> Map<String, Value> {
    let is_empty = |field: &str, value: &Value| value.is_null() || HEADERS.contains(&field) && value == &json!({});
    fields.retain(|field, value| !is_empty(field, value));
    rewrite::<Method>(&mut fields, "method", |method| json!(method));
    rewrite::<Method>(&mut fields, "authorizationMethod", |method| json!(method));
    reread::<RetryPolicy>(&mut fields, "retry");
    reread::<RateLimit>(&mut fields, "rateLimit");
    if fields.get("httpSignature") == Some(&json!({"enabled": false})) {
        fields.remove("httpSignature");
    }
    // A type stands for its events.
    if fields.contains_key("type") {
        fields.remove("events");
    }
    if let Some(Value::Array(events)) = fields.get_mut("events") {
        events.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
        events.dedup();
    }
    fields
}

fn rewrite<T: FromStr>(fields: &mut Map<String, Value>, field: &str, write: impl Fn(T) -> Value) {
    if let Some(value) = fields.get_mut(field)
        && let Some(read) = value.as_str().and_then(|text| text.parse().ok())
    {
        *value = write(read);
    }
}

fn reread<T: DeserializeOwned + Serialize>(fields: &mut Map<String, Value>, field: &str) {
    if let Some(value) = fields.get_mut(field)
        && let Ok(read) = serde_json::from_value::<T>(value.clone())
    {
        *value = json!(read);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(name: &str, id: Option<u128>) -> Wanted {
        Wanted { id: id.map(|id| uuid::Uuid::from_u128(id).into()), name: name.to_owned(), fields: Map::new() }
    }

    fn present(name: &str, id: u128) -> Value {
        json!({"id": uuid::Uuid::from_u128(id).to_string(), "name": name, "clientId": "c"})
    }

    fn map(value: Value) -> Map<String, Value> {
        let Value::Object(map) = value else { panic!() };
        map
    }

    #[test]
    fn a_webhook_is_meant_by_its_id_or_else_by_its_name() {
        let present = [present("a", 1), present("b", 2), present("b", 3)];
        let meant = |wanted: &Wanted| step(wanted, &present).map(|step| step.current().map(|webhook| webhook["id"].clone()));

        assert_eq!(meant(&wanted("a", None)), Ok(Some(present[0]["id"].clone())));
        assert_eq!(meant(&wanted("renamed", Some(3))), Ok(Some(present[2]["id"].clone())));
        assert_eq!(meant(&wanted("c", None)), Ok(None));
        assert_eq!(meant(&wanted("b", None)).unwrap_err().errors[0].field, "name");
        assert_eq!(meant(&wanted("a", Some(9))).unwrap_err().errors[0].field, "id");
        let left: Vec<&Value> = beside(&present, &[wanted("a", None), wanted("x", Some(3))]);
        assert_eq!(left, [&present[1]]);
    }

    #[test]
    fn the_webhooks_of_several_clients_are_not_told_apart_by_name() {
        let mut other = present("b", 2);
        other["clientId"] = "d".into();

        assert!(of_one_client(&[present("a", 1), present("b", 3)]).is_ok());
        assert!(of_one_client(&[present("a", 1), other]).is_err());
    }

    #[test]
    fn what_is_written_otherwise_and_means_the_same_does_not_differ() {
        let current = json!({
            "id": "1", "name": "a", "type": 0, "events": ["document.finished"], "method": "POST", "url": "https://a.example/:id",
            "headers": null, "retry": {"delaysSeconds": [5], "jitter": 0.2}, "rateLimit": {"requests": 5, "perSeconds": 1},
            "httpSignature": {"enabled": false}, "authorization": "Bearer ****", "state": "active", "lane": {"state": "idle"},
        });
        let visible = json!({
            "name": "a", "type": 0, "method": "post", "url": "https://a.example/:id", "headers": {}, "authorization": MASK,
            "retry": {"delaysSeconds": [5]}, "rateLimit": {"requests": 5},
        });

        assert_eq!(differences(&map(visible), Some(&current)), []);
    }

    #[test]
    fn what_differs_is_told_before_and_after() {
        let current = json!({"name": "a", "events": ["b", "a"], "timeoutMs": 100, "clientKey": "****"});
        let visible = json!({"name": "b", "events": ["a", "b", "a"], "headers": {"X-A": "1"}});

        let told: Vec<String> = differences(&map(visible), Some(&current)).iter().map(|difference| json!(difference).to_string()).collect();

        assert_eq!(
            told,
            [
                r#"{"field":"name","before":"a","after":"b"}"#,
                r#"{"field":"headers","before":null,"after":{"X-A":"1"}}"#,
                r#"{"field":"timeoutMs","before":100,"after":null}"#,
                r#"{"field":"clientKey","before":"****","after":null}"#,
            ]
        );
    }
}
