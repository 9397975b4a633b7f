//! `[secrets]`: the keys under which secrets are kept in the store.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::check::Check;
use super::masked;
use crate::secrets::{SecretKey, WeakKey};

/// The keys under which secrets are kept in the store.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretsConfig {
    /// Their texts, the newest first. They are written masked.
    #[serde(with = "masked::list")]
    pub key: Vec<SecretString>,
}

impl SecretsConfig {
    /// The keys, the newest first.
    ///
    /// # Errors
    /// None once the configuration is loaded: each text was checked.
    pub fn keys(&self) -> Result<Vec<SecretKey>, WeakKey> {
        self.key.iter().map(|text| SecretKey::from_text(text.expose_secret())).collect()
    }

    pub(super) fn validate(check: &mut Check<'_>) {
        let allowed = "a list of keys, each of 32 to 128 visible characters without commas, none that is regular or well known";
        check.texts("key", allowed, |text| SecretKey::from_text(text).is_ok());
    }
}
