//! Statements over many rows: one text for each of a few sizes, the rest of the last one filled up with rows of nulls.
//!
//! Every statement costs a hop to the connection's thread and back, and every new text has to be prepared. So any number
//! of rows up to the largest size makes one hop, and all the texts stay in the connection's cache. Every template must
//! take a row of nulls for nothing: a comparison with null holds for no row, an insert leaves out what has no first
//! column.

use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr, Sqlite, SqliteConnection};

use crate::store::error::StoreError;

/// How many rows statements are for: at most a third of a statement is filled up. With the widest row (14 columns) the
/// largest stays far below the 32,766 parameters that SQLite takes.
const SIZES: [usize; 16] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256];

/// A statement to which values are being bound.
pub(super) type Bound = Query<'static, Sqlite, SqliteArguments>;

/// One statement in all its sizes.
pub(super) struct Batch {
    /// The texts for `SIZES`.
    texts: Vec<SqlStr>,
    /// How many parameters a row has.
    parameters: usize,
}

/// As many rows as one statement takes, and how many parameters of it are left over.
struct Piece<'a, T> {
    text: SqlStr,
    rows: &'a [T],
    left_over: usize,
}

impl<T> Piece<'_, T> {
    fn query(&self, bind_first: impl Fn(Bound) -> Bound, bind: impl Fn(Bound, &T) -> Bound) -> Bound {
        let bound = self.rows.iter().fold(bind_first(sqlx::query(self.text.clone())), bind);
        (0..self.left_over).fold(bound, |query, _| query.bind(None::<i64>))
    }
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
        let text = |size: usize| AssertSqlSafe(template.replace("{rows}", &vec![row; size].join(separator)));
        Self { texts: SIZES.iter().map(|&size| text(size).into_sql_str()).collect(), parameters: row.matches('?').count() }
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
        for piece in self.pieces(rows) {
            changed += piece.query(&bind_first, &bind).execute(&mut *db).await?.rows_affected();
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
        for piece in self.pieces(rows) {
            answered.append(&mut piece.query(|query| query, &bind).fetch_all(&mut *db).await?);
        }
        Ok(answered)
    }

    /// The text for the most rows, of which SQLite thinks the most.
    #[cfg(test)]
    pub(super) fn sample(&self) -> &str {
        self.texts[SIZES.len() - 1].as_str()
    }

    /// Cuts `rows` into pieces of the largest size, and what remains into one of the smallest that holds it.
    fn pieces<'a, T>(&'a self, rows: &'a [T]) -> impl Iterator<Item = Piece<'a, T>> {
        let largest = SIZES[SIZES.len() - 1];
        rows.chunks(largest).map(|rows| {
            let index = SIZES.partition_point(|&size| size < rows.len());
            Piece { text: self.texts[index].clone(), rows, left_over: (SIZES[index] - rows.len()) * self.parameters }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_cut_into_few_pieces_without_loss() {
        let batch = Batch::of_rows("values {rows}", "(?, ?)");
        let rows: Vec<u32> = (0..600).collect();

        let pieces: Vec<_> = batch.pieces(&rows).collect();

        let sizes: Vec<_> = pieces.iter().map(|piece| (piece.rows.len(), piece.left_over)).collect();
        assert_eq!(sizes, [(256, 0), (256, 0), (88, 16)]);
        assert_eq!(pieces.iter().flat_map(|piece| piece.rows).copied().collect::<Vec<_>>(), rows);
        assert_eq!(batch.pieces(&rows[..3]).next().unwrap().text.as_str(), "values (?, ?), (?, ?), (?, ?)");
        assert_eq!(batch.pieces::<u32>(&[]).count(), 0);
    }
}
