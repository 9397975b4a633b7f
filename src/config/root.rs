//! `[root]`: the root API key that is taken at the first start.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::check::Check;
use super::value::MASK;

/// The keys, as `section.key`, whose values are never shown.
const SECRETS: [&str; 1] = ["root.key"];

/// Whether the value of a key, given as `section.key`, is never shown.
pub(super) fn is_secret(key: &str) -> bool {
    SECRETS.contains(&key)
}

/// The root API key that is taken at the first start.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootConfig {
    /// The key; empty when one is to be made. It is written masked.
    #[serde(serialize_with = "serialize_masked", deserialize_with = "deserialize_secret")]
    pub key: SecretString,
}

impl RootConfig {
    /// The key, if one is set.
    #[must_use]
    pub fn key(&self) -> Option<&SecretString> {
        Some(&self.key).filter(|key| !key.expose_secret().is_empty())
    }

    pub(super) fn validate(check: &mut Check<'_>) {
        check.text("key", "empty, or 32 to 128 characters", |text| text.is_empty() || (32..=128).contains(&text.chars().count()));
    }
}

fn serialize_masked<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(if secret.expose_secret().is_empty() { "" } else { MASK })
}

fn deserialize_secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}
