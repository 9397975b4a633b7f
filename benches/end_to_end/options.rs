//! What a measurement can be told.

use std::path::PathBuf;

use clap::Parser;

use super::cases::{Case, Store};

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
    /// Runs only what has one of these in its name: `ceiling`, or case/connections/in-flight/store, for instance
    /// `100-per-request/64/256` or `ceiling,drain`.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Runs the cases that take minutes too; `--only` with the whole name of one does the same for it.
    #[arg(long)]
    pub(crate) large: bool,
    /// Measures on this PostgreSQL server too, as a user who may make databases: each case has one of its own, which is
    /// removed afterwards.
    #[arg(long, value_name = "URL")]
    pub(crate) postgres: Option<String>,
    /// Writes the figures as one JSON object; `-` for standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Where the stores lie: their medium decides what a commit costs.
    #[arg(long, value_name = "FOLDER", default_value = env!("CARGO_TARGET_TMPDIR"))]
    pub(crate) folder: PathBuf,
    /// Sets something in the dispatcher's environment, which is otherwise empty but for what every case needs.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// Cargo says so; it changes nothing.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// Whether what has this name is to be run.
    pub(crate) fn include(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| name.contains(only))
    }

    /// Whether this case is to be run on this store.
    pub(crate) fn include_case(&self, case: &Case, store: Store) -> bool {
        let wanted = !case.large || self.large || self.only.iter().any(|only| only.contains(case.name));
        wanted && case.fits(store) && self.include(&case.label(store))
    }

    /// Where the dispatcher is to store, one after the other.
    pub(crate) fn stores(&self) -> impl Iterator<Item = Store> {
        [Some(Store::Sqlite), self.postgres.as_ref().map(|_| Store::Postgres)].into_iter().flatten()
    }
}
