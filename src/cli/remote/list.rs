//! Lists: page after page, as far as is wanted.

use clap::Args;
use serde_json::Value;

use super::output::{Columns, Output};
use crate::rest::{PAGE, Page, RestClient};

/// How much of a list is wanted.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct HowMany {
    /// How many entries at most, the newest first.
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// All of them.
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

/// Writes the list at `path`. As JSON it is one document, as of one large page.
///
/// Pages are written as they come: a list may be larger than the memory. Only a table waits for its end, to be one.
pub(super) async fn show(
    rest: &RestClient,
    path: &str,
    how_many: HowMany,
    columns: Columns,
    output: &mut Output<'_>,
) -> anyhow::Result<()> {
    let mut sheet = Sheet::new(columns, output)?;
    let mut left = if how_many.all { u64::MAX } else { how_many.limit };
    let mut cursor: Option<String> = None;
    loop {
        let page: Page<Value> = rest.page(path, left.min(PAGE), cursor.as_deref()).await?;
        left = left.saturating_sub(u64::try_from(page.items.len())?);
        sheet.add(page.items)?;
        cursor = page.next_cursor;
        if left == 0 || cursor.is_none() {
            return sheet.end(cursor);
        }
    }
}

/// A list while it is written.
struct Sheet<'a, 'b> {
    columns: Columns,
    output: &'a mut Output<'b>,
    gathered: Vec<Value>,
    written: u64,
}

impl<'a, 'b> Sheet<'a, 'b> {
    fn new(columns: Columns, output: &'a mut Output<'b>) -> anyhow::Result<Self> {
        if output.json {
            output.part(r#"{"items":["#)?;
        }
        Ok(Self { columns, output, gathered: Vec::new(), written: 0 })
    }

    fn add(&mut self, entries: Vec<Value>) -> anyhow::Result<()> {
        if self.output.json {
            for entry in entries {
                let comma = if self.written > 0 { "," } else { "" };
                self.output.part(&format!("{comma}{entry}"))?;
                self.written += 1;
            }
        } else if self.output.is_terminal {
            self.gathered.extend(entries);
        } else {
            self.output.rows(self.columns, &entries)?;
        }
        Ok(())
    }

    fn end(self, cursor: Option<String>) -> anyhow::Result<()> {
        if self.output.json {
            self.output.line(&format!(r#"],"nextCursor":{}}}"#, Value::from(cursor)))?;
            return Ok(());
        }
        self.output.rows(self.columns, &self.gathered)?;
        if self.output.is_terminal && self.gathered.is_empty() {
            self.output.line("There is none.")?;
        } else if self.output.is_terminal && cursor.is_some() {
            self.output.line("There are more: --all shows them, or a larger --limit.")?;
        }
        Ok(())
    }
}
