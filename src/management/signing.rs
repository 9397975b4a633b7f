//! New keys that sign a webhook's requests.

use std::time::Duration;

use serde_json::{Map, Value};

use super::fields::{Fields, Invalid, integer};
use super::{By, Desk, Refusal};
use crate::domain::ids::{SigningKeyId, WebhookId};
use crate::domain::signature::{Scheme, SigningKey, SigningSecret};
use crate::domain::time::Timestamp;
use crate::store::records::SigningRotation;

/// How long the keys before a new one sign along with it: a day, and at most a month.
const DEFAULT_OVERLAP_SECONDS: u32 = 86_400;
pub(crate) const MAX_OVERLAP_SECONDS: u32 = 30 * 86_400;

/// What a new key is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// How it signs.
    pub(crate) scheme: Scheme,
    /// How long the keys before it sign along.
    pub(crate) overlap: Duration,
}

impl Wanted {
    /// Reads `scheme` and `overlapSeconds`.
    ///
    /// # Errors
    ///
    /// Names every field that breaks a rule.
    pub(crate) fn read(object: &Map<String, Value>) -> Result<Self, Invalid> {
        let mut fields = Fields::of(object);
        let scheme = fields.optional("scheme", |value| {
            let scheme = value.as_str().and_then(|text| text.parse().ok());
            scheme.ok_or_else(|| r#"must be "hmac-sha256" or "ed25519""#.into())
        });
        let overlap = fields.optional("overlapSeconds", |value| integer(value, 0..=MAX_OVERLAP_SECONDS));
        let overlap = Duration::from_secs(overlap.unwrap_or(DEFAULT_OVERLAP_SECONDS).into());
        fields.finish(Some(Self { scheme: scheme.unwrap_or(Scheme::HmacSha256), overlap }))
    }
}

/// A new key, to be shown once.
pub(crate) struct Rotated {
    /// What it is found by.
    pub(crate) key_id: SigningKeyId,
    /// The key itself.
    pub(crate) secret: SigningSecret,
    /// When the last of the keys before it ends.
    pub(crate) previous_valid_until: Option<Timestamp>,
}

/// Makes a key of `chance` the current one of a webhook.
pub(crate) async fn rotate(desk: Desk<'_>, by: &By, id: WebhookId, wanted: Wanted, chance: &[u8; 32]) -> Result<Rotated, Refusal> {
    let (now, secret) = (by.now(), new_secret(wanted.scheme, chance)?);
    let key = SigningKey { id: desk.ids.next(now), secret: secret.clone(), created_at: now, valid_until: None };
    let key_id = key.id;
    match desk.store.rotate_signing_key(by.scope, id, key, wanted.overlap, now, Some(by.actor)).await? {
        SigningRotation::NotFound => Err(Refusal::NotFound),
        SigningRotation::TooManyKeys => Err(Refusal::TooManySigningKeys),
        SigningRotation::Rotated { previous_valid_until } => Ok(Rotated { key_id, secret, previous_valid_until }),
    }
}

fn new_secret(scheme: Scheme, chance: &[u8; 32]) -> Result<SigningSecret, Refusal> {
    // Chance of this length makes a key of either scheme.
    SigningSecret::new(scheme, chance).map_err(|_| Refusal::NoKeyMade)
}
