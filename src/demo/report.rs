//! The report at the end: a table of what became of the documents, the numbers that add up, and what does not.

use std::io::{self, Write};

use comfy_table::{Cell, CellAlignment, LineStyle, Row, Table, TableStyle};

use super::counts::Counts;
use super::kind::Kind;
use super::outcome::Outcome;

/// The most documents that are listed with what is wrong with them.
const MOST_PROBLEMS: usize = 10;

const HEADER: [&str; 9] =
    ["Documents", "Number", "Requests", "Logins", "Attempts", "Delivered", "Dead\nletters", "Re-\ndelivered", "As\nexpected"];

/// One line below the header, none between the columns: narrow enough for a terminal of 100 columns.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─'));

/// Writes the report.
///
/// # Errors
/// When `out` takes no more.
pub(super) fn write(outcome: &Outcome, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}\n", table(outcome))?;
    for check in outcome.checks() {
        writeln!(out, "  {} {}", if check.holds { "ok    " } else { "WRONG " }, check.text)?;
    }
    write_problems(outcome, out)?;
    let seconds = outcome.took.as_secs_f64();
    if outcome.as_expected() {
        writeln!(out, "\nEvery document reached its expected end, in {seconds:.1} s.")
    } else {
        writeln!(out, "\nNOT every document reached its expected end within {seconds:.1} s.")
    }
}

fn table(outcome: &Outcome) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE).set_header(HEADER);
    for kind in Kind::ALL {
        if let Some(counts) = outcome.of_kind(kind) {
            table.add_row(row(kind.title(), counts));
        }
    }
    table.add_row(row("in all", outcome.in_all()));
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn row(title: &str, counts: Counts) -> Row {
    let numbers =
        [counts.documents, counts.requests, counts.logins, counts.attempts, counts.delivered, counts.dead_lettered, counts.redelivered];
    let verdict = if counts.as_expected == counts.documents {
        "yes".to_owned()
    } else {
        format!("NO: {} of {}", counts.as_expected, counts.documents)
    };
    let cells = [Cell::new(title)].into_iter().chain(numbers.map(Cell::new)).chain([Cell::new(verdict)]);
    Row::from(cells.collect::<Vec<_>>())
}

fn write_problems(outcome: &Outcome, out: &mut impl Write) -> io::Result<()> {
    let problems: Vec<_> = outcome.courses.iter().filter_map(|course| Some((course, course.problem()?))).collect();
    for (course, problem) in problems.iter().take(MOST_PROBLEMS) {
        writeln!(out, "  WRONG  document {} ({}): {problem}", course.id, course.kind.title())?;
    }
    if problems.len() > MOST_PROBLEMS {
        writeln!(out, "  WRONG  and {} documents more", problems.len() - MOST_PROBLEMS)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::outcome::tests::outcome;
    use super::*;

    fn written(outcome: &Outcome) -> String {
        let mut out = Vec::new();
        write(outcome, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_good_run_is_a_table_of_numbers_that_add_up() {
        let text = written(&outcome());

        assert_eq!(text.matches(" yes ").count(), 8, "{text}");
        assert_eq!(text.matches("  ok     ").count(), 4, "{text}");
        assert!(text.contains("13 requests seen = 12 attempts recorded + 1 answered 401"), "{text}");
        assert!(text.ends_with("Every document reached its expected end, in 6.0 s.\n"), "{text}");
    }

    #[test]
    fn a_bad_run_says_which_document_and_why() {
        let mut bad = outcome();
        bad.courses[5].deliveries[0].state = "dead_lettered".to_owned();

        let text = written(&bad);

        assert!(text.contains("NO: 0 of 1") && text.contains("NO: 6 of 7"), "{text}");
        assert!(text.contains("WRONG  document document OddId (id \"nota fiscal/42\"): its delivery is dead_lettered"), "{text}");
        assert!(text.ends_with("\nNOT every document reached its expected end within 6.0 s.\n"), "{text}");
    }

    #[test]
    fn a_disaster_is_told_in_few_lines() {
        let mut bad = outcome();
        bad.courses = bad.courses.iter().cycle().take(700).cloned().collect();
        bad.courses.iter_mut().for_each(|course| course.deliveries.clear());

        assert!(written(&bad).contains("WRONG  and 690 documents more"));
    }
}
