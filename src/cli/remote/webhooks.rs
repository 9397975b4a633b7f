//! `webhooks`: the definitions, shown, written to a file, and made what a file says.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::apply::{self, Terms};
use super::connection::ConnectionArgs;
use super::list::{self, HowMany};
use super::output::{Columns, Output, cell};
use super::{Command, export};
use crate::domain::ids::WebhookId;
use crate::rest::RestClient;

pub(super) const PATH: &str = "/v1/webhooks";

const COLUMNS: Columns = &[
    ("Webhook", "/id"),
    ("Name", "/name"),
    ("State", "/state"),
    ("Lane", "/lane/state"),
    ("Events", "/events"),
    ("Method", "/method"),
    ("Url", "/url"),
    ("Changed", "/updatedAt"),
];

/// What `webhooks` takes.
#[derive(Debug, Args)]
pub(in super::super) struct WebhooksArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(subcommand)]
    command: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Lists webhooks, the newest first.
    List {
        #[command(flatten)]
        how_many: HowMany,
    },
    /// Shows a webhook, its secrets masked.
    Get {
        /// Its id.
        #[arg(value_name = "ID")]
        id: WebhookId,
    },
    /// Makes the webhooks of a file, and changes those that are there already into what it says.
    Apply(ApplyArgs),
    /// Writes all webhooks as a file that `apply` takes: TOML, or with `--json` JSON. Secrets become references.
    Export,
}

#[derive(Debug, Args)]
struct ApplyArgs {
    /// The file, TOML or JSON; `-` for standard input.
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    terms: Terms,
}

impl Command for WebhooksArgs {
    fn connection(&self) -> &ConnectionArgs {
        &self.connection
    }

    async fn run(self, rest: RestClient, output: &mut Output<'_>) -> anyhow::Result<()> {
        match self.command {
            What::List { how_many } => list::show(&rest, PATH, how_many, COLUMNS, output).await,
            What::Get { id } => get(&rest, id, output).await,
            What::Apply(ApplyArgs { file, terms }) => apply::run(&rest, &file, terms, output).await,
            What::Export => export::run(&rest, output).await,
        }
    }
}

async fn get(rest: &RestClient, id: WebhookId, output: &mut Output<'_>) -> anyhow::Result<()> {
    let webhook: Value = rest.get(&format!("{PATH}/{id}")).await?;
    if output.json {
        return Ok(output.document(&webhook)?);
    }
    for (field, value) in webhook.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        let value = if value.is_object() { value.to_string() } else { cell(value, "") };
        output.line(&format!("{field:34}{value}"))?;
    }
    Ok(())
}
