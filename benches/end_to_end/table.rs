//! The figures of a measurement, as people read them.

use comfy_table::{CellAlignment, Table, presets};

use super::quantiles::Quantiles;
use super::report::{Report, Row};

/// All figures as text.
pub(crate) fn render(report: &Report) -> String {
    let mut parts = vec![format!("Median time to make a page durable: {:.2} ms.", report.machine.sync_ms)];
    if !report.ceilings.is_empty() {
        parts.push(format!("The HTTP client alone:\n{}", ceilings(report)));
    }
    if !report.rows.is_empty() {
        parts.push(format!("Enqueued, delivered, arrived:\n{}", rates(&report.rows)));
        parts.push(format!("Times in ms, p50 / p99 / max:\n{}", times(&report.rows)));
        parts.push(format!("Cost of a delivery:\n{}", costs(&report.rows)));
    }
    if !report.comparisons.is_empty() {
        parts.push(format!("Against one another:\n{}", comparisons(report)));
    }
    parts.join("\n\n")
}

fn ceilings(report: &Report) -> Table {
    let mut table = table(&["under way", "arrived/s", "p50 / p99 / max ms"], 0);
    for ceiling in &report.ceilings {
        table.add_row([ceiling.under_way.to_string(), whole(ceiling.arrived_per_second), quantiles(&ceiling.latency)]);
    }
    table
}

fn comparisons(report: &Report) -> Table {
    let mut table = table(&["store", "what", "ratio", "must be"], 2);
    for comparison in &report.comparisons {
        table.add_row([comparison.store.name(), comparison.what, &format!("{:.2}", comparison.ratio), comparison.bound]);
    }
    table
}

fn rates(rows: &[Row]) -> Table {
    let head = ["acknowledged", "missing", "attempts", "refused", "acknowledged/s", "arrived/s", "of ceiling", "floor", "others' cores"];
    let mut table = case_table(&head);
    for row in rows {
        table.add_row(case_cells(row).into_iter().chain([
            row.acknowledged.to_string(),
            row.missing.to_string(),
            row.attempts.to_string(),
            row.refused_requests.to_string(),
            whole(row.acknowledged_per_second),
            whole(row.arrived_per_second),
            part(row.of_ceiling),
            part(row.floor),
            format!("{:.2}", row.cores_of_others),
        ]));
    }
    table
}

fn times(rows: &[Row]) -> Table {
    let mut table = case_table(&["to acknowledgement", "to arrival"]);
    for row in rows {
        table.add_row(
            case_cells(row)
                .into_iter()
                .chain([quantiles(&row.acknowledgement), row.arrival.as_ref().map_or_else(|| "-".to_owned(), quantiles)]),
        );
    }
    table
}

fn costs(rows: &[Row]) -> Table {
    let head = ["CPU µs", "load's CPU µs", "receiver's CPU µs", "database's CPU µs", "bytes on disk", "resident MiB", "at most MiB"];
    let mut table = case_table(&head);
    for row in rows {
        let cost = &row.cost;
        table.add_row(case_cells(row).into_iter().chain([
            whole(cost.cpu_micros),
            whole(cost.load_cpu_micros),
            whole(cost.receiver_cpu_micros),
            whole(cost.database_cpu_micros),
            whole(cost.disk_bytes),
            whole(cost.memory.resident_mib),
            whole(cost.memory.peak_mib),
        ]));
    }
    table
}

fn case_table(head: &[&str]) -> Table {
    table(&[&["store", "case", "connections", "max in flight"], head].concat(), 2)
}

fn case_cells(row: &Row) -> [String; 4] {
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    [
        row.store.name().to_owned(),
        row.name.to_owned(),
        or_dash(row.connections.map(|connections| connections.to_string())),
        row.max_in_flight.map_or_else(|| "default".to_owned(), |limit| limit.to_string()),
    ]
}

/// A table with this head; the columns from `first_number` on are aligned to the right.
fn table(head: &[&str], first_number: usize) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(head);
    table.column_iter_mut().skip(first_number).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table
}

fn whole(value: f64) -> String {
    format!("{value:.0}")
}

fn part(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |part| format!("{part:.3}"))
}

fn quantiles(times: &Quantiles) -> String {
    format!("{:.2} / {:.2} / {:.1}", times.p50_ms, times.p99_ms, times.max_ms)
}
