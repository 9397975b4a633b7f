//! Statistics: what was counted of a webhook in a minute, an hour or a day, and what is there of it at the moment.

use super::webhook::state;
use super::{Cells, Fields};
use crate::domain::ids::WebhookId;
use crate::domain::stats::{BUCKETS, Counts, LatencyHistogram, WebhookLabel};
use crate::store::error::StoreError;

/// Hands the columns that count how long receivers took, with the numbers of their ranges, to the macro that is named.
macro_rules! answer_columns {
    ($($each:tt)+) => {
        $($each)+! {
            "answers_to_1_ms" 0,
            "answers_to_2_ms" 1,
            "answers_to_3_ms" 2,
            "answers_to_5_ms" 3,
            "answers_to_8_ms" 4,
            "answers_to_12_ms" 5,
            "answers_to_20_ms" 6,
            "answers_to_30_ms" 7,
            "answers_to_50_ms" 8,
            "answers_to_80_ms" 9,
            "answers_to_120_ms" 10,
            "answers_to_200_ms" 11,
            "answers_to_300_ms" 12,
            "answers_to_500_ms" 13,
            "answers_to_800_ms" 14,
            "answers_to_1200_ms" 15,
            "answers_to_2000_ms" 16,
            "answers_to_3000_ms" 17,
            "answers_to_5000_ms" 18,
            "answers_to_8000_ms" 19,
            "answers_to_12000_ms" 20,
            "answers_to_20000_ms" 21,
            "answers_to_30000_ms" 22,
            "answers_to_60000_ms" 23,
            "answers_beyond" 24,
        }
    };
}

macro_rules! listed {
    ($($column:literal $number:literal,)+) => { concat!($(", ", $column),+) };
}

macro_rules! added {
    ($($column:literal $number:literal,)+) => { concat!($(", ", $column, " = s.", $column, " + excluded.", $column),+) };
}

/// What is counted, as it stands in every table of statistics.
macro_rules! counted_columns {
    () => {
        concat!(
            "delivered, failed, retries, dead_lettered, answer_us",
            $crate::store::rows::answer_columns!($crate::store::rows::stats::listed)
        )
    };
}

/// What `Counts` has of it, in the order of its fields.
macro_rules! counts_columns {
    () => {
        concat!("delivered, failed, retries, dead_lettered", $crate::store::rows::answer_columns!($crate::store::rows::stats::listed))
    };
}

/// Goes after a conflict in a table that is called `s`.
macro_rules! added_columns {
    () => {
        concat!(
            "delivered = s.delivered + excluded.delivered, failed = s.failed + excluded.failed, retries = s.retries + excluded.retries,
             dead_lettered = s.dead_lettered + excluded.dead_lettered, answer_us = s.answer_us + excluded.answer_us",
            $crate::store::rows::answer_columns!($crate::store::rows::stats::added)
        )
    };
}

pub(in crate::store) use {added, added_columns, answer_columns, counted_columns, counts_columns, listed};

/// Reads the webhook (null for all together), the number of a bucket (null likewise) and `counts_columns!`.
pub(in crate::store) fn keyed_counts(row: &dyn Cells) -> Result<(Option<WebhookId>, Option<i64>, Counts), StoreError> {
    let fields = &mut Fields::of(row, "delivery_stat");
    Ok((fields.optional_id("webhook_id")?, fields.optional_number("minute")?, counts(fields)?))
}

fn counts(fields: &mut Fields<'_>) -> Result<Counts, StoreError> {
    let (delivered, failed) = (fields.number("delivered")?, fields.number("failed")?);
    let (retries, dead_lettered) = (fields.number("retries")?, fields.number("dead_lettered")?);
    let mut answers = [0; BUCKETS];
    for count in &mut answers {
        *count = fields.number("answers")?;
    }
    Ok(Counts { delivered, failed, retries, dead_lettered, answers: LatencyHistogram::from_counts(answers) })
}

macro_rules! label_columns {
    () => {
        "w.id, w.client_id, w.name, w.state, w.disable_reason"
    };
}
pub(in crate::store) use label_columns;

/// Reads `label_columns!`.
pub(in crate::store) fn label(row: &dyn Cells) -> Result<WebhookLabel, StoreError> {
    let fields = &mut Fields::of(row, "webhook");
    Ok(WebhookLabel { id: fields.id("id")?, client_id: fields.id("client_id")?, name: fields.text("name")?, state: state(fields)? })
}
