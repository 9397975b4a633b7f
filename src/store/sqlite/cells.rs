//! How a cell of SQLite's answers is read: ids are blobs, times are microseconds.

use std::borrow::Cow;

use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row, Sqlite, Type};
use uuid::Uuid;

use crate::domain::time::Timestamp;
use crate::store::rows::{Cells, Unreadable};

impl Cells for SqliteRow {
    fn uuid(&self, index: usize) -> Result<Option<Uuid>, Unreadable> {
        cell(self, index)
    }

    fn integer(&self, index: usize) -> Result<Option<i64>, Unreadable> {
        cell(self, index)
    }

    fn flag(&self, index: usize) -> Result<Option<bool>, Unreadable> {
        cell(self, index)
    }

    fn time(&self, index: usize) -> Result<Option<Timestamp>, Unreadable> {
        Ok(cell::<i64>(self, index)?.map(Timestamp::from_micros))
    }

    fn text(&self, index: usize) -> Result<Option<Cow<'_, str>>, Unreadable> {
        Ok(cell::<&str>(self, index)?.map(Cow::Borrowed))
    }

    fn bytes(&self, index: usize) -> Result<Option<&[u8]>, Unreadable> {
        cell(self, index)
    }
}

fn cell<'r, T: Decode<'r, Sqlite> + Type<Sqlite>>(row: &'r SqliteRow, index: usize) -> Result<Option<T>, Unreadable> {
    row.try_get(index).map_err(|_| Unreadable)
}
