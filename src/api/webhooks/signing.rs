//! The keys that sign a webhook's requests: a new one made and shown once, and what is said of them ever after.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::super::auth::{Allowed, ManageWebhooks};
use super::super::body::OptionalBody;
use super::super::error::{ApiError, Conflict};
use super::super::fields::{Fields, integer};
use super::super::openapi::Time;
use super::super::path::PathId;
use super::super::state::Api;
use super::fields::RotationFields;
use crate::domain::ids::{SigningKeyId, WebhookId};
use crate::domain::signature::{Scheme, SigningKey, SigningKeys, SigningSecret};
use crate::store::records::SigningRotation;

/// How long the keys before a new one sign along with it: a day, and at most a month.
const DEFAULT_OVERLAP_SECONDS: u32 = 86_400;
pub(super) const MAX_OVERLAP_SECONDS: u32 = 30 * 86_400;

/// A new key: the only answer that holds it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "NewSigningKey")]
pub(super) struct NewKeyView {
    /// With `hmac-sha256`: what both sides share, `whsec_…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// With `ed25519`: what the receiver needs, `whpk_…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
    /// Until when the keys before this one sign as well; null if there are none.
    #[schemars(with = "Option<Time>")]
    previous_valid_until: Option<String>,
    /// Its id.
    key_id: SigningKeyId,
    /// How it signs.
    #[schemars(with = "Scheme")]
    scheme: &'static str,
}

/// What is known of the keys that sign the requests of a webhook.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Signing")]
pub(super) struct SigningView {
    /// How the newest key signs.
    #[schemars(with = "Scheme")]
    scheme: &'static str,
    /// The id of the newest key.
    key_id: SigningKeyId,
    /// When it was made.
    #[schemars(with = "Time")]
    created_at: String,
    /// Until when the keys before it sign as well; null if there are none.
    #[schemars(with = "Option<Time>")]
    previous_valid_until: Option<String>,
}

impl SigningView {
    /// `None` for a webhook whose requests are not signed.
    pub(super) fn of(api: &Api, keys: &SigningKeys) -> Option<Self> {
        let current = keys.current()?;
        Some(Self {
            scheme: current.secret.scheme().as_str(),
            key_id: current.id,
            created_at: api.written(current.created_at),
            previous_valid_until: keys.previous_valid_until(api.clock.now()).map(|time| api.written(time)),
        })
    }
}

/// Makes a new key the current one of a webhook.
pub(super) async fn rotate_secret(
    State(api): State<Api>,
    caller: Allowed<ManageWebhooks>,
    PathId(id): PathId<WebhookId>,
    body: OptionalBody<RotationFields>,
) -> Result<Json<NewKeyView>, ApiError> {
    let (scheme, overlap) = wanted(&body.object()?)?;
    let (now, secret) = (api.clock.now(), new_secret(&api, scheme)?);
    let key = SigningKey { id: api.ids.next(now), secret: secret.clone(), created_at: now, valid_until: None };
    let key_id = key.id;
    match api.store.rotate_signing_key(caller.scope(), id, key, overlap, now, Some(caller.actor(now))).await? {
        SigningRotation::NotFound => Err(ApiError::NotFound),
        SigningRotation::TooManyKeys => Err(Conflict::TooManySigningKeys.into()),
        SigningRotation::Rotated { previous_valid_until } => {
            let text = Some(secret.text_for_receiver().to_string());
            let (secret, public_key) = if scheme == Scheme::HmacSha256 { (text, None) } else { (None, text) };
            let previous_valid_until = previous_valid_until.map(|time| api.written(time));
            Ok(Json(NewKeyView { secret, public_key, previous_valid_until, key_id, scheme: scheme.as_str() }))
        }
    }
}

fn wanted(object: &Map<String, Value>) -> Result<(Scheme, Duration), ApiError> {
    let mut fields = Fields::of(object);
    let scheme = fields.optional("scheme", |value| {
        let scheme = value.as_str().and_then(|text| text.parse().ok());
        scheme.ok_or_else(|| r#"must be "hmac-sha256" or "ed25519""#.into())
    });
    let overlap = fields.optional("overlapSeconds", |value| integer(value, 0..=MAX_OVERLAP_SECONDS));
    let overlap = Duration::from_secs(overlap.unwrap_or(DEFAULT_OVERLAP_SECONDS).into());
    fields.finish(Some((scheme.unwrap_or(Scheme::HmacSha256), overlap)))
}

fn new_secret(api: &Api, scheme: Scheme) -> Result<SigningSecret, ApiError> {
    // Chance of this length makes a key of either scheme.
    SigningSecret::new(scheme, &(api.signing_chance)()).map_err(|_| ApiError::Panicked)
}
