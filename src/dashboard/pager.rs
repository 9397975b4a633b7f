//! Lists are cut into pages by the id that a page ends with, so that the next one neither repeats nor skips what is there
//! when things are added meanwhile.

use askama::Template;
use askama::filters::HtmlSafe;
use uuid::Uuid;

use super::pairs::{Pairs, address};
use super::words::Words;
use crate::store::records::Page;

/// How many entries a page shows.
const LIMIT: u32 = 50;

/// The parameter that says where a page begins.
const BEFORE: &str = "before";

/// Which page is wanted. A position that is no id is none: the list begins at its beginning.
pub(super) fn wanted<Id: From<Uuid>>(query: &Pairs) -> Page<Id> {
    let before = query.get(BEFORE).and_then(|text| text.parse::<Uuid>().ok()).map(Id::from);
    // One more than is shown tells whether another page follows.
    Page { limit: LIMIT + 1, before }
}

/// The links below a list.
#[derive(Template)]
#[template(path = "pager.html")]
pub(super) struct Pager {
    w: &'static Words,
    newest: Option<String>,
    older: Option<String>,
}

impl HtmlSafe for Pager {}

impl Pager {
    /// Cuts `entries` to a page, and links to the others with the filter's `pairs`.
    pub(super) fn cut<T>(
        w: &'static Words,
        page: Page<impl Copy>,
        entries: &mut Vec<T>,
        id: impl Fn(&T) -> Uuid,
        (path, pairs): (&str, &[(&str, &str)]),
    ) -> Self {
        let has_more = entries.len() > LIMIT as usize;
        entries.truncate(LIMIT as usize);
        let last = entries.last().filter(|_| has_more).map(|last| id(last).to_string());
        let older = last.map(|last| {
            let pairs: Vec<_> = pairs.iter().copied().chain([(BEFORE, last.as_str())]).collect();
            address(path, &pairs)
        });
        Self { w, newest: page.before.is_some().then(|| address(path, pairs)), older }
    }
}
