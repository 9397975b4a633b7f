//! Makes a catalogue of its file, or says everything that is wrong with it, with line and field.
//!
//! In the end every example of every event is sent once, in thought: it must fit its schema, and what the templates make of
//! it must be a request.

mod events;
mod rehearsal;
mod sending;
mod settings;

use std::collections::HashMap;

use toml::Spanned;

use super::Catalog;
use super::error::{CatalogErrors, Report};
use super::file::CatalogFile;
use super::settings::Settings;
use super::template::Templates;
use crate::domain::catalog::CatalogName;

type Text = Spanned<String>;

/// The catalogue that `text` writes; `file` is what errors call it.
///
/// # Errors
/// Everything that is wrong with it.
pub fn compile(file: &str, text: &str) -> Result<Catalog, CatalogErrors> {
    let mut report = Report::new(file, text);
    let written: CatalogFile = match toml::from_str(text) {
        Ok(written) => written,
        Err(error) => {
            report.refuse(error.span().map_or(0, |span| span.start), "", error.message());
            return Err(report.into_errors());
        }
    };
    match put_together(written, &mut report) {
        Some(catalog) if report.is_clean() => rehearsal::rehearse(file, catalog),
        _ => Err(report.into_errors()),
    }
}

fn put_together(written: CatalogFile, report: &mut Report<'_>) -> Option<Catalog> {
    let name: Option<CatalogName> = written.name.get_ref().parse().map_err(|error| refuse(report, &written.name, "name", error)).ok();
    let mut templates = Templates::new();
    let settings = Settings::with(settings::read(written.settings, report));
    let shapes = events::shapes(written.payloads, report);
    let events = events::read(written.events, &shapes, &mut templates, report);
    check_paths(&written.secret_paths, report);
    let by_code = codes(&events, report);
    let kinds: Vec<_> = events.into_iter().map(|(kind, _)| kind).collect();
    let has_event_bodies = kinds.iter().any(|kind| kind.body.is_some());
    let sending = sending::read(written.sending, templates, has_event_bodies, report)?;
    Some(Catalog {
        name: name?,
        title: written.title,
        description: written.description,
        events: kinds,
        accepted_codes: written.accepted_codes.into_iter().map(Spanned::into_inner).collect(),
        sending,
        settings,
        webhooks_per_event: written.limits.webhooks_per_event,
        keeps_unwanted: written.limits.keep_unwanted.unwrap_or(true),
        secret_paths: written.secret_paths.into_iter().map(Spanned::into_inner).collect(),
        by_code,
    })
}

/// Where each code and alias leads; none may lead to two events.
fn codes(events: &[(super::EventKind, usize)], report: &mut Report<'_>) -> HashMap<String, usize> {
    let mut by_code = HashMap::new();
    for (place, (kind, offset)) in events.iter().enumerate() {
        for code in std::iter::once(kind.code.as_str()).chain(kind.aliases.iter().map(String::as_str)) {
            if by_code.insert(code.to_owned(), place).is_some() {
                report.refuse(*offset, format!("events[{place}].code"), format!("{code} is there twice"));
            }
        }
    }
    by_code
}

fn check_paths(paths: &[Text], report: &mut Report<'_>) {
    for path in paths.iter().filter(|path| !path.get_ref().starts_with('/')) {
        refuse(report, path, "secret_paths", "must be JSON pointers such as /authorization");
    }
}

/// Notes what is wrong with a text of the file.
fn refuse(report: &mut Report<'_>, text: &Text, field: impl Into<String>, reason: impl std::fmt::Display) {
    report.refuse(text.span().start, field, reason);
}

#[cfg(test)]
mod tests;
