//! The rules that sections hold their values to.
//!
//! Rules see values before they become fields, so that a message can show what was written, even where no field could
//! hold it.

use std::ops::RangeInclusive;

use toml::Value;

use super::error::Origin;
use super::layers::Layers;

/// Checks the values of one section and notes each that breaks its rule.
pub(super) struct Check<'a> {
    section: &'static str,
    layers: &'a mut Layers,
}

impl<'a> Check<'a> {
    pub(super) fn of(section: &'static str, layers: &'a mut Layers) -> Self {
        Self { section, layers }
    }

    /// The integer must lie in `range`; gives it when it does.
    pub(super) fn integer(&mut self, key: &str, range: RangeInclusive<i64>) -> Option<i64> {
        let value = self.value(key);
        let integer = value.as_integer().filter(|integer| range.contains(integer));
        if integer.is_none() {
            self.refuse(key, &value, format!("{} to {}", range.start(), range.end()));
        }
        integer
    }

    /// The list must hold at most `most` integers, and each must lie in `range`.
    pub(super) fn integers(&mut self, key: &str, most: usize, range: &RangeInclusive<i64>) {
        let allowed = format!("at most {most} entries, each {} to {}", range.start(), range.end());
        let value = self.value(key);
        if value.as_array().is_none_or(|entries| entries.len() > most) {
            self.refuse(key, &value, allowed.clone());
        }
        self.entries(key, &allowed, |entry| entry.as_integer().is_some_and(|integer| range.contains(&integer)));
    }

    /// The number must lie in `range`.
    pub(super) fn number(&mut self, key: &str, range: &RangeInclusive<f64>) {
        let value = self.value(key);
        if !value.as_float().is_some_and(|number| range.contains(&number)) {
            self.refuse(key, &value, format!("{} to {}", range.start(), range.end()));
        }
    }

    /// The text must be one that `holds`; `allowed` says which are.
    pub(super) fn text(&mut self, key: &str, allowed: &str, holds: impl FnOnce(&str) -> bool) {
        self.read(key, |text| holds(text).then_some(()).ok_or_else(|| allowed.to_owned()));
    }

    /// The text must be one that `reader` can read; its error says which are.
    pub(super) fn read(&mut self, key: &str, reader: impl FnOnce(&str) -> Result<(), String>) {
        let value = self.value(key);
        if let Err(allowed) = reader(value.as_str().unwrap_or_default()) {
            self.refuse(key, &value, allowed);
        }
    }

    /// Every text of the list must be one that `holds`; `allowed` says which are.
    pub(super) fn texts(&mut self, key: &str, allowed: &str, holds: impl Fn(&str) -> bool) {
        self.entries(key, allowed, |entry| entry.as_str().is_some_and(&holds));
    }

    /// The flag may be set only while the text under `needed` is not empty.
    pub(super) fn flag_with(&mut self, key: &str, needed: &str) {
        let (value, other) = (self.value(key), self.value(needed));
        if value.as_bool() == Some(true) && other.as_str().is_some_and(str::is_empty) {
            self.refuse(key, &value, format!("false while {}.{needed} is empty", self.section));
        }
    }

    fn entries(&mut self, key: &str, allowed: &str, holds: impl Fn(&Value) -> bool) {
        let value = self.value(key);
        for entry in value.as_array().into_iter().flatten().filter(|entry| !holds(entry)) {
            self.refuse(key, entry, allowed.to_owned());
        }
    }

    /// Notes that `value` is not allowed for `key`; `allowed` says what is.
    pub(super) fn refuse(&mut self, key: &str, value: &Value, allowed: String) {
        self.layers.refuse(&format!("{}.{key}", self.section), value, allowed);
    }

    /// The value of a key as it stands; a rule for a key that the defaults do not have is noted as an error.
    fn value(&mut self, key: &str) -> Value {
        let key = format!("{}.{key}", self.section);
        if let Some(value) = self.layers.value(&key) {
            return value.clone();
        }
        self.layers.refuse_unknown(&key, Origin::Default);
        Value::from("")
    }
}
