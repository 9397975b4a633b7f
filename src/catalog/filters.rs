//! What templates can do beyond the library's own: JSON texts changed as texts, so that what is not changed stays byte for
//! byte what it was.

use minijinja::value::Serde;
use minijinja::{Environment, Error, ErrorKind, Value};
use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use super::local_times::local_time;

/// Adds:
/// - `x | json`: any value as JSON;
/// - `raw | with_first(name, value)`: a JSON object with one more field before its others;
/// - `raw | renamed(from, to)`: a JSON object with another name for one field;
/// - `raw | local_times(zone, names)`: a JSON object with these fields' times as local times of a zone, without offset;
/// - `id | uuid4`: an UUID in the shape of version 4, always the same for the same id.
pub(super) fn add_to(environment: &mut Environment<'static>) {
    environment.add_filter("json", json);
    environment.add_filter("with_first", with_first);
    environment.add_filter("renamed", renamed);
    environment.add_filter("local_times", local_times);
    environment.add_filter("uuid4", uuid4);
}

fn json(value: &Value) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|_| refused("cannot be written as JSON"))
}

fn with_first(raw: &str, name: &str, value: &Value) -> Result<String, Error> {
    let rest = raw.trim_start().strip_prefix('{').ok_or_else(|| refused("is no JSON object"))?;
    let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
    Ok(format!("{{{}:{}{comma}{rest}", Json::from(name), json(value)?))
}

fn renamed(raw: &str, from: &str, to: &str) -> Result<String, Error> {
    let object = object(raw)?;
    if from == to || !object.contains_key(from) {
        return Ok(raw.to_owned());
    }
    let spelt = |name: String| if name == from { to.to_owned() } else { name };
    written(object.into_iter().map(|(name, value)| (spelt(name), value)).collect())
}

#[expect(clippy::needless_pass_by_value, reason = "the library hands arguments over")]
fn local_times(raw: &str, zone: &str, names: Serde<Vec<String>>) -> Result<String, Error> {
    let zone = zone.parse().map_err(|_| refused("is no time zone"))?;
    let mut object = object(raw)?;
    let mut is_changed = false;
    for name in &*names {
        if let Some(Json::String(time)) = object.get_mut(name)
            && let Some(local) = local_time(time, zone)
        {
            *time = local;
            is_changed = true;
        }
    }
    if is_changed { written(object) } else { Ok(raw.to_owned()) }
}

fn uuid4(id: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(id.as_bytes()).into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    let uuid: Uuid = Builder::from_random_bytes(bytes).into_uuid();
    uuid.to_string()
}

fn object(raw: &str) -> Result<Map<String, Json>, Error> {
    serde_json::from_str(raw).map_err(|_| refused("is no JSON object"))
}

fn written(object: Map<String, Json>) -> Result<String, Error> {
    serde_json::to_string(&Json::Object(object)).map_err(|_| refused("cannot be written as JSON"))
}

fn refused(reason: &'static str) -> Error {
    Error::new(ErrorKind::InvalidOperation, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_comes_first_and_the_rest_stays_byte_for_byte() {
        let value = Value::from("x\n\"");

        assert_eq!(with_first("{\"a\": 1.0,\"b\":\"\\u00e9\"}", "s", &value).unwrap(), "{\"s\":\"x\\n\\\"\",\"a\": 1.0,\"b\":\"\\u00e9\"}");
        assert_eq!(with_first("{}", "s", &value).unwrap(), "{\"s\":\"x\\n\\\"\"}");
        assert!(with_first("[1]", "s", &value).is_err());
    }

    #[test]
    fn a_renamed_field_keeps_its_place_and_nothing_to_rename_changes_nothing() {
        assert_eq!(renamed(r#"{"a":1,"b":2,"c":3}"#, "b", "d").unwrap(), r#"{"a":1,"d":2,"c":3}"#);
        assert_eq!(renamed(r#"{ "a": 1 }"#, "b", "d").unwrap(), r#"{ "a": 1 }"#);
    }

    #[test]
    fn local_times_change_the_named_fields_alone() {
        let names = || Serde(vec!["at".to_owned(), "missing".to_owned()]);
        let raw = r#"{"at":"2025-03-10T17:05:00.9Z","other":"2025-03-10T17:05:00Z"}"#;

        let changed = local_times(raw, "America/Sao_Paulo", names()).unwrap();

        assert_eq!(changed, r#"{"at":"2025-03-10T14:05:00","other":"2025-03-10T17:05:00Z"}"#);
        assert_eq!(
            local_times(r#"{ "at": "2025-03-10T14:05:00" }"#, "America/Sao_Paulo", names()).unwrap(),
            r#"{ "at": "2025-03-10T14:05:00" }"#
        );
        assert!(local_times(raw, "Mars/Olympus", names()).is_err());
    }

    #[test]
    fn an_id_always_gives_the_same_uuid_of_version_4() {
        let uuid: Uuid = uuid4("0198c0de-0000-7000-8000-000000000001").parse().unwrap();

        assert_eq!(uuid.get_version_num(), 4);
        assert_eq!(uuid4("0198c0de-0000-7000-8000-000000000001"), uuid.to_string());
        assert_ne!(uuid4("0198c0de-0000-7000-8000-000000000002"), uuid.to_string());
    }
}
