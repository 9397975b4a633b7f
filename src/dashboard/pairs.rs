//! Names and values as forms send them: in the query of an address, or as the body of a POST.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use url::form_urlencoded;

use super::error::PageError;
use super::state::Dashboard;

/// What the query of the address says.
pub(super) struct Query(pub(super) Pairs);

/// What a form posted.
pub(super) struct Form(pub(super) Pairs);

/// Names and values in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// Reads `application/x-www-form-urlencoded` bytes; whatever they are, something comes of them.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        Self(form_urlencoded::parse(bytes).into_owned().collect())
    }

    /// The value of a field; `None` when it is not there or holds nothing but space.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// The value of a field as it was typed; empty when it is not there.
    pub(super) fn typed(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// Every value under a name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether a box is ticked.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

impl FromRequestParts<Dashboard> for Query {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, _: &Dashboard) -> Result<Self, PageError> {
        Ok(Self(Pairs::parse(parts.uri.query().unwrap_or_default().as_bytes())))
    }
}

impl FromRequest<Dashboard> for Form {
    type Rejection = PageError;

    async fn from_request(request: Request, dash: &Dashboard) -> Result<Self, PageError> {
        let bytes = Bytes::from_request(request, dash).await.map_err(|_| PageError::Unreadable)?;
        Ok(Self(Pairs::parse(&bytes)))
    }
}

/// An address with a query of these names and values, leaving out what is empty.
pub(super) fn address(path: &str, pairs: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        query.append_pair(name, value);
    }
    match query.finish() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_fields_are_as_absent() {
        let pairs = Pairs::parse(b"a=1&b=&c=+%20&d=x+y%2B&a=2&=&%ff=%00");

        assert_eq!((pairs.get("a"), pairs.get("b"), pairs.get("c"), pairs.get("d")), (Some("1"), None, None, Some("x y+")));
        assert_eq!(pairs.all("a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(pairs.typed("c"), "  ");
    }

    #[test]
    fn an_address_holds_any_text() {
        assert_eq!(address("/p", &[("q", "a&b=\"<é"), ("state", "")]), "/p?q=a%26b%3D%22%3C%C3%A9");
        assert_eq!(address("/p", &[("q", "")]), "/p");
    }
}
