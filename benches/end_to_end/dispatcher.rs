//! The measured dispatcher: started, set up over its API, looked at from outside, stopped.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::time::interval;

use super::connection::Connection;
use super::helper::{Helper, Role};
use super::keeper::{Kept, ROOT_KEY};
use super::process::{self, Memory};

/// How often a dispatcher is looked at while it comes to rest, and how often at most.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const MOST_LOOKS: usize = 100;

/// A dispatcher with an empty store.
pub(crate) struct Dispatcher {
    keeper: Helper,
    kept: Kept,
    runtime: Runtime,
}

/// What a dispatcher holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Bytes in its files.
    pub(crate) disk_bytes: u64,
    /// Memory.
    pub(crate) memory: Memory,
}

impl Dispatcher {
    /// Starts one with a folder of its own in `parent`.
    pub(crate) fn start(parent: &Path) -> anyhow::Result<Self> {
        let parent = parent.to_str().context("the folder's name is not text")?;
        let mut keeper = Helper::start(Role::Keeper, &[parent])?;
        let kept = serde_json::from_str(&keeper.next_line()?)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { keeper, kept, runtime })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.kept.address
    }

    /// Makes a client with one webhook that calls `receiver`; answers an API key of that client.
    pub(crate) fn set_up(&self, receiver: SocketAddr, max_in_flight: Option<u32>) -> anyhow::Result<String> {
        let mut webhook = json!({ "name": "measured", "type": 0, "method": "POST", "url": format!("http://{receiver}/hook/:id") });
        if let Some(limit) = max_in_flight {
            webhook["maxInFlight"] = limit.into();
        }
        self.runtime.block_on(async {
            let mut api = Api { connection: Connection::open(self.kept.address).await?, host: self.kept.address };
            let client = api.create("/v1/clients", ROOT_KEY, &json!({ "name": "measured" })).await?;
            let key = json!({ "clientId": client["id"], "role": "admin", "name": "measured" });
            let key = api.create("/v1/api-keys", ROOT_KEY, &key).await?;
            let key = key["key"].as_str().context("the new API key has no text")?.to_owned();
            api.create("/v1/webhooks", &key, &webhook).await?;
            Ok(key)
        })
    }

    /// Processor time that it has used.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        process::cpu_seconds(self.kept.pid)
    }

    /// Waits until it uses no processor time to speak of.
    pub(crate) fn come_to_rest(&self) -> anyhow::Result<()> {
        const AT_MOST: f64 = 0.02;
        self.runtime.block_on(async {
            let mut looks = interval(LOOK_EVERY);
            looks.tick().await;
            let mut before = self.cpu_seconds()?;
            for _ in 0..MOST_LOOKS {
                looks.tick().await;
                let used = self.cpu_seconds()?;
                if used - before < AT_MOST {
                    return Ok(());
                }
                before = used;
            }
            bail!("the dispatcher is still busy although everything has arrived")
        })
    }

    /// What it holds.
    pub(crate) fn usage(&self) -> anyhow::Result<Usage> {
        Ok(Usage { disk_bytes: bytes_in(&self.kept.folder)?, memory: process::memory(self.kept.pid)? })
    }

    /// Stops it, and removes what it stored.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.keeper.end()
    }
}

struct Api {
    connection: Connection,
    host: SocketAddr,
}

impl Api {
    async fn create(&mut self, path: &str, api_key: &str, body: &Value) -> anyhow::Result<Value> {
        let (host, body) = (self.host, body.to_string());
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {host}\r\nx-api-key: {api_key}\r\ncontent-type: application/json\r\n\
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

fn bytes_in(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { bytes_in(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}
