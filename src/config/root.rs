//! `[root]`: the root API key that is taken at the first start.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::check::Check;
use super::masked;
use crate::domain::root_key::refuse_weak;

/// The root API key that is taken at the first start.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootConfig {
    /// The key; empty when one is to be made. It is written masked.
    #[serde(with = "masked")]
    pub key: SecretString,
}

impl RootConfig {
    /// The key, if one is set.
    #[must_use]
    pub fn key(&self) -> Option<&SecretString> {
        Some(&self.key).filter(|key| !key.expose_secret().is_empty())
    }

    pub(super) fn validate(check: &mut Check<'_>) {
        check.read("key", |text| if text.is_empty() { Ok(()) } else { refuse_weak(text).map_err(|weak| weak.to_string()) });
    }
}
