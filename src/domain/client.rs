//! Clients (the tenants), their API keys, and what each role may do.

use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

use super::ids::{ApiKeyId, ClientId};
use super::time::Timestamp;

/// A tenant: it owns webhooks, events and API keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its id, `clientId` in the API.
    pub id: ClientId,
    /// What people call it.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything, for every client. The only role without a client of its own.
    Root,
    /// Everything within its client.
    Admin,
    /// Enqueue, and nothing else.
    Producer,
    /// Read, redeliver, cancel, pause and resume.
    Operator,
    /// Read.
    Viewer,
}

/// Something a caller wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Make, list and delete clients.
    ManageClients,
    /// Make, list and delete API keys.
    ManageKeys,
    /// See who changed what.
    Audit,
    /// Make, change and delete webhooks.
    ManageWebhooks,
    /// Hand in events.
    Enqueue,
    /// See webhooks, events and deliveries.
    Read,
    /// Redeliver, cancel, pause and resume.
    Operate,
}

impl Role {
    /// Every role, in the order of what it may do.
    pub const ALL: [Self; 5] = [Self::Root, Self::Admin, Self::Producer, Self::Operator, Self::Viewer];

    /// Whether a key of this role may do `wanted` within its client.
    #[must_use]
    pub const fn allows(self, wanted: Permission) -> bool {
        match self {
            Self::Root => true,
            Self::Admin => !matches!(wanted, Permission::ManageClients),
            Self::Producer => matches!(wanted, Permission::Enqueue),
            Self::Operator => matches!(wanted, Permission::Read | Permission::Operate),
            Self::Viewer => matches!(wanted, Permission::Read),
        }
    }

    /// The word for it in the API and in stores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Admin => "admin",
            Self::Producer => "producer",
            Self::Operator => "operator",
            Self::Viewer => "viewer",
        }
    }
}

/// The text names no role.
#[derive(Debug, thiserror::Error)]
#[error("no such role")]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(UnknownRole)
    }
}

/// SHA-256 of a key: all that is ever stored of it. Keys are long and random, so no slow hash is needed.
///
/// Keys are found by it and compared by nothing else, in a time that tells nothing of where two differ.
#[derive(Clone, Copy, Debug, Eq)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    /// The hash of a key as its holder sends it.
    #[must_use]
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }
}

impl PartialEq for KeyHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Hash for KeyHash {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

/// A stored API key: who holds it and what it allows. The key itself is known to its holder alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id, by which it is listed and deleted.
    pub id: ApiKeyId,
    /// The client it belongs to; `None` exactly for [`Role::Root`].
    pub client_id: Option<ClientId>,
    /// What it allows.
    pub role: Role,
    /// What people call it.
    pub name: Option<String>,
    /// The first characters of the key, to tell keys apart in a list.
    pub prefix: String,
    /// By which a presented key is found.
    pub hash: KeyHash,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it opens nothing; `None` for never.
    pub expires_at: Option<Timestamp>,
    /// When it opened something last, to a minute; `None` as long as it has not.
    pub last_used_at: Option<Timestamp>,
}

impl ApiKey {
    /// How much later than noted a key must be used for that to be noted.
    const USE_NOTED_AFTER: Duration = Duration::from_mins(1);

    /// Whether it opens anything at `now`.
    #[must_use]
    pub fn is_good_at(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// Whether a use at `now` is worth noting: none is noted, or one that is a minute old.
    #[must_use]
    pub fn is_use_news(&self, now: Timestamp) -> bool {
        self.last_used_at.is_none_or(|noted| now.since(noted) >= Self::USE_NOTED_AFTER)
    }
}

/// Makes the text of a new API key: `whd_<random>_<checksum>`.
///
/// The checksum (the first six hexadecimal digits of the SHA-256 of what stands before it) lets scanners tell a leaked
/// key from noise without asking us.
#[must_use]
pub fn new_key_text(chance: &[u8; 24]) -> String {
    let body = format!("whd_{}", hex(chance));
    let checksum = hex(&Sha256::digest(body.as_bytes())[..3]);
    format!("{body}_{checksum}")
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xF]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_allows_what_the_contract_says_and_no_more() {
        use Permission::{Audit, Enqueue, ManageClients, ManageKeys, ManageWebhooks, Operate, Read};
        let all = [ManageClients, ManageKeys, Audit, ManageWebhooks, Enqueue, Read, Operate];
        let allowed = |role: Role| all.into_iter().filter(|&wanted| role.allows(wanted)).collect::<Vec<_>>();

        assert_eq!(allowed(Role::Root), all);
        assert_eq!(allowed(Role::Admin), [ManageKeys, Audit, ManageWebhooks, Enqueue, Read, Operate]);
        assert_eq!(allowed(Role::Producer), [Enqueue]);
        assert_eq!(allowed(Role::Operator), [Read, Operate]);
        assert_eq!(allowed(Role::Viewer), [Read]);
    }

    #[test]
    fn hashes_are_equal_only_if_every_byte_is() {
        let hash = KeyHash::of("whd_a");

        assert_eq!(hash, KeyHash::of("whd_a"));
        for index in 0..32 {
            let mut other = hash;
            other.0[index] ^= 1;
            assert_ne!(hash, other, "{index}");
        }
    }

    #[test]
    fn a_key_carries_a_checksum_of_itself() {
        let key = new_key_text(&[0xAB; 24]);

        let (body, checksum) = key.rsplit_once('_').unwrap();
        assert_eq!(body, format!("whd_{}", "ab".repeat(24)));
        assert_eq!(checksum, hex(&Sha256::digest(body.as_bytes())[..3]));
    }
}
