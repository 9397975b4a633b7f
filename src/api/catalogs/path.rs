//! The catalogue that a path names.

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use schemars::{Schema, SchemaGenerator};

use super::super::error::ApiError;
use super::super::openapi::{Input, Operation, Parameter};
use super::super::state::Api;
use crate::catalog::Catalog;
use crate::domain::catalog::CatalogName;

/// The catalogue whose name is the one parameter of the path.
pub(super) struct NamedCatalog(pub(super) Arc<Catalog>);

impl FromRequestParts<Api> for NamedCatalog {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let captured = RawPathParams::from_request_parts(parts, api).await.map_err(|_| ApiError::NotFound)?;
        let name = captured.iter().next().map(|(_, name)| name).ok_or(ApiError::NotFound)?;
        api.catalogs.named(name).cloned().map(Self).ok_or(ApiError::NotFound)
    }
}

impl Input for NamedCatalog {
    fn declare(operation: &mut Operation) {
        operation.reads(Parameter::Path(schema));
        operation.refuses([404]);
    }
}

fn schema(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = generator.subschema_for::<CatalogName>();
    schema.insert("description".to_owned(), "The name of a catalogue.".into());
    schema
}
