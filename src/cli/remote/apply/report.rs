//! What became of each webhook of a file, for people and for scripts.

use serde_json::{Value, json};

use super::plan::Difference;
use super::{Ended, id_of};
use crate::cli::remote::output::Output;
use crate::rest::{Problem, RestError};

/// What became of one webhook.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is what the file says, or would be.
    Settled {
        /// In one word, or as what would be done.
        word: &'static str,
        /// Its id, once it has one.
        id: Option<String>,
        /// What of it reads otherwise.
        differences: Vec<Difference>,
        /// What only the dispatcher can compare, where it was not asked to.
        secrets: Vec<String>,
    },
    /// It is not.
    Refused(Problem),
}

impl Outcome {
    fn plain(word: &'static str, webhook: &Value) -> Self {
        Self::Settled { word, id: Some(id_of(webhook).to_owned()), differences: Vec::new(), secrets: Vec::new() }
    }

    /// It is what the file says.
    pub(super) fn unchanged(current: &Value) -> Self {
        Self::plain("unchanged", current)
    }

    /// It was deleted.
    pub(super) fn deleted(webhook: &Value) -> Self {
        Self::plain("deleted", webhook)
    }

    /// It would be deleted.
    pub(super) fn would_be_deleted(webhook: &Value) -> Self {
        Self::plain("would delete", webhook)
    }

    /// What would be done.
    pub(super) fn planned(current: Option<&Value>, differences: Vec<Difference>, secrets: Vec<String>) -> Self {
        let word = match current {
            None => "would create",
            Some(_) if differences.is_empty() => "unchanged",
            Some(_) => "would change",
        };
        Self::Settled { word, id: current.map(|current| id_of(current).to_owned()), differences, secrets }
    }

    /// What was done, by the dispatcher's answer: it moves the time of a change only if there was one.
    pub(super) fn done(current: Option<&Value>, answer: &Value, differences: Vec<Difference>) -> Self {
        let word = match current {
            None => "created",
            Some(current) if current["updatedAt"] == answer["updatedAt"] => return Self::unchanged(current),
            Some(_) => "changed",
        };
        Self::Settled { word, id: Some(id_of(answer).to_owned()), differences, secrets: Vec::new() }
    }
}

/// What became of all.
#[derive(Default)]
pub(super) struct Report {
    entries: Vec<Value>,
    refused: Vec<Problem>,
}

impl Report {
    /// Whether anything was refused.
    pub(super) const fn has_refusals(&self) -> bool {
        !self.refused.is_empty()
    }

    /// Tells what became of the webhook `name`.
    pub(super) fn add(&mut self, name: &str, outcome: Outcome, output: &mut Output<'_>) -> anyhow::Result<()> {
        if !output.json {
            tell(name, &outcome, output)?;
        }
        match outcome {
            Outcome::Settled { word, id, differences, secrets } => {
                self.entries.push(json!({"name": name, "id": id, "outcome": word, "differences": differences, "secrets": secrets}));
            }
            Outcome::Refused(problem) => {
                let errors: Vec<Value> =
                    problem.errors.iter().map(|error| json!({"field": error.field, "message": error.message})).collect();
                let entry =
                    json!({"name": name, "outcome": "refused", "status": problem.status, "detail": problem.detail, "errors": errors});
                self.entries.push(entry);
                self.refused.push(problem);
            }
        }
        Ok(())
    }

    /// Ends the report; an error says that not all is as the file wants it.
    pub(super) fn end(self, output: &mut Output<'_>) -> anyhow::Result<()> {
        let (refused, all) = (self.refused.len(), self.entries.len());
        if output.json {
            output.document(&json!({"webhooks": self.entries}))?;
        }
        let Some(first) = self.refused.into_iter().next() else { return Ok(()) };
        if refused < all {
            return Err(Ended::partly(format!("{refused} of {all} webhooks were refused")).into());
        }
        let error = RestError::Refused { what: "apply".to_owned(), problem: first };
        Err(Ended::like(&error, "every webhook was refused").into())
    }
}

fn tell(name: &str, outcome: &Outcome, output: &mut Output<'_>) -> anyhow::Result<()> {
    match outcome {
        Outcome::Refused(problem) => output.line(&format!("{:13} {name}: {problem}", "refused"))?,
        Outcome::Settled { word, id, differences, secrets } => {
            output.line(format!("{word:13} {name}  {}", id.as_deref().unwrap_or_default()).trim_end())?;
            for Difference { field, before, after } in differences {
                output.line(&format!("    {field}: {before} -> {after}"))?;
            }
            if !secrets.is_empty() {
                output.line(&format!("    {}: sent, and compared by the dispatcher alone", secrets.join(", ")))?;
            }
        }
    }
    Ok(())
}
