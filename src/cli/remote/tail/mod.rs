//! `tail`: how deliveries end, as they end: delivered, dead-lettered or cancelled.
//!
//! The list of deliveries is asked again and again for what ended lately. An end may become visible late (its commit took
//! long, a node's clock is behind), so what was asked for before is asked for again and what was told is not told twice:
//! a little each time, and much of it now and then and after every absence of the dispatcher.

mod follower;

use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::Value;
use tokio::time::{MissedTickBehavior, interval};

use self::follower::Follower;
use super::Command;
use super::connection::ConnectionArgs;
use super::deliveries::PATH;
use super::filter::{Pairs, time};
use super::output::{Columns, Output, cell};
use super::progress::Progress;
use crate::cli::asked_to_stop;
use crate::domain::delivery::DeliveryState;
use crate::domain::ids::WebhookId;
use crate::domain::time::Timestamp;
use crate::rest::{RestClient, RestError};

/// How often the dispatcher is asked.
const LOOK: Duration = Duration::from_secs(1);

/// How a delivery can end.
const OUTCOMES: [DeliveryState; 3] = [DeliveryState::Delivered, DeliveryState::DeadLettered, DeliveryState::Cancelled];

const COLUMNS: Columns = &[
    ("ended", "/finishedAt"),
    ("outcome", "/state"),
    ("attempts", "/attemptCount"),
    ("type", "/type"),
    ("subject", "/subject"),
    ("webhook", "/webhookId"),
    ("delivery", "/id"),
    ("status", "/lastStatus"),
    ("failure", "/lastDetail"),
];

/// What `tail` takes.
#[derive(Debug, Args)]
pub(in super::super) struct TailArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
    /// Of this webhook alone.
    #[arg(long, value_name = "ID")]
    webhook: Option<WebhookId>,
    /// That ended so alone.
    #[arg(long, value_parser = PossibleValuesParser::new(OUTCOMES.map(DeliveryState::as_str)))]
    outcome: Option<String>,
    /// Begins with what ended at this time or later, in place of now.
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<String>,
}

impl Command for TailArgs {
    fn connection(&self) -> &ConnectionArgs {
        &self.connection
    }

    async fn run(self, rest: RestClient, output: &mut Output<'_>) -> anyhow::Result<()> {
        tokio::select! {
            biased;
            stopped = asked_to_stop() => Ok(stopped?),
            failed = follow(&rest, &self, output) => failed,
        }
    }
}

/// Tells ends until something goes wrong that will not pass by itself.
async fn follow(rest: &RestClient, args: &TailArgs, output: &mut Output<'_>) -> anyhow::Result<()> {
    let notes = Progress::of("");
    let since = begin(rest, args).await?;
    let mut follower = Follower::from(since);
    notes.say(&format!("what ends from {} on:", since.to_utc().to_rfc3339()));
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_away = false;
    loop {
        look.tick().await;
        match ended_from(rest, args, follower.next_look()).await {
            Ok(ended) => {
                if std::mem::take(&mut is_away) {
                    notes.say("the dispatcher is there again");
                }
                for delivery in follower.fresh(ended) {
                    tell(&delivery, output)?;
                }
                output.flush()?;
            }
            Err(error) if may_pass(&error) => {
                follower.interrupted();
                if !std::mem::replace(&mut is_away, true) {
                    notes.say(&format!("{error}; waiting for it"));
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Since when ends are told: now, by the dispatcher's clock.
async fn begin(rest: &RestClient, args: &TailArgs) -> anyhow::Result<Timestamp> {
    let told = match &args.since {
        Some(since) => since.clone(),
        None => cell(&rest.get(&Pairs::none().and("webhookId", args.webhook).after("/v1/stats")).await?, "/to"),
    };
    Timestamp::parse_rfc3339(&told).ok_or_else(|| anyhow::anyhow!("the dispatcher does not tell its time"))
}

async fn ended_from(rest: &RestClient, args: &TailArgs, from: Timestamp) -> Result<Vec<Value>, RestError> {
    let wanted = Pairs::none().and("webhookId", args.webhook).and("state", args.outcome.as_ref());
    rest.all(&wanted.and("finishedFrom", Some(from.to_utc().to_rfc3339())).after(PATH)).await
}

/// Whether it is worth waiting for the dispatcher, as for one that is started anew.
fn may_pass(error: &RestError) -> bool {
    match error {
        RestError::NoAnswer { .. } | RestError::Incomplete { .. } => true,
        RestError::Refused { problem, .. } => problem.status == 429 || problem.status >= 500,
        RestError::NotUnderstood { .. } => false,
    }
}

fn tell(delivery: &Value, output: &mut Output<'_>) -> anyhow::Result<()> {
    if output.json {
        output.line(&delivery.to_string())?;
    } else if output.is_terminal {
        let cells: Vec<String> = COLUMNS.iter().map(|(_, pointer)| cell(delivery, pointer)).collect();
        output.line(cells.join("  ").trim_end())?;
    } else {
        output.rows(COLUMNS, std::slice::from_ref(delivery))?;
    }
    Ok(())
}
