//! `demo`: the whole way of a delivery on this machine.

use std::io;

use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};

use super::asked_to_stop;
use crate::demo::{self, DemoOptions, System};

/// What `demo` takes.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Which system plays its events.
    #[arg(long, value_enum, default_value_t = PlayedSystem::Ocr)]
    system: PlayedSystem,
    /// How many documents are handed in.
    #[arg(long, value_name = "NUMBER", default_value_t = 40, value_parser = RangedU64ValueParser::<usize>::new().range(1..=100_000))]
    documents: usize,
    /// How many of them a second.
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// Ends by itself, with 0 only if every document reached its expected end, and leaves nothing behind.
    #[arg(long)]
    once: bool,
    /// Sets a key of the dispatcher's configuration, for instance `--set log.level=info`.
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
}

/// A system that can play.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum PlayedSystem {
    /// Documents of an OCR service, with errors, a slow receiver and a dead letter.
    Ocr,
    /// Hooks of Sienge.
    Sienge,
    /// Signed notifications of Grafeno.
    Grafeno,
    /// Notifications of Senior BPM.
    Senior,
}

impl PlayedSystem {
    const fn of_catalogue(self) -> Option<System> {
        match self {
            Self::Ocr => None,
            Self::Sienge => Some(System::Sienge),
            Self::Grafeno => Some(System::Grafeno),
            Self::Senior => Some(System::Senior),
        }
    }
}

pub(super) fn run(args: DemoArgs) -> anyhow::Result<()> {
    let options = DemoOptions {
        system: args.system.of_catalogue(),
        documents: args.documents,
        per_second: args.rate,
        once: args.once,
        settings: args.set,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(demo::run(&options, asked_to_stop(), &mut io::stdout()))
}
