//! `/.well-known/webhook-keys`: the public keys that sign requests, as a JSON Web Key Set (RFC 7517, RFC 8037).
//!
//! Open to everybody, for receivers have no API key. It tells no webhook, client or url: a key set is a list of keys, and
//! their ids say when they were made. A receiver that knows the id (`keyid` of its signatures) asks for that one with
//! `?kid=`; without it the newest are listed, so that one call never reads more than that.

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use serde::Serialize;

use super::error::ApiError;
use super::openapi::{Answer, AnswerShape, Operation, Routes, schema_of};
use super::query::Query;
use super::state::Api;
use crate::domain::ids::SigningKeyId;
use crate::store::records::PublicKey;

/// The most keys in one answer.
const MOST: u32 = 1_000;

/// A minute: so much longer a receiver may believe that a key is valid, and so late it may hear of a new one.
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=60");

const MEDIA_TYPE: &str = "application/jwk-set+json";

pub(super) fn routes() -> Routes {
    let show = Operation::new("listPublicKeys", "Lists the public keys that sign requests")
        .detail("Without `kid` the newest thousand. The answer may be kept for a minute.")
        .also_refuses([500, 503]);
    Routes::of("Public keys", "How receivers check signatures. No key is needed.").get("/.well-known/webhook-keys", show, self::show)
}

/// Which keys.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it tells callers what `show` reads")]
struct KeySetParameters {
    /// The one with this id: the `keyid` of a signature. What is no id names no key.
    kid: Option<String>,
}

/// A JSON Web Key Set (RFC 7517).
#[derive(Serialize, JsonSchema)]
struct KeySet {
    /// The keys, the newest first.
    keys: Vec<Jwk>,
}

/// A public key (RFC 8037).
#[derive(Serialize, JsonSchema)]
struct Jwk {
    /// Always `OKP`.
    kty: &'static str,
    /// Always `Ed25519`.
    crv: &'static str,
    /// Always `sig`.
    r#use: &'static str,
    /// Always `EdDSA`.
    alg: &'static str,
    /// Its id.
    kid: SigningKeyId,
    /// The key itself, in base64url.
    x: String,
}

impl Answer for KeySet {
    fn declare(operation: &mut Operation) {
        operation.answers(AnswerShape::new(200, MEDIA_TYPE, schema_of::<Self>));
    }
}

impl IntoResponse for KeySet {
    fn into_response(self) -> Response {
        let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE)), (header::CACHE_CONTROL, CACHED)];
        (headers, axum::Json(self).into_response().into_body()).into_response()
    }
}

impl From<PublicKey> for Jwk {
    fn from(key: PublicKey) -> Self {
        Self { kty: "OKP", crv: "Ed25519", r#use: "sig", alg: "EdDSA", kid: key.id, x: BASE64_URL_SAFE_NO_PAD.encode(key.ed25519) }
    }
}

async fn show(State(api): State<Api>, mut query: Query<KeySetParameters>) -> Result<KeySet, ApiError> {
    let kid = query.text("kid");
    query.finish()?;
    let keys = match kid.map(|kid| kid.parse::<SigningKeyId>()) {
        Some(Err(_)) => Vec::new(),
        Some(Ok(id)) => api.store.public_keys(Some(id), api.clock.now(), 1).await?,
        None => api.store.public_keys(None, api.clock.now(), MOST).await?,
    };
    Ok(KeySet { keys: keys.into_iter().map(Jwk::from).collect() })
}
