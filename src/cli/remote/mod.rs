//! The commands for operators: they work over the REST interface of a dispatcher, wherever it runs.
//!
//! - which dispatcher, and with whose key: `connection`
//! - what people and scripts read: `output`, `list`, `progress`, `confirm`
//! - how a command ends: `exit`
//! - one file or folder per command

mod apply;
mod attempts;
mod confirm;
mod connection;
mod dead_letters;
mod deliveries;
mod exit;
mod export;
mod filter;
mod job;
mod list;
mod output;
mod progress;
mod stats;
mod tail;
mod webhooks;

use std::io;

use clap::Subcommand;

pub(super) use self::exit::{EXIT_CODES, code_of};

use self::connection::ConnectionArgs;
use self::dead_letters::DeadLettersArgs;
use self::deliveries::DeliveriesArgs;
use self::output::Output;
use self::stats::StatsArgs;
use self::tail::TailArgs;
use self::webhooks::WebhooksArgs;
use crate::rest::RestClient;

/// Work at a dispatcher that runs somewhere.
#[derive(Debug, Subcommand)]
pub(super) enum RemoteCommand {
    /// Lists, shows, redelivers and cancels deliveries of a running dispatcher.
    #[command(after_long_help = EXIT_CODES)]
    Deliveries(DeliveriesArgs),
    /// Lists what a running dispatcher gave up, and sends it again.
    #[command(after_long_help = EXIT_CODES)]
    DeadLetters(DeadLettersArgs),
    /// Shows the webhooks of a running dispatcher, writes them to a file, and makes them what a file says.
    #[command(after_long_help = EXIT_CODES)]
    Webhooks(WebhooksArgs),
    /// Tells what became of the attempts of a running dispatcher.
    #[command(after_long_help = EXIT_CODES)]
    Stats(StatsArgs),
    /// Tells how deliveries end, as they end.
    #[command(after_long_help = EXIT_CODES)]
    Tail(TailArgs),
}

pub(super) fn run(command: RemoteCommand) -> anyhow::Result<()> {
    match command {
        RemoteCommand::Deliveries(args) => connected(args),
        RemoteCommand::DeadLetters(args) => connected(args),
        RemoteCommand::Webhooks(args) => connected(args),
        RemoteCommand::Stats(args) => connected(args),
        RemoteCommand::Tail(args) => connected(args),
    }
}

/// What a command does once it knows whom to call.
trait Command {
    /// Which dispatcher it is for.
    fn connection(&self) -> &ConnectionArgs;

    /// Does it.
    async fn run(self, rest: RestClient, output: &mut Output<'_>) -> anyhow::Result<()>;
}

fn connected(command: impl Command) -> anyhow::Result<()> {
    let connection = command.connection();
    let rest = connection.client()?;
    let mut stdout = io::stdout().lock();
    let mut output = Output::to_stdout(&mut stdout, connection.json);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match runtime.block_on(command.run(rest, &mut output)) {
        // Whoever read along has seen enough.
        Err(error) if exit::is_broken_pipe(&error) => Ok(()),
        result => result,
    }
}
