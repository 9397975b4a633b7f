//! Who calls, by HTTP Basic: the user is an API key's id or name, the password the key itself.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::header;
use axum::http::request::Parts;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use uuid::Uuid;

use super::super::auth::{Caller, known};
use super::super::error::ApiError;
use super::super::state::Api;
use super::CATALOG;
use super::refusal::Refusal;
use crate::catalog::Settings;
use crate::domain::client::{KeyHash, Permission};
use crate::domain::ids::ClientId;

/// Somebody who may manage the hooks of the tenant in the path.
pub(super) struct Manager {
    pub(super) caller: Caller,
    pub(super) client_id: ClientId,
}

impl FromRequestParts<Api> for Manager {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Refusal> {
        let (user, key) = credentials(parts).ok_or(ApiError::Unauthenticated)?;
        let caller = known(api, parts, &key, Permission::ManageWebhooks).await?;
        if !is_user_of(api, &user, &key).await? {
            return Err(ApiError::Unauthenticated.into());
        }
        let client_id = caller.client_id()?;
        let wanted = tenant_of_path(parts, api).await?;
        if tenant_of(api, client_id).await? == wanted { Ok(Self { caller, client_id }) } else { Err(ApiError::NotFound.into()) }
    }
}

fn credentials(parts: &Parts) -> Option<(String, String)> {
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    let text = scheme.eq_ignore_ascii_case("basic").then(|| BASE64_STANDARD.decode(encoded.trim()).ok()).flatten()?;
    let text = String::from_utf8(text).ok()?;
    text.split_once(':').map(|(user, key)| (user.to_owned(), key.to_owned()))
}

/// Whether the key has this id or this name.
async fn is_user_of(api: &Api, user: &str, key: &str) -> Result<bool, ApiError> {
    let Some(key) = api.store.api_key(KeyHash::of(key)).await? else { return Ok(false) };
    let is_id = user.parse::<Uuid>().is_ok_and(|id| id == key.id.as_uuid());
    Ok(is_id || key.name.as_deref() == Some(user))
}

async fn tenant_of_path(parts: &mut Parts, api: &Api) -> Result<String, ApiError> {
    let captured = RawPathParams::from_request_parts(parts, api).await.map_err(|_| ApiError::NotFound)?;
    captured.iter().find(|(name, _)| *name == "tenant").map(|(_, tenant)| tenant.to_owned()).ok_or(ApiError::NotFound)
}

/// What Sienge calls a client: what it settled, or its name.
async fn tenant_of(api: &Api, client_id: ClientId) -> Result<String, ApiError> {
    let catalog = api.catalogs.named(CATALOG).ok_or(ApiError::NotFound)?;
    let settled = api.store.client_catalog(client_id, catalog.name.clone()).await?;
    if let Some(tenant) = Settings::tenant(settled.as_ref().map(|settled| &settled.settings)) {
        return Ok(tenant.to_owned());
    }
    Ok(api.store.client(client_id).await?.ok_or(ApiError::NotFound)?.name)
}
