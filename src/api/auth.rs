//! Who calls, and whether they may: from the key's header to the scope that every call to the store carries.
//!
//! A handler gets at its caller only through [`Allowed`], which names a permission: none can forget to ask. Whose things
//! a caller may touch is a [`Scope`]; what lies outside it looks like what does not exist.

use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;

use super::error::ApiError;
use super::key_cache::Holder;
use super::openapi::{Input, Operation, Parameter, schema_of};
use super::state::Api;
use crate::domain::audit::Actor;
use crate::domain::client::{KeyHash, Permission, Role};
use crate::domain::ids::ClientId;
use crate::domain::permission::Wanted;
use crate::domain::time::Timestamp;
use crate::management::By;
use crate::store::records::Scope;

/// By which a root key says for which client it acts.
pub(super) const CLIENT_HEADER: &str = "X-Client-Id";

/// Where the newer edition of the OCR service lives; its own key header is known there too.
pub(super) const NEWER_OCR_PREFIX: &str = "/document_webhooks";

/// By which the newer edition knows the header of the key.
pub(super) const NEWER_OCR_KEY_HEADER: &str = "IDEXA-API-KEY";

/// No key is longer: a given root key has at most 128 characters.
const MAX_KEY_BYTES: usize = 128 * 4;

/// Somebody with a known key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    holder: Holder,
    remote_address: Option<IpAddr>,
    scope: Scope,
}

impl Caller {
    /// Whose things they may see and touch.
    pub(super) const fn scope(&self) -> Scope {
        self.scope
    }

    /// What their key is for.
    pub(super) const fn role(&self) -> Role {
        self.holder.role
    }

    /// In whose name they change something at `at`.
    pub(super) const fn actor(&self, at: Timestamp) -> Actor {
        let Holder { key_id, role, client_id, expires_at: _ } = self.holder;
        Actor { key_id, role, client_id, remote_address: self.remote_address, at }
    }

    /// The same for whoever makes a change at `at`.
    pub(super) const fn by(&self, at: Timestamp) -> By {
        By { scope: self.scope, actor: self.actor(at) }
    }

    /// The one client they act for.
    ///
    /// # Errors
    ///
    /// A root key has to name a client first.
    pub(super) fn client_id(&self) -> Result<ClientId, ApiError> {
        let needed = || ApiError::field(CLIENT_HEADER, "must name the client that a root key acts for");
        self.scope.client_id().ok_or_else(needed)
    }
}

/// A caller whose key allows `P`.
pub(super) struct Allowed<P> {
    caller: Caller,
    permission: PhantomData<P>,
}

impl<P> Deref for Allowed<P> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl<P: Wanted> FromRequestParts<Api> for Allowed<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let key = presented_key(parts).ok_or(ApiError::Unauthenticated)?;
        Ok(Self { caller: known(api, parts, key, P::PERMISSION).await?, permission: PhantomData })
    }
}

/// Who calls with `key`, however it was presented, if that allows what is wanted.
///
/// # Errors
///
/// Refuses a key that opens nothing, one that is used too much, and one that is not for this.
pub(super) async fn known(api: &Api, parts: &Parts, key: &str, wanted: Permission) -> Result<Caller, ApiError> {
    let now = api.clock.now();
    let remote_address = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip().to_canonical());
    let Some(holder) = known_holder(api, key, now).await? else {
        return Err(refusal(api, remote_address, now).await);
    };
    api.requests.take(holder.key_id, now).await.map_err(|wait| ApiError::TooManyRequests { wait })?;
    if !holder.role.allows(wanted) {
        return Err(ApiError::Forbidden);
    }
    let scope = scope(api, holder, &parts.headers, now).await?;
    Ok(Caller { holder, remote_address, scope })
}

impl<P: Wanted> Input for Allowed<P> {
    fn declare(operation: &mut Operation) {
        operation.needs(P::PERMISSION);
        operation.reads(Parameter::Header {
            name: CLIENT_HEADER,
            about: "With a root key: the client to act for. Any other key may name its own client alone.",
            schema: schema_of::<ClientId>,
        });
        operation.refuses([401, 403, 404, 429, 500, 503]);
    }
}

fn presented_key(parts: &Parts) -> Option<&str> {
    let header = |name| parts.headers.get(name).and_then(|value| str::from_utf8(value.as_bytes()).ok());
    let newer_ocr = parts.uri.path().starts_with(NEWER_OCR_PREFIX);
    header("X-API-KEY").or_else(|| header(NEWER_OCR_KEY_HEADER).filter(|_| newer_ocr))
}

/// Who holds this key, if anybody does.
async fn known_holder(api: &Api, key: &str, now: Timestamp) -> Result<Option<Holder>, ApiError> {
    if key.len() > MAX_KEY_BYTES {
        return Ok(None);
    }
    Ok(api.keys.holder(&*api.store, KeyHash::of(key), now).await?)
}

/// What whoever presents an unknown or expired key is told. Known keys are not asked how many unknown ones came from where
/// they come from: nobody can lock out a neighbour.
async fn refusal(api: &Api, remote_address: Option<IpAddr>, now: Timestamp) -> ApiError {
    let Some(address) = remote_address else { return ApiError::Unauthenticated };
    match api.unknown_keys.take(address.into(), now).await {
        Ok(()) => ApiError::Unauthenticated,
        Err(wait) => ApiError::TooManyUnknownKeys { wait },
    }
}

/// A root key sees everything, or what is the named client's; any other key what is its own client's.
async fn scope(api: &Api, holder: Holder, headers: &HeaderMap, now: Timestamp) -> Result<Scope, ApiError> {
    let named = named_client(headers)?;
    match (holder.client_id, named) {
        (Some(own), None) => Ok(Scope::Client(own)),
        (Some(own), Some(named)) if own == named => Ok(Scope::Client(own)),
        (None, None) => Ok(Scope::All),
        (None, Some(named)) if api.keys.client_exists(&*api.store, named, now).await? => Ok(Scope::Client(named)),
        _ => Err(ApiError::NotFound),
    }
}

fn named_client(headers: &HeaderMap) -> Result<Option<ClientId>, ApiError> {
    let Some(value) = headers.get(CLIENT_HEADER) else { return Ok(None) };
    let id = value.to_str().ok().and_then(|text| text.parse().ok());
    id.map(Some).ok_or(ApiError::NotFound)
}
