//! The keeper: holds a dispatcher and its folder, and puts both away when its input closes.
//!
//! A process of its own, because the dispatcher does not know that it is being measured: it would outlive a measurement
//! that is interrupted, and its folder would stay. Says one [`Kept`] as JSON when the dispatcher listens.

use std::io::{self, BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::helper::say;

/// The key that every kept dispatcher starts with.
pub(crate) const ROOT_KEY: &str = "root-key-of-an-end-to-end-measurement";

/// How long a dispatcher may take until it listens.
const START_LIMIT: Duration = Duration::from_secs(20);

/// A dispatcher that is being kept.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// The number of its process.
    pub(crate) pid: u32,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Where it stores everything.
    pub(crate) folder: PathBuf,
}

/// Keeps a dispatcher whose own folder is made in the folder that the first argument names; the others are `NAME=VALUE`s
/// for its environment.
pub(crate) fn run(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let parent = arguments.next().context("the folder is missing")?;
    let folder = tempfile::tempdir_in(parent)?;
    let mut dispatcher = Running(start(folder.path(), arguments)?);
    let output = dispatcher.0.stdout.take().context("the dispatcher was started without a pipe")?;
    let address = listening_address(output)?;
    say(&serde_json::to_string(&Kept { pid: dispatcher.0.id(), address, folder: folder.path().to_owned() })?)?;
    io::copy(&mut io::stdin().lock(), &mut io::sink())?;
    drop(dispatcher);
    folder.close().context("the dispatcher's folder stays behind")
}

/// The dispatcher's process; killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing else to do about either.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn start(folder: &Path, settings: impl Iterator<Item = String>) -> anyhow::Result<Child> {
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
