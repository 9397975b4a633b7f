//! `[alerts]`: who is told of operational events, and how often it is looked for them.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::check::Check;
use super::masked;

/// What stands before a secret.
const PREFIX: &str = "whsec_";

/// Who is told of operational events, and how often it is looked for them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertsConfig {
    /// Where alerts are sent; empty for nowhere.
    pub url: String,
    /// What signs them: `whsec_` and base64; empty for no signature. It is written masked.
    #[serde(with = "masked")]
    pub secret: SecretString,
    /// Seconds from one look to the next.
    pub look_seconds: u32,
    /// Minutes in which the same is told of the same thing once.
    pub quiet_minutes: u32,
}

impl Default for AlertsConfig {
    fn default() -> Self {
        Self { url: String::new(), secret: SecretString::default(), look_seconds: 30, quiet_minutes: 15 }
    }
}

impl AlertsConfig {
    /// Where alerts are sent, if anywhere.
    #[must_use]
    pub fn url(&self) -> Option<Url> {
        self.url.parse().ok()
    }

    /// The bytes of the key that signs them, if one is set.
    #[must_use]
    pub fn secret(&self) -> Option<Vec<u8>> {
        decode(self.secret.expose_secret()).filter(|bytes| !bytes.is_empty())
    }

    /// How often it is looked for alerts.
    #[must_use]
    pub fn look_every(&self) -> Duration {
        Duration::from_secs(self.look_seconds.into())
    }

    /// For how long the same is not told again of the same thing.
    #[must_use]
    pub fn quiet(&self) -> Duration {
        Duration::from_mins(self.quiet_minutes.into())
    }

    pub(super) fn validate(check: &mut Check<'_>) {
        let is_url = |text: &str| text.parse::<Url>().is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        check.text("url", "empty, or a url with http or https", |text| text.is_empty() || is_url(text));
        let is_secret = |text: &str| decode(text).is_some_and(|bytes| (24..=64).contains(&bytes.len()));
        check.text("secret", "empty, or whsec_ and the base64 of 24 to 64 bytes", |text| text.is_empty() || is_secret(text));
        check.integer("look_seconds", 1..=3600);
        check.integer("quiet_minutes", 1..=1440);
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(text.strip_prefix(PREFIX)?).ok()
}
