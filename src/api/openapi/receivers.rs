//! The other direction, for those who write a receiver: what a delivery looks like to it (`webhooks` of OpenAPI 3.1).
//!
//! Method, url, headers and body are as each webhook says; what is described is what all of them have.

use serde_json::{Value, json};

use crate::domain::signature::standard;

const ABOUT: &str = "Method, url, headers and body are as the webhook says; GET and DELETE carry no body. Whatever is not 2xx is \
    sent again by the webhook's schedule, with the same `webhook-id`: a receiver drops what it has seen. Redirects are not followed.";

/// What receivers get, by its name.
pub(super) fn webhooks() -> Value {
    let header = |name: &str, required: bool, about: &str, schema: Value| json!({"name": name, "in": "header", "description": about, "required": required, "schema": schema});
    let number = json!({"type": "integer"});
    json!({"delivery": {"post": {
        "operationId": "receiveDelivery",
        "summary": "Takes a delivery",
        "description": ABOUT,
        "security": [],
        "parameters": [
            header("webhook-id", true, "The id of the event: the same on every attempt.", json!({"type": "string", "format": "uuid"})),
            header("webhook-timestamp", true, "When this attempt was sent: seconds since 1970.", number),
            header(standard::HEADER, false, "With a signing key: `v1,…` or `v1a,…` for each key that is valid, parted by spaces \
                (Standard Webhooks).", json!({"type": "string"})),
            header("Authorization", false, "What the webhook has for it, or the access token that it logged in for.",
                json!({"type": "string"})),
        ],
        "requestBody": {
            "description": "The document, or the event's payload, byte for byte as it was handed in.",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/CompletionFields"}}},
        },
        "responses": {
            "2XX": {"description": "It is delivered. The body is not looked at."},
            "410": {"description": "Never again: the delivery is given up and the webhook disabled."},
            "429": {"description": "Too much: sent again, not before the time that `Retry-After` asks for. 503 means the same."},
            "default": {"description": "Sent again by the webhook's schedule."},
        },
    }}})
}
