//! Which catalogue a thing belongs to, and what a client has settled for a catalogue: settings and keys.
//!
//! What a catalogue is, is said in `crate::catalog`; here is only what is stored beside webhooks and clients.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

use super::event::EventType;
use super::ids::{ClientCatalogId, ClientId, SigningKeyId};
use super::signature::{RsaAlgorithm, RsaSecret};
use super::time::Timestamp;

/// The name of a catalogue: 1 to 50 lower-case letters, digits and hyphens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CatalogName(String);

/// The text is no catalogue's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 50 lower-case letters, digits or hyphens")]
pub struct InvalidCatalogName;

impl CatalogName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CatalogName {
    type Err = InvalidCatalogName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let valid = (1..=50).contains(&text.len()) && text.chars().all(allowed);
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidCatalogName) }
    }
}

impl fmt::Display for CatalogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a catalogue says of an event, for those who hand events in past this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownEvent {
    /// One of the ways to write its code: the code itself, or an alias.
    pub spelling: String,
    /// Its code.
    pub code: EventType,
    /// Whether it is kept when no webhook wants it.
    pub kept_unwanted: bool,
    /// Whether its payload may hold secrets.
    pub holds_secrets: bool,
}

/// What a client has settled for one catalogue.
#[derive(Clone, Debug)]
pub struct ClientCatalog {
    /// Its id.
    pub id: ClientCatalogId,
    /// Whose it is.
    pub client_id: ClientId,
    /// For which catalogue.
    pub catalog: CatalogName,
    /// Rises by one with every change.
    pub version: i64,
    /// Settings that differ from the catalogue's defaults, by name.
    pub settings: Map<String, Value>,
    /// Keys that sign, the newest first.
    pub keys: Vec<CatalogKey>,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// An RSA key pair of a client for a catalogue.
#[derive(Clone, Debug)]
pub struct CatalogKey {
    /// Its id.
    pub id: SigningKeyId,
    /// How it signs; with another algorithm comes another key.
    pub algorithm: RsaAlgorithm,
    /// The pair.
    pub secret: RsaSecret,
    /// Since when it signs.
    pub created_at: Timestamp,
}

impl ClientCatalog {
    /// How many keys are kept: as long as deliveries are tried, their events' keys are among them.
    pub const MAX_KEYS: usize = 10;

    /// Nothing settled yet.
    #[must_use]
    pub fn new(id: ClientCatalogId, client_id: ClientId, catalog: CatalogName, now: Timestamp) -> Self {
        Self { id, client_id, catalog, version: 0, settings: Map::new(), keys: Vec::new(), updated_at: now }
    }

    /// The key that signs what happened at `at`: the one that was current then, so that a later attempt carries the same
    /// signature. What happened before there was any key is signed by the first.
    #[must_use]
    pub fn key_at(&self, at: Timestamp) -> Option<&CatalogKey> {
        self.keys.iter().find(|key| key.created_at <= at).or_else(|| self.keys.last())
    }

    /// Makes a key the current one. The oldest beyond [`Self::MAX_KEYS`] are dropped.
    pub fn add_key(&mut self, key: CatalogKey) {
        self.keys.insert(0, key);
        self.keys.truncate(Self::MAX_KEYS);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn key(id: u128, created_at: i64, secret: &RsaSecret) -> CatalogKey {
        let created_at = Timestamp::from_micros(created_at);
        CatalogKey { id: Uuid::from_u128(id).into(), algorithm: RsaAlgorithm::Pkcs1Sha256, secret: secret.clone(), created_at }
    }

    #[test]
    fn what_happened_is_signed_by_the_key_that_was_current_then() {
        let secret = RsaSecret::generate().unwrap();
        let now = Timestamp::from_micros(0);
        let mut settled = ClientCatalog::new(Uuid::nil().into(), Uuid::nil().into(), "grafeno".parse().unwrap(), now);
        assert!(settled.key_at(now).is_none());
        settled.add_key(key(1, 10, &secret));
        settled.add_key(key(2, 20, &secret));

        let at = |micros| settled.key_at(Timestamp::from_micros(micros)).unwrap().id.as_uuid().as_u128();

        assert_eq!([5, 10, 19, 20, 99].map(at), [1, 1, 1, 2, 2]);
    }

    #[test]
    fn names_are_plain() {
        assert!(["sienge", "senior-bpm", "a1"].iter().all(|name| name.parse::<CatalogName>().is_ok()));
        assert!(["", "Sienge", "a b", "a_b", "ü", &"a".repeat(51)].iter().all(|name| name.parse::<CatalogName>().is_err()));
    }
}
