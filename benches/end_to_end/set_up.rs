//! What a case needs in a dispatcher before it starts: a client with its key and webhooks, made over the API.

use std::net::SocketAddr;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::cases::{Case, Manner};
use super::connection::Connection;
use super::keeper::ROOT_KEY;
use super::requests::event_type;

/// Connections over which webhooks are made.
const MAKERS: u32 = 8;

/// A client that was made for a case.
#[derive(Debug)]
pub(crate) struct Client {
    /// A key with which it may do everything.
    pub(crate) api_key: String,
    /// The ids of its webhooks.
    webhooks: Vec<String>,
}

impl Client {
    /// Makes it in the dispatcher at `dispatcher`, with webhooks that call `receiver`.
    pub(crate) async fn make(dispatcher: SocketAddr, receiver: SocketAddr, case: Case) -> anyhow::Result<Self> {
        let mut api = Api::open(dispatcher, ROOT_KEY).await?;
        let client = api.post("/v1/clients", &json!({ "name": "measured" })).await?;
        let key = json!({ "clientId": client["id"], "role": "admin", "name": "measured" });
        let api_key = text(&api.post("/v1/api-keys", &key).await?, "key")?;
        let mut makers = JoinSet::new();
        for first in 0..MAKERS.min(case.webhooks) {
            let key = api_key.clone();
            makers.spawn(async move {
                let numbers = (first..case.webhooks).step_by(MAKERS as usize);
                make_webhooks(Api::open(dispatcher, &key).await?, receiver, case, numbers).await
            });
        }
        let mut webhooks = Vec::new();
        while let Some(made) = makers.join_next().await {
            webhooks.append(&mut made??);
        }
        Ok(Self { api_key, webhooks })
    }

    /// Does `action` (`pause`, `resume`) to each of its webhooks.
    pub(crate) async fn act(&self, dispatcher: SocketAddr, action: &str) -> anyhow::Result<()> {
        let mut api = Api::open(dispatcher, &self.api_key).await?;
        for id in &self.webhooks {
            api.post(&format!("/v1/webhooks/{id}/{action}"), &json!({})).await?;
        }
        Ok(())
    }
}

async fn make_webhooks(mut api: Api, receiver: SocketAddr, case: Case, numbers: impl Iterator<Item = u32>) -> anyhow::Result<Vec<String>> {
    let mut made = Vec::new();
    for number in numbers {
        let id = text(&api.post("/v1/webhooks", &definition(receiver, &case, number)).await?, "id")?;
        if case.manner == Manner::LoginAndSignature {
            api.post(&format!("/v1/webhooks/{id}/rotate-secret"), &json!({})).await?;
        }
        made.push(id);
    }
    Ok(made)
}

fn definition(receiver: SocketAddr, case: &Case, number: u32) -> Value {
    let folder = if case.hangs(number) { "hang" } else { "hook" };
    let mut webhook = json!({ "name": "measured", "method": "POST", "url": format!("http://{receiver}/{folder}/:id") });
    if case.webhooks == 1 {
        webhook["type"] = 0.into();
    } else {
        webhook["events"] = json!([event_type(number)]);
    }
    if let Some(limit) = case.max_in_flight {
        webhook["maxInFlight"] = limit.into();
    }
    if case.manner == Manner::LoginAndSignature {
        webhook["authorizationUrl"] = format!("http://{receiver}/login").into();
        webhook["authorizationBody"] = json!({ "user": "measured", "password": "known to nobody" });
    }
    webhook
}

fn text(answer: &Value, field: &str) -> anyhow::Result<String> {
    answer[field].as_str().map(str::to_owned).with_context(|| format!("an answer has no `{field}`"))
}

/// One caller of the API.
struct Api {
    connection: Connection,
    host: SocketAddr,
    key: String,
}

impl Api {
    async fn open(host: SocketAddr, key: &str) -> anyhow::Result<Self> {
        Ok(Self { connection: Connection::open(host).await?, host, key: key.to_owned() })
    }

    async fn post(&mut self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let (host, key, body) = (self.host, &self.key, body.to_string());
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {host}\r\nx-api-key: {key}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let (status, answer) = self.connection.ask(request.as_bytes()).await?;
        if !matches!(status, 200 | 201) {
            bail!("POST {path} was answered {status}: {}", String::from_utf8_lossy(&answer));
        }
        serde_json::from_slice(&answer).with_context(|| format!("POST {path} was answered with what is no JSON"))
    }
}
