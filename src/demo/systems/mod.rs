//! `demo --system …`: a system plays all its events, and a receiver checks each request as that system's customers would.
//!
//! The play is the same for every system: a webhook in its catalogue's way, every example of its catalogue handed in over
//! REST. Only what a customer checks differs: that is `customer`.

mod customer;
mod desk;
mod play;

use std::io::{self, Write};
use std::pin::pin;

use anyhow::{Context as _, ensure};

use self::play::Play;
use super::DemoOptions;
use super::folder::Folder;

/// A system with a catalogue of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// Sienge: ids in the body, everything else in the headers.
    Sienge,
    /// Grafeno: signed with RSA.
    Grafeno,
    /// Senior BPM: one flat object with a secret in it.
    Senior,
}

impl System {
    /// The name of its catalogue.
    const fn catalog(self) -> &'static str {
        match self {
            Self::Sienge => "sienge",
            Self::Grafeno => "grafeno",
            Self::Senior => "senior-bpm",
        }
    }

    /// What its customers check, in a few words.
    const fn promise(self) -> &'static str {
        match self {
            Self::Sienge => "the five x-sienge headers, the hook's bearer token, the thin body",
            Self::Grafeno => "the RSA signature over x-unique-key by the public key that the API gives",
            Self::Senior => "the flat object with its access token, times without offset, no header that is not switched on",
        }
    }
}

/// Runs the play of `system`; `out` is what a person reads.
///
/// # Errors
/// When something does not start, and when an event did not arrive as its customers expect it.
pub(super) async fn run(
    system: System,
    options: &DemoOptions,
    stop: impl Future<Output = io::Result<()>>,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<()> {
    writeln!(
        out,
        "webhook-dispatcher demo: the events of {}, all on this machine.\n\n  Its customers check {}.\n",
        system.catalog(),
        system.promise()
    )?;
    let folder = Folder::make().context("no folder can be made for the store")?;
    let result = run_in(&folder, system, options, stop, out).await;
    folder.remove().context("the store cannot be removed")?;
    ensure!(result?, "not every event arrived as its customers expect it");
    Ok(())
}

async fn run_in(
    folder: &Folder,
    system: System,
    options: &DemoOptions,
    stop: impl Future<Output = io::Result<()>>,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<bool> {
    let play = Play::begin(folder, system, &options.settings).await?;
    let mut stop = pin!(stop);
    let outcome = tokio::select! {
        outcome = play.run() => outcome,
        stopped = &mut stop => stopped.map_err(Into::into).and_then(|()| anyhow::bail!("stopped before the end")),
    };
    if let Ok(outcome) = &outcome {
        outcome.write(out)?;
        if !options.once {
            writeln!(out, "\nEverything still runs: {}. Ctrl-C ends it.", play.whereabouts())?;
            stop.await?;
        }
    }
    play.end().await;
    Ok(outcome?.is_as_expected())
}
