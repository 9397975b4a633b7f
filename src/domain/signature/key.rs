//! What signs and what verifies, and the texts that people exchange them in.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::zeroize::Zeroizing;

/// Reads base64 with and without padding, writes it with.
pub(super) const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// How long an Ed25519 key is, the secret seed and the public key alike.
const ED25519_BYTES: usize = 32;

/// How signatures are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HMAC with SHA-256: both sides share one secret.
    HmacSha256,
    /// Ed25519: the receiver has the public key alone.
    Ed25519,
}

impl Scheme {
    /// Every scheme.
    pub const ALL: [Self; 2] = [Self::HmacSha256, Self::Ed25519];

    /// The word for it in the API, in stores and in RFC 9421.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac-sha256",
            Self::Ed25519 => "ed25519",
        }
    }
}

impl FromStr for Scheme {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|scheme| scheme.as_str() == text).ok_or(NotAKey)
    }
}

/// The text or the bytes are no key. Says nothing of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no key: whsec_ with 24 to 64 bytes, whsk_ with 32 or 64, or whpk_ with 32, in base64")]
pub struct NotAKey;

/// What signs. `Debug` tells the scheme alone.
#[derive(Clone)]
pub struct SigningSecret(Arc<Secret>);

struct Secret {
    bytes: Zeroizing<Vec<u8>>,
    signer: Signer,
}

enum Signer {
    Hmac(Box<hmac::Key>),
    Ed25519(Ed25519KeyPair),
}

impl SigningSecret {
    /// A secret of these bytes: 24 to 64 for HMAC; for Ed25519 the seed, also with the public key behind it.
    ///
    /// # Errors
    /// When they are too few or too many, or when seed and public key do not belong together.
    pub fn new(scheme: Scheme, bytes: &[u8]) -> Result<Self, NotAKey> {
        let signer = match (scheme, bytes.len()) {
            (Scheme::HmacSha256, 24..=64) => Signer::Hmac(Box::new(hmac::Key::new(hmac::HMAC_SHA256, bytes))),
            (Scheme::Ed25519, ED25519_BYTES) => Signer::Ed25519(Ed25519KeyPair::from_seed_unchecked(bytes).map_err(|_| NotAKey)?),
            (Scheme::Ed25519, 64) => {
                let (seed, public) = bytes.split_at(ED25519_BYTES);
                Signer::Ed25519(Ed25519KeyPair::from_seed_and_public_key(seed, public).map_err(|_| NotAKey)?)
            }
            _ => return Err(NotAKey),
        };
        Ok(Self(Arc::new(Secret { bytes: Zeroizing::new(bytes.to_vec()), signer })))
    }

    /// How it signs.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        match self.0.signer {
            Signer::Hmac(_) => Scheme::HmacSha256,
            Signer::Ed25519(_) => Scheme::Ed25519,
        }
    }

    /// The secret itself; for the store alone.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0.bytes
    }

    /// What a receiver verifies with, as text: for HMAC that is the secret itself (`whsec_…`), for Ed25519 the public key
    /// (`whpk_…`).
    #[must_use]
    pub fn text_for_receiver(&self) -> Zeroizing<String> {
        Zeroizing::new(match &self.0.signer {
            Signer::Hmac(_) => format!("whsec_{}", BASE64.encode(&self.0.bytes)),
            Signer::Ed25519(pair) => format!("whpk_{}", BASE64.encode(pair.public_key())),
        })
    }

    /// The public key of an Ed25519 secret.
    #[must_use]
    pub fn public_key(&self) -> Option<[u8; ED25519_BYTES]> {
        match &self.0.signer {
            Signer::Hmac(_) => None,
            Signer::Ed25519(pair) => pair.public_key().as_ref().try_into().ok(),
        }
    }

    /// The signature of what the parts are together.
    pub(super) fn sign(&self, parts: &[&[u8]]) -> Vec<u8> {
        match &self.0.signer {
            Signer::Hmac(key) => tag(key, parts),
            Signer::Ed25519(pair) => pair.sign(&parts.concat()).as_ref().to_vec(),
        }
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningSecret({})", self.scheme().as_str())
    }
}

fn tag(key: &hmac::Key, parts: &[&[u8]]) -> Vec<u8> {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    context.sign().as_ref().to_vec()
}

/// What verifies: the shared secret, or the public key.
#[derive(Clone)]
pub enum VerifyingKey {
    /// The secret that both sides have.
    Shared(SigningSecret),
    /// An Ed25519 public key.
    Public([u8; ED25519_BYTES]),
}

impl VerifyingKey {
    /// How signatures that it verifies are made.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        match self {
            Self::Shared(secret) => secret.scheme(),
            Self::Public(_) => Scheme::Ed25519,
        }
    }

    /// Whether `signature` is that of what the parts are together. Takes as long whatever is wrong.
    pub(super) fn verifies(&self, parts: &[&[u8]], signature: &[u8]) -> bool {
        match self {
            Self::Public(key) => UnparsedPublicKey::new(&ED25519, key).verify(&parts.concat(), signature).is_ok(),
            Self::Shared(secret) => match &secret.0.signer {
                Signer::Hmac(key) => verify_slices_are_equal(&tag(key, parts), signature).is_ok(),
                Signer::Ed25519(pair) => UnparsedPublicKey::new(&ED25519, pair.public_key()).verify(&parts.concat(), signature).is_ok(),
            },
        }
    }
}

impl FromStr for VerifyingKey {
    type Err = NotAKey;

    /// Reads `whsec_…`, `whpk_…` and `whsk_…`; base64 without any of them is a shared secret.
    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let decode = |text: &str| BASE64.decode(text).map(Zeroizing::new).map_err(|_| NotAKey);
        if let Some(public) = text.strip_prefix("whpk_") {
            return decode(public)?.as_slice().try_into().map(Self::Public).map_err(|_| NotAKey);
        }
        if let Some(secret) = text.strip_prefix("whsk_") {
            return SigningSecret::new(Scheme::Ed25519, &decode(secret)?).map(Self::Shared);
        }
        let shared = text.strip_prefix("whsec_").unwrap_or(text);
        SigningSecret::new(Scheme::HmacSha256, &decode(shared)?).map(Self::Shared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The Ed25519 key of RFC 9421, B.1.4.
    const SEED: &str = "n4Ni+HpISpVObnQMW0wOhCKROaIKqKtW/2ZYb2p9KcU=";
    const PUBLIC: &str = "JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=";

    #[test]
    fn a_receiver_gets_the_shared_secret_or_the_public_key_and_never_the_private_one() {
        let shared = SigningSecret::new(Scheme::HmacSha256, &[7; 32]).unwrap();
        let private = SigningSecret::new(Scheme::Ed25519, &BASE64.decode(SEED).unwrap()).unwrap();

        assert_eq!(*shared.text_for_receiver(), format!("whsec_{}", BASE64.encode([7; 32])));
        assert_eq!(*private.text_for_receiver(), format!("whpk_{PUBLIC}"));
        assert_eq!((shared.public_key(), private.public_key().map(|key| BASE64.encode(key)).as_deref()), (None, Some(PUBLIC)));
        assert_eq!(format!("{shared:?} {private:?}"), "SigningSecret(hmac-sha256) SigningSecret(ed25519)");
    }

    #[test]
    fn what_one_signs_the_other_verifies_in_every_spelling_of_the_key() {
        let whole = BASE64.encode([BASE64.decode(SEED).unwrap(), BASE64.decode(PUBLIC).unwrap()].concat());
        let private = SigningSecret::new(Scheme::Ed25519, &BASE64.decode(SEED).unwrap()).unwrap();
        let shared = SigningSecret::new(Scheme::HmacSha256, &[7; 25]).unwrap();
        let text = BASE64.encode([7; 25]);
        let spellings = |secret: &SigningSecret| match secret.scheme() {
            Scheme::HmacSha256 => vec![format!("whsec_{text}"), text.clone(), text.trim_end_matches('=').to_owned()],
            Scheme::Ed25519 => vec![format!("whpk_{PUBLIC}"), format!("whsk_{SEED}"), format!("whsk_{whole}")],
        };

        for secret in [private, shared] {
            let signature = secret.sign(&[b"one", b"two"]);
            for text in spellings(&secret) {
                let key: VerifyingKey = text.parse().unwrap();

                assert_eq!(key.scheme(), secret.scheme());
                assert!(key.verifies(&[b"onetwo"], &signature), "{text}");
                assert!(!key.verifies(&[b"onetwO"], &signature) && !key.verifies(&[b"onetwo"], &signature[1..]), "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let (short, long) = (BASE64.encode([7; 23]), BASE64.encode([7; 65]));
        let foreign = BASE64.encode([BASE64.decode(SEED).unwrap(), vec![7; 32]].concat());

        for text in ["", "whsec_", "whsec_!", &short, &long, "whpk_JrQL", &format!("whsk_{short}"), &format!("whsk_{foreign}")] {
            assert!(text.parse::<VerifyingKey>().is_err(), "{text}");
        }
        assert!("rsa".parse::<Scheme>().is_err());
    }
}
