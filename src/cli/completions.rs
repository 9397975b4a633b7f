//! `completions`: what a shell reads to complete this program's commands and options.

use std::io::{self, Write as _};

use clap::{Args, Command};
use clap_complete::{Shell, generate};

/// What `completions` takes.
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs, mut program: Command) -> anyhow::Result<()> {
    let mut script = Vec::new();
    generate(args.shell, &mut program, env!("CARGO_PKG_NAME"), &mut script);
    io::stdout().write_all(&script)?;
    Ok(())
}
