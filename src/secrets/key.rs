//! One key: the text that an operator keeps, what is derived from it, and which texts are refused.

use std::fmt;
use std::ops::RangeInclusive;

use aws_lc_rs::aead::{AES_256_GCM_SIV, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::zeroize::Zeroizing;

/// How many characters the text of a key may have.
const LENGTH: RangeInclusive<usize> = 32..=128;

/// A key with fewer different characters was not made by chance.
const LEAST_VARIETY: usize = 8;

/// In lower case: what people type where a key should be.
const WELL_KNOWN: [&str; 10] =
    ["password", "passphrase", "changeme", "change-me", "change_me", "secret", "example", "qwerty", "0123456789", "abcdefghij"];

/// Parts what is derived here from whatever else may be derived from the same text.
const SALT: &[u8] = b"webhook-dispatcher secrets at rest, 1";

/// A key under which secrets are encrypted. `Debug` tells its id alone.
pub struct SecretKey {
    id: KeyId,
    pub(super) cipher: RandomizedNonceKey,
}

/// Names a key without telling anything of it: derived from the key, so that two keys never share one by accident.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub(super) [u8; Self::LENGTH]);

/// Why a text is no key. Says nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakKey {
    /// Too short or too long.
    #[error("a key has 32 to 128 characters")]
    Length,
    /// Holds characters that a list of keys or a terminal would change.
    #[error("a key holds visible ASCII characters other than a comma")]
    Characters,
    /// Few different characters, or a short text again and again.
    #[error("this key is too regular to be made by chance")]
    Regular,
    /// Holds a word or a sequence that everybody would try.
    #[error("this key holds a well-known word or sequence")]
    WellKnown,
    /// The cryptographic library makes no key of it, which it can of any text.
    #[error("no key can be made of this text")]
    Underivable,
}

impl SecretKey {
    /// The key that `text` stands for. The text is what people keep; its bytes are never the key itself.
    ///
    /// # Errors
    /// When the text is short, regular or well known.
    pub fn from_text(text: &str) -> Result<Self, WeakKey> {
        refuse_weak(text)?;
        let source = Salt::new(HKDF_SHA256, SALT).extract(text.as_bytes());
        let (Some(key), Some(id)) = (derive::<32>(&source, b"key"), derive(&source, b"id")) else {
            return Err(WeakKey::Underivable);
        };
        let cipher = RandomizedNonceKey::new(&AES_256_GCM_SIV, &key[..]).map_err(|_| WeakKey::Underivable)?;
        Ok(Self { id: KeyId(*id), cipher })
    }

    /// What the key is called.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", self.id)
    }
}

/// The text of a new key, made of `chance`.
#[must_use]
pub fn new_key_text(chance: &[u8; 32]) -> Zeroizing<String> {
    Zeroizing::new(URL_SAFE_NO_PAD.encode(chance))
}

impl KeyId {
    /// How many bytes an id has.
    pub const LENGTH: usize = 8;

    /// The id that [`fmt::Display`] writes so.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let written = text.len() == 2 * Self::LENGTH && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let number = written.then(|| u64::from_str_radix(text, 16).ok()).flatten()?;
        Some(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn refuse_weak(text: &str) -> Result<(), WeakKey> {
    if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',') {
        return Err(WeakKey::Characters);
    }
    if !LENGTH.contains(&text.len()) {
        return Err(WeakKey::Length);
    }
    let lower = text.to_ascii_lowercase();
    if WELL_KNOWN.iter().any(|word| lower.contains(word)) {
        return Err(WeakKey::WellKnown);
    }
    if variety(text) < LEAST_VARIETY || is_repetition(text.as_bytes()) {
        return Err(WeakKey::Regular);
    }
    Ok(())
}

fn variety(text: &str) -> usize {
    let mut characters = text.as_bytes().to_vec();
    characters.sort_unstable();
    characters.dedup();
    characters.len()
}

/// Whether the text is one of at most half its length, again and again.
fn is_repetition(text: &[u8]) -> bool {
    (1..=text.len() / 2).any(|period| text.iter().zip(&text[period..]).all(|(one, later)| one == later))
}

/// So many bytes of key material.
struct Bytes(usize);

impl KeyType for Bytes {
    fn len(&self) -> usize {
        self.0
    }
}

/// So many bytes for one purpose.
fn derive<const N: usize>(source: &Prk, purpose: &[u8]) -> Option<Zeroizing<[u8; N]>> {
    let mut derived = Zeroizing::new([0; N]);
    source.expand(&[purpose], Bytes(N)).ok()?.fill(&mut derived[..]).ok()?;
    Some(derived)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "Zp3sX9vLq0WmT7dRb2KyHc8NfGj4AeUo";

    fn refusal(text: &str) -> WeakKey {
        SecretKey::from_text(text).unwrap_err()
    }

    #[test]
    fn a_text_gives_the_same_key_and_id_every_time_and_another_text_another() {
        let (first, again) = (SecretKey::from_text(TEXT).unwrap(), SecretKey::from_text(TEXT).unwrap());
        let other = SecretKey::from_text(&TEXT.replace('Z', "Y")).unwrap();

        assert_eq!(first.id(), again.id());
        assert_ne!(first.id(), other.id());
    }

    #[test]
    fn what_is_derived_stays_what_it_is() {
        // Another value here would lock every existing database.
        assert_eq!(SecretKey::from_text(TEXT).unwrap().id().to_string(), "61443f76f6d4cb1f");
    }

    #[test]
    fn the_length_is_exact() {
        let long = TEXT.repeat(2).replacen('Z', "-", 1) + &TEXT.repeat(2).replacen('Z', "+", 2);

        assert!(SecretKey::from_text(&long[..128]).is_ok());
        assert_eq!(refusal(&TEXT[1..]), WeakKey::Length);
        assert_eq!(refusal(&format!("{long}x")), WeakKey::Length);
        assert_eq!(refusal(""), WeakKey::Length);
    }

    #[test]
    fn what_everybody_would_try_is_refused() {
        for text in [
            "my-PassWord-is-really-long-and-good!",
            "please-change-me-please-change-it-now",
            "0123456789abcdef0123456789abcdef",
            "x-ABCDEFGHIJ-kLmNoPqRsTuVwXyZ-98765",
        ] {
            assert_eq!(refusal(text), WeakKey::WellKnown, "{text}");
        }
    }

    #[test]
    fn what_chance_does_not_make_is_refused() {
        for text in ["a".repeat(32), "abcabdaa".repeat(5), "1f9Kq".repeat(7), "1f9KqzLw7Rt3".repeat(3) + "1f9K"] {
            assert_eq!(refusal(&text), WeakKey::Regular, "{text}");
        }
        assert_eq!(refusal("Zp3sX9vLq0WmT7dRb2KyHc8NfGj4A,Uo"), WeakKey::Characters);
        assert_eq!(refusal("Zp3sX9vLq0WmT7dRb2KyHc8NfGj4A Uo"), WeakKey::Characters);
        assert_eq!(refusal("Zp3sX9vLq0WmT7dRb2KyHc8NfGj4AéUo"), WeakKey::Characters);
    }

    #[test]
    fn nothing_of_a_key_is_shown_but_its_id() {
        let key = SecretKey::from_text(TEXT).unwrap();

        assert_eq!(format!("{key:?}"), format!("SecretKey({})", key.id()));
        assert!(!format!("{} {:?}", refusal(&TEXT[1..]), refusal(&TEXT[1..])).contains(&TEXT[1..8]));
    }

    #[test]
    fn an_id_is_read_as_it_is_written_and_nothing_else_is() {
        let id = SecretKey::from_text(TEXT).unwrap().id();

        assert_eq!(KeyId::parse(&id.to_string()), Some(id));
        for text in ["", "0", "00000000000000000", "+000000000000000", "00000000000000AA", "000000000000000g"] {
            assert_eq!(KeyId::parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_key_that_chance_makes_will_do(chance: [u8; 32]) {
            // Proptest likes runs of one byte, which are no chance.
            prop_assume!(variety(&new_key_text(&chance)) >= 16);
            prop_assert!(SecretKey::from_text(&new_key_text(&chance)).is_ok());
        }
    }
}
