//! `webhooks`: the definitions, as they are shown.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::Command;
use super::connection::ConnectionArgs;
use super::list::{self, HowMany};
use super::output::{Columns, Output, cell};
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
}

impl Command for WebhooksArgs {
    fn connection(&self) -> &ConnectionArgs {
        &self.connection
    }

    async fn run(self, rest: RestClient, output: &mut Output<'_>) -> anyhow::Result<()> {
        match self.command {
            What::List { how_many } => list::show(&rest, PATH, how_many, COLUMNS, output).await,
            What::Get { id } => get(&rest, id, output).await,
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
