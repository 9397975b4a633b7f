//! Query parameters, and the pages that lists are cut into.
//!
//! Unknown parameters are ignored; a known one that is wrong or comes twice is named.

use std::fmt::Display;
use std::marker::PhantomData;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use serde::Serialize;
use url::form_urlencoded;
use uuid::Uuid;

use super::error::{ApiError, FieldError};
use super::openapi::{Input, Operation, Parameter};
use super::state::Api;
use crate::domain::time::Timestamp;
use crate::store::records::Page;

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 200;

/// Which page of a list.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it tells callers what `Query::page` reads")]
pub(super) struct PageParameters {
    /// How many entries at most; 50 when it is left out.
    #[schemars(range(min = 1, max = MAX_LIMIT))]
    limit: Option<u32>,
    /// The `nextCursor` of the page before this one.
    #[schemars(regex(pattern = "^[A-Za-z0-9_-]{21}[AQgw]$"))]
    cursor: Option<String>,
}

/// The parameters of a request, which `P` describes. Readers collect what is wrong; [`Query::finish`] refuses it all at once.
pub(super) struct Query<P> {
    pairs: Vec<(String, String)>,
    errors: Vec<FieldError>,
    described: PhantomData<fn() -> P>,
}

impl<P> FromRequestParts<Api> for Query<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, ApiError> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

impl<P: JsonSchema> Input for Query<P> {
    fn declare(operation: &mut Operation) {
        operation.reads(Parameter::Query(P::json_schema));
        operation.refuses([422]);
    }
}

impl<P> Query<P> {
    fn parse(text: &str) -> Self {
        Self { pairs: form_urlencoded::parse(text.as_bytes()).into_owned().collect(), errors: Vec::new(), described: PhantomData }
    }

    /// A parameter as text.
    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        let mut values = self.pairs.iter().filter(|(known, _)| known == name).map(|(_, value)| value.clone());
        let first = values.next();
        if values.next().is_some() {
            self.errors.push(FieldError::new(name, "must be given once"));
        }
        first
    }

    /// A parameter of a type that reads itself from text.
    pub(super) fn parsed<T: FromStr<Err: Display>>(&mut self, name: &'static str) -> Option<T> {
        self.read(name, |text| text.parse().map_err(|error: T::Err| error.to_string()))
    }

    /// One of some words.
    pub(super) fn word<T>(&mut self, name: &'static str, parse: impl FnOnce(&str) -> Option<T>, otherwise: &'static str) -> Option<T> {
        self.read(name, |text| parse(text).ok_or_else(|| otherwise.to_owned()))
    }

    /// An id.
    pub(super) fn id<Id: From<Uuid>>(&mut self, name: &'static str) -> Option<Id> {
        self.read(name, |text| text.parse::<Uuid>().map(Id::from).map_err(|_| "must be an id".to_owned()))
    }

    /// A point in time. A space stands for the `+` of an offset: that is what an unescaped `+` in a query means.
    pub(super) fn time(&mut self, name: &'static str) -> Option<Timestamp> {
        let parse = |text: &str| Timestamp::parse_rfc3339(&text.replace(' ', "+"));
        self.read(name, |text| parse(text).ok_or_else(|| "must be an RFC 3339 time with an offset".to_owned()))
    }

    /// Which page is wanted.
    pub(super) fn page<Id: From<Uuid>>(&mut self) -> PageRequest<Id> {
        let limit = self.read("limit", |text| {
            text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit)).ok_or_else(|| format!("must be 1 to {MAX_LIMIT}"))
        });
        let before = self.read("cursor", |text| decode_cursor(text).ok_or_else(|| "must be a nextCursor of an earlier page".to_owned()));
        PageRequest { limit: limit.unwrap_or(DEFAULT_LIMIT), before }
    }

    /// # Errors
    ///
    /// Names every parameter that was read and is wrong.
    pub(super) fn finish(self) -> Result<(), ApiError> {
        if self.errors.is_empty() { Ok(()) } else { Err(ApiError::Invalid(self.errors)) }
    }

    fn read<T>(&mut self, name: &'static str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let parsed = parse(&self.text(name)?);
        parsed.map_err(|message| self.errors.push(FieldError::new(name, message))).ok()
    }
}

/// Which part of a list is wanted, and the cutting of what the store gives for it.
#[derive(Clone, Copy)]
pub(super) struct PageRequest<Id> {
    limit: u32,
    before: Option<Id>,
}

impl<Id: Copy> PageRequest<Id> {
    /// What to ask the store for: one entry more than is shown tells whether another page follows.
    pub(super) const fn to_store(self) -> Page<Id> {
        Page { limit: self.limit + 1, before: self.before }
    }

    /// The page to answer with, of the entries that the store gave for [`Self::to_store`].
    pub(super) fn show<E, T>(self, mut entries: Vec<E>, id: impl Fn(&E) -> Uuid, view: impl Fn(E) -> T) -> PageView<T> {
        let shown = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = entries.len() > shown;
        entries.truncate(shown);
        let next_cursor = entries.last().filter(|_| more).map(|last| encode_cursor(id(last)));
        PageView { items: entries.into_iter().map(view).collect(), next_cursor }
    }
}

/// A page of a list.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "PageOf{T}")]
pub(super) struct PageView<T> {
    /// What the page holds, the newest first.
    items: Vec<T>,
    /// What to send as `cursor` to get the page after this one; null on the last page.
    next_cursor: Option<String>,
}

fn encode_cursor(last: Uuid) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(last.as_bytes())
}

fn decode_cursor<Id: From<Uuid>>(text: &str) -> Option<Id> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
    Uuid::from_slice(&bytes).ok().map(Id::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::DeliveryId;

    fn broken<T>(text: &str, read: impl FnOnce(&mut Query<PageParameters>) -> T) -> Vec<String> {
        let mut query = Query::parse(text);
        read(&mut query);
        query.errors.into_iter().map(|error| format!("{} {}", error.field, error.message)).collect()
    }

    #[test]
    fn a_page_shows_what_was_asked_for_and_says_where_the_next_begins() {
        let request = PageRequest::<DeliveryId> { limit: 2, before: None };
        let ids: Vec<Uuid> = (1..=3).map(Uuid::from_u128).collect();

        let page = request.show(ids.clone(), |id| *id, |id| id);
        let last = request.show(ids[2..].to_vec(), |id| *id, |id| id);

        assert_eq!(request.to_store().limit, 3);
        assert_eq!(page.items, ids[..2]);
        assert_eq!(decode_cursor::<Uuid>(&page.next_cursor.unwrap()), Some(ids[1]));
        assert_eq!((last.items.len(), last.next_cursor), (1, None));
    }

    #[test]
    fn wrong_parameters_are_named_and_unknown_ones_ignored() {
        let page = Query::<PageParameters>::page::<DeliveryId>;

        assert_eq!(broken("unknown=1&limit=200", page), Vec::<String>::new());
        assert_eq!(broken("limit=0", page), ["limit must be 1 to 200"]);
        assert_eq!(broken("limit=201&cursor=%F0", page), ["limit must be 1 to 200", "cursor must be a nextCursor of an earlier page"]);
        assert_eq!(broken("limit=1&limit=2", page), ["limit must be given once"]);
        assert_eq!(broken("webhookId=7", |query| query.id::<DeliveryId>("webhookId")), ["webhookId must be an id"]);
    }

    #[test]
    fn a_time_with_an_unescaped_plus_is_understood() {
        let mut query = Query::<PageParameters>::parse("from=2024-04-11T14:12:33+00:00");

        assert_eq!(query.time("from"), Timestamp::parse_rfc3339("2024-04-11T14:12:33Z"));
    }
}
