//! The command line: what to run and which configuration to run it with.
//!
//! The only place that reads the process's environment. What people read goes to standard output, logs go to standard
//! error.

mod backup;
mod catalogs;
mod check_config;
mod completions;
mod demo;
mod remote;
mod secrets;
mod serve;
mod verify;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser, Subcommand};

use crate::config::environment::CONFIG;
use crate::config::{Config, Sources};
use crate::telemetry::spelled_out;

/// A reliable outbound webhook dispatcher.
#[derive(Debug, Parser)]
#[command(version, about, after_long_help = remote::EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Takes in events over REST and delivers them.
    Serve(serve::ServeArgs),
    /// Shows the whole way of a delivery on this machine: a dispatcher, a receiver, documents.
    Demo(demo::DemoArgs),
    /// Copies the SQLite file while a server works with it.
    Backup(backup::BackupArgs),
    /// Checks files that say what further systems are like.
    Catalogs(catalogs::CatalogsArgs),
    /// Prints the configuration as it would be used, secrets masked.
    CheckConfig(ConfigArgs),
    /// Makes keys for the secrets of webhooks, and encrypts secrets under a new one.
    Secrets(secrets::SecretsArgs),
    /// Judges whether a request that a receiver captured is genuine.
    Verify(verify::VerifyArgs),
    #[command(flatten)]
    Remote(remote::RemoteCommand),
    /// Prints what completes commands in a shell.
    Completions(completions::CompletionsArgs),
}

/// Where the configuration comes from, beside the defaults and the environment.
#[derive(Clone, Debug, Args)]
struct ConfigArgs {
    /// A TOML file; the environment variable `DISPATCHER_CONFIG` names one too.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Sets a key, for instance `--set server.listen=127.0.0.1:9000`; wins over file and environment.
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
}

impl ConfigArgs {
    /// The configuration of file, environment and flags, with `overrides` on top.
    fn load(self, overrides: Vec<String>) -> anyhow::Result<Config> {
        let mut sources = Sources::new().with_environment(environment()).with_overrides(self.set).with_overrides(overrides);
        if let Some(file) = self.config.or_else(config_from_environment) {
            sources = sources.with_file(file);
        }
        Ok(Config::load(&sources)?)
    }
}

/// Runs the command that the arguments name; the exit code says whether it went well.
#[must_use]
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(args) => serve::run(args),
        Command::Demo(args) => demo::run(args),
        Command::Backup(args) => backup::run(args),
        Command::Catalogs(args) => catalogs::run(args),
        Command::CheckConfig(args) => check_config::run(args),
        Command::Secrets(args) => secrets::run(args),
        Command::Verify(args) => return verify::run(&args),
        Command::Remote(command) => remote::run(command),
        Command::Completions(args) => completions::run(&args, Cli::command()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when standard error is closed.
            drop(writeln!(io::stderr(), "webhook-dispatcher: {}", told(&error)));
            remote::code_of(&error)
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the command line is where the environment is read")]
fn environment() -> Vec<(String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
}

/// An error with its causes. What of it a stranger wrote, as whoever answers at some url, makes no terminal do anything.
fn told(error: &anyhow::Error) -> String {
    format!("{error:#}").lines().map(spelled_out).collect::<Vec<_>>().join("\n")
}

fn config_from_environment() -> Option<PathBuf> {
    variable(CONFIG).map(PathBuf::from)
}

/// A variable of the environment that is set to something.
#[expect(clippy::disallowed_methods, reason = "the command line is where the environment is read")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// Ends when the process is asked to stop: Ctrl-C or SIGTERM.
async fn asked_to_stop() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
