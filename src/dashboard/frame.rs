//! What stands around every page: navigation, the visitor, the language switch.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse};
use chrono::FixedOffset;

use super::Page;
use super::language::Language;
use super::visitor::Visitor;
use super::words::Words;
use crate::domain::client::Permission;

/// A part of the dashboard that navigation leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Overview,
    Deliveries,
    DeadLetters,
    Webhooks,
    Keys,
    Audit,
}

impl Section {
    /// Every part, with where it lies, its name, and what a key must allow for it.
    const ALL: [(Self, &'static str, Word, Permission); 6] = [
        (Self::Overview, "/dashboard", |w| w.overview, Permission::Read),
        (Self::Deliveries, "/dashboard/deliveries", |w| w.deliveries, Permission::Read),
        (Self::DeadLetters, "/dashboard/dead-letters", |w| w.dead_letters, Permission::Read),
        (Self::Webhooks, "/dashboard/webhooks", |w| w.webhooks, Permission::Read),
        (Self::Keys, "/dashboard/keys", |w| w.keys, Permission::ManageKeys),
        (Self::Audit, "/dashboard/audit", |w| w.audit, Permission::Audit),
    ];
}

/// Picks a word.
pub(super) type Word = fn(&Words) -> &'static str;

/// A link of the navigation.
pub(super) struct Link {
    pub(super) href: &'static str,
    pub(super) name: &'static str,
    pub(super) is_current: bool,
}

/// The frame of a page for somebody who is signed in.
pub(super) struct Frame {
    pub(super) bare: BareFrame,
    pub(super) links: Vec<Link>,
    /// What they signed in with.
    pub(super) who: String,
    pub(super) here: String,
    /// In which offset times are shown.
    pub(super) zone: String,
    /// What was just done.
    pub(super) notice: Option<&'static str>,
}

/// The frame of a page for anybody.
pub(super) struct BareFrame {
    pub(super) title: String,
    pub(super) language: &'static str,
    pub(super) other: &'static str,
    pub(super) other_name: &'static str,
}

/// What is told when something else than the page was the answer.
#[derive(Template)]
#[template(path = "problem.html")]
pub(super) struct ProblemPage {
    pub(super) frame: BareFrame,
    pub(super) w: &'static Words,
    pub(super) status: u16,
}

impl BareFrame {
    pub(super) const fn of(language: Language, title: String) -> Self {
        let other = language.other();
        Self { title, language: language.code(), other: other.code(), other_name: other.name() }
    }
}

impl Frame {
    /// The frame of a page in `section`; `done` names what was just done.
    pub(super) fn of(visitor: &Visitor, section: Section, title: String, done: Option<&str>) -> Self {
        let w = visitor.language.words();
        let allowed = Section::ALL.iter().filter(|(.., wanted)| visitor.may(*wanted));
        let links = allowed.map(|(own, href, name, _)| Link { href, name: name(w), is_current: *own == section }).collect();
        let key = &visitor.key;
        let name = key.name.clone().unwrap_or_else(|| format!("{}…", key.prefix));
        let who = format!("{name} · {}", key.role.as_str());
        let here = visitor.here.clone();
        let notice = done.and_then(|done| notice(w, done));
        Self { bare: BareFrame::of(visitor.language, title), links, who, here, zone: zone(visitor.time_offset), notice }
    }
}

/// An offset as people name it.
fn zone(offset: FixedOffset) -> String {
    if offset.local_minus_utc() == 0 { "UTC".to_owned() } else { format!("UTC{offset}") }
}

/// What the page that follows a change says of it.
fn notice(w: &Words, done: &str) -> Option<&'static str> {
    Some(match done {
        "redelivered" => w.done_redelivered,
        "cancelled" => w.done_cancelled,
        "paused" => w.done_paused,
        "resumed" => w.done_resumed,
        "saved" => w.done_saved,
        "created" => w.done_created,
        "deleted" => w.done_deleted,
        "begun" => w.done_begun,
        "stopped" => w.done_stopped,
        _ => return None,
    })
}

/// A page that is whole.
pub(super) fn page(template: &impl Template) -> Page {
    page_with(StatusCode::OK, template)
}

/// A page with a status of its own.
pub(super) fn page_with(status: StatusCode, template: &impl Template) -> Page {
    Ok((status, Html(template.render()?)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_named_as_people_do() {
        assert_eq!(zone(FixedOffset::east_opt(0).unwrap()), "UTC");
        assert_eq!(zone(FixedOffset::west_opt(3 * 3_600).unwrap()), "UTC-03:00");
    }
}
