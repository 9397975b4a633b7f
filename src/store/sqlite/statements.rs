//! Statements on one connection: run, read row by row, and put together where a filter decides what they say.
//!
//! Every text is prepared once and kept by its connection, so a statement costs what SQLite does for it and no more.

use rusqlite::types::Value;
use rusqlite::{Connection, Params, Row, params_from_iter};
use uuid::Uuid;

use crate::store::error::StoreError;

/// How statements are run.
pub(super) trait Statements {
    /// Runs one that changes rows; answers how many.
    fn change(&self, sql: &str, values: impl Params) -> Result<usize, StoreError>;

    /// What `read` makes of each row that one answers.
    fn rows<T>(&self, sql: &str, values: impl Params, read: impl FnMut(&Row<'_>) -> Result<T, StoreError>) -> Result<Vec<T>, StoreError>;

    /// What `read` makes of the first row that one answers, if there is any.
    fn first<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError>;

    /// The number in the only cell that one answers.
    fn number(&self, sql: &str, values: impl Params) -> Result<i64, StoreError>;
}

impl Statements for Connection {
    fn change(&self, sql: &str, values: impl Params) -> Result<usize, StoreError> {
        Ok(self.prepare_cached(sql)?.execute(values)?)
    }

    fn rows<T>(
        &self,
        sql: &str,
        values: impl Params,
        mut read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.prepare_cached(sql)?;
        let mut rows = statement.query(values)?;
        let mut answered = Vec::new();
        while let Some(row) = rows.next()? {
            answered.push(read(row)?);
        }
        Ok(answered)
    }

    fn first<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let mut statement = self.prepare_cached(sql)?;
        let mut rows = statement.query(values)?;
        rows.next()?.map(read).transpose()
    }

    fn number(&self, sql: &str, values: impl Params) -> Result<i64, StoreError> {
        Ok(self.prepare_cached(sql)?.query_row(values, |row| row.get(0))?)
    }
}

/// A statement that grows with a filter, and the values for its parameters.
pub(super) struct Built {
    sql: String,
    values: Vec<Value>,
}

impl Built {
    /// Begins with this text.
    pub(super) fn new(text: &str) -> Self {
        Self { sql: text.to_owned(), values: Vec::new() }
    }

    /// Adds text.
    pub(super) fn push(&mut self, text: &str) -> &mut Self {
        self.sql.push_str(text);
        self
    }

    /// Adds a parameter and its value.
    pub(super) fn bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.sql.push('?');
        self.values.push(value.into());
        self
    }

    /// Adds a parameter and an id for it.
    pub(super) fn bind_id(&mut self, id: Uuid) -> &mut Self {
        self.bind(id.as_bytes().to_vec())
    }

    /// Adds a list of these ids. It is one parameter, so that the text is the same for any number of them and a connection
    /// keeps it prepared once.
    pub(super) fn bind_ids(&mut self, ids: impl Iterator<Item = Uuid>) -> &mut Self {
        let ids: Vec<String> = ids.map(|id| format!("\"{}\"", id.simple())).collect();
        self.push("(select unhex(value) from json_each(").bind(format!("[{}]", ids.join(","))).push("))")
    }

    /// Adds a list of these numbers, as one parameter likewise.
    pub(super) fn bind_numbers(&mut self, numbers: &[i64]) -> &mut Self {
        let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
        self.push("(select value from json_each(").bind(format!("[{}]", numbers.join(","))).push("))")
    }

    /// What `read` makes of each row that it answers.
    pub(super) fn rows<T>(self, db: &Connection, read: impl FnMut(&Row<'_>) -> Result<T, StoreError>) -> Result<Vec<T>, StoreError> {
        db.rows(&self.sql, params_from_iter(self.values), read)
    }

    /// The text as it stands.
    #[cfg(test)]
    pub(super) fn sql(&self) -> &str {
        &self.sql
    }

    /// The values as they stand.
    #[cfg(test)]
    pub(super) fn values(&self) -> impl Params + '_ {
        params_from_iter(&self.values)
    }
}
