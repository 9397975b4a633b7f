//! The certificate by which a webhook's requests show who calls, as it is shown: without its key.

use schemars::JsonSchema;
use serde::Serialize;

use super::super::openapi::Time;
use super::super::state::Api;
use crate::domain::client_certificate::ClientCertificate;

/// What is shown of a certificate: never the key, and not the chain as it was written.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ClientCertificate")]
pub(super) struct ClientCertificateView {
    /// Whose it is, as in `CN=client.example, O=Acme`.
    subject: String,
    /// Until when it is good.
    #[schemars(with = "Time")]
    expires_at: String,
    /// The SHA-256 of the first certificate of the chain, in hexadecimal digits.
    sha256: String,
}

impl ClientCertificateView {
    /// What callers see of `certificate`.
    pub(super) fn of(api: &Api, certificate: &ClientCertificate) -> Self {
        let facts = certificate.facts().clone();
        Self { subject: facts.subject, expires_at: api.written(facts.expires_at), sha256: facts.sha256 }
    }
}
