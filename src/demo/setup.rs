//! What an admin does before the first delivery: a client, its keys, and the webhook of the OCR service's documentation.

use anyhow::Context as _;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::rest::RestClient;

/// The port in the documentation's example.
pub(super) const DOCUMENTED_PORT: u16 = 5000;

/// The documentation's example of a webhook, word for word.
const EXAMPLE: &str = r#"{
  "name": "Webhook 1",
  "type": 0,
  "method": "POST",
  "headers": {"Content-Type": "application/json"},
  "headerAuth": "Bearer",
  "url": "http://localhost:5000/ocr_feedback/:id",
  "authorizationUrl": "http://localhost:5000/login",
  "authorizationMethod": "POST",
  "authorizationHeaders": {"Content-Type": "application/x-www-form-urlencoded"},
  "authorizationBody": {"username": "root", "password": "root"},
  "authorizationResponseTokenAttr": "access_token"
}"#;

/// The keys of the demonstration's client.
pub(super) struct Keys {
    /// Manages webhooks and keys.
    pub(super) admin: SecretString,
    /// Hands documents in.
    pub(super) producer: SecretString,
    /// Sees and redelivers.
    pub(super) operator: SecretString,
}

#[derive(Deserialize)]
struct MadeClient {
    id: String,
}

#[derive(Deserialize)]
struct MadeKey {
    key: String,
}

/// Makes a client and its keys; `root` shows the root key.
pub(super) async fn make_keys(root: &RestClient) -> anyhow::Result<Keys> {
    let client: MadeClient = root.post("/v1/clients", json!({ "name": "demo" }).to_string()).await.context("no client could be made")?;
    let of_client = json!({ "clientId": client.id, "role": "admin", "name": "demo admin" });
    let admin = make_key(root, &of_client).await?;
    let as_admin = root.with_key(&admin)?;
    let producer = make_key(&as_admin, &json!({ "role": "producer", "name": "demo producer" })).await?;
    let operator = make_key(&as_admin, &json!({ "role": "operator", "name": "demo operator" })).await?;
    Ok(Keys { admin, producer, operator })
}

async fn make_key(rest: &RestClient, wanted: &Value) -> anyhow::Result<SecretString> {
    let made: MadeKey = rest.post("/v1/api-keys", wanted.to_string()).await.context("no API key could be made")?;
    Ok(made.key.into())
}

/// Registers the example, with the receiver's port if that is another; gives the dispatcher's answer.
pub(super) async fn register_example(admin: &RestClient, receiver_port: u16) -> anyhow::Result<Value> {
    admin.post("/api_document/document_webhooks", example(receiver_port)).await.context("the webhook could not be registered")
}

fn example(port: u16) -> String {
    EXAMPLE.replace(&format!(":{DOCUMENTED_PORT}/"), &format!(":{port}/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_port_of_the_example_changes_and_only_when_it_must() {
        assert_eq!(example(DOCUMENTED_PORT), EXAMPLE);

        let moved: Value = serde_json::from_str(&example(5001)).unwrap();

        assert_eq!(moved["url"], "http://localhost:5001/ocr_feedback/:id");
        assert_eq!(moved["authorizationUrl"], "http://localhost:5001/login");
    }
}
