//! `dead-letters`: what was given up, and sending it again by a job that the dispatcher works.

use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use super::Command;
use super::confirm::confirm;
use super::connection::ConnectionArgs;
use super::filter::{FilterArgs, reasons};
use super::job::{self, Job};
use super::list::{self, HowMany};
use super::output::{Columns, Output};
use crate::domain::ids::{EventId, RedeliveryJobId};
use crate::domain::redelivery::{DEFAULT_PER_SECOND, MOST_PER_SECOND};
use crate::rest::RestClient;

const PATH: &str = "/v1/dead-letters";

const COLUMNS: Columns = &[
    ("Delivery", "/id"),
    ("Reason", "/reason"),
    ("Attempts", "/attemptCount"),
    ("Type", "/type"),
    ("Subject", "/subject"),
    ("Webhook", "/webhookId"),
    ("Given up", "/finishedAt"),
    ("Status", "/lastStatus"),
    ("Last failure", "/lastDetail"),
];

const JOB_COLUMNS: Columns = &[
    ("Job", "/id"),
    ("State", "/state"),
    ("Redelivered", "/redelivered"),
    ("Wanted", "/matched"),
    ("A second", "/perSecond"),
    ("Kind", "/kind"),
    ("Webhook", "/webhookId"),
    ("Begun", "/createdAt"),
    ("Ended", "/finishedAt"),
];

/// What `dead-letters` takes.
#[derive(Debug, Args)]
pub(in super::super) struct DeadLettersArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(subcommand)]
    command: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Lists dead letters, the newest first.
    List(ListArgs),
    /// Sends dead letters again that fit a filter: counted first, then by a job that survives restarts.
    Redeliver(RedeliverArgs),
    /// Lists the jobs that send many deliveries again, the newest first.
    Jobs {
        #[command(flatten)]
        how_many: HowMany,
    },
    /// Shows how far a job is until it ends.
    Watch {
        /// The job's id.
        #[arg(value_name = "JOB")]
        id: RedeliveryJobId,
    },
    /// Stops a job. What it has sent again stays so.
    Cancel {
        /// The job's id.
        #[arg(value_name = "JOB")]
        id: RedeliveryJobId,
    },
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    how_many: HowMany,
    /// Of this event alone.
    #[arg(long, value_name = "ID")]
    event: Option<EventId>,
    #[command(flatten)]
    filter: FilterArgs,
}

#[derive(Debug, Args)]
struct RedeliverArgs {
    /// Counts what would be sent again, and sends nothing.
    #[arg(long)]
    dry_run: bool,
    /// Does not ask before it begins.
    #[arg(long)]
    yes: bool,
    /// How many a second at most.
    #[arg(long, value_name = "NUMBER", default_value_t = DEFAULT_PER_SECOND, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_PER_SECOND)))]
    rate: u32,
    /// Begins the job and does not wait for its end.
    #[arg(long)]
    detach: bool,
    /// Given up for this reason alone.
    #[arg(long, value_parser = reasons())]
    reason: Option<String>,
    #[command(flatten)]
    filter: FilterArgs,
}

impl Command for DeadLettersArgs {
    fn connection(&self) -> &ConnectionArgs {
        &self.connection
    }

    async fn run(self, rest: RestClient, output: &mut Output<'_>) -> anyhow::Result<()> {
        match self.command {
            What::List(ListArgs { how_many, event, filter }) => {
                let path = filter.pairs().and("eventId", event).after(PATH);
                list::show(&rest, &path, how_many, COLUMNS, output).await
            }
            What::Redeliver(args) => redeliver(&rest, args, output).await,
            What::Jobs { how_many } => list::show(&rest, job::PATH, how_many, JOB_COLUMNS, output).await,
            What::Watch { id } => job::watch(&rest, id, output).await,
            What::Cancel { id } => job::cancel(&rest, id, output).await,
        }
    }
}

async fn redeliver(rest: &RestClient, args: RedeliverArgs, output: &mut Output<'_>) -> anyhow::Result<()> {
    let mut wanted = args.filter.pairs().and("reason", args.reason.as_ref()).object();
    wanted.insert("perSecond".to_owned(), args.rate.into());
    let counted = post(rest, Map::from_iter([("dryRun".to_owned(), true.into())]), &wanted).await?;
    let count = Job::of(&counted)?.wanted_in_words();
    if args.dry_run || counted["matched"] == 0 {
        return if output.json { Ok(output.document(&counted)?) } else { Ok(output.line(&format!("{count} would be sent again"))?) };
    }
    confirm(&format!("Send {count} again, {} a second?", args.rate), args.yes)?;
    let begun = post(rest, Map::new(), &wanted).await?;
    if args.detach {
        return if output.json { Ok(output.document(&begun)?) } else { Ok(output.line(&job::begun(&begun))?) };
    }
    job::watch_begun(rest, begun, output).await
}

async fn post(rest: &RestClient, mut body: Map<String, Value>, wanted: &Map<String, Value>) -> anyhow::Result<Value> {
    body.extend(wanted.clone());
    Ok(rest.post(&format!("{PATH}/redeliver"), Value::Object(body).to_string()).await?)
}
