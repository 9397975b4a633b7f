//! Rows as the domain's values, whatever back end answered them: the tables have the same columns in every one.
//!
//! A back end says how it reads one cell ([`Cells`]). A value that the dispatcher never writes is answered as
//! [`StoreError::Corrupt`]. Columns are read in the order in which the `…_columns!` macro beside each reader lists them.

use std::borrow::Cow;
use std::str::FromStr;

use uuid::Uuid;

use super::error::StoreError;
use crate::domain::time::Timestamp;

mod attempt;
mod audit;
mod client;
mod client_catalog;
mod delivery;
mod redelivery;
mod signing_keys;
pub(super) mod stats;
mod webhook;
mod webhook_secrets;
pub(super) mod words;

pub(super) use self::attempt::{attempt, attempt_columns};
pub(super) use self::audit::{audit_columns, audit_entry, written_fields};
pub(super) use self::client::{client, client_columns, key, key_columns};
pub(super) use self::client_catalog::{
    client_catalog, client_catalog_columns, resealed_keys, resealed_payload, seal_catalog_keys, seal_payload, secret_payload,
};
pub(super) use self::delivery::{
    claimed, dead_letter_group, delivery, delivery_columns, event, event_columns, summary, summary_columns, waiting_again,
};
pub(super) use self::redelivery::{dead_letter, dead_letter_columns, event_delivery, job_columns, redelivery_job, wanted_columns};
pub(super) use self::signing_keys::{public_key, seal_signing_keys, signing_keys};
pub(super) use self::stats::{added_columns, answer_columns, counted_columns, counts_columns, keyed_counts, label, label_columns};
pub(super) use self::webhook::{WrittenDefinition, webhook, webhook_columns};
pub(super) use self::webhook_secrets::{Envelopes, secrets_in_clear};

/// One row of an answer. A cell is read as the type that its column has; `None` is a null.
pub(super) trait Cells {
    /// An id, a token.
    fn uuid(&self, index: usize) -> Result<Option<Uuid>, Unreadable>;
    /// A number.
    fn integer(&self, index: usize) -> Result<Option<i64>, Unreadable>;
    /// A truth.
    fn flag(&self, index: usize) -> Result<Option<bool>, Unreadable>;
    /// A time.
    fn time(&self, index: usize) -> Result<Option<Timestamp>, Unreadable>;
    /// Text, JSON too.
    fn text(&self, index: usize) -> Result<Option<Cow<'_, str>>, Unreadable>;
    /// Bytes.
    fn bytes(&self, index: usize) -> Result<Option<&[u8]>, Unreadable>;
}

/// A cell holds something else than its column says.
pub(super) struct Unreadable;

/// Reads the columns of a row one after the other.
pub(super) struct Fields<'r> {
    row: &'r dyn Cells,
    next: usize,
    table: &'static str,
    /// Where the id is by which an error names the row.
    id: usize,
}

impl<'r> Fields<'r> {
    /// The columns of a row from the first on; that is the id in `table`.
    pub(super) fn of(row: &'r dyn Cells, table: &'static str) -> Self {
        Self { row, next: 0, table, id: 0 }
    }

    /// From here on the columns are those of `table`, of which the next one is the id.
    pub(super) fn enter(&mut self, table: &'static str) {
        self.table = table;
        self.id = self.next;
    }

    /// The next column as an id.
    pub(super) fn id<Id: From<Uuid>>(&mut self, column: &'static str) -> Result<Id, StoreError> {
        self.optional_id(column)?.ok_or_else(|| self.corrupt(column))
    }

    /// The next column as an id, if there is one.
    pub(super) fn optional_id<Id: From<Uuid>>(&mut self, column: &'static str) -> Result<Option<Id>, StoreError> {
        Ok(self.cell(column, Cells::uuid)?.map(Id::from))
    }

    /// The next column as a truth.
    pub(super) fn flag(&mut self, column: &'static str) -> Result<bool, StoreError> {
        self.cell(column, Cells::flag)?.ok_or_else(|| self.corrupt(column))
    }

    /// The next column as a time.
    pub(super) fn time(&mut self, column: &'static str) -> Result<Timestamp, StoreError> {
        self.optional_time(column)?.ok_or_else(|| self.corrupt(column))
    }

    /// The next column as a time, if there is one.
    pub(super) fn optional_time(&mut self, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
        self.cell(column, Cells::time)
    }

    /// The next column as a number.
    pub(super) fn number<N: TryFrom<i64>>(&mut self, column: &'static str) -> Result<N, StoreError> {
        self.optional_number(column)?.ok_or_else(|| self.corrupt(column))
    }

    /// The next column as a number, if there is one.
    pub(super) fn optional_number<N: TryFrom<i64>>(&mut self, column: &'static str) -> Result<Option<N>, StoreError> {
        let wide = self.cell(column, Cells::integer)?;
        wide.map(N::try_from).transpose().map_err(|_| self.corrupt(column))
    }

    /// The next column as text.
    pub(super) fn text(&mut self, column: &'static str) -> Result<String, StoreError> {
        self.optional_text(column)?.ok_or_else(|| self.corrupt(column))
    }

    /// The next column as text, if there is one.
    pub(super) fn optional_text(&mut self, column: &'static str) -> Result<Option<String>, StoreError> {
        Ok(self.cell(column, Cells::text)?.map(Cow::into_owned))
    }

    /// The next column as bytes.
    pub(super) fn bytes(&mut self, column: &'static str) -> Result<&'r [u8], StoreError> {
        self.optional_bytes(column)?.ok_or_else(|| self.corrupt(column))
    }

    /// The next column as bytes, if there are any.
    pub(super) fn optional_bytes(&mut self, column: &'static str) -> Result<Option<&'r [u8]>, StoreError> {
        self.cell(column, Cells::bytes)
    }

    /// The next column as a value that is written as text.
    pub(super) fn parse<T: FromStr>(&mut self, column: &'static str) -> Result<T, StoreError> {
        self.optional(column, |text| text.parse().ok())?.ok_or_else(|| self.corrupt(column))
    }

    /// The next column as whatever `read` makes of its text, if there is one.
    pub(super) fn optional<T>(&mut self, column: &'static str, read: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, StoreError> {
        let text = self.cell(column, Cells::text)?;
        text.map(|text| read(&text).ok_or_else(|| self.corrupt(column))).transpose()
    }

    /// The error that names this row and a column of it.
    pub(super) fn corrupt(&self, column: &'static str) -> StoreError {
        let id = self.row.uuid(self.id).ok().flatten().map_or_else(|| "unknown".to_owned(), |id| id.to_string());
        StoreError::Corrupt { table: self.table, column, id }
    }

    fn cell<T>(
        &mut self,
        column: &'static str,
        read: impl FnOnce(&'r dyn Cells, usize) -> Result<Option<T>, Unreadable>,
    ) -> Result<Option<T>, StoreError> {
        let index = self.next;
        self.next += 1;
        read(self.row, index).map_err(|_| self.corrupt(column))
    }
}
