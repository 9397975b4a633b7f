//! Statements over many rows: one for each power of two, so that few texts serve every number of rows.
//!
//! Every statement costs a hop to the connection's thread and back, and every new text has to be prepared; a thousand
//! rows make seven hops, and all their texts stay in the connection's cache.

use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr, Sqlite, SqliteConnection};

use crate::store::error::StoreError;

/// The most rows in one statement are `2^(SIZES - 1)`. With the widest row (15 columns) that stays far below the 32,766
/// parameters that SQLite takes.
const SIZES: usize = 9;

/// A statement to which values are being bound.
pub(super) type Bound = Query<'static, Sqlite, SqliteArguments>;

/// One statement in all its sizes.
pub(super) struct Batch {
    /// At index n the text for 2^n rows.
    texts: Vec<SqlStr>,
}

impl Batch {
    /// `template` with `{rows}` replaced by as many `row`s, parted by commas.
    pub(super) fn of_rows(template: &str, row: &str) -> Self {
        Self::joined(template, row, ", ")
    }

    /// `template` with `{rows}` replaced by the union of as many `arm`s, each a whole select.
    pub(super) fn of_selects(template: &str, arm: &str) -> Self {
        Self::joined(template, arm, " union all ")
    }

    fn joined(template: &str, row: &str, separator: &str) -> Self {
        let text = |size: usize| AssertSqlSafe(template.replace("{rows}", &vec![row; 1 << size].join(separator)));
        Self { texts: (0..SIZES).map(|size| text(size).into_sql_str()).collect() }
    }

    /// Runs the statement for all `rows`; answers how many rows of the database it changed.
    pub(super) async fn execute<T>(
        &self,
        db: &mut SqliteConnection,
        rows: &[T],
        bind: impl Fn(Bound, &T) -> Bound,
    ) -> Result<u64, StoreError> {
        self.execute_with(db, |query| query, rows, bind).await
    }

    /// As [`Self::execute`], with values bound before those of the rows, anew in every statement.
    pub(super) async fn execute_with<T>(
        &self,
        db: &mut SqliteConnection,
        bind_first: impl Fn(Bound) -> Bound,
        rows: &[T],
        bind: impl Fn(Bound, &T) -> Bound,
    ) -> Result<u64, StoreError> {
        let mut changed = 0;
        for (text, piece) in self.pieces(rows) {
            let query = piece.iter().fold(bind_first(sqlx::query(text)), &bind);
            changed += query.execute(&mut *db).await?.rows_affected();
        }
        Ok(changed)
    }

    /// Runs the statement for all `rows` and collects what it answers.
    pub(super) async fn fetch<T>(
        &self,
        db: &mut SqliteConnection,
        rows: &[T],
        bind: impl Fn(Bound, &T) -> Bound,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        let mut answered = Vec::new();
        for (text, piece) in self.pieces(rows) {
            let query = piece.iter().fold(sqlx::query(text), &bind);
            answered.append(&mut query.fetch_all(&mut *db).await?);
        }
        Ok(answered)
    }

    /// The text for the most rows, of which SQLite thinks the most.
    #[cfg(test)]
    pub(super) fn sample(&self) -> &str {
        self.texts[SIZES - 1].as_str()
    }

    /// Cuts `rows` into the largest pieces that statements exist for.
    fn pieces<'a, T>(&'a self, mut rows: &'a [T]) -> impl Iterator<Item = (SqlStr, &'a [T])> {
        std::iter::from_fn(move || {
            let size = usize::try_from(rows.len().checked_ilog2()?).ok()?.min(SIZES - 1);
            let (piece, rest) = rows.split_at(1 << size);
            rows = rest;
            Some((self.texts.get(size)?.clone(), piece))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_cut_into_few_pieces_without_loss() {
        let batch = Batch::of_rows("values {rows}", "(?)");
        let rows: Vec<u32> = (0..1_000).collect();

        let pieces: Vec<_> = batch.pieces(&rows).collect();

        let sizes: Vec<_> = pieces.iter().map(|(_, piece)| piece.len()).collect();
        assert_eq!(sizes, [256, 256, 256, 128, 64, 32, 8]);
        assert_eq!(pieces.iter().flat_map(|(_, piece)| *piece).copied().collect::<Vec<_>>(), rows);
        assert_eq!(pieces[6].0.as_str(), "values (?), (?), (?), (?), (?), (?), (?), (?)");
        assert_eq!(batch.pieces::<u32>(&[]).count(), 0);
    }
}
