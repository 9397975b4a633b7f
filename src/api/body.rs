//! Request bodies: JSON as bytes, read up to the configured cap, declared as JSON and valid UTF-8.

use std::error::Error;
use std::marker::PhantomData;

use axum::body::{Bytes, HttpBody as _};
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use schemars::JsonSchema;
use serde_json::{Map, Value};

use super::error::ApiError;
use super::openapi::{Input, Operation, schema_of};
use super::server::TooSlow;
use super::state::Api;

/// The most bytes of a body that is taken apart: several times what the largest definition has. A tree of values takes
/// many times the memory of its text.
const MAX_OBJECT_BYTES: usize = 1 << 20;

/// The bytes of a body that is declared as JSON. What they hold is read by the handler; `B` describes it.
pub(super) struct JsonBody<B> {
    bytes: Bytes,
    described: PhantomData<fn() -> B>,
}

impl<B> JsonBody<B> {
    /// The body's bytes, and the same as text.
    ///
    /// # Errors
    ///
    /// Refuses what is not UTF-8.
    pub(super) fn text(&self) -> Result<(&Bytes, &str), ApiError> {
        let text = std::str::from_utf8(&self.bytes).map_err(|_| ApiError::NotUtf8)?;
        Ok((&self.bytes, text))
    }

    /// The body as a JSON object.
    ///
    /// # Errors
    ///
    /// Refuses what is not JSON, JSON that is no object, and what is larger than any object that is needed.
    pub(super) fn object(&self) -> Result<Map<String, Value>, ApiError> {
        if self.bytes.len() > MAX_OBJECT_BYTES {
            return Err(ApiError::TooLarge { limit: MAX_OBJECT_BYTES });
        }
        match serde_json::from_str(self.text()?.1).map_err(ApiError::Malformed)? {
            Value::Object(object) => Ok(object),
            _ => Err(ApiError::field("body", "must be a JSON object")),
        }
    }
}

impl<B> FromRequest<Api> for JsonBody<B> {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Self, ApiError> {
        if !declares_json(request.headers()) {
            return Err(ApiError::UnsupportedMediaType);
        }
        match Bytes::from_request(request, api).await {
            Ok(bytes) => Ok(Self { bytes, described: PhantomData }),
            Err(BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_))) => {
                Err(ApiError::TooLarge { limit: api.settings.max_body_bytes })
            }
            Err(rejection) if is_too_slow(&rejection) => Err(ApiError::TooSlow),
            Err(_) => Err(ApiError::UnreadableBody),
        }
    }
}

impl<B: JsonSchema> Input for JsonBody<B> {
    fn declare(operation: &mut Operation) {
        operation.reads_body(true, schema_of::<B>);
        operation.refuses([400, 408, 413, 415, 422]);
    }
}

/// A body that may be left out.
pub(super) struct OptionalBody<B>(Option<JsonBody<B>>);

impl<B> OptionalBody<B> {
    /// The body as a JSON object; an empty one when there is no body.
    ///
    /// # Errors
    ///
    /// As for [`JsonBody::object`].
    pub(super) fn object(&self) -> Result<Map<String, Value>, ApiError> {
        self.0.as_ref().map_or_else(|| Ok(Map::new()), JsonBody::object)
    }
}

impl<B> FromRequest<Api> for OptionalBody<B> {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Self, ApiError> {
        if request.body().is_end_stream() {
            return Ok(Self(None));
        }
        JsonBody::from_request(request, api).await.map(|body| Self(Some(body)))
    }
}

/// Whether a body could not be read because it came too slowly.
fn is_too_slow(rejection: &BytesRejection) -> bool {
    let mut cause = rejection.source();
    while let Some(error) = cause.filter(|error| !error.is::<TooSlow>()) {
        cause = error.source();
    }
    cause.is_some()
}

impl<B: JsonSchema> Input for OptionalBody<B> {
    fn declare(operation: &mut Operation) {
        operation.reads_body(false, schema_of::<B>);
        operation.refuses([400, 408, 413, 415, 422]);
    }
}

/// Whether the media type is `application/json` or `application/<anything>+json`, whatever its parameters.
fn declares_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media_type.strip_prefix("application/").is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_media_types_are_known_whatever_their_case_and_parameters() {
        let declares = |value: &'static str| declares_json(&[(header::CONTENT_TYPE, value.parse().unwrap())].into_iter().collect());

        for value in ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json", "application/json ;x=y"] {
            assert!(declares(value), "{value}");
        }
        for value in ["", "text/json", "application/jsonp", "application/x-www-form-urlencoded", "json", "application/", "text/plain+json"]
        {
            assert!(!declares(value), "{value}");
        }
        assert!(!declares_json(&HeaderMap::new()));
    }
}
