//! Reads the fields of a JSON object one by one and collects everything that is wrong, so that one answer names it all.
//!
//! Null is the same as absent; fields that nobody asks for are ignored.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::domain::event::{EventType, InvalidEventType};
use crate::domain::time::Timestamp;

/// What is wrong with a value, to be read after the field's name.
pub(crate) type Message = Cow<'static, str>;

/// How many characters the name of a thing may have.
pub(crate) const NAME_CHARS: RangeInclusive<usize> = 1..=255;

/// What is wrong with one field.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct FieldError {
    /// The field as the caller names it.
    pub(crate) field: Cow<'static, str>,
    /// What is wrong with it, to be read after its name.
    pub(crate) message: Message,
}

impl FieldError {
    /// Says what is wrong with `field`.
    pub(crate) fn new(field: impl Into<Cow<'static, str>>, message: impl Into<Message>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// Values break rules; every one that does is named.
#[derive(Debug, thiserror::Error)]
#[error("some fields break a rule")]
pub(crate) struct Invalid(pub(crate) Vec<FieldError>);

/// A JSON object while it is read.
pub(crate) struct Fields<'a> {
    object: &'a Map<String, Value>,
    errors: Vec<FieldError>,
}

impl<'a> Fields<'a> {
    /// Begins to read `object`.
    pub(crate) const fn of(object: &'a Map<String, Value>) -> Self {
        Self { object, errors: Vec::new() }
    }

    /// The value of a field that is neither absent nor null.
    pub(crate) fn value(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    /// A field that may be absent.
    pub(crate) fn optional<T>(&mut self, name: &'static str, read: impl FnOnce(&'a Value) -> Result<T, Message>) -> Option<T> {
        let value = self.value(name)?;
        read(value).map_err(|message| self.refuse(name, message)).ok()
    }

    /// A field that must be there.
    pub(crate) fn required<T>(&mut self, name: &'static str, read: impl FnOnce(&'a Value) -> Result<T, Message>) -> Option<T> {
        if self.value(name).is_none() {
            self.refuse(name, "is required");
        }
        self.optional(name, read)
    }

    /// Notes that something is wrong with a field.
    pub(crate) fn refuse(&mut self, field: impl Into<Cow<'static, str>>, message: impl Into<Message>) {
        self.errors.push(FieldError::new(field, message));
    }

    /// What was made of the fields.
    ///
    /// # Errors
    ///
    /// Names every field that is wrong. `None` stands for something that needs a wrong field.
    pub(crate) fn finish<T>(self, made: Option<T>) -> Result<T, Invalid> {
        match made {
            Some(made) if self.errors.is_empty() => Ok(made),
            _ => Err(Invalid(self.errors)),
        }
    }
}

/// Text of so many characters.
pub(crate) fn text(value: &Value, chars: RangeInclusive<usize>) -> Result<&str, Message> {
    let text = value.as_str().ok_or("must be text")?;
    if chars.contains(&text.chars().count()) {
        Ok(text)
    } else {
        Err(format!("must have {} to {} characters", chars.start(), chars.end()).into())
    }
}

/// Text of one line, as names are.
pub(crate) fn name(value: &Value) -> Result<String, Message> {
    let name = text(value, NAME_CHARS)?;
    if name.chars().any(char::is_control) { Err("must not hold control characters".into()) } else { Ok(name.to_owned()) }
}

/// An id.
pub(crate) fn id<Id: FromStr>(value: &Value) -> Result<Id, Message> {
    value.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| "must be an id".into())
}

/// The code of an event type.
pub(crate) fn event_type(value: &Value) -> Result<EventType, Message> {
    value.as_str().ok_or("must be text")?.parse().map_err(|error: InvalidEventType| error.to_string().into())
}

/// A point in time.
pub(crate) fn time(value: &Value) -> Result<Timestamp, Message> {
    value.as_str().and_then(Timestamp::parse_rfc3339).ok_or_else(|| "must be an RFC 3339 time with an offset".into())
}

/// A whole number that is not negative, however it is written: to JSON Schema, and to writers that know one kind of number
/// alone, `5.0` is `5`.
pub(crate) fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_f64().filter(|number| number.fract() == 0.0 && EXACT.contains(number)).map(cut))
}

/// Where every whole number is a floating-point number of its own.
const EXACT: RangeInclusive<f64> = 0.0..=9_007_199_254_740_992.0;

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is one of `EXACT`")]
const fn cut(number: f64) -> u64 {
    number as u64
}

/// A whole number in a range.
pub(crate) fn integer(value: &Value, range: RangeInclusive<u32>) -> Result<u32, Message> {
    let number = whole(value).and_then(|number| u32::try_from(number).ok()).filter(|number| range.contains(number));
    number.ok_or_else(|| format!("must be a whole number from {} to {}", range.start(), range.end()).into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_wrong_field_is_named_and_null_is_absent() {
        let object = json!({"a": null, "b": 7, "c": "ok"});
        let mut fields = Fields::of(object.as_object().unwrap());

        fields.required("a", name);
        fields.required("b", name);
        fields.optional("d", name);
        let c = fields.required("c", name);
        let Err(Invalid(errors)) = fields.finish(c) else { panic!() };

        assert_eq!(errors, [FieldError::new("a", "is required"), FieldError::new("b", "must be text")]);
    }

    #[test]
    fn text_is_measured_in_characters() {
        assert!(text(&json!("é".repeat(255)), NAME_CHARS).is_ok());
        assert!(text(&json!("e".repeat(256)), NAME_CHARS).is_err());
        assert!(text(&json!(""), NAME_CHARS).is_err());
    }

    #[test]
    fn only_whole_numbers_in_range_pass() {
        let read = |value| integer(&value, 100..=300).ok();

        assert_eq!([json!(100), json!(300), json!(100.0), json!(3e2)].map(read), [Some(100), Some(300), Some(100), Some(300)]);
        assert_eq!([json!(99), json!(301), json!(100.5), json!("100"), json!(-100), json!(1e300), json!(true)].map(read), [None; 7]);
    }
}
