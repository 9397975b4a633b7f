//! All catalogues that are known: those of the program that are wanted, and those of a folder.
//!
//! A code or alias belongs to one catalogue alone, so that an event's type says which one it is of.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::builtin::{FILES, OCR};
use super::error::{CatalogError, CatalogErrors};
use super::event_kind::EventKind;
use super::{Catalog, compile};
use crate::domain::catalog::{CatalogName, KnownEvent};
use crate::domain::event::Event;

/// Catalogues by name, events by code.
#[derive(Debug, Default)]
pub struct Catalogs {
    by_name: BTreeMap<CatalogName, Arc<Catalog>>,
    by_code: HashMap<String, Arc<Catalog>>,
}

/// An event that a catalogue knows.
#[derive(Clone, Copy, Debug)]
pub struct Known<'c> {
    /// The catalogue.
    pub catalog: &'c Arc<Catalog>,
    /// The event.
    pub event: &'c EventKind,
}

impl Catalogs {
    /// The catalogues of the program that have these names, and every `*.toml` of `folder`.
    ///
    /// # Errors
    /// Everything that is wrong with any of them, and codes that two of them claim.
    pub fn load(built_in: &[String], folder: Option<&Path>) -> Result<Self, CatalogErrors> {
        let mut errors = Vec::new();
        let mut catalogs = Self::default();
        for (name, text) in FILES.into_iter().filter(|(name, _)| built_in.iter().any(|wanted| wanted == name)) {
            catalogs.take_in(&format!("built-in {name}.toml"), text, &mut errors);
        }
        for file in folder.map(|folder| files_in(folder, &mut errors)).unwrap_or_default() {
            match fs::read_to_string(&file) {
                Ok(text) => catalogs.take_in(&file.display().to_string(), &text, &mut errors),
                Err(error) => errors.push(unreadable(&file, &error)),
            }
        }
        if errors.is_empty() { Ok(catalogs) } else { Err(CatalogErrors(errors)) }
    }

    /// All catalogues of the program.
    ///
    /// # Errors
    /// As [`Self::load`]; a test holds that there are none.
    pub fn built_in() -> Result<Self, CatalogErrors> {
        Self::load(&FILES.map(|(name, _)| name.to_owned()), None)
    }

    /// Adds one more catalogue from its text.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn add(&mut self, file: &str, text: &str) -> Result<(), CatalogErrors> {
        let mut errors = Vec::new();
        self.take_in(file, text, &mut errors);
        if errors.is_empty() { Ok(()) } else { Err(CatalogErrors(errors)) }
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Catalog>> {
        self.by_name.values()
    }

    /// The catalogue with this name.
    #[must_use]
    pub fn get(&self, name: &CatalogName) -> Option<&Arc<Catalog>> {
        self.by_name.get(name)
    }

    /// The catalogue with this name, however it is written.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Arc<Catalog>> {
        name.parse().ok().and_then(|name| self.get(&name))
    }

    /// The event with this code or alias.
    #[must_use]
    pub fn event(&self, code: &str) -> Option<Known<'_>> {
        let catalog = self.by_code.get(code)?;
        catalog.event(code).map(|event| Known { catalog, event })
    }

    /// Every event by every spelling of its code, for those who hand events in past this program.
    #[must_use]
    pub fn known_events(&self) -> Vec<KnownEvent> {
        let known = |(spelling, catalog): (&String, &Arc<Catalog>)| {
            Some(KnownEvent {
                spelling: spelling.clone(),
                code: catalog.event(spelling)?.code.clone(),
                kept_unwanted: catalog.keeps_unwanted,
                holds_secrets: !catalog.secret_paths.is_empty(),
            })
        };
        self.by_code.iter().filter_map(known).collect()
    }

    /// Gives an example of an event that a catalogue knows a payload that such an event has. Of the OCR service's events
    /// it stays as it is.
    pub fn make_typical(&self, event: &mut Event) {
        let Some(Known { catalog, event: kind }) = self.event(event.event_type.as_str()) else { return };
        let example = kind.variants.first().and_then(|usual| usual.payload.examples.first());
        if let Some(example) = example.filter(|_| catalog.name.as_str() != OCR) {
            event.payload = Bytes::copy_from_slice(example.as_bytes());
        }
    }

    fn take_in(&mut self, file: &str, text: &str, errors: &mut Vec<CatalogError>) {
        let catalog = match compile(file, text) {
            Ok(catalog) => Arc::new(catalog),
            Err(CatalogErrors(more)) => return errors.extend(more),
        };
        let refusal = |field: &str, reason: String| CatalogError { file: file.to_owned(), line: None, field: field.to_owned(), reason };
        if self.by_name.contains_key(&catalog.name) {
            return errors.push(refusal("name", format!("is taken: there is a catalogue {} already", catalog.name)));
        }
        for code in catalog.by_code.keys() {
            match self.by_code.get(code) {
                Some(other) => errors.push(refusal("events.code", format!("{code} is taken by the catalogue {}", other.name))),
                None => drop(self.by_code.insert(code.clone(), Arc::clone(&catalog))),
            }
        }
        self.by_name.insert(catalog.name.clone(), catalog);
    }
}

/// The catalogues in a folder, in the order of their names.
fn files_in(folder: &Path, errors: &mut Vec<CatalogError>) -> Vec<PathBuf> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            errors.push(unreadable(folder, &error));
            return Vec::new();
        }
    };
    let paths = entries.filter_map(|entry| entry.map(|entry| entry.path()).map_err(|error| errors.push(unreadable(folder, &error))).ok());
    let mut files: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect();
    files.sort();
    files
}

fn unreadable(path: &Path, error: &std::io::Error) -> CatalogError {
    CatalogError { file: path.display().to_string(), line: None, field: String::new(), reason: format!("cannot be read: {error}") }
}
