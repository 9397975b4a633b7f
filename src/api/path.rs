//! The id in a path. Text that is no id names nothing, so it gets the same 404 as an id that nothing has.

use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::error::ApiError;
use super::openapi::{Input, Operation, Parameter};
use super::state::Api;

/// The one id in the path of a route.
pub(super) struct PathId<Id>(pub(super) Id);

impl<Id: FromStr + Send> FromRequestParts<Api> for PathId<Id> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let captured = RawPathParams::from_request_parts(parts, api).await.map_err(|_| ApiError::NotFound)?;
        let text = captured.iter().next().map(|(_, text)| text).ok_or(ApiError::NotFound)?;
        text.parse().map(Self).map_err(|_| ApiError::NotFound)
    }
}

impl<Id: JsonSchema> Input for PathId<Id> {
    fn declare(operation: &mut Operation) {
        operation.reads(Parameter::Path(schema::<Id>));
        operation.refuses([404]);
    }
}

fn schema<Id: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = generator.subschema_for::<Id>();
    schema.insert("description".to_owned(), "Its id. What is no id is answered like an id that nothing has.".into());
    schema
}
