//! The keys that live, and what they do: seal a secret into an envelope, and unseal it.

use aws_lc_rs::aead::{Aad, Nonce};
use secrecy::zeroize::Zeroizing;
use uuid::Uuid;

use super::key::{KeyId, SecretKey};

/// The first byte of an envelope; another one would be another layout.
const VERSION: u8 = 1;

/// Version and key id.
const HEAD: usize = 1 + KeyId::LENGTH;
const NONCE: usize = 12;
const TAG: usize = 16;

/// The keys that live: the newest seals, every one unseals.
#[derive(Debug)]
pub struct Keyring {
    newest: SecretKey,
    older: Vec<SecretKey>,
}

/// Where a secret is kept. What was sealed for one place is unsealed at no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// The id of the row.
    pub row: Uuid,
}

/// The cryptographic library gave no nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secret cannot be encrypted")]
pub struct SealError;

/// Why an envelope does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsealError {
    /// It names a key that is not on the ring.
    #[error("it is encrypted under the key {0}, which is not among the configured ones")]
    UnknownKey(KeyId),
    /// It is no envelope, was changed, or was sealed for another place.
    #[error("it is not what was stored here")]
    Broken,
}

impl Keyring {
    /// A ring that seals with `newest`.
    #[must_use]
    pub const fn new(newest: SecretKey, older: Vec<SecretKey>) -> Self {
        Self { newest, older }
    }

    /// The key that seals.
    #[must_use]
    pub const fn newest(&self) -> KeyId {
        self.newest.id()
    }

    /// The other keys that unseal.
    pub fn older(&self) -> impl Iterator<Item = KeyId> {
        self.older.iter().map(SecretKey::id).filter(|id| *id != self.newest())
    }

    /// Whether what a key sealed can be unsealed.
    #[must_use]
    pub fn holds(&self, id: KeyId) -> bool {
        self.key(id).is_some()
    }

    /// Encrypts `secret` for `place` under the newest key.
    ///
    /// An envelope is a byte for the version, the key's id, the nonce, the ciphertext and the tag.
    ///
    /// # Errors
    /// When the system has no chance to give.
    pub fn seal(&self, place: Place, secret: &[u8]) -> Result<Vec<u8>, SealError> {
        let head = head(self.newest());
        // Room for the tag, so that the secret is not left behind in memory by growing.
        let mut sealed = Zeroizing::new(Vec::with_capacity(secret.len() + TAG));
        sealed.extend_from_slice(secret);
        let aad = Aad::from(bound_to(&head, place));
        let nonce = self.newest.cipher.seal_in_place_append_tag(aad, &mut *sealed).map_err(|_| SealError)?;
        Ok([&head[..], nonce.as_ref(), &sealed].concat())
    }

    /// Decrypts what was sealed for `place`.
    ///
    /// # Errors
    /// When its key is unknown, or when it is not an envelope that was sealed for this place.
    pub fn unseal(&self, place: Place, envelope: &[u8]) -> Result<Zeroizing<Vec<u8>>, UnsealError> {
        let (head, rest) = envelope.split_at_checked(HEAD).ok_or(UnsealError::Broken)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE).ok_or(UnsealError::Broken)?;
        let id = key_named_in(head).ok_or(UnsealError::Broken)?;
        let key = self.key(id).ok_or(UnsealError::UnknownKey(id))?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| UnsealError::Broken)?;
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let aad = Aad::from(bound_to(head, place));
        let length = key.cipher.open_in_place(nonce, aad, &mut sealed).map_err(|_| UnsealError::Broken)?.len();
        sealed.truncate(length);
        Ok(sealed)
    }

    fn key(&self, id: KeyId) -> Option<&SecretKey> {
        std::iter::once(&self.newest).chain(&self.older).find(|key| key.id() == id)
    }
}

fn head(key: KeyId) -> [u8; HEAD] {
    let mut head = [VERSION; HEAD];
    head[1..].copy_from_slice(&key.0);
    head
}

fn key_named_in(head: &[u8]) -> Option<KeyId> {
    let (&version, id) = head.split_first()?;
    (version == VERSION).then(|| id.try_into().ok().map(KeyId)).flatten()
}

/// What an envelope is bound to: its own head and its place. Names of tables and columns hold no NUL, so that no two places
/// give the same bytes.
fn bound_to(head: &[u8], place: Place) -> Vec<u8> {
    [head, place.table.as_bytes(), b"\0", place.column.as_bytes(), b"\0", place.row.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;

    const PLACE: Place = Place { table: "webhook", column: "secrets", row: Uuid::from_u128(7) };

    fn key(first: char) -> SecretKey {
        SecretKey::from_text(&format!("{first}p3sX9vLq0WmT7dRb2KyHc8NfGj4AeUo")).unwrap()
    }

    fn ring() -> Keyring {
        Keyring::new(key('n'), vec![key('o')])
    }

    fn unsealed(ring: &Keyring, place: Place, envelope: &[u8]) -> Result<Vec<u8>, UnsealError> {
        ring.unseal(place, envelope).map(|secret| secret.to_vec())
    }

    #[test]
    fn an_envelope_carries_version_and_key_in_front_and_nothing_of_the_secret() {
        let envelope = ring().seal(PLACE, b"hush hush").unwrap();

        assert_eq!(envelope[0], 1);
        assert_eq!(envelope[1..9], key('n').id().0);
        assert_eq!(envelope.len(), 37 + 9);
        assert!(!envelope.windows(4).any(|part| part == b"hush"));
    }

    #[test]
    fn the_same_secret_is_sealed_differently_every_time() {
        let ring = ring();

        assert_ne!(ring.seal(PLACE, b"hush").unwrap(), ring.seal(PLACE, b"hush").unwrap());
    }

    #[test]
    fn every_living_key_unseals_and_the_newest_seals() {
        let (old, new) = (Keyring::new(key('o'), Vec::new()), ring());

        assert_eq!(unsealed(&new, PLACE, &old.seal(PLACE, b"hush").unwrap()), Ok(b"hush".to_vec()));
        assert_eq!(
            unsealed(&old, PLACE, &new.seal(PLACE, b"hush").unwrap()),
            Err(UnsealError::UnknownKey(new.newest())),
            "a key that is not there is named"
        );
        assert_eq!((new.newest(), new.older().collect::<Vec<_>>()), (key('n').id(), vec![key('o').id()]));
        assert!(new.holds(key('o').id()) && !old.holds(key('n').id()));
    }

    #[test]
    fn an_envelope_opens_at_no_other_place() {
        let envelope = ring().seal(PLACE, b"hush").unwrap();

        for place in [
            Place { table: "webhooksecrets", column: "", ..PLACE },
            Place { table: "client", ..PLACE },
            Place { column: "url", ..PLACE },
            Place { row: Uuid::from_u128(8), ..PLACE },
        ] {
            assert_eq!(unsealed(&ring(), place, &envelope), Err(UnsealError::Broken), "{place:?}");
        }
    }

    #[test]
    fn the_key_id_cannot_be_exchanged() {
        let ring = ring();
        let mut envelope = ring.seal(PLACE, b"hush").unwrap();

        envelope[1..9].copy_from_slice(&key('o').id().0);

        assert_eq!(unsealed(&ring, PLACE, &envelope), Err(UnsealError::Broken));
    }

    #[test]
    fn an_envelope_that_was_sealed_before_opens() {
        // Made by the Python library `cryptography`, with HKDF by hand.
        let envelope = STANDARD.decode("AWtx/7eAG9sIAAECAwQFBgcICQoLrdIa71PL477dLMZNeTzmLWnHknA=").unwrap();

        assert_eq!(unsealed(&ring(), PLACE, &envelope), Ok(b"hush".to_vec()));
    }

    proptest! {
        #[test]
        fn whatever_is_sealed_comes_back(secret: Vec<u8>) {
            let ring = ring();

            prop_assert_eq!(unsealed(&ring, PLACE, &ring.seal(PLACE, &secret).unwrap()), Ok(secret));
        }

        #[test]
        fn a_changed_byte_is_noticed(secret: Vec<u8>, at: proptest::sample::Index, change in 1..=255u8) {
            let ring = ring();
            let mut envelope = ring.seal(PLACE, &secret).unwrap();
            let at = at.index(envelope.len());
            envelope[at] ^= change;

            prop_assert!(ring.unseal(PLACE, &envelope).is_err());
        }

        #[test]
        fn whatever_is_no_envelope_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80), named: bool) {
            let mut bytes = bytes;
            if named && bytes.len() > HEAD {
                bytes[..HEAD].copy_from_slice(&head(ring().newest()));
            }

            prop_assert!(ring().unseal(PLACE, &bytes).is_err());
        }
    }
}
