//! Answers whose status is part of their type: what is described and what is sent cannot differ.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::openapi::{Answer, AnswerShape, Operation, schema_of};

const JSON: &str = "application/json";

/// 201: something was made, and this is it.
pub(super) struct Created<T>(pub(super) T);

/// 202: it is stored, and what follows from it will happen.
pub(super) struct Accepted<T>(pub(super) T);

/// 204: it is done.
pub(super) struct NoContent;

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, Json(self.0)).into_response()
    }
}

impl<T: Serialize> IntoResponse for Accepted<T> {
    fn into_response(self) -> Response {
        (StatusCode::ACCEPTED, Json(self.0)).into_response()
    }
}

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl<T: JsonSchema> Answer for Created<T> {
    fn declare(operation: &mut Operation) {
        operation.answers(AnswerShape::new(201, JSON, schema_of::<T>));
    }
}

impl<T: JsonSchema> Answer for Accepted<T> {
    fn declare(operation: &mut Operation) {
        operation.answers(AnswerShape::new(202, JSON, schema_of::<T>));
    }
}

impl Answer for NoContent {
    fn declare(operation: &mut Operation) {
        operation.answers(AnswerShape::empty(204));
    }
}
