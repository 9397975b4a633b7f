//! Measures deliveries from enqueue to arrival, against what the HTTP client alone can do here.
//!
//! ```text
//! this process ─┬─ load ──────► dispatcher (the real program, durable) ──► receiver
//!               └─ ceiling (a bare HTTP client) ───────────────────────────────▲
//! ```
//!
//! Each box is a process of its own; all but the dispatcher are this program, started again in another role. Every rate
//! is what *arrived*, from the first enqueue to the last arrival, so a backlog counts until it is gone. Ends with an
//! error when anything that the dispatcher acknowledged did not arrive.
//!
//! `cargo bench --bench end_to_end -- --help` lists the options.

/// The parts of this program.
mod end_to_end {
    pub(crate) mod cases;
    pub(crate) mod ceiling;
    pub(crate) mod clock;
    pub(crate) mod connection;
    pub(crate) mod database;
    pub(crate) mod dispatcher;
    pub(crate) mod helper;
    pub(crate) mod keeper;
    pub(crate) mod load;
    pub(crate) mod machine;
    pub(crate) mod options;
    pub(crate) mod process;
    pub(crate) mod quantiles;
    pub(crate) mod receiver;
    pub(crate) mod report;
    pub(crate) mod requests;
    pub(crate) mod runs;
    pub(crate) mod set_up;
    pub(crate) mod table;
    pub(crate) mod ticket;
    pub(crate) mod wire;
}

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;

use end_to_end::helper::Role;
use end_to_end::options::Options;
use end_to_end::{ceiling, keeper, load, receiver, runs};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let result = match arguments.next().as_deref().and_then(Role::from_argument) {
        Some(Role::Receiver) => receiver::run(),
        Some(Role::Load) => load::run(),
        Some(Role::Ceiling) => ceiling::run(),
        Some(Role::Keeper) => keeper::run(arguments),
        None => runs::run(&Options::parse()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when standard error is closed.
            drop(writeln!(io::stderr(), "end_to_end: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
