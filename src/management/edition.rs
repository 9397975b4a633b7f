//! The two ways in which webhooks are written and shown: the OCR service's document, and `/v1`, which has more fields.

use serde_json::{Map, Value};

use crate::domain::webhook::Webhook;

/// The fields of the OCR service's document.
const OCR_FIELDS: [&str; 12] = [
    "name",
    "type",
    "method",
    "headers",
    "headerAuth",
    "url",
    "authorization",
    "authorizationUrl",
    "authorizationMethod",
    "authorizationHeaders",
    "authorizationBody",
    "authorizationResponseTokenAttr",
];

/// The fields that `/v1` has besides.
const V1_FIELDS: [&str; 9] =
    ["events", "catalog", "retry", "timeoutMs", "maxInFlight", "rateLimit", "httpSignature", "clientCertificate", "clientKey"];

/// Which fields a caller may write and see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edition {
    /// The OCR service's document. It knows only webhooks with a type.
    Ocr,
    /// Everything.
    V1,
}

impl Edition {
    /// The fields that callers write.
    pub(crate) fn written(self) -> impl Iterator<Item = &'static str> {
        let more: &[&str] = if self == Self::V1 { &V1_FIELDS } else { &[] };
        OCR_FIELDS.into_iter().chain(more.iter().copied())
    }

    /// Whether a field is one that callers write.
    pub(crate) fn writes(self, field: &str) -> bool {
        self.written().any(|known| known == field)
    }

    /// Whether a webhook is shown.
    pub(crate) const fn shows(self, webhook: &Webhook) -> bool {
        matches!(self, Self::V1) || webhook.definition.type_code.is_some()
    }

    /// What of a body counts: unknown fields are ignored.
    pub(crate) fn known(self, mut body: Map<String, Value>) -> Map<String, Value> {
        body.retain(|field, _| self.writes(field));
        body
    }
}
