//! Values that are never shown: which keys have them, and for serde how they are written, which is masked.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serializer};

/// What is shown for a secret.
pub(super) const MASK: &str = "****";

/// The keys, as `section.key`, whose values are never shown.
const SECRETS: [&str; 4] = ["root.key", "secrets.key", "alerts.secret", "traces.headers"];

/// Whether the value of a key, given as `section.key`, is never shown.
pub(super) fn is_secret(key: &str) -> bool {
    SECRETS.contains(&key)
}

pub(super) fn serialize<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(if secret.expose_secret().is_empty() { "" } else { MASK })
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}

/// The same for a list of secrets.
pub(super) mod list {
    use super::{Deserialize, Deserializer, MASK, SecretString, Serializer};

    pub(in crate::config) fn serialize<S: Serializer>(secrets: &[SecretString], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(secrets.iter().map(|_| MASK))
    }

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SecretString>, D::Error> {
        Ok(Vec::<String>::deserialize(deserializer)?.into_iter().map(SecretString::from).collect())
    }
}
