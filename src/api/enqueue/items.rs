//! Cuts a body into its items and looks up single fields of an item, without building a tree or copying a payload.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::super::error::ApiError;

/// The most items of one request.
pub(super) const MAX_ITEMS: usize = 1_000;

/// The items of a body, each as the text that came.
pub(super) struct Items<'a> {
    body: &'a Bytes,
    texts: Vec<&'a str>,
    is_list: bool,
}

impl<'a> Items<'a> {
    /// The items of `body`, whose text is `text`. A lone object is not looked into here: [`look_up`] does that.
    ///
    /// # Errors
    ///
    /// Refuses what is not JSON, and lists of no or too many items.
    pub(super) fn of(body: &'a Bytes, text: &'a str) -> Result<Self, ApiError> {
        let trimmed = text.trim_matches(|c| matches!(c, ' ' | '\t' | '\r' | '\n'));
        if !trimmed.starts_with('[') {
            return Ok(Self { body, texts: vec![trimmed], is_list: false });
        }
        let Capped(items) = serde_json::from_str(trimmed).map_err(ApiError::Malformed)?;
        if !(1..=MAX_ITEMS).contains(&items.len()) {
            return Err(ApiError::field("body", format!("must hold 1 to {MAX_ITEMS} items")));
        }
        Ok(Self { body, texts: items.into_iter().map(RawValue::get).collect(), is_list: true })
    }

    /// Whether the body is a list.
    pub(super) const fn is_list(&self) -> bool {
        self.is_list
    }

    /// Each item's text.
    pub(super) fn texts(&self) -> &[&'a str] {
        &self.texts
    }

    /// How a field of the item at `index` is named in answers.
    pub(super) fn name(&self, index: usize, field: &'static str) -> Cow<'static, str> {
        match (self.is_list, field) {
            (false, "") => "body".into(),
            (false, field) => field.into(),
            (true, "") => format!("[{index}]").into(),
            (true, field) => format!("[{index}].{field}").into(),
        }
    }

    /// The bytes of a part of the body; they share its memory.
    pub(super) fn bytes(&self, part: &str) -> Bytes {
        self.body.slice_ref(part.as_bytes())
    }
}

/// A list of which one item more is kept than a request may have: a body full of commas costs no memory.
struct Capped<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Capped<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(CappedVisitor)
    }
}

struct CappedVisitor;

impl<'de> Visitor<'de> for CappedVisitor {
    type Value = Capped<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Capped<'de>, A::Error> {
        let mut items = Vec::new();
        while items.len() <= MAX_ITEMS {
            match list.next_element()? {
                Some(item) => items.push(item),
                None => return Ok(Capped(items)),
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Capped(items))
    }
}

/// The values of the wanted fields of a JSON object; `None` where one is absent. Of a field that comes twice the last
/// counts, as for most readers of JSON.
///
/// # Errors
///
/// Refuses what is not JSON. `Ok(None)`: it is JSON but no object.
pub(super) fn look_up<'a, const N: usize>(text: &'a str, wanted: &[&str; N]) -> Result<Option<[Option<&'a RawValue>; N]>, ApiError> {
    let mut json = serde_json::Deserializer::from_str(text);
    if text.starts_with('{') {
        let found = json.deserialize_map(Fields(wanted)).map_err(ApiError::Malformed)?;
        json.end().map_err(ApiError::Malformed)?;
        Ok(Some(found))
    } else {
        serde_json::from_str::<IgnoredAny>(text).map_err(ApiError::Malformed)?;
        Ok(None)
    }
}

/// Visits an object for the values of the wanted fields.
struct Fields<'n, const N: usize>(&'n [&'n str; N]);

impl<'de, const N: usize> Visitor<'de> for Fields<'_, N> {
    type Value = [Option<&'de RawValue>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [None; N];
        while let Some(index) = map.next_key_seed(IndexOf(self.0))? {
            match index {
                Some(index) => found[index] = Some(map.next_value()?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }
}

/// Reads a key as its place among the wanted fields.
struct IndexOf<'n>(&'n [&'n str]);

impl<'de> DeserializeSeed<'de> for IndexOf<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for IndexOf<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|wanted| *wanted == key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(text: &'static str) -> Result<Vec<Bytes>, ApiError> {
        let body = Bytes::from_static(text.as_bytes());
        let items = Items::of(&body, text)?;
        Ok(items.texts().iter().map(|text| items.bytes(text)).collect())
    }

    #[test]
    fn items_are_the_very_bytes_that_came() {
        assert_eq!(items(" \n{ \"id\" :1.0e0 }\t").unwrap(), ["{ \"id\" :1.0e0 }"]);
        assert_eq!(items("[ {\"b\":1, \"a\":\"\\u00e9\"} ,{ } ]").unwrap(), ["{\"b\":1, \"a\":\"\\u00e9\"}", "{ }"]);
    }

    #[test]
    fn a_field_is_found_however_it_is_written_and_the_last_one_counts() {
        let found = look_up(r#"{"id": "first", "x": {"id": 0}, "\u0069d": "last"}"#, &["id", "y"]).unwrap().unwrap();

        assert_eq!(found.map(|value| value.map(RawValue::get)), [Some(r#""last""#), None]);
    }

    #[test]
    fn what_is_not_json_is_refused_and_what_is_no_object_is_told_apart() {
        for text in ["", "{", "{\"a\":1} x", "{\"a\":}", "nul", "[1]]", "{'a':1}", "{\"a\":1,}"] {
            assert!(matches!(look_up(text, &["a"]), Err(ApiError::Malformed(_))), "{text}");
        }
        for text in ["1", "\"text\"", "null", "[1]", "true"] {
            assert!(look_up(text, &["a"]).unwrap().is_none(), "{text}");
        }
    }

    #[test]
    fn nesting_of_any_depth_is_looked_over_without_a_stack() {
        let deep = format!("{{\"id\":\"x\",\"data\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));

        assert!(look_up(&deep, &["id"]).unwrap().is_some());
    }

    #[test]
    fn a_list_holds_1_to_1000_items() {
        let list = |count: usize| {
            let text: &'static str = Box::leak(format!("[{}]", vec!["{}"; count].join(",")).into_boxed_str());
            items(text).map(|items| items.len()).ok()
        };

        assert_eq!([0, 1, 1_000, 1_001, 1_002, 5_000].map(list), [None, Some(1), Some(1_000), None, None, None]);
    }

    #[test]
    fn what_follows_too_many_items_must_still_be_json() {
        let text: &'static str = Box::leak(format!("[{}nonsense]", "{},".repeat(2_000)).into_boxed_str());

        assert!(matches!(items(text), Err(ApiError::Malformed(_))));
    }
}
