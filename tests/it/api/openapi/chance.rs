//! Values by chance: some that a schema allows, and many that nobody would send who means well.

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::{IndexedMutRandom, IndexedRandom};
use serde_json::{Map, Number, Value, json};

use super::description::Description;

/// Texts that have broken something somewhere.
const TEXTS: [&str; 26] = [
    "",
    " ",
    "\0",
    "\r\nX-Injected: 1",
    "\u{1b}[31m",
    "\u{2028}",
    "\u{feff}",
    "\u{202e}txt.exe",
    "é",
    "e\u{301}",
    "💩",
    "ﷺ",
    "İı",
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "{00000000-0000-7000-8000-000000000000}",
    "-1",
    "1e999",
    "NaN",
    "null",
    "9999-12-31T23:59:60.999999999+23:59",
    "0000-00-00T00:00:00Z",
    "+262143-01-01T00:00:00Z",
    "' or 1=1 --",
    "<script>alert(1)</script>",
    "http://[::ffff:127.0.0.1]:99999/:id?:id#:id",
];

/// Numbers at the edges of what machines count with.
const NUMBERS: [&str; 16] = [
    "0",
    "-0",
    "-1",
    "0.5",
    "1e-400",
    "1e308",
    "-1e308",
    "2147483648",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775809",
    "123456789012345678901234567890",
];

/// Where values come from.
pub(super) struct Source<'a> {
    pub(super) rng: &'a mut StdRng,
    pub(super) description: &'a Description,
}

impl Source<'_> {
    /// One of these.
    pub(super) fn one_of<'v, T: ?Sized>(&mut self, values: &[&'v T]) -> &'v T {
        values.choose(self.rng).unwrap()
    }

    /// Whether something with a chance of one in `n` happens.
    pub(super) fn one_in(&mut self, n: u32) -> bool {
        self.rng.random_ratio(1, n)
    }

    /// A text that means no good.
    pub(super) fn text(&mut self) -> String {
        match self.rng.random_range(0..10) {
            0 => self.one_of(&["a", "é", "💩", "\0", "%", "\u{300}"]).repeat(self.rng.random_range(200..5_000)),
            1 => (0..self.rng.random_range(1..20)).map(|_| self.rng.random::<char>()).collect(),
            2 => "x".repeat(self.rng.random_range(250..260)),
            _ => self.one_of(&TEXTS).to_owned(),
        }
    }

    /// A value that a schema allows, more or less: what it says of types, words and limits is kept.
    pub(super) fn fitting(&mut self, schema: &Value) -> Value {
        let schema = self.description.resolve(schema);
        if let Some(words) = schema.get("enum").and_then(Value::as_array) {
            return words.choose(self.rng).unwrap().clone();
        }
        if let Some(alternatives) = schema.get("anyOf").and_then(Value::as_array) {
            let one = alternatives.choose(self.rng).unwrap();
            return self.fitting(one);
        }
        let types: Vec<&str> = match schema.get("type") {
            Some(Value::String(one)) => vec![one],
            Some(several) => several.as_array().unwrap().iter().filter_map(Value::as_str).collect(),
            None => return self.anything(),
        };
        match *types.choose(self.rng).unwrap() {
            "null" => Value::Null,
            "boolean" => json!(self.rng.random::<bool>()),
            "integer" | "number" => self.fitting_number(schema),
            "array" => self.fitting_list(schema),
            "object" => self.fitting_object(schema),
            _ => self.fitting_text(schema),
        }
    }

    fn fitting_number(&mut self, schema: &Value) -> Value {
        let limit = |keyword: &str| schema.get(keyword).and_then(Value::as_f64);
        #[expect(clippy::cast_possible_truncation, reason = "limits are whole numbers, or cut down to some")]
        let (least, most) = (limit("minimum").unwrap_or(0.0) as i64, limit("maximum").unwrap_or(1e9) as i64);
        json!(self.rng.random_range(least..=most))
    }

    fn fitting_text(&mut self, schema: &Value) -> Value {
        let text = match (schema.get("format").and_then(Value::as_str), schema.get("pattern").and_then(Value::as_str)) {
            (Some("uuid"), _) => "00000000-0000-7000-8000-00000000000a",
            (Some("date-time"), _) => "2024-04-11T14:12:33.741194-03:00",
            (_, Some(pattern)) if pattern.contains("[Hh]") => "https://app.example/:id",
            (_, Some(pattern)) if pattern.contains("{21}") => "AZAAAAAAcACAAAAAAAAAAA",
            (_, Some(pattern)) if !pattern.starts_with("^[^") => "document.finished",
            _ => return json!(self.one_of(&["a", "é", "💩"]).repeat(self.rng.random_range(1..60))),
        };
        json!(text)
    }

    fn fitting_list(&mut self, schema: &Value) -> Value {
        let items = schema.get("items").unwrap_or(&Value::Bool(true));
        (0..self.rng.random_range(0..4)).map(|_| self.fitting(items)).collect()
    }

    fn fitting_object(&mut self, schema: &Value) -> Value {
        let required: Vec<&str> =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let mut object = Map::new();
        for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            if required.contains(&name.as_str()) || self.one_in(2) {
                object.insert(name.clone(), self.fitting(property));
            }
        }
        if let Some(more) = schema.get("additionalProperties") {
            object.insert("X-More".to_owned(), self.fitting(more));
        }
        object.into()
    }

    /// Any JSON.
    pub(super) fn anything(&mut self) -> Value {
        match self.rng.random_range(0..8) {
            0 => Value::Null,
            1 => json!(self.rng.random::<bool>()),
            2 | 3 => self.number(),
            4 => (0..self.rng.random_range(0..4)).map(|_| self.anything()).collect(),
            5 => (0..self.rng.random_range(0..4)).map(|_| (self.text(), self.anything())).collect::<Map<_, _>>().into(),
            _ => json!(self.text()),
        }
    }

    fn number(&mut self) -> Value {
        let text = self.one_of(&NUMBERS);
        text.parse::<Number>().map_or_else(|_| json!(text), Value::Number)
    }

    /// Spoils a value in one place, somewhere inside.
    pub(super) fn spoil(&mut self, value: &mut Value) {
        let inside = match value {
            Value::Array(items) => items.choose_mut(self.rng),
            Value::Object(object) if !object.is_empty() && !self.one_in(4) => {
                let names: Vec<String> = object.keys().cloned().collect();
                object.get_mut(names.choose(self.rng).unwrap())
            }
            _ => None,
        };
        match inside {
            Some(inside) if !self.one_in(2) => self.spoil(inside),
            Some(inside) => *inside = self.anything(),
            None => self.replace(value),
        }
    }

    fn replace(&mut self, value: &mut Value) {
        match value {
            Value::Object(object) if self.one_in(2) => {
                object.insert(self.text(), self.anything());
            }
            Value::Object(object) if !object.is_empty() => {
                let names: Vec<String> = object.keys().cloned().collect();
                object.remove(names.choose(self.rng).unwrap());
            }
            _ => *value = self.anything(),
        }
    }
}
