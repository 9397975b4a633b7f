//! The type that a key has, and how a value of that type is read and shown.
//!
//! Text is read by the type of the key and never guessed at: `8080` is a string where the default is a string.

use toml::Value;

use super::masked::{MASK, is_secret};

/// The type of a single value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    Text,
    Integer,
    Number,
    Bool,
}

/// The type of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    One(Scalar),
    List(Scalar),
}

/// A value as a source gives it.
pub(super) enum Given<'a> {
    /// Text that is yet to be read.
    Text(&'a str),
    /// A value that has a type already.
    Typed(Value),
}

impl Scalar {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(_) => Some(Self::Text),
            Value::Integer(_) => Some(Self::Integer),
            Value::Float(_) => Some(Self::Number),
            Value::Boolean(_) => Some(Self::Bool),
            Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
        }
    }

    fn read(self, text: &str) -> Option<Value> {
        match self {
            Self::Text => Some(Value::String(text.to_owned())),
            Self::Integer => text.trim().parse().ok().map(Value::Integer),
            Self::Number => text.trim().parse().ok().map(Value::Float),
            Self::Bool => text.trim().parse().ok().map(Value::Boolean),
        }
    }

    /// The value if it is of this type; a whole number is a number too.
    fn accept(self, value: &Value) -> Option<Value> {
        match (self, value) {
            (Self::Number, Value::Integer(_)) => self.read(&value.to_string()),
            _ => (Self::of(value) == Some(self)).then(|| value.clone()),
        }
    }
}

impl Kind {
    /// The type that a key with this default has; an empty list is one of strings.
    pub(super) fn of(default: &Value) -> Option<Self> {
        match default {
            Value::Array(entries) => entries.first().map_or(Some(Scalar::Text), Scalar::of).map(Self::List),
            single => Scalar::of(single).map(Self::One),
        }
    }

    /// The given value as one of this type; as an error, the value that is not of this type.
    pub(super) fn read(self, given: Given<'_>) -> Result<Value, Value> {
        match given {
            Given::Text(text) => self.read_text(text).ok_or_else(|| Value::String(text.to_owned())),
            Given::Typed(value) => self.accept(&value).ok_or(value),
        }
    }

    fn read_text(self, text: &str) -> Option<Value> {
        match self {
            Self::One(scalar) => scalar.read(text),
            Self::List(_) if text.trim().is_empty() => Some(Value::Array(Vec::new())),
            Self::List(scalar) => text.split(',').map(|entry| scalar.read(entry.trim())).collect::<Option<_>>().map(Value::Array),
        }
    }

    fn accept(self, value: &Value) -> Option<Value> {
        match (self, value) {
            (Self::One(scalar), single) => scalar.accept(single),
            (Self::List(scalar), Value::Array(entries)) => {
                entries.iter().map(|entry| scalar.accept(entry)).collect::<Option<_>>().map(Value::Array)
            }
            (Self::List(_), _) => None,
        }
    }

    /// The type in words.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::One(Scalar::Text) => "a string",
            Self::One(Scalar::Integer) => "an integer",
            Self::One(Scalar::Number) => "a number",
            Self::One(Scalar::Bool) => "true or false",
            Self::List(Scalar::Text) => "a list of strings",
            Self::List(Scalar::Integer) => "a list of integers",
            Self::List(Scalar::Number) => "a list of numbers",
            Self::List(Scalar::Bool) => "a list of true or false",
        }
    }
}

/// The value as messages may show it: secrets are masked, and user info in a url, which may hold a password, is too.
pub(super) fn shown(key: &str, value: &Value) -> String {
    match value {
        Value::String(text) if is_secret(key) && text.is_empty() => "\"\"".to_owned(),
        _ if is_secret(key) => format!("{MASK:?}"),
        Value::String(text) => format!("{:?}", without_user_info(text)),
        other => other.to_string(),
    }
}

fn without_user_info(text: &str) -> String {
    let parts = text.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?.1)));
    parts.map_or_else(|| text.to_owned(), |(scheme, host)| format!("{scheme}://{MASK}@{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: Kind = Kind::One(Scalar::Text);
    const INTEGER: Kind = Kind::One(Scalar::Integer);
    const NUMBER: Kind = Kind::One(Scalar::Number);
    const BOOL: Kind = Kind::One(Scalar::Bool);

    fn read(kind: Kind, text: &str) -> Option<Value> {
        kind.read(Given::Text(text)).ok()
    }

    fn list(values: &[i64]) -> Value {
        Value::Array(values.iter().copied().map(Value::Integer).collect())
    }

    #[test]
    fn the_type_of_a_key_is_that_of_its_default() {
        assert_eq!(Kind::of(&Value::from("x")), Some(TEXT));
        assert_eq!(Kind::of(&Value::from(1)), Some(INTEGER));
        assert_eq!(Kind::of(&Value::from(1.0)), Some(NUMBER));
        assert_eq!(Kind::of(&Value::from(true)), Some(BOOL));
        assert_eq!(Kind::of(&list(&[1])), Some(Kind::List(Scalar::Integer)));
        assert_eq!(Kind::of(&list(&[])), Some(Kind::List(Scalar::Text)));
        assert_eq!(Kind::of(&Value::Table(toml::Table::new())), None);
    }

    #[test]
    fn text_is_read_by_the_type_of_the_key() {
        assert_eq!(read(TEXT, "8080"), Some(Value::from("8080")));
        assert_eq!(read(TEXT, " true "), Some(Value::from(" true ")));
        assert_eq!(read(INTEGER, " 8080 "), Some(Value::from(8080)));
        assert_eq!(read(INTEGER, "-1"), Some(Value::from(-1)));
        assert_eq!(read(NUMBER, "0.25"), Some(Value::from(0.25)));
        assert_eq!(read(NUMBER, "1"), Some(Value::from(1.0)));
        assert_eq!(read(BOOL, "false"), Some(Value::from(false)));
    }

    #[test]
    fn text_of_another_type_is_not_read() {
        for (kind, text) in
            [(INTEGER, ""), (INTEGER, "8.0"), (INTEGER, "eight"), (INTEGER, "9223372036854775808"), (NUMBER, "much"), (BOOL, "yes")]
        {
            assert_eq!(kind.read(Given::Text(text)), Err(Value::from(text)), "{text:?}");
        }
    }

    #[test]
    fn a_list_is_parted_by_commas() {
        let texts = Kind::List(Scalar::Text);

        assert_eq!(read(Kind::List(Scalar::Integer), "5, 300,1800"), Some(list(&[5, 300, 1800])));
        assert_eq!(read(Kind::List(Scalar::Integer), "5"), Some(list(&[5])));
        assert_eq!(read(Kind::List(Scalar::Integer), ""), Some(list(&[])));
        assert_eq!(read(Kind::List(Scalar::Integer), "5,,300"), None);
        assert_eq!(read(Kind::List(Scalar::Integer), "5,"), None);
        assert_eq!(read(texts, "a, b"), Some(Value::from(vec!["a", "b"])));
        assert_eq!(read(texts, " "), Some(Value::Array(Vec::new())));
    }

    #[test]
    fn a_typed_value_must_have_the_type_of_the_key() {
        let accepts = |kind: Kind, value: Value| kind.read(Given::Typed(value)).ok();

        assert_eq!(accepts(TEXT, Value::from("x")), Some(Value::from("x")));
        assert_eq!(accepts(NUMBER, Value::from(0)), Some(Value::from(0.0)));
        assert_eq!(accepts(Kind::List(Scalar::Integer), list(&[1, 2])), Some(list(&[1, 2])));
        assert_eq!(accepts(Kind::List(Scalar::Integer), Value::from(vec!["1"])), None);
        assert_eq!(accepts(Kind::List(Scalar::Integer), Value::from(1)), None);
        assert_eq!(accepts(INTEGER, Value::from("1")), None);
        assert_eq!(accepts(INTEGER, Value::from(1.0)), None);
        assert_eq!(accepts(BOOL, Value::from(1)), None);
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(shown("alerts.secret", &Value::from("whsec_hush")), "\"****\"");
        assert_eq!(shown("root.key", &Value::from("hush")), "\"****\"");
        assert_eq!(shown("root.key", &list(&[1, 2])), "\"****\"");
        assert_eq!(shown("root.key", &Value::from("")), "\"\"");
        assert_eq!(shown("store.url", &Value::from("postgres://me:pa/ss@host/db")), "\"postgres://****@host/db\"");
    }

    #[test]
    fn other_values_are_shown_as_they_are() {
        assert_eq!(shown("store.url", &Value::from("sqlite://a b.db")), "\"sqlite://a b.db\"");
        assert_eq!(shown("log.level", &Value::from("two\nlines")), "\"two\\nlines\"");
        assert_eq!(shown("store.readers", &Value::from(-1)), "-1");
        assert_eq!(shown("retry.delays_seconds", &list(&[5, 0])), "[5, 0]");
    }
}
