//! What a file of webhooks says: TOML or JSON, a list `webhooks` of definitions with the fields of `/v1/webhooks`.

use std::collections::HashSet;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Map, Value};

use super::Ended;
use crate::domain::ids::WebhookId;
use crate::management::edition::Edition;

const LIST: &str = "webhooks";

/// A webhook of the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wanted {
    /// Which one it is to be, where a name does not tell.
    pub(super) id: Option<WebhookId>,
    /// What it is called.
    pub(super) name: String,
    /// All its fields, the name among them and the id not.
    pub(super) fields: Map<String, Value>,
}

/// What the file at `path` says, and the folder from which its references to files lead; `-` is standard input.
///
/// # Errors
/// When it cannot be read, or is not to be understood.
pub(super) fn read(path: &Path) -> anyhow::Result<(Vec<Wanted>, PathBuf)> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        return Ok((parse(&text).map_err(Ended::invalid)?, PathBuf::new()));
    }
    let name = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("{name} cannot be read"))?;
    let wanted = parse(&text).map_err(|error| Ended::invalid(format!("{name}: {error}")))?;
    Ok((wanted, path.parent().map(Path::to_path_buf).unwrap_or_default()))
}

/// What the text says, or the first thing that is wrong with it.
fn parse(text: &str) -> Result<Vec<Wanted>, String> {
    let mut document: Map<String, Value> = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| error.to_string())?
    } else {
        toml::from_str(text).map_err(|error| error.to_string())?
    };
    let list = document.remove(LIST);
    if let Some(other) = document.keys().next() {
        return Err(format!("{other} is not known; a file holds {LIST}"));
    }
    let Some(Value::Array(list)) = list else { return Err(format!("{LIST} must be a list")) };
    let wanted: Vec<Wanted> = list.into_iter().enumerate().map(|(index, entry)| webhook(index, entry)).collect::<Result<_, _>>()?;
    let mut seen = HashSet::new();
    match wanted.iter().find(|webhook| !seen.insert((webhook.id, webhook.id.is_none().then_some(&webhook.name)))) {
        Some(twice) => Err(format!("{} is there twice", twice.name)),
        None => Ok(wanted),
    }
}

fn webhook(index: usize, entry: Value) -> Result<Wanted, String> {
    let place = format!("{LIST}[{index}]");
    let Value::Object(mut fields) = entry else { return Err(format!("{place} must hold the fields of a webhook")) };
    let id = match fields.shift_remove("id") {
        None | Some(Value::Null) => None,
        Some(id) => Some(id.as_str().and_then(|id| id.parse().ok()).ok_or_else(|| format!("{place}.id must be an id"))?),
    };
    let name = fields.get("name").and_then(Value::as_str).ok_or_else(|| format!("{place}.name must be text"))?.to_owned();
    // The dispatcher would pass over a mistyped field.
    if let Some(unknown) = fields.keys().find(|field| !Edition::V1.writes(field)) {
        return Err(format!("{place} ({name}): there is no field {unknown}"));
    }
    fields.retain(|_, value| !value.is_null());
    Ok(Wanted { id, name, fields })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "00000000-0000-7000-8000-000000000001";

    #[test]
    fn toml_and_json_say_the_same() {
        let as_toml = "[[webhooks]]\nname = \"a\"\nmethod = \"POST\"\nauthorization = { env = \"A\" }\nretry.delaysSeconds = [5, 60]\n";
        let fields = json!({"name": "a", "method": "POST", "authorization": {"env": "A"}, "retry": {"delaysSeconds": [5, 60]}});

        let of_toml = parse(as_toml).unwrap();
        let of_json = parse(&json!({"webhooks": [fields]}).to_string()).unwrap();

        assert_eq!(of_toml, of_json);
        assert_eq!((of_toml[0].name.as_str(), of_toml[0].id), ("a", None));
        assert_eq!(Value::Object(of_toml[0].fields.clone()), fields);
    }

    #[test]
    fn what_is_not_understood_is_told_with_its_place() {
        let told = |document: Value| parse(&document.to_string()).unwrap_err();

        assert_eq!(told(json!({"webhook": []})), "webhook is not known; a file holds webhooks");
        assert_eq!(told(json!({})), "webhooks must be a list");
        assert_eq!(told(json!({"webhooks": [7]})), "webhooks[0] must hold the fields of a webhook");
        assert_eq!(told(json!({"webhooks": [{"url": "x"}]})), "webhooks[0].name must be text");
        assert_eq!(told(json!({"webhooks": [{"name": "a", "id": "7"}]})), "webhooks[0].id must be an id");
        assert_eq!(told(json!({"webhooks": [{"name": "a", "authorisation": "x"}]})), "webhooks[0] (a): there is no field authorisation");
        assert_eq!(told(json!({"webhooks": [{"name": "a"}, {"name": "a"}]})), "a is there twice");
        assert_eq!(told(json!({"webhooks": [{"name": "a", "id": ID}, {"name": "b", "id": ID}]})), "b is there twice");
        assert!(parse("[[webhooks]\n").unwrap_err().contains("line 1"));
    }

    #[test]
    fn two_may_have_one_name_if_their_ids_tell_them_apart() {
        let document = json!({"webhooks": [{"name": "a", "id": ID}, {"name": "a", "url": null}]});

        let wanted = parse(&document.to_string()).unwrap();

        assert_eq!(wanted.iter().map(|webhook| webhook.id.map(|id| id.to_string())).collect::<Vec<_>>(), [Some(ID.to_owned()), None]);
        assert_eq!(wanted[1].fields.len(), 1);
    }
}
