//! `webhooks export`: the webhooks as a file that `apply` takes, their secrets as references that somebody has to fill.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::apply::REFERENCE_KEYS;
use super::output::Output;
use super::webhooks::PATH;
use crate::domain::headers::MASK;
use crate::management::edition::Edition;
use crate::rest::RestClient;

const HEAD: &str = "# Webhooks, as `webhooks apply -f FILE` takes them. Secrets are never told: each stands here as a reference,
# { env = \"NAME\" } or { file = \"PATH\" }. With --keep-secrets, those that lead to nothing stay what they are.
# Whether a login has an authorizationBody is not told either: take the line out where it has none.
";

/// Writes all webhooks that the key sees.
pub(super) async fn run(rest: &RestClient, output: &mut Output<'_>) -> anyhow::Result<()> {
    let mut webhooks: Vec<Value> = rest.all(PATH).await?;
    // The oldest first: a file that is written again has its new ones at the end.
    webhooks.reverse();
    let written = written(&webhooks);
    if output.json {
        return Ok(output.document(&json!({"webhooks": written}))?);
    }
    output.block(HEAD, "")?;
    for webhook in written {
        output.line("")?;
        output.line("[[webhooks]]")?;
        for (field, value) in webhook {
            output.file_line(&format!("{field} = {}", toml::Value::try_from(value)?))?;
        }
    }
    Ok(())
}

fn written(webhooks: &[Value]) -> Vec<Map<String, Value>> {
    let mut named = BTreeMap::<&str, u32>::new();
    for name in webhooks.iter().filter_map(|webhook| webhook["name"].as_str()) {
        *named.entry(name).or_default() += 1;
    }
    let is_ambiguous = |webhook: &Value| webhook["name"].as_str().is_some_and(|name| named.get(name).is_some_and(|count| *count > 1));
    webhooks.iter().map(|webhook| definition(webhook, is_ambiguous(webhook))).collect()
}

/// What `apply` needs of a webhook; its id only where the name does not tell.
fn definition(webhook: &Value, with_id: bool) -> Map<String, Value> {
    let mut stem = format!("WEBHOOK_{}", webhook["name"].as_str().unwrap_or_default());
    let mut definition = Map::new();
    if with_id {
        definition.insert("id".to_owned(), webhook["id"].clone());
        stem = format!("{stem}_{}", webhook["id"].as_str().unwrap_or_default());
    }
    for field in Edition::V1.written() {
        let value = match field {
            "authorization" | "clientCertificate" | "clientKey" if !webhook[field].is_null() => reference(&stem, field),
            "authorizationBody" if !webhook["authorizationUrl"].is_null() => reference(&stem, field),
            "headers" | "authorizationHeaders" => headers(&stem, field, &webhook[field]),
            // A type stands for its events, and what is off is off when it is left out.
            "events" if !webhook["type"].is_null() => Value::Null,
            "httpSignature" if webhook[field]["enabled"] == false => Value::Null,
            _ => webhook[field].clone(),
        };
        if !value.is_null() {
            definition.insert(field.to_owned(), value);
        }
    }
    definition
}

fn headers(stem: &str, field: &str, headers: &Value) -> Value {
    let Some(headers) = headers.as_object() else { return Value::Null };
    let shown = headers
        .iter()
        .map(|(name, value)| (name.clone(), if value == MASK { reference(stem, &format!("{field}_{name}")) } else { value.clone() }));
    Value::Object(shown.collect())
}

/// An environment variable that is named after what it is for.
fn reference(stem: &str, field: &str) -> Value {
    let [env, _] = REFERENCE_KEYS;
    json!({ env: variable_name(&format!("{stem}_{field}")) })
}

/// `WEBHOOK_INVOICES_AUTHORIZATION` for `WEBHOOK_Invoices_authorization`.
fn variable_name(text: &str) -> String {
    let mut name = String::new();
    for character in text.chars() {
        let starts_word = character.is_ascii_uppercase() && name.ends_with(|before: char| before.is_ascii_lowercase());
        if starts_word || !character.is_ascii_alphanumeric() {
            name.push('_');
        }
        if character.is_ascii_alphanumeric() {
            name.push(character);
        }
    }
    name.to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_named_after_what_they_are_for() {
        assert_eq!(variable_name("WEBHOOK_Notas fiscais_clientKey"), "WEBHOOK_NOTAS_FISCAIS_CLIENT_KEY");
        assert_eq!(variable_name("WEBHOOK_é_headers_X-Api-Key"), "WEBHOOK___HEADERS_X_API_KEY");
    }

    #[test]
    fn secrets_become_references_and_ambiguous_names_get_ids() {
        let webhook = json!({
            "id": "1", "name": "a", "type": 0, "events": ["document.finished"], "method": "POST", "url": "https://a.example/:id",
            "headers": {"X-Api-Key": "****", "X-Part": "7"}, "authorization": "Bearer ****", "authorizationUrl": "https://a.example",
            "httpSignature": {"enabled": false}, "clientCertificate": null, "retry": null, "state": "active",
        });
        let twin = json!({"id": "2", "name": "a", "events": ["x"], "httpSignature": {"enabled": true}});

        let alone = written(std::slice::from_ref(&webhook)).remove(0);
        let both = written(&[webhook, twin]);

        let expected = json!({
            "name": "a", "type": 0, "method": "POST", "headers": {"X-Api-Key": {"env": "WEBHOOK_A_HEADERS_X_API_KEY"}, "X-Part": "7"},
            "url": "https://a.example/:id", "authorization": {"env": "WEBHOOK_A_AUTHORIZATION"}, "authorizationUrl": "https://a.example",
            "authorizationBody": {"env": "WEBHOOK_A_AUTHORIZATION_BODY"},
        });
        assert_eq!(Value::Object(alone), expected);
        assert_eq!((&both[0]["id"], &both[0]["authorization"]), (&json!("1"), &json!({"env": "WEBHOOK_A_1_AUTHORIZATION"})));
        assert_eq!(Value::Object(both[1].clone()), json!({"id": "2", "name": "a", "events": ["x"], "httpSignature": {"enabled": true}}));
    }
}
