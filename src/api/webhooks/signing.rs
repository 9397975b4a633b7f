//! The keys that sign a webhook's requests: a new one made and shown once, and what is said of them ever after.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::auth::Allowed;
use super::super::body::OptionalBody;
use super::super::error::ApiError;
use super::super::openapi::Time;
use super::super::path::PathId;
use super::super::state::Api;
use super::fields::RotationFields;
use crate::domain::ids::{SigningKeyId, WebhookId};
use crate::domain::permission::ManageWebhooks;
use crate::domain::signature::{Scheme, SigningKeys};
use crate::management::signing::{self, Wanted};

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
    let wanted = Wanted::read(&body.object()?)?;
    let by = caller.by(api.clock.now());
    let rotated = signing::rotate(api.desk(), &by, id, wanted, &(api.signing_chance)()).await?;
    let text = Some(rotated.secret.text_for_receiver().to_string());
    let (secret, public_key) = if wanted.scheme == Scheme::HmacSha256 { (text, None) } else { (None, text) };
    let previous_valid_until = rotated.previous_valid_until.map(|time| api.written(time));
    Ok(Json(NewKeyView { secret, public_key, previous_valid_until, key_id: rotated.key_id, scheme: wanted.scheme.as_str() }))
}
