//! The aggregate `added_up(webhook id, number of a minute or hour, …)`, which goes over rows of statistics once and adds
//! them up twice: by webhook, and by number.
//!
//! A week of a thousand webhooks has millions of cells. To hand them out row by row costs several times what SQLite spends
//! on reading them, and two sums of its own, of which one has to sort, cost as much again. Which rows are added up, `stats`
//! says.

use std::collections::HashMap;

use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::{Connection, Error, Result};
use uuid::Uuid;

use crate::domain::ids::WebhookId;
use crate::domain::stats::{BUCKETS, Counts, LatencyHistogram};
use crate::store::error::StoreError;

/// How many numbers [`Counts`] has.
const NUMBERS: usize = OUTCOMES + BUCKETS;

/// How many of them do not tell how long answers took.
const OUTCOMES: usize = 4;

/// Before the counts there are the webhook and the number of a minute or hour.
const FIRST_OUTCOME: usize = 2;

const FIRST_ANSWER: usize = FIRST_OUTCOME + OUTCOMES;

#[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "there are a few dozen")]
const ARGUMENTS: i32 = (FIRST_OUTCOME + NUMBERS) as i32;

/// Makes the aggregate known to a connection.
pub(super) fn register(db: &Connection) -> Result<()> {
    db.create_aggregate_function("added_up", ARGUMENTS, FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DIRECTONLY, AddUp)
}

/// What rows add up to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    /// By webhook. One whose rows came in several runs is there as often.
    pub(super) by_webhook: Vec<(WebhookId, Counts)>,
    /// By number of a minute or hour.
    pub(super) by_number: HashMap<i64, Counts>,
}

impl Sums {
    /// Rows come webhook by webhook, so the last one is nearly always that of the row.
    fn add(&mut self, webhook_id: WebhookId, number: i64, counts: &Counts) {
        match self.by_webhook.last_mut() {
            Some((last, sum)) if *last == webhook_id => *sum += counts,
            _ => self.by_webhook.push((webhook_id, counts.clone())),
        }
        *self.by_number.entry(number).or_default() += counts;
    }

    /// As words: how many webhooks there are, each with its id in two, and what is left are numbers, each in one.
    fn written(&self) -> Vec<u8> {
        let mut words = vec![self.by_webhook.len() as u64];
        for (webhook_id, counts) in &self.by_webhook {
            let (high, low) = webhook_id.as_uuid().as_u64_pair();
            words.extend([high, low]);
            words.extend(numbers(counts));
        }
        for (number, counts) in &self.by_number {
            words.push(number.cast_unsigned());
            words.extend(numbers(counts));
        }
        words.into_iter().flat_map(u64::to_le_bytes).collect()
    }

    /// Reads what the aggregate answered.
    ///
    /// # Errors
    /// When it is something else.
    pub(super) fn read(answer: &[u8]) -> std::result::Result<Self, StoreError> {
        let mut words = answer.as_chunks().0.iter().copied().map(u64::from_le_bytes);
        let mut sums = Self::default();
        for _ in 0..words.next().ok_or_else(cut_off)? {
            let (high, low) = words.next().zip(words.next()).ok_or_else(cut_off)?;
            sums.by_webhook.push((Uuid::from_u64_pair(high, low).into(), counts(&mut words)?));
        }
        while let Some(number) = words.next() {
            sums.by_number.insert(number.cast_signed(), counts(&mut words)?);
        }
        Ok(sums)
    }
}

fn cut_off() -> StoreError {
    StoreError::Backend("sums of statistics are cut off".into())
}

fn numbers(counts: &Counts) -> impl Iterator<Item = u64> {
    let Counts { delivered, failed, retries, dead_lettered, answers } = counts;
    [*delivered, *failed, *retries, *dead_lettered].into_iter().chain(*answers.counts())
}

fn counts(words: &mut impl Iterator<Item = u64>) -> std::result::Result<Counts, StoreError> {
    let mut numbers = [0; NUMBERS];
    for number in &mut numbers {
        *number = words.next().ok_or_else(cut_off)?;
    }
    Ok(named(numbers))
}

/// In the order of the aggregate's arguments.
fn named([delivered, failed, retries, dead_lettered, answers @ ..]: [u64; NUMBERS]) -> Counts {
    Counts { delivered, failed, retries, dead_lettered, answers: LatencyHistogram::from_counts(answers) }
}

struct AddUp;

impl Aggregate<Sums, Vec<u8>> for AddUp {
    fn init(&self, _: &mut Context<'_>) -> Result<Sums> {
        Ok(Sums::default())
    }

    fn step(&self, row: &mut Context<'_>, sums: &mut Sums) -> Result<()> {
        let webhook_id: Uuid = row.get(0)?;
        let mut outcomes = [0; OUTCOMES];
        for (argument, number) in (FIRST_OUTCOME..).zip(&mut outcomes) {
            *number = count(row, argument)?;
        }
        let [delivered, failed, retries, dead_lettered] = outcomes;
        let answers = LatencyHistogram::from_counts(answers(row, delivered.saturating_add(failed))?);
        sums.add(webhook_id.into(), row.get(1)?, &Counts { delivered, failed, retries, dead_lettered, answers });
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, sums: Option<Sums>) -> Result<Vec<u8>> {
        Ok(sums.unwrap_or_default().written())
    }
}

/// An attempt is answered once or never, so that beyond the last answer there are zeros, which are half of all cells.
fn answers(row: &Context<'_>, attempts: u64) -> Result<[u64; BUCKETS]> {
    let mut answers = [0; BUCKETS];
    let mut unanswered = attempts;
    for (argument, number) in (FIRST_ANSWER..).zip(&mut answers) {
        if unanswered == 0 {
            break;
        }
        *number = count(row, argument)?;
        unanswered = unanswered.saturating_sub(*number);
    }
    Ok(answers)
}

fn count(row: &Context<'_>, argument: usize) -> Result<u64> {
    u64::try_from(row.get::<i64>(argument)?).map_err(|negative| Error::UserFunctionError(negative.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(first: u64) -> Counts {
        let mut next = first..;
        named([0; NUMBERS].map(|_| next.next().unwrap()))
    }

    #[test]
    fn sums_are_read_as_they_were_written() {
        let webhooks = [1, u128::MAX - 1].map(|id| WebhookId::from(Uuid::from_u128(id)));
        let mut sums = Sums::default();
        sums.add(webhooks[0], -7, &counts(100));
        sums.add(webhooks[0], 8, &counts(2_000));
        sums.add(webhooks[1], 8, &counts(30_000));

        let read = Sums::read(&sums.written()).unwrap();

        let sum = |first: &Counts, second: &Counts| {
            let mut sum = first.clone();
            sum += second;
            sum
        };
        assert_eq!(read.by_webhook, [(webhooks[0], sum(&counts(100), &counts(2_000))), (webhooks[1], counts(30_000))]);
        assert_eq!(read.by_number, [(-7, counts(100)), (8, sum(&counts(2_000), &counts(30_000)))].into());
        assert_eq!(Sums::read(&Sums::default().written()).unwrap(), Sums::default());
    }

    #[test]
    fn an_answer_that_is_cut_off_is_refused() {
        let mut sums = Sums::default();
        sums.add(Uuid::nil().into(), 0, &counts(1));
        let written = sums.written();

        for length in [0, 8, 16, written.len() - 8] {
            assert!(Sums::read(&written[..length]).is_err(), "{length}");
        }
    }

    /// A webhook, a number of an hour, outcomes, and how many answers there are in some of the ranges.
    type Stored = (u8, i64, [i64; OUTCOMES], &'static [(usize, i64)]);

    fn added_up(rows: &[Stored]) -> Result<Sums> {
        let row = |(webhook, number, outcomes, answers): &Stored| {
            let mut ranges = [0; BUCKETS];
            for (range, count) in *answers {
                ranges[*range] = *count;
            }
            let numbers = outcomes.iter().chain(&ranges).map(i64::to_string).collect::<Vec<_>>().join(", ");
            format!("(x'{webhook:032x}', {number}, {numbers})")
        };
        let db = Connection::open_in_memory()?;
        register(&db)?;
        let arguments = (1..=ARGUMENTS).map(|n| format!("column{n}")).collect::<Vec<_>>().join(", ");
        let rows = rows.iter().map(row).collect::<Vec<_>>().join(", ");
        let answer: Vec<u8> = db.query_row(&format!("select added_up({arguments}) from (values {rows})"), (), |row| row.get(0))?;
        Ok(Sums::read(&answer).unwrap())
    }

    fn counted([delivered, failed, retries, dead_lettered]: [u64; OUTCOMES], answers: &[(usize, u64)]) -> Counts {
        let mut ranges = [0; BUCKETS];
        for (range, count) in answers {
            ranges[*range] = *count;
        }
        Counts { delivered, failed, retries, dead_lettered, answers: LatencyHistogram::from_counts(ranges) }
    }

    #[test]
    fn rows_are_added_up_by_webhook_and_by_number() {
        let rows: [Stored; 3] = [
            (1, 7, [5, 2, 3, 1], &[(0, 1), (13, 3), (24, 3)]),
            // One attempt was never answered.
            (1, 8, [30, 1, 0, 0], &[(13, 10), (23, 20)]),
            (2, 8, [100, 0, 0, 0], &[(12, 100)]),
        ];

        let sums = added_up(&rows).unwrap();

        let webhook = |id| WebhookId::from(Uuid::from_u128(id));
        let first = counted([35, 3, 3, 1], &[(0, 1), (13, 13), (23, 20), (24, 3)]);
        assert_eq!(sums.by_webhook, [(webhook(1), first), (webhook(2), counted([100, 0, 0, 0], &[(12, 100)]))]);
        let at_seven = counted([5, 2, 3, 1], &[(0, 1), (13, 3), (24, 3)]);
        let at_eight = counted([130, 1, 0, 0], &[(12, 100), (13, 10), (23, 20)]);
        assert_eq!(sums.by_number, [(7, at_seven), (8, at_eight)].into());
    }

    #[test]
    fn a_count_that_is_none_is_refused() {
        assert!(added_up(&[(1, 7, [-1, 2, 0, 0], &[])]).is_err());
        assert!(added_up(&[(1, 7, [1, 2, 0, 0], &[(3, -1)])]).is_err());
    }
}
