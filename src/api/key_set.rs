//! `/.well-known/webhook-keys`: the public keys that sign requests, as a JSON Web Key Set (RFC 7517, RFC 8037).
//!
//! Open to everybody, for receivers have no API key. It tells no webhook, client or url: a key set is a list of keys, and
//! their ids say when they were made. A receiver that knows the id (`keyid` of its signatures) asks for that one with
//! `?kid=`; without it the newest are listed, so that one call never reads more than that.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Serialize;

use super::error::ApiError;
use super::query::Query;
use super::state::Api;
use crate::domain::ids::SigningKeyId;
use crate::store::records::PublicKey;

/// The most keys in one answer.
const MOST: u32 = 1_000;

/// A minute: so much longer a receiver may believe that a key is valid, and so late it may hear of a new one.
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=60");

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/.well-known/webhook-keys", get(show))
}

#[derive(Serialize)]
struct KeySet {
    keys: Vec<Jwk>,
}

#[derive(Serialize)]
struct Jwk {
    kty: &'static str,
    crv: &'static str,
    r#use: &'static str,
    alg: &'static str,
    kid: SigningKeyId,
    x: String,
}

impl From<PublicKey> for Jwk {
    fn from(key: PublicKey) -> Self {
        Self { kty: "OKP", crv: "Ed25519", r#use: "sig", alg: "EdDSA", kid: key.id, x: BASE64_URL_SAFE_NO_PAD.encode(key.ed25519) }
    }
}

async fn show(State(api): State<Api>, mut query: Query) -> Result<Response, ApiError> {
    let kid = query.text("kid");
    query.finish()?;
    let keys = match kid.map(|kid| kid.parse::<SigningKeyId>()) {
        Some(Err(_)) => Vec::new(),
        Some(Ok(id)) => api.store.public_keys(Some(id), api.clock.now(), 1).await?,
        None => api.store.public_keys(None, api.clock.now(), MOST).await?,
    };
    let set = KeySet { keys: keys.into_iter().map(Jwk::from).collect() };
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json")), (header::CACHE_CONTROL, CACHED)];
    Ok((headers, axum::Json(set).into_response().into_body()).into_response())
}
