//! How Sienge says that something went wrong: `{status, developerMessage, clientMessage}`.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::super::error::ApiError;
use crate::management::fields::FieldError;

/// A refusal in Sienge's words.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    /// For whoever writes the program.
    developer_message: String,
    /// For whoever uses it.
    client_message: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    status: u16,
    developer_message: String,
    client_message: &'static str,
}

impl Refusal {
    /// The request makes no sense.
    pub(super) fn bad_request(developer_message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, developer_message)
    }

    fn new(status: StatusCode, developer_message: impl Into<String>) -> Self {
        let client_message = match status {
            StatusCode::BAD_REQUEST => "Requisição inválida.",
            StatusCode::UNAUTHORIZED => "Usuário ou senha inválidos.",
            StatusCode::FORBIDDEN => "Acesso não permitido.",
            StatusCode::NOT_FOUND => "Recurso não encontrado.",
            _ => "Não foi possível atender à requisição.",
        };
        Self { status, developer_message: developer_message.into(), client_message }
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        error.log();
        match &error {
            // It knows one status for whatever is wrong with a request.
            ApiError::Invalid(errors) => Self::bad_request(errors.iter().map(in_words).collect::<Vec<_>>().join("; ")),
            ApiError::UnsupportedMediaType => Self::bad_request(error.to_string()),
            _ => Self::new(error.status(), error.to_string()),
        }
    }
}

fn in_words(error: &FieldError) -> String {
    format!("{} {}", error.field, error.message)
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self { status, developer_message, client_message } = self;
        let mut response = (status, Json(Body { status: status.as_u16(), developer_message, client_message })).into_response();
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"hooks\""));
        }
        response
    }
}
