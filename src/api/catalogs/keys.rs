//! The RSA keys by which a catalogue signs on a client's behalf: made or imported, shown as their public halves alone.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::super::answer::Created;
use super::super::auth::Allowed;
use super::super::body::OptionalBody;
use super::super::error::ApiError;
use super::super::openapi::Time;
use super::super::state::Api;
use super::All;
use super::path::NamedCatalog;
use crate::domain::catalog::{CatalogKey, ClientCatalog};
use crate::domain::ids::SigningKeyId;
use crate::domain::permission::{ManageWebhooks, Read};
use crate::domain::signature::{NotAnRsaKey, RsaAlgorithm, RsaSecret, UnknownRsaAlgorithm};
use crate::management::fields::{Fields, Message};
use crate::management::settled;

/// A key that is wanted.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", rename = "CatalogKeyFields", example = json!({"algorithm": "rsa-pkcs1-sha256"}))]
#[expect(dead_code, reason = "it tells callers what `wanted` reads")]
pub(super) struct KeyFields {
    /// How it signs; `rsa-pkcs1-sha256` when it is left out.
    algorithm: Option<RsaAlgorithm>,
    /// A pair to take in: unencrypted PKCS #8 as PEM, 2048 to 8192 bits. A new one of 2048 bits is made when it is left out.
    private_key: Option<String>,
}

/// A key as callers see it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "CatalogKey")]
pub(super) struct KeyView {
    /// Its id.
    id: SigningKeyId,
    /// How it signs.
    #[schemars(with = "RsaAlgorithm")]
    algorithm: &'static str,
    /// The public half, as PEM.
    public_key: String,
    /// Since when it signs.
    #[schemars(with = "Time")]
    created_at: String,
    /// Whether it signs what comes in from now on.
    current: bool,
}

impl KeyView {
    fn of(api: &Api, settled: &ClientCatalog, key: &CatalogKey) -> Result<Self, ApiError> {
        Ok(Self {
            id: key.id,
            algorithm: key.algorithm.as_str(),
            public_key: key.secret.public_pem().map_err(|_| ApiError::Panicked)?,
            created_at: api.written(key.created_at),
            current: settled.keys.first().is_some_and(|first| first.id == key.id),
        })
    }
}

/// The keys that sign or have signed, the newest first.
pub(super) async fn list(
    State(api): State<Api>,
    caller: Allowed<Read>,
    NamedCatalog(catalog): NamedCatalog,
) -> Result<Json<All<KeyView>>, ApiError> {
    let settled = settled::read(api.desk(), api.clock.now(), caller.client_id()?, &catalog.name).await?;
    let items = settled.keys.iter().map(|key| KeyView::of(&api, &settled, key)).collect::<Result<_, _>>()?;
    Ok(Json(All { items }))
}

/// Makes a key, or takes one in, that signs what comes in from now on. What came in before keeps its signature.
pub(super) async fn add(
    State(api): State<Api>,
    caller: Allowed<ManageWebhooks>,
    NamedCatalog(catalog): NamedCatalog,
    body: OptionalBody<KeyFields>,
) -> Result<Created<KeyView>, ApiError> {
    let client_id = caller.client_id()?;
    let (algorithm, given) = wanted(&body.object()?)?;
    if catalog.sending.sign.is_none() {
        return Err(ApiError::field("name", "this catalogue signs nothing"));
    }
    let secret = match given {
        Some(given) => given,
        None => settled::new_pair().await?,
    };
    let key = settled::new_key(api.desk(), api.clock.now(), algorithm, secret);
    let add = |settled: &mut ClientCatalog| {
        settled.add_key(key.clone());
        true
    };
    let settled = settled::change(api.desk(), &caller.by(api.clock.now()), (client_id, &catalog.name), add).await?;
    Ok(Created(KeyView::of(&api, &settled, &key)?))
}

fn wanted(object: &Map<String, Value>) -> Result<(RsaAlgorithm, Option<RsaSecret>), ApiError> {
    let mut fields = Fields::of(object);
    let algorithm = fields.optional("algorithm", |value| {
        let text = value.as_str().ok_or("must be text")?;
        text.parse().map_err(|error: UnknownRsaAlgorithm| Message::from(error.to_string()))
    });
    let given = fields.optional("privateKey", |value| {
        let text = value.as_str().ok_or("must be text")?;
        RsaSecret::from_pem(text).map_err(|error: NotAnRsaKey| Message::from(error.to_string()))
    });
    Ok(fields.finish(Some((algorithm.unwrap_or(RsaAlgorithm::Pkcs1Sha256), given)))?)
}
