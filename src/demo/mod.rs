//! `webhook-dispatcher demo`: the whole way of a delivery on real input, in one command and on one machine.
//!
//! ```text
//!   producer ─► dispatcher (this process, a store of its own) ─► receiver (this process, with a ledger)
//!                   ▲                                                │
//!   operator ───────┘  dead letters, redelivery                      ▼
//!                        outcome: what was recorded = what was seen? ─► report
//! ```
//!
//! It knows the dispatcher only as its users do: by its configuration and its REST interface. It is no test: tests move
//! the clock, a demonstration runs in real time.
//!
//! Reading order: `kind` (which document meets what), `play` (what happens), `outcome` (what had to).

mod access;
mod counts;
mod course;
mod documents;
mod folder;
mod kind;
mod ledger;
mod operator;
mod outcome;
mod papers;
mod play;
mod ports;
mod producer;
mod progress;
mod receiver;
mod report;
mod screen;
mod setup;
mod stage;
mod systems;

use std::io::{self, Write};
use std::pin::{Pin, pin};
use std::sync::Arc;

use anyhow::{Context as _, ensure};

use self::documents::{Document, documents};
use self::folder::Folder;
use self::ledger::Ledger;
use self::outcome::Outcome;
use self::play::Play;
use self::screen::Screen;
use self::stage::Stage;
pub use self::systems::System;
use crate::domain::time::{Clock as _, SystemClock};

/// What the demonstration is to be like.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// Which system plays; `None` for the OCR service.
    pub system: Option<System>,
    /// How many documents are handed in.
    pub documents: usize,
    /// How many of them a second.
    pub per_second: u32,
    /// Whether it ends by itself and leaves nothing behind.
    pub once: bool,
    /// Settings of the dispatcher of the form `section.key=value`; they win over the demonstration's own.
    pub settings: Vec<String>,
}

/// Runs the demonstration; `out` is what a person reads. When `stop` comes, everything stops in order.
///
/// # Errors
/// When something does not start, and, if it is to end by itself, when a document did not reach its expected end.
pub async fn run(options: &DemoOptions, stop: impl Future<Output = io::Result<()>>, out: &mut (dyn Write + Send)) -> anyhow::Result<()> {
    if let Some(system) = options.system {
        return systems::run(system, options, stop, out).await;
    }
    let mut screen = Screen::new(out);
    screen.opening(options)?;
    let folder = Folder::make().context("no folder can be made for the store")?;
    let result = run_in(&folder, options, pin!(stop), &mut screen).await;
    if options.once {
        folder.remove().context("the store cannot be removed")?;
    } else {
        screen.kept(&folder)?;
    }
    let outcome = result?;
    if options.once {
        let outcome = outcome.context("stopped before the end")?;
        ensure!(outcome.as_expected(), "not every document reached its expected end");
    }
    Ok(())
}

/// `None` when it was stopped before the end.
async fn run_in(
    folder: &Folder,
    options: &DemoOptions,
    mut stop: Pin<&mut impl Future<Output = io::Result<()>>>,
    screen: &mut Screen<'_>,
) -> anyhow::Result<Option<Outcome>> {
    let documents = documents(options.documents, SystemClock.now());
    let kinds = documents.iter().map(|document| (document.id.clone(), document.kind));
    let stage = Stage::set(&folder.store(), Arc::new(Ledger::new(kinds)), &options.settings).await?;
    screen.stage(&stage, folder)?;
    let outcome = tokio::select! {
        outcome = play(&stage, &documents, options, screen) => outcome.map(Some),
        stopped = &mut stop => stopped.map(|()| None).map_err(Into::into),
    };
    if !options.once && matches!(outcome, Ok(Some(_))) {
        screen.playground(&stage, folder)?;
        stop.await?;
    }
    stage.strike().await;
    outcome
}

async fn play(stage: &Stage, documents: &[Document], options: &DemoOptions, screen: &mut Screen<'_>) -> anyhow::Result<Outcome> {
    let outcome = Play::begin(stage, documents, options.per_second)?.run(screen).await?;
    screen.report(&outcome)?;
    Ok(outcome)
}
