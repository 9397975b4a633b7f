//! `demo`: the whole way of a delivery on this machine.

use std::io;

use clap::Args;
use clap::builder::RangedU64ValueParser;

use super::asked_to_stop;
use crate::demo::{self, DemoOptions};

/// What `demo` takes.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
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

pub(super) fn run(args: DemoArgs) -> anyhow::Result<()> {
    let options = DemoOptions { documents: args.documents, per_second: args.rate, once: args.once, settings: args.set };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(demo::run(&options, asked_to_stop(), &mut io::stdout()))
}
