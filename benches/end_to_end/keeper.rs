//! The keeper: holds the nodes of a dispatcher, their folder and their database, and puts all away when its input closes.
//!
//! A process of its own, because the dispatcher does not know that it is being measured: it would outlive a measurement
//! that is interrupted, and what it stored would stay. Says one [`Kept`] as JSON when all nodes listen.

use std::io::{self, BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::database::Database;
use super::helper::say;

/// The key that every kept dispatcher starts with.
pub(crate) const ROOT_KEY: &str = "root-key-of-an-end-to-end-measurement";

/// How long a node may take until it listens.
const START_LIMIT: Duration = Duration::from_secs(20);

/// What to keep.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// Where the dispatcher's own folder is made.
    pub(crate) parent: PathBuf,
    /// `NAME=VALUE`s for the nodes' environment.
    pub(crate) settings: Vec<String>,
    /// How many nodes.
    pub(crate) nodes: usize,
    /// The PostgreSQL server on which they get a database; none for SQLite.
    pub(crate) server: Option<String>,
}

/// A dispatcher that is being kept.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// Its nodes; at least one.
    pub(crate) nodes: Vec<Node>,
    /// Where it stores everything that is not in the database.
    pub(crate) folder: PathBuf,
    /// The url of its database on PostgreSQL.
    pub(crate) database: Option<String>,
}

/// One of its processes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Node {
    /// The number of the process.
    pub(crate) pid: u32,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

/// Keeps what the only argument, a [`Plan`] as JSON, asks for.
pub(crate) fn run(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let plan: Plan = serde_json::from_str(&arguments.next().context("the plan is missing")?)?;
    let folder = tempfile::tempdir_in(&plan.parent)?;
    let database = plan.server.as_deref().map(Database::create).transpose()?;
    let database_url = database.as_ref().map(Database::url);
    let mut settings = plan.settings;
    settings.extend(database_url.iter().map(|url| format!("DISPATCHER_STORE_URL={url}")));

    let mut running = Vec::with_capacity(plan.nodes);
    let mut nodes = Vec::with_capacity(plan.nodes);
    for _ in 0..plan.nodes {
        let mut node = Running(start(folder.path(), &settings)?);
        let output = node.0.stdout.take().context("the dispatcher was started without a pipe")?;
        // The first one makes the tables; the next one starts when they are there.
        nodes.push(Node { pid: node.0.id(), address: listening_address(output)? });
        running.push(node);
    }

    say(&serde_json::to_string(&Kept { nodes, folder: folder.path().to_owned(), database: database_url })?)?;
    io::copy(&mut io::stdin().lock(), &mut io::sink())?;
    drop(running);
    drop(database);
    folder.close().context("the dispatcher's folder stays behind")
}

/// A node's process; killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing else to do about either.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn start(folder: &Path, settings: &[String]) -> anyhow::Result<Child> {
    let basics = [
        ("DISPATCHER_SERVER_LISTEN", "127.0.0.1:0"),
        ("DISPATCHER_EGRESS_ALLOW", "127.0.0.0/8"),
        ("DISPATCHER_ROOT_KEY", ROOT_KEY),
        ("DISPATCHER_SECRETS_KEY", "Tq7mWx2ZrLd9VbKy4NfHs8JcPgE3uAoR"),
        ("DISPATCHER_LOG_LEVEL", "warn"),
    ];
    // Nothing of this process's own environment may change what is measured.
    let mut command = Command::new(env!("CARGO_BIN_EXE_webhook-dispatcher"));
    command.arg("serve").env_clear().envs(basics).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped());
    for setting in settings {
        let (name, value) = setting.split_once('=').with_context(|| format!("`{setting}` is not of the form NAME=VALUE"))?;
        command.env(name, value);
    }
    command.spawn().context("the dispatcher cannot be started")
}

/// Where the dispatcher says that it listens. What it says afterwards is read and forgotten.
fn listening_address(output: ChildStdout) -> anyhow::Result<SocketAddr> {
    let (sender, address) = mpsc::channel();
    std::thread::spawn(move || {
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let found = lines.find_map(|line| Some(line.split_once("listening on http://")?.1.trim().to_owned()));
        // When nobody waits for it any more, this process is about to end.
        drop(found.map(|address| sender.send(address)));
        lines.for_each(drop);
    });
    let address = address.recv_timeout(START_LIMIT).context("the dispatcher does not listen")?;
    address.trim_end_matches('/').parse().with_context(|| format!("the dispatcher listens on `{address}`"))
}
