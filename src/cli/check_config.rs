//! `check-config`: the configuration as it would be used.

use std::io::{self, Write as _};

use super::ConfigArgs;

pub(super) fn run(args: ConfigArgs) -> anyhow::Result<()> {
    let config = args.load(Vec::new())?;
    io::stdout().write_all(config.effective_toml().as_bytes())?;
    Ok(())
}
