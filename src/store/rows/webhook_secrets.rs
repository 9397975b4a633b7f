//! What a webhook holds of secrets, as one envelope in the column `secrets`.
//!
//! All headers are in it, not only those whose names say that they are secret: whatever an admin put there.

use std::sync::Arc;

use secrecy::zeroize::{Zeroize, Zeroizing};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Cells, Fields, signing_keys};
use crate::domain::client_certificate::ClientCertificate;
use crate::domain::headers::Headers;
use crate::domain::ids::WebhookId;
use crate::domain::webhook::{SecretObject, WebhookDefinition};
use crate::secrets::{Keyring, Place};
use crate::store::error::StoreError;

const COLUMN: &str = "secrets";

/// Pairs, not an object: so names keep their order and letter case.
type Pairs = Vec<(String, String)>;

/// The secrets of a definition. A field that is absent there is absent here.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::store) struct WebhookSecrets {
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Pairs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization_headers: Option<Pairs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization_body: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_certificate: Option<CertificateAndKey>,
}

/// Both in PEM form.
#[derive(Serialize, Deserialize)]
struct CertificateAndKey {
    chain: String,
    key: String,
}

impl Drop for CertificateAndKey {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl From<&WebhookDefinition> for WebhookSecrets {
    fn from(definition: &WebhookDefinition) -> Self {
        let authorization = &definition.authorization;
        Self {
            headers: definition.headers.as_ref().map(pairs),
            authorization: authorization.fixed.as_ref().map(|fixed| fixed.expose_secret().to_owned()),
            authorization_headers: authorization.headers.as_ref().map(pairs),
            authorization_body: authorization.body.as_ref().map(|body| body.expose().clone()),
            client_certificate: authorization.client_certificate.as_deref().map(|certificate| CertificateAndKey {
                chain: certificate.chain().to_owned(),
                key: certificate.key().expose_secret().to_owned(),
            }),
        }
    }
}

impl WebhookSecrets {
    /// The envelope for the webhook with this id; `None` when there is nothing to keep.
    pub(in crate::store) fn seal(&self, keyring: &Keyring, id: WebhookId) -> Result<Option<Vec<u8>>, StoreError> {
        let text = Zeroizing::new(serde_json::to_vec(self).map_err(|error| StoreError::Backend(error.into()))?);
        if text.as_slice() == b"{}" {
            return Ok(None);
        }
        seal(keyring, COLUMN, id, &text).map(Some)
    }

    /// What the envelope of the webhook with this id holds.
    pub(super) fn unseal(keyring: &Keyring, id: WebhookId, envelope: &[u8]) -> Result<Self, StoreError> {
        let text = unseal(keyring, COLUMN, id, envelope)?;
        serde_json::from_slice(&text).map_err(|_| corrupt(id))
    }

    /// Puts them where they belong.
    pub(super) fn restore(self, id: WebhookId, definition: &mut WebhookDefinition) -> Result<(), StoreError> {
        let headers = |pairs: Option<Pairs>| pairs.map(Headers::check).transpose().map_err(|_| corrupt(id));
        definition.headers = headers(self.headers)?;
        definition.authorization.headers = headers(self.authorization_headers)?;
        definition.authorization.fixed = self.authorization.map(SecretString::from);
        definition.authorization.body = self.authorization_body.map(SecretObject::new);
        let certificate = self.client_certificate.map(|kept| {
            let key = SecretString::from(kept.key.as_str());
            ClientCertificate::stored(kept.chain.clone(), key).map(Arc::new).ok_or_else(|| corrupt(id))
        });
        definition.authorization.client_certificate = certificate.transpose()?;
        Ok(())
    }
}

/// The envelopes of a row, each under the newest key.
pub(in crate::store) struct Envelopes {
    pub(in crate::store) id: WebhookId,
    pub(in crate::store) secrets: Option<Vec<u8>>,
    pub(in crate::store) signing_keys: Option<Vec<u8>>,
}

impl Envelopes {
    /// Reads `id, secrets, signing_keys` and encrypts them anew.
    pub(in crate::store) fn resealed(row: &dyn Cells, keyring: &Keyring) -> Result<Self, StoreError> {
        let fields = &mut Fields::of(row, "webhook");
        let id = fields.id("id")?;
        let anew = |column, envelope: Option<&[u8]>| {
            envelope.map(|envelope| seal(keyring, column, id, &unseal(keyring, column, id, envelope)?)).transpose()
        };
        let secrets = anew(COLUMN, fields.optional_bytes(COLUMN)?)?;
        let signing_keys = anew(signing_keys::COLUMN, fields.optional_bytes(signing_keys::COLUMN)?)?;
        Ok(Self { id, secrets, signing_keys })
    }
}

/// Id and secrets of a row of `id, headers, authorization_fixed, authorization_headers, authorization_body`, as they were
/// kept in clear.
pub(in crate::store) fn secrets_in_clear(row: &dyn Cells) -> Result<(WebhookId, WebhookSecrets), StoreError> {
    let fields = &mut Fields::of(row, "webhook");
    let id = fields.id("id")?;
    let secrets = WebhookSecrets {
        headers: fields.optional("headers", |text| serde_json::from_str(text).ok())?,
        authorization: fields.optional_text("authorization_fixed")?,
        authorization_headers: fields.optional("authorization_headers", |text| serde_json::from_str(text).ok())?,
        authorization_body: fields.optional("authorization_body", |text| serde_json::from_str(text).ok())?,
        client_certificate: None,
    };
    Ok((id, secrets))
}

/// The envelope of a text in a column of `webhook`.
pub(super) fn seal(keyring: &Keyring, column: &'static str, id: WebhookId, text: &[u8]) -> Result<Vec<u8>, StoreError> {
    keyring.seal(place(column, id), text).map_err(|error| StoreError::Backend(error.into()))
}

/// The text in an envelope.
pub(super) fn unseal(keyring: &Keyring, column: &'static str, id: WebhookId, envelope: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let sealed = |source| StoreError::Sealed { table: "webhook", id: id.to_string(), source };
    keyring.unseal(place(column, id), envelope).map_err(sealed)
}

fn place(column: &'static str, id: WebhookId) -> Place {
    Place { table: "webhook", column, row: id.as_uuid() }
}

fn corrupt(id: WebhookId) -> StoreError {
    StoreError::Corrupt { table: "webhook", column: COLUMN, id: id.to_string() }
}

fn pairs(headers: &Headers) -> Pairs {
    headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
