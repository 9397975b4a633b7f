//! `secrets`: the keys under which secrets are kept in the store.

use std::io::{self, Write};

use clap::{Args, Subcommand, value_parser};

use super::ConfigArgs;
use crate::app::{self, Rotated};
use crate::telemetry;

/// What `secrets` takes.
#[derive(Debug, Args)]
pub(super) struct SecretsArgs {
    #[command(subcommand)]
    command: SecretsCommand,
}

#[derive(Debug, Subcommand)]
enum SecretsCommand {
    /// Prints a new key, made by chance, for `secrets.key`.
    NewKey,
    /// Encrypts every secret of the store under the newest key of `secrets.key`, so that the others can go. Servers may run
    /// meanwhile; when it is cut short, run it again.
    Rotate(RotateArgs),
}

#[derive(Debug, Args)]
struct RotateArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Rows that one transaction encrypts anew.
    #[arg(long, value_name = "NUMBER", default_value_t = 200, value_parser = value_parser!(u32).range(1..=10_000))]
    batch_rows: u32,
}

pub(super) fn run(args: SecretsArgs) -> anyhow::Result<()> {
    match args.command {
        SecretsCommand::NewKey => Ok(writeln!(io::stdout(), "{}", app::new_secrets_key()?.as_str())?),
        SecretsCommand::Rotate(args) => rotate(args),
    }
}

fn rotate(args: RotateArgs) -> anyhow::Result<()> {
    let config = args.config.load(Vec::new())?;
    telemetry::init_logs(&config.log.level, config.log.format)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let rotated = runtime.block_on(app::rotate(&config, args.batch_rows))?;
    say(&rotated, &mut io::stdout())?;
    Ok(())
}

fn say(rotated: &Rotated, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{} rows were encrypted anew under the key {}", rotated.rows, rotated.newest)?;
    for key in &rotated.still_needed {
        writeln!(
            out,
            "the key {key} is needed still: a server writes with it; make {} the first one there and run this again",
            rotated.newest
        )?;
    }
    for key in &rotated.can_go {
        writeln!(out, "no row needs the key {key} any more: it can go")?;
    }
    Ok(())
}
