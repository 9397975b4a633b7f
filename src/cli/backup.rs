//! `backup`: a copy of the SQLite file while a server works with it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::ConfigArgs;
use crate::app::{self, Backup};
use crate::telemetry;

/// What `backup` takes.
#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The file that the copy becomes; there must be none of that name.
    #[arg(value_name = "FILE")]
    to: PathBuf,
}

pub(super) fn run(args: BackupArgs) -> anyhow::Result<()> {
    let config = args.config.load(Vec::new())?;
    telemetry::init_logs(&config.log.level, config.log.format)?;
    let backup = app::backup(&config, &args.to)?;
    Ok(say(&backup, &args.to, &mut io::stdout())?)
}

fn say(backup: &Backup, to: &Path, out: &mut impl Write) -> io::Result<()> {
    let Backup { database, copy, key_file } = backup;
    writeln!(
        out,
        "{} is copied to {}: {} bytes, schema version {}, read through and whole",
        database.display(),
        to.display(),
        copy.bytes,
        copy.schema_version
    )?;
    match key_file {
        Some(key_file) => writeln!(out, "its secrets open with the keys of {}: keep a copy of that file apart from it", key_file.display()),
        None => writeln!(out, "its secrets open with the keys of secrets.key: keep these apart from it"),
    }
}
