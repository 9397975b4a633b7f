//! The measured dispatcher, of one node or several: started, looked at from outside, stopped.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::bail;
use tokio::runtime::Runtime;
use tokio::time::interval;

use super::cases::Case;
use super::database;
use super::helper::{Helper, Role};
use super::keeper::{Kept, Plan};
use super::process::{self, Memory};
use super::set_up::Client;

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
    /// Bytes in its files and in its database.
    pub(crate) disk_bytes: u64,
    /// Memory, of the node that holds the most.
    pub(crate) memory: Memory,
}

impl Dispatcher {
    /// Starts one.
    pub(crate) fn start(plan: &Plan) -> anyhow::Result<Self> {
        let mut keeper = Helper::start(Role::Keeper, &[&serde_json::to_string(plan)?])?;
        let kept: Kept = serde_json::from_str(&keeper.next_line()?)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { keeper, kept, runtime })
    }

    /// Where its nodes listen.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.kept.nodes.iter().map(|node| node.address).collect()
    }

    /// Makes the client and the webhooks of `case`, which call `receiver`.
    pub(crate) fn set_up(&self, receiver: SocketAddr, case: Case) -> anyhow::Result<Client> {
        self.runtime.block_on(Client::make(self.kept.nodes[0].address, receiver, case))
    }

    /// Does `action` (`pause`, `resume`) to the webhooks of `client`.
    pub(crate) fn act(&self, client: &Client, action: &str) -> anyhow::Result<()> {
        self.runtime.block_on(client.act(self.kept.nodes[0].address, action))
    }

    /// Processor time that its nodes have used.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        self.kept.nodes.iter().map(|node| process::cpu_seconds(node.pid)).sum()
    }

    /// Processor time that its database's server has used, if that runs here.
    pub(crate) fn database_cpu_seconds(&self) -> anyhow::Result<f64> {
        if self.kept.database.is_some() { process::cpu_seconds_of_named("postgres") } else { Ok(0.0) }
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
        let mut memory = Memory { resident_mib: 0.0, peak_mib: 0.0 };
        for node in &self.kept.nodes {
            memory = memory.max(process::memory(node.pid)?);
        }
        let in_database = self.kept.database.as_deref().map_or(Ok(0), database::bytes)?;
        Ok(Usage { disk_bytes: bytes_in(&self.kept.folder)? + in_database, memory })
    }

    /// Stops it, and removes what it stored.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.keeper.end()
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
