//! `catalogs`: files that say what further systems are like.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use crate::catalog::compile;

/// What `catalogs` takes.
#[derive(Debug, Args)]
pub(super) struct CatalogsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Says whether a file is a catalogue, or all that is wrong with it, and tries to send every example in thought.
    Check {
        /// The file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

pub(super) fn run(args: CatalogsArgs) -> anyhow::Result<()> {
    let Command::Check { file } = args.command;
    let name = file.display().to_string();
    let text = fs::read_to_string(&file).with_context(|| format!("{name} cannot be read"))?;
    let catalog = compile(&name, &text)?;
    let count = catalog.events.len();
    writeln!(io::stdout(), "{name}: {}, {count} events, all examples can be sent", catalog.name)?;
    Ok(())
}
