//! RSA key pairs: made or imported, to sign a text, and shown as the public half alone.
//!
//! For systems whose receivers verify with an RSA public key. The library below makes no signature over SHA-1, so there is
//! no algorithm with it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_SHA256, RsaEncoding, RsaParameters, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::zeroize::Zeroizing;

/// How long a line of a PEM text is.
const PEM_COLUMNS: usize = 64;

/// How an RSA key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RsaAlgorithm {
    /// PKCS #1 version 1.5 over SHA-256: the same text always gives the same signature.
    Pkcs1Sha256,
    /// PKCS #1 version 1.5 over SHA-512.
    Pkcs1Sha512,
    /// PSS over SHA-256: every signature has a salt of its own.
    PssSha256,
}

impl RsaAlgorithm {
    /// Every algorithm, the usual one first.
    pub const ALL: [Self; 3] = [Self::Pkcs1Sha256, Self::Pkcs1Sha512, Self::PssSha256];

    /// The word for it in the API and in stores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pkcs1Sha256 => "rsa-pkcs1-sha256",
            Self::Pkcs1Sha512 => "rsa-pkcs1-sha512",
            Self::PssSha256 => "rsa-pss-sha256",
        }
    }

    fn parameters(self) -> &'static RsaParameters {
        match self {
            Self::Pkcs1Sha256 => &RSA_PKCS1_2048_8192_SHA256,
            Self::Pkcs1Sha512 => &RSA_PKCS1_2048_8192_SHA512,
            Self::PssSha256 => &RSA_PSS_2048_8192_SHA256,
        }
    }

    fn encoding(self) -> &'static dyn RsaEncoding {
        match self {
            Self::Pkcs1Sha256 => &RSA_PKCS1_SHA256,
            Self::Pkcs1Sha512 => &RSA_PKCS1_SHA512,
            Self::PssSha256 => &RSA_PSS_SHA256,
        }
    }
}

/// The text names no algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be rsa-pkcs1-sha256, rsa-pkcs1-sha512 or rsa-pss-sha256")]
pub struct UnknownRsaAlgorithm;

impl FromStr for RsaAlgorithm {
    type Err = UnknownRsaAlgorithm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == text).ok_or(UnknownRsaAlgorithm)
    }
}

/// The text or the bytes are no usable key. Says nothing of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an unencrypted RSA private key of 2048 to 8192 bits in PKCS #8, as PEM")]
pub struct NotAnRsaKey;

/// An RSA key pair. `Debug` tells nothing of it.
#[derive(Clone)]
pub struct RsaSecret(Arc<Pair>);

struct Pair {
    pkcs8: Zeroizing<Vec<u8>>,
    keys: RsaKeyPair,
}

impl RsaSecret {
    /// A new pair of 2048 bits. Takes a good part of a second.
    ///
    /// # Errors
    /// When the cryptographic library has no chance to give.
    pub fn generate() -> Result<Self, NotAnRsaKey> {
        let keys = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| NotAnRsaKey)?;
        let pkcs8 = AsDer::<Pkcs8V1Der<'static>>::as_der(&keys).map_err(|_| NotAnRsaKey)?;
        Ok(Self::of(pkcs8.as_ref(), keys))
    }

    /// The pair in a PKCS #8 document.
    ///
    /// # Errors
    /// When there is none in it, or one that is too short or too long.
    pub fn from_pkcs8(document: &[u8]) -> Result<Self, NotAnRsaKey> {
        let keys = RsaKeyPair::from_pkcs8(document).map_err(|_| NotAnRsaKey)?;
        Ok(Self::of(document, keys))
    }

    /// The pair in a PEM text with one block `PRIVATE KEY`.
    ///
    /// # Errors
    /// As [`Self::from_pkcs8`].
    pub fn from_pem(text: &str) -> Result<Self, NotAnRsaKey> {
        const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
        const END: &str = "-----END PRIVATE KEY-----";
        let inside = text.trim().strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END)).ok_or(NotAnRsaKey)?;
        let base64 = Zeroizing::new(inside.split_ascii_whitespace().collect::<String>());
        let document = Zeroizing::new(STANDARD.decode(base64.as_bytes()).map_err(|_| NotAnRsaKey)?);
        Self::from_pkcs8(&document)
    }

    fn of(pkcs8: &[u8], keys: RsaKeyPair) -> Self {
        Self(Arc::new(Pair { pkcs8: Zeroizing::new(pkcs8.to_vec()), keys }))
    }

    /// The whole pair as PKCS #8; for the store alone.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0.pkcs8
    }

    /// The signature over `text`.
    ///
    /// # Errors
    /// When the key is too short for the algorithm.
    pub fn sign(&self, algorithm: RsaAlgorithm, text: &[u8]) -> Result<Vec<u8>, NotAnRsaKey> {
        let mut signature = vec![0; self.0.keys.public_modulus_len()];
        let signed = self.0.keys.sign(algorithm.encoding(), &SystemRandom::new(), text, &mut signature);
        signed.map(|()| signature).map_err(|_| NotAnRsaKey)
    }

    /// The public half, as PEM with one block `PUBLIC KEY`.
    ///
    /// # Errors
    /// When the cryptographic library has no memory.
    pub fn public_pem(&self) -> Result<String, NotAnRsaKey> {
        let document: PublicKeyX509Der<'_> = self.0.keys.public_key().as_der().map_err(|_| NotAnRsaKey)?;
        let body = in_lines(document.as_ref(), PEM_COLUMNS);
        Ok(format!("-----BEGIN PUBLIC KEY-----\n{body}-----END PUBLIC KEY-----\n"))
    }
}

impl fmt::Debug for RsaSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RsaSecret(****)")
    }
}

/// Whether `signature` over `text` was made by the pair whose public half is in `pem`.
#[must_use]
pub fn verifies_rsa(pem: &str, algorithm: RsaAlgorithm, text: &[u8], signature: &[u8]) -> bool {
    let inside = pem.trim().strip_prefix("-----BEGIN PUBLIC KEY-----").and_then(|rest| rest.strip_suffix("-----END PUBLIC KEY-----"));
    let document = inside.and_then(|inside| STANDARD.decode(inside.split_ascii_whitespace().collect::<String>()).ok());
    document.is_some_and(|document| UnparsedPublicKey::new(algorithm.parameters(), document).verify(text, signature).is_ok())
}

/// Base64 in lines of so many columns, each with its newline, the last one too.
#[must_use]
pub fn in_lines(bytes: &[u8], columns: usize) -> String {
    let text = STANDARD.encode(bytes);
    let mut lines = String::with_capacity(text.len() + text.len() / columns.max(1) + 1);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(columns.clamp(1, rest.len()));
        lines.push_str(line);
        lines.push('\n');
        rest = after;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_signs_what_its_public_key_verifies() {
        let pair = RsaSecret::generate().unwrap();
        let public = pair.public_pem().unwrap();

        for algorithm in RsaAlgorithm::ALL {
            let signature = pair.sign(algorithm, b"text").unwrap();
            assert_eq!(signature.len(), 256);
            assert!(verifies_rsa(&public, algorithm, b"text", &signature), "{algorithm:?}");
            assert!(!verifies_rsa(&public, algorithm, b"test", &signature), "{algorithm:?}");
            assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
        }
        assert!(!verifies_rsa("", RsaAlgorithm::Pkcs1Sha256, b"text", &[]));
    }

    #[test]
    fn a_pair_survives_its_document_and_signs_the_same() {
        let pair = RsaSecret::generate().unwrap();
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}-----END PRIVATE KEY-----\n", in_lines(pair.expose(), 64));

        let again = RsaSecret::from_pem(&pem).unwrap();

        let sign = |pair: &RsaSecret| pair.sign(RsaAlgorithm::Pkcs1Sha256, b"text").unwrap();
        assert_eq!(sign(&again), sign(&pair));
        assert_eq!(again.public_pem(), pair.public_pem());
        assert_eq!(format!("{again:?}"), "RsaSecret(****)");
    }

    #[test]
    fn what_is_no_private_key_is_refused() {
        let pair = RsaSecret::generate().unwrap();
        let wrong = ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", &pair.public_pem().unwrap()];

        assert!(wrong.iter().all(|text| matches!(RsaSecret::from_pem(text), Err(NotAnRsaKey))));
    }

    #[test]
    fn lines_have_their_columns_and_every_one_ends() {
        assert_eq!(in_lines(&[0; 9], 5), "AAAAA\nAAAAA\nAA\n");
        assert_eq!(in_lines(&[0; 3], 4), "AAAA\n");
        assert_eq!(in_lines(&[], 4), "");
    }
}
