//! `stats`: what became of attempts over a while, webhook by webhook.

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::{Value, json};

use super::Command;
use super::connection::ConnectionArgs;
use super::filter::Pairs;
use super::output::{Columns, Output, cell};
use crate::domain::ids::WebhookId;
use crate::domain::stats::StatsWindow;
use crate::rest::RestClient;

const COLUMNS: Columns = &[
    ("Webhook", "/name"),
    ("Health", "/health"),
    ("State", "/state"),
    ("Attempts", "/attempts"),
    ("Delivered", "/delivered"),
    ("Failed", "/failed"),
    ("Retries", "/retries"),
    ("Given up", "/deadLettered"),
    ("p50 ms", "/latencyMs/p50"),
    ("p99 ms", "/latencyMs/p99"),
    ("Pending", "/pending"),
    ("Due for s", "/oldestDueSeconds"),
    ("Dead letters", "/deadLetters"),
    ("Id", "/webhookId"),
];

/// What `stats` takes.
#[derive(Debug, Args)]
pub(in super::super) struct StatsArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
    /// How far back.
    #[arg(long, default_value = StatsWindow::Hour.as_str(), value_parser = PossibleValuesParser::new(StatsWindow::ALL.map(StatsWindow::as_str)))]
    window: String,
    /// Of this webhook alone.
    #[arg(long, value_name = "ID")]
    webhook: Option<WebhookId>,
}

impl Command for StatsArgs {
    fn connection(&self) -> &ConnectionArgs {
        &self.connection
    }

    async fn run(self, rest: RestClient, output: &mut Output<'_>) -> anyhow::Result<()> {
        let path = Pairs::none().and("window", Some(self.window)).and("webhookId", self.webhook).after("/v1/stats");
        let stats: Value = rest.get(&path).await?;
        if output.json {
            return Ok(output.document(&stats)?);
        }
        output.rows(COLUMNS, &rows(&stats))?;
        if stats["webhooksLeftOut"] != 0 {
            output.line(&format!("and {} webhooks more", cell(&stats, "/webhooksLeftOut")))?;
        }
        Ok(())
    }
}

/// The webhooks as the dispatcher orders them, those that need attention first, and everything together at the end.
fn rows(stats: &Value) -> Vec<Value> {
    let mut rows = stats["webhooks"].as_array().cloned().unwrap_or_default();
    let mut total = stats["total"].clone();
    if let Some(total) = total.as_object_mut() {
        total.insert("name".to_owned(), json!("in all"));
    }
    rows.push(total);
    rows
}
