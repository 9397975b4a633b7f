//! The question before something that cannot be taken back.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use super::exit::Ended;
use crate::telemetry::spelled_out;

/// Comes back when a person, or the flag `--yes`, said yes to `question`.
///
/// # Errors
/// When the answer was no, or nobody is there to ask.
pub(super) fn confirm(question: &str, is_confirmed: bool) -> anyhow::Result<()> {
    if is_confirmed {
        return Ok(());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Ended::usage(format!("nobody is there to be asked \"{question}\"; say --yes")).into());
    }
    let mut terminal = io::stderr();
    write!(terminal, "{} [y/N] ", spelled_out(question))?;
    terminal.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") { Ok(()) } else { anyhow::bail!("nothing was done") }
}
