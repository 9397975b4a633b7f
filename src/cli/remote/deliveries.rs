//! `deliveries`: what became of events, and a person's hand in it.

use bytes::Bytes;
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::connection::ConnectionArgs;
use super::exit::Ended;
use super::filter::FilterArgs;
use super::list::{self, HowMany};
use super::output::{Columns, Output, cell};
use super::{Command, attempts};
use crate::domain::delivery::DeliveryState;
use crate::domain::ids::{DeliveryId, EventId};
use crate::rest::{RestClient, RestError};

pub(super) const PATH: &str = "/v1/deliveries";

const COLUMNS: Columns = &[
    ("Delivery", "/id"),
    ("State", "/state"),
    ("Attempts", "/attemptCount"),
    ("Type", "/type"),
    ("Subject", "/subject"),
    ("Webhook", "/webhookId"),
    ("Made", "/createdAt"),
    ("Ended", "/finishedAt"),
    ("Status", "/lastStatus"),
    ("Last failure", "/lastDetail"),
];

/// What `deliveries show` tells of a delivery before its attempts.
const FACTS: Columns = &[
    ("state", "/state"),
    ("reason", "/reason"),
    ("type", "/type"),
    ("subject", "/subject"),
    ("event", "/eventId"),
    ("webhook", "/webhookId"),
    ("client", "/clientId"),
    ("made", "/createdAt"),
    ("ended", "/finishedAt"),
    ("attempts", "/attemptCount"),
    ("next attempt", "/nextAttemptAt"),
];

/// What `deliveries` takes.
#[derive(Debug, Args)]
pub(in super::super) struct DeliveriesArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(subcommand)]
    command: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Lists deliveries, the newest first.
    List(ListArgs),
    /// Shows a delivery with its attempts, and why it stands where it stands.
    Show {
        /// Its id.
        #[arg(value_name = "ID")]
        id: DeliveryId,
    },
    /// Sends deliveries again, whatever became of them.
    Redeliver {
        /// Their ids.
        #[arg(value_name = "ID", required = true)]
        ids: Vec<DeliveryId>,
    },
    /// Calls pending deliveries off.
    Cancel {
        /// Their ids.
        #[arg(value_name = "ID", required = true)]
        ids: Vec<DeliveryId>,
    },
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    how_many: HowMany,
    /// In this state alone.
    #[arg(long, value_name = "STATE", value_parser = PossibleValuesParser::new(DeliveryState::ALL.map(DeliveryState::as_str)))]
    state: Option<String>,
    /// Of this event alone.
    #[arg(long, value_name = "ID")]
    event: Option<EventId>,
    #[command(flatten)]
    filter: FilterArgs,
}

impl Command for DeliveriesArgs {
    fn connection(&self) -> &ConnectionArgs {
        &self.connection
    }

    async fn run(self, rest: RestClient, output: &mut Output<'_>) -> anyhow::Result<()> {
        match self.command {
            What::List(ListArgs { how_many, state, event, filter }) => {
                let path = filter.pairs().and("state", state).and("eventId", event).after(PATH);
                list::show(&rest, &path, how_many, COLUMNS, output).await
            }
            What::Show { id } => show(&rest, id, output).await,
            What::Redeliver { ids } => change_each(&rest, &ids, "redeliver", output).await,
            What::Cancel { ids } => change_each(&rest, &ids, "cancel", output).await,
        }
    }
}

async fn show(rest: &RestClient, id: DeliveryId, output: &mut Output<'_>) -> anyhow::Result<()> {
    let delivery: Value = rest.get(&format!("{PATH}/{id}")).await?;
    if output.json {
        return Ok(output.document(&delivery)?);
    }
    output.line(&format!("delivery {id}"))?;
    output.block(&cell(&delivery, "/explanation"), "  ")?;
    output.line("")?;
    for (title, pointer) in FACTS {
        let value = cell(&delivery, pointer);
        if !value.is_empty() {
            output.line(&format!("  {title:14}{value}"))?;
        }
    }
    attempts::show(&delivery, output)?;
    Ok(())
}

/// Does the same to each of several deliveries; what is refused to one is no reason to leave out the others.
async fn change_each(rest: &RestClient, ids: &[DeliveryId], verb: &str, output: &mut Output<'_>) -> anyhow::Result<()> {
    let mut refusals: Vec<RestError> = Vec::new();
    let mut results = Vec::new();
    for id in ids {
        match rest.post::<Value>(&format!("{PATH}/{id}/{verb}"), Bytes::new()).await {
            Ok(delivery) => results.push(delivery),
            Err(error) => {
                let Some(problem) = error.problem() else { return Err(error.into()) };
                results.push(json!({"id": id, "status": problem.status, "detail": problem.detail}));
                refusals.push(error);
            }
        }
        if !output.json {
            output.line(&results.last().map(one_line).unwrap_or_default())?;
        }
    }
    if output.json {
        output.document(&json!({ "items": results }))?;
    }
    let (refused, all) = (refusals.len(), ids.len());
    match refusals.first() {
        None => Ok(()),
        Some(first) if refused == all => Err(Ended::like(first, format!("{verb}: refused for every delivery named")).into()),
        Some(_) => Err(Ended::partly(format!("{verb}: refused for {refused} of {all} deliveries")).into()),
    }
}

fn one_line(result: &Value) -> String {
    let what = if result["detail"].is_null() { cell(result, "/state") } else { format!("refused: {}", cell(result, "/detail")) };
    format!("{}  {what}", cell(result, "/id"))
}
