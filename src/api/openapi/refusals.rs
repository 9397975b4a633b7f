//! What may go wrong, in the words of the answers themselves.

use std::time::Duration;

use axum::http::StatusCode;
use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use super::super::error::{ApiError, Conflict, FieldError, Problem};
use super::signature::schema_of;

const MEDIA_TYPE: &str = "application/problem+json";

/// A refusal that many routes share.
struct Shared {
    status: u16,
    /// Its name among the components of the document.
    name: &'static str,
    about: &'static str,
    example: fn() -> ApiError,
}

const SHARED: [Shared; 11] = [
    Shared { status: 400, name: "BadRequest", about: "The body is not JSON, is not UTF-8 or breaks off.", example: || ApiError::NotUtf8 },
    Shared { status: 401, name: "Unauthorized", about: "No key came, or none that is known.", example: || ApiError::Unauthenticated },
    Shared { status: 403, name: "Forbidden", about: "The key's role does not allow it.", example: || ApiError::Forbidden },
    Shared {
        status: 404,
        name: "NotFound",
        about: "There is no such thing, or it is another client's: the two are answered alike.",
        example: || ApiError::NotFound,
    },
    Shared { status: 408, name: "RequestTimeout", about: "The body came too slowly.", example: || ApiError::TooSlow },
    Shared {
        status: 413,
        name: "ContentTooLarge",
        about: "The body has more bytes than are read.",
        example: || ApiError::TooLarge { limit: 16_777_216 },
    },
    Shared {
        status: 415,
        name: "UnsupportedMediaType",
        about: "The body is not declared as JSON.",
        example: || ApiError::UnsupportedMediaType,
    },
    Shared {
        status: 422,
        name: "UnprocessableContent",
        about: "Values break a rule. Each that does is named, and nothing was done.",
        example: || ApiError::Invalid(vec![FieldError::new("url", "is required"), FieldError::new("timeoutMs", "must be a number")]),
    },
    Shared {
        status: 429,
        name: "TooManyRequests",
        about: "More came with this key, or with unknown keys from this address, than is allowed.",
        example: || ApiError::TooManyRequests { wait: Duration::from_secs(1) },
    },
    Shared {
        status: 500,
        name: "InternalServerError",
        about: "A fault of the dispatcher. What was asked may or may not be done.",
        example: || ApiError::Panicked,
    },
    Shared {
        status: 503,
        name: "ServiceUnavailable",
        about: "The store is not there, or more comes in than it takes. Send it again after the seconds that Retry-After says.",
        example: || ApiError::Overloaded,
    },
];

/// The responses among the components of the document.
pub(super) fn components(generator: &mut SchemaGenerator) -> Map<String, Value> {
    let schema = schema_of::<Problem<'static>>(generator);
    let response = |shared: &Shared| {
        let mut response = json!({
            "description": shared.about,
            "content": {MEDIA_TYPE: {"schema": schema, "example": (shared.example)().problem()}},
        });
        if let Some(headers) = headers(shared.status) {
            response["headers"] = headers;
        }
        (shared.name.to_owned(), response)
    };
    SHARED.iter().map(response).collect()
}

/// A shared refusal by its status: a reference to its component.
pub(super) fn reference(status: u16) -> Value {
    let name = SHARED.iter().find(|shared| shared.status == status).map_or("InternalServerError", |shared| shared.name);
    json!({"$ref": format!("#/components/responses/{name}")})
}

/// What may stand in the way of one operation.
pub(super) fn conflict(conflicts: &[Conflict], generator: &mut SchemaGenerator) -> Value {
    let reasons: Vec<String> = conflicts.iter().map(ToString::to_string).collect();
    let example = |(index, conflict): (usize, &Conflict)| {
        let error = ApiError::Conflict(*conflict);
        (format!("reason{}", index + 1), json!({"summary": error.to_string(), "value": error.problem()}))
    };
    let examples: Map<String, Value> = conflicts.iter().enumerate().map(example).collect();
    json!({
        "description": format!("What is asked does not fit what is there: {}.", reasons.join("; ")),
        "content": {MEDIA_TYPE: {"schema": schema_of::<Problem<'static>>(generator), "examples": examples}},
    })
}

fn headers(status: u16) -> Option<Value> {
    match StatusCode::from_u16(status).ok()? {
        StatusCode::UNAUTHORIZED => Some(json!({"WWW-Authenticate": header("Always ApiKey.", &json!({"type": "string"}))})),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            Some(json!({"Retry-After": header("Seconds to wait.", &json!({"type": "integer", "minimum": 1}))}))
        }
        _ => None,
    }
}

fn header(about: &str, schema: &Value) -> Value {
    json!({"description": about, "schema": schema})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_has_the_status_of_its_response() {
        for shared in &SHARED {
            assert_eq!(json!((shared.example)().problem())["status"], shared.status, "{}", shared.name);
        }
    }
}
