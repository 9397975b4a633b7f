//! What people and scripts read on standard output: tables on a terminal, lines with tabs where there is none, JSON on demand.
//!
//! What strangers wrote (subjects, answers of receivers, names) makes no terminal do anything, and breaks no line or column.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write};

use comfy_table::{LineStyle, Table, TableStyle};
use serde_json::Value;

use crate::domain::time::Timestamp;
use crate::telemetry::spelled_out;

/// How much of a text a table shows. Lines with tabs show it all.
const MOST_CHARS: usize = 48;

/// One line below the header, none between the columns.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─'));

/// The columns of a table: the title of each, and where its value stands in an entry, as a JSON pointer.
pub(super) type Columns = &'static [(&'static str, &'static str)];

/// Writes for people and scripts.
pub(super) struct Output<'a> {
    out: &'a mut dyn Write,
    /// Whether a person reads along.
    pub(super) is_terminal: bool,
    /// Whether answers are wanted as they come.
    pub(super) json: bool,
}

impl<'a> Output<'a> {
    /// An output on standard output.
    pub(super) fn to_stdout(out: &'a mut dyn Write, json: bool) -> Self {
        Self { out, is_terminal: io::stdout().is_terminal(), json }
    }

    /// One line.
    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{}", spelled_out(text))
    }

    /// A text of several lines, each of which stands by itself, moved in by `indent`.
    pub(super) fn block(&mut self, text: &str, indent: &str) -> io::Result<()> {
        text.lines().try_for_each(|line| writeln!(self.out, "{indent}{}", spelled_out(line)))
    }

    /// A document of the REST interface: on one line for scripts, on many for people.
    pub(super) fn document(&mut self, document: &Value) -> io::Result<()> {
        let text = if self.is_terminal { format!("{document:#}") } else { document.to_string() };
        self.block(&text, "")
    }

    /// A line of a file, which stays what it is unless a terminal shows it.
    pub(super) fn file_line(&mut self, text: &str) -> io::Result<()> {
        if self.is_terminal { self.line(text) } else { writeln!(self.out, "{text}") }
    }

    /// Hands on what was written.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// A part of a document, on the line that is begun.
    pub(super) fn part(&mut self, text: &str) -> io::Result<()> {
        write!(self.out, "{}", spelled_out(text))
    }

    /// Entries of a list, one on a line.
    pub(super) fn rows(&mut self, columns: Columns, entries: &[Value]) -> io::Result<()> {
        if self.is_terminal {
            return if entries.is_empty() { Ok(()) } else { writeln!(self.out, "{}", table(columns, entries)) };
        }
        for entry in entries {
            let cells: Vec<String> = columns.iter().map(|(_, pointer)| cell(entry, pointer)).collect();
            writeln!(self.out, "{}", cells.join("\t"))?;
        }
        Ok(())
    }
}

fn table(columns: Columns, entries: &[Value]) -> String {
    let mut table = Table::new();
    table.load_style(STYLE).set_header(columns.iter().map(|(title, _)| *title));
    for entry in entries {
        table.add_row(columns.iter().map(|(_, pointer)| brief(cell(entry, pointer))));
    }
    table.trim_fmt()
}

/// A value of `entry` as text that stays in its column.
pub(super) fn cell(entry: &Value, pointer: &str) -> String {
    let text = match entry.pointer(pointer) {
        None | Some(Value::Null) => Cow::Borrowed(""),
        Some(Value::String(text)) => Cow::Borrowed(text.as_str()),
        Some(Value::Array(items)) => items.iter().map(|item| cell(item, "")).collect::<Vec<_>>().join(",").into(),
        Some(other) => other.to_string().into(),
    };
    spelled_out(&text).replace('\t', "\\t")
}

/// As much of a value as a table has room for: of a time its seconds, of a text its beginning.
fn brief(text: String) -> String {
    if Timestamp::parse_rfc3339(&text).is_some() {
        return text.chars().take("2024-04-11T14:12:33".len()).collect::<String>().replace('T', " ");
    }
    if text.chars().count() <= MOST_CHARS {
        return text;
    }
    text.chars().take(MOST_CHARS - 1).chain(['…']).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    const COLUMNS: Columns = &[("id", "/id"), ("subject", "/subject"), ("number", "/inner/number"), ("events", "/events")];

    /// What `write` writes.
    pub(in super::super) fn written(is_terminal: bool, json: bool, write: impl FnOnce(&mut Output<'_>)) -> String {
        let mut out = Vec::new();
        write(&mut Output { out: &mut out, is_terminal, json });
        String::from_utf8(out).unwrap()
    }

    fn hostile() -> Value {
        json!({"id": "7", "subject": "a\u{1b}[31m\tb\nc\u{9b}2J\u{202e}", "inner": {"number": 1.5}, "events": ["x", "y"]})
    }

    #[test]
    fn a_line_for_scripts_has_a_column_for_each_value_whatever_that_holds() {
        let text = written(false, false, |output| output.rows(COLUMNS, &[hostile(), json!({"id": null})]).unwrap());

        assert_eq!(text, "7\ta\\u001b[31m\\tb\\nc\\u009b2J\\u202e\t1.5\tx,y\n\t\t\t\n");
    }

    #[test]
    fn a_table_has_titles_and_is_cut_to_a_terminal() {
        let long = json!({"id": "7", "subject": "x".repeat(1_000), "inner": {"number": "2024-04-11T14:12:33.741194-03:00"}});

        let text = written(true, false, |output| output.rows(COLUMNS, &[long, hostile()]).unwrap());

        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains("subject") && lines[1].contains('─') && lines[2].contains("xxx…  2024-04-11 14:12:33"), "{text}");
        assert!(lines.len() == 4 && lines.iter().all(|line| line.chars().count() < 110), "{text}");
        assert!(!text.contains(|c: char| c != '\n' && c.is_control()), "{text:?}");
    }

    #[test]
    fn a_document_means_what_was_answered_and_moves_no_terminal() {
        for is_terminal in [true, false] {
            let text = written(is_terminal, true, |output| output.document(&hostile()).unwrap());

            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), hostile());
            assert!(!text.contains(|c: char| c != '\n' && (c.is_control() || c == '\u{202e}')), "{text:?}");
            assert_eq!(text.lines().count() > 1, is_terminal);
        }
    }
}
