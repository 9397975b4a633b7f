//! `webhooks apply`: makes the webhooks of a dispatcher what a file says.
//!
//! A webhook of the file is the one with the same id, or without an id the one with the same name. What of it is secret
//! stands in the file as a reference and is looked up here; the dispatcher alone can tell whether a secret differs.
//!
//! - `file`: what a file says
//! - `reference`: where its secrets are
//! - `definition`: what is sent, and what of it would be seen
//! - `plan`: which webhook is meant, and what differs
//! - `report`: what became of each

mod definition;
mod file;
mod plan;
mod reference;
mod report;

use std::path::Path;

use clap::Args;
use serde_json::Value;

pub(super) use self::reference::REFERENCE_KEYS;

use self::definition::Definition;
use self::file::Wanted;
use self::plan::{Step, differences};
use self::report::{Outcome, Report};
use super::confirm::confirm;
use super::exit::Ended;
use super::output::Output;
use super::webhooks::PATH;
use crate::rest::{Problem, RestClient, RestError};

/// How a file is applied.
#[derive(Clone, Copy, Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own of the command")]
pub(super) struct Terms {
    /// Shows what would be done, and does nothing.
    #[arg(long)]
    dry_run: bool,
    /// Deletes the webhooks that are not in the file, if nothing in it was refused. Their pending deliveries become cancelled.
    #[arg(long)]
    prune: bool,
    /// Does not ask before it deletes.
    #[arg(long)]
    yes: bool,
    /// Leaves a secret what it is where its reference leads to nothing, as an environment variable that is not set.
    #[arg(long)]
    keep_secrets: bool,
}

/// Applies the file at `path`, `-` for standard input.
pub(super) async fn run(rest: &RestClient, path: &Path, terms: Terms, output: &mut Output<'_>) -> anyhow::Result<()> {
    let (wanted, folder) = file::read(path)?;
    let present: Vec<Value> = rest.all(PATH).await?;
    plan::of_one_client(&present)?;
    let mut report = Report::default();
    for webhook in &wanted {
        let outcome = settle(rest, webhook, &present, (terms, &folder)).await?;
        report.add(&webhook.name, outcome, output)?;
    }
    if terms.prune {
        prune(rest, &plan::beside(&present, &wanted), terms, &mut report, output).await?;
    }
    report.end(output)
}

/// Makes one webhook what the file says.
async fn settle(rest: &RestClient, wanted: &Wanted, present: &[Value], (terms, folder): (Terms, &Path)) -> anyhow::Result<Outcome> {
    let step = match plan::step(wanted, present) {
        Ok(step) => step,
        Err(problem) => return Ok(Outcome::Refused(problem)),
    };
    let current = step.current();
    let definition = match Definition::of(wanted, current, folder, terms.keep_secrets) {
        Ok(definition) => definition,
        Err(problem) => return Ok(Outcome::Refused(problem)),
    };
    let differences = differences(&definition.visible, current);
    let is_sure = differences.is_empty() && definition.is_all_visible;
    let sent = match step {
        Step::Change(current) if is_sure => return Ok(Outcome::unchanged(current)),
        _ if terms.dry_run => return Ok(Outcome::planned(current, differences, definition.secrets)),
        Step::Create => rest.post::<Value>(PATH, definition.text()).await,
        Step::Change(current) => rest.put::<Value>(&format!("{PATH}/{}", id_of(current)), definition.text()).await,
    };
    match sent {
        Ok(answer) => Ok(Outcome::done(current, &answer, differences)),
        Err(error) => refusal(error).map(Outcome::Refused),
    }
}

/// Deletes what the file does not name; nothing while anything in it was refused, for that may be a name mistyped.
async fn prune(rest: &RestClient, beside: &[&Value], terms: Terms, report: &mut Report, output: &mut Output<'_>) -> anyhow::Result<()> {
    if report.has_refusals() || beside.is_empty() {
        return Ok(());
    }
    if !terms.dry_run {
        let names: Vec<&str> = beside.iter().filter_map(|webhook| webhook["name"].as_str()).collect();
        confirm(&format!("Delete {} with all that waits for them?", names.join(", ")), terms.yes)?;
    }
    for webhook in beside {
        let outcome = if terms.dry_run {
            Outcome::would_be_deleted(webhook)
        } else {
            match rest.delete(&format!("{PATH}/{}", id_of(webhook))).await {
                Ok(()) => Outcome::deleted(webhook),
                Err(error) => Outcome::Refused(refusal(error)?),
            }
        };
        report.add(webhook["name"].as_str().unwrap_or_default(), outcome, output)?;
    }
    Ok(())
}

/// What the dispatcher has against a webhook; anything else that goes wrong ends the command.
fn refusal(error: RestError) -> anyhow::Result<Problem> {
    match error.problem() {
        // Who may not do it at all need not be told so webhook by webhook.
        Some(problem) if !matches!(problem.status, 401 | 403) => Ok(problem.clone()),
        _ => Err(error.into()),
    }
}

fn id_of(webhook: &Value) -> &str {
    webhook["id"].as_str().unwrap_or_default()
}
