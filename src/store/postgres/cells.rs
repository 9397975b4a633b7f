//! How a cell of PostgreSQL's answers is read.

use std::borrow::Cow;

use sqlx::postgres::{PgRow, PgTypeInfo, Postgres};
use sqlx::{Decode, Row, Type, TypeInfo, ValueRef};
use uuid::Uuid;

use super::value::{At, original};
use crate::domain::time::Timestamp;
use crate::store::rows::{Cells, Unreadable};

impl Cells for PgRow {
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
        Ok(cell::<At>(self, index)?.map(|At(time)| time))
    }

    fn text(&self, index: usize) -> Result<Option<Cow<'_, str>>, Unreadable> {
        let value = self.try_get_raw(index).map_err(|_| Unreadable)?;
        if value.is_null() {
            return Ok(None);
        }
        if !is_text(&value.type_info()) {
            return Err(Unreadable);
        }
        let kept = value.as_str().map_err(|_| Unreadable)?;
        original(kept).map(Some).ok_or(Unreadable)
    }

    fn bytes(&self, index: usize) -> Result<Option<&[u8]>, Unreadable> {
        cell(self, index)
    }
}

/// `json` travels as its text.
fn is_text(column: &PgTypeInfo) -> bool {
    matches!(column.name(), "TEXT" | "JSON")
}

fn cell<'r, T: Decode<'r, Postgres> + Type<Postgres>>(row: &'r PgRow, index: usize) -> Result<Option<T>, Unreadable> {
    row.try_get(index).map_err(|_| Unreadable)
}
