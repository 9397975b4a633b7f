//! What a measurement can be told.

use std::path::PathBuf;

use clap::Parser;

/// Measures deliveries from enqueue to arrival.
#[derive(Clone, Debug, Parser)]
#[command(name = "end_to_end")]
pub(crate) struct Options {
    /// How long each load lasts; its backlog is delivered afterwards.
    #[arg(long, default_value_t = 5.0)]
    pub(crate) seconds: f64,
    /// The most completions of one load.
    #[arg(long, default_value_t = 300_000)]
    pub(crate) most: u32,
    /// Runs only what has this in its name: `ceiling`, or case/connections/in-flight, for instance
    /// `100-per-request/64/256`.
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Option<String>,
    /// Writes the figures as one JSON object; `-` for standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Where the stores lie: their medium decides what a commit costs.
    #[arg(long, value_name = "FOLDER", default_value = env!("CARGO_TARGET_TMPDIR"))]
    pub(crate) folder: PathBuf,
    /// Cargo says so; it changes nothing.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// Whether what has this name is to be run.
    pub(crate) fn include(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(only))
    }
}
