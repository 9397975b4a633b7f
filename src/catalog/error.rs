//! What is wrong with catalogues: always the file, mostly the line, and the field.

use std::fmt;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogError {
    /// The file, or the name of a built-in catalogue.
    pub file: String,
    /// The line, counted from 1, where that is known.
    pub line: Option<usize>,
    /// The field as the file writes it; empty for the file as a whole.
    pub field: String,
    /// What is wrong with it, to be read after its name.
    pub reason: String,
}

impl fmt::Display for CatalogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        let space = if self.field.is_empty() { "" } else { " " };
        write!(f, ": {}{space}{}", self.field, self.reason)
    }
}

/// Everything that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct CatalogErrors(pub Vec<CatalogError>);

impl fmt::Display for CatalogErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if place == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

/// Collects what is wrong with one file.
pub(super) struct Report<'t> {
    file: String,
    text: &'t str,
    errors: Vec<CatalogError>,
}

impl<'t> Report<'t> {
    pub(super) fn new(file: &str, text: &'t str) -> Self {
        Self { file: file.to_owned(), text, errors: Vec::new() }
    }

    /// Notes what is wrong with the field that begins at `offset`.
    pub(super) fn refuse(&mut self, offset: usize, field: impl Into<String>, reason: impl fmt::Display) {
        self.refuse_inside(offset, 0, field, reason);
    }

    /// Notes what is wrong in the `line`th line, from 1, of a text that is written at `offset`; 0 stands for the place itself.
    pub(super) fn refuse_inside(&mut self, offset: usize, line: usize, field: impl Into<String>, reason: impl fmt::Display) {
        let (before, from) = self.text.split_at_checked(offset).unwrap_or((self.text, ""));
        // A text of many lines begins in the line below its quotes.
        let begins_below = line > 0 && ["'''\n", "\"\"\"\n"].iter().any(|quotes| from.starts_with(quotes));
        let line = Some(before.matches('\n').count() + line.max(1) + usize::from(begins_below));
        self.errors.push(CatalogError { file: self.file.clone(), line, field: field.into(), reason: reason.to_string() });
    }

    pub(super) fn is_clean(&self) -> bool {
        self.errors.is_empty()
    }

    pub(super) fn into_errors(self) -> CatalogErrors {
        CatalogErrors(self.errors)
    }
}
