//! How a cell of SQLite's answers is read: ids are blobs, times are microseconds.

use std::borrow::Cow;

use rusqlite::Row;
use rusqlite::types::ValueRef;
use uuid::Uuid;

use crate::domain::time::Timestamp;
use crate::store::rows::{Cells, Unreadable};

impl Cells for Row<'_> {
    fn uuid(&self, index: usize) -> Result<Option<Uuid>, Unreadable> {
        self.bytes(index)?.map(|bytes| Uuid::from_slice(bytes).map_err(|_| Unreadable)).transpose()
    }

    fn integer(&self, index: usize) -> Result<Option<i64>, Unreadable> {
        match self.get_ref(index) {
            Ok(ValueRef::Null) => Ok(None),
            Ok(ValueRef::Integer(number)) => Ok(Some(number)),
            _ => Err(Unreadable),
        }
    }

    fn flag(&self, index: usize) -> Result<Option<bool>, Unreadable> {
        Ok(self.integer(index)?.map(|number| number != 0))
    }

    fn time(&self, index: usize) -> Result<Option<Timestamp>, Unreadable> {
        Ok(self.integer(index)?.map(Timestamp::from_micros))
    }

    fn text(&self, index: usize) -> Result<Option<Cow<'_, str>>, Unreadable> {
        match self.get_ref(index) {
            Ok(ValueRef::Null) => Ok(None),
            Ok(ValueRef::Text(text)) => std::str::from_utf8(text).map(|text| Some(Cow::Borrowed(text))).map_err(|_| Unreadable),
            _ => Err(Unreadable),
        }
    }

    fn bytes(&self, index: usize) -> Result<Option<&[u8]>, Unreadable> {
        match self.get_ref(index) {
            Ok(ValueRef::Null) => Ok(None),
            Ok(ValueRef::Blob(bytes)) => Ok(Some(bytes)),
            _ => Err(Unreadable),
        }
    }
}
