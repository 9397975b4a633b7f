//! The certificate by which a webhook's requests show who calls (mutual TLS), with its private key.
//!
//! This says which texts make one. Whether one that expires later is still taken, its receiver judges; showing it is the
//! business of `egress`.

mod facts;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

pub use self::facts::CertificateFacts;

/// How many bytes the chain may have, in PEM form.
pub const MAX_CHAIN_BYTES: usize = 32 * 1_024;

/// How many bytes the key may have, in PEM form.
pub const MAX_KEY_BYTES: usize = 16 * 1_024;

/// How many certificates a chain may have.
const MAX_CERTIFICATES: usize = 10;

/// A chain of certificates, the client's own first, and the private key of that one. `Debug` tells nothing of the key.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    chain: String,
    key: SecretString,
    facts: CertificateFacts,
    identity: [u8; 32],
}

/// Why texts make no client certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientCertificateError {
    /// The chain is none, or not in the form that TLS needs.
    #[error("must be certificates (X.509, version 3) in PEM form and nothing else, the client's own first")]
    Chain,
    /// The chain is too long.
    #[error("must have at most {MAX_CERTIFICATES} certificates and {MAX_CHAIN_BYTES} bytes")]
    LongChain,
    /// The key is none, or of a kind that TLS does not use.
    #[error("must be one private key in PEM form (PKCS#8, SEC1 or PKCS#1), not encrypted, of at most {MAX_KEY_BYTES} bytes")]
    Key,
    /// The key belongs to another certificate.
    #[error("must be the private key of the first certificate")]
    OtherKey,
}

impl ClientCertificateError {
    /// Whether the key is what is wrong, not the chain.
    #[must_use]
    pub const fn is_of_key(self) -> bool {
        matches!(self, Self::Key | Self::OtherKey)
    }
}

impl ClientCertificate {
    /// A certificate of texts in PEM form.
    ///
    /// # Errors
    ///
    /// When either is not what it should be, or they do not belong together.
    pub fn check(chain: String, key: SecretString) -> Result<Self, ClientCertificateError> {
        let certificates = certificates(&chain)?;
        let private_key = private_key(&key)?;
        CertifiedKey::from_der(certificates, private_key, &default_provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => ClientCertificateError::OtherKey,
            rustls::Error::InvalidCertificate(_) => ClientCertificateError::Chain,
            _ => ClientCertificateError::Key,
        })?;
        Self::stored(chain, key).ok_or(ClientCertificateError::Chain)
    }

    /// A certificate that was checked before it was stored; `None` for what never was one.
    #[must_use]
    pub fn stored(chain: String, key: SecretString) -> Option<Self> {
        let own = CertificateDer::pem_slice_iter(chain.as_bytes()).next()?.ok()?;
        let facts = CertificateFacts::read(&own)?;
        let identity = Sha256::new().chain_update(&chain).chain_update([0]).chain_update(key.expose_secret()).finalize().into();
        Some(Self { chain, key, facts, identity })
    }

    /// The chain as it was written, in PEM form.
    #[must_use]
    pub fn chain(&self) -> &str {
        &self.chain
    }

    /// The private key, in PEM form.
    #[must_use]
    pub const fn key(&self) -> &SecretString {
        &self.key
    }

    /// What the client's own certificate says of itself.
    #[must_use]
    pub const fn facts(&self) -> &CertificateFacts {
        &self.facts
    }

    /// Which certificate and key these are: alike for the same texts, and for no others. Tells nothing of the key.
    #[must_use]
    pub const fn identity(&self) -> [u8; 32] {
        self.identity
    }

    /// Chain and key as the TLS library takes them; `None` for what is no longer one.
    #[must_use]
    pub fn to_der(&self) -> Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
        Some((certificates(&self.chain).ok()?, private_key(&self.key).ok()?))
    }
}

fn certificates(chain: &str) -> Result<Vec<CertificateDer<'static>>, ClientCertificateError> {
    if chain.len() > MAX_CHAIN_BYTES {
        return Err(ClientCertificateError::LongChain);
    }
    // Whoever puts the key here too would not expect that others may see what stands here.
    if chain.contains("PRIVATE KEY") {
        return Err(ClientCertificateError::Chain);
    }
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain.as_bytes()).collect();
    match found {
        Ok(certificates) if certificates.len() > MAX_CERTIFICATES => Err(ClientCertificateError::LongChain),
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(ClientCertificateError::Chain),
    }
}

fn private_key(text: &SecretString) -> Result<PrivateKeyDer<'static>, ClientCertificateError> {
    let text = text.expose_secret();
    let is_one = text.len() <= MAX_KEY_BYTES && text.matches("-----BEGIN").count() == 1;
    let key = is_one.then(|| PrivateKeyDer::from_pem_slice(text.as_bytes()).ok()).flatten();
    key.ok_or(ClientCertificateError::Key)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair};

    use super::facts::{Der, INTEGER, SEQUENCE};
    use super::*;

    const OCTET_STRING: u8 = 0x04;

    fn made(name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn refused(chain: &str, key: &str) -> ClientCertificateError {
        ClientCertificate::check(chain.to_owned(), SecretString::from(key)).unwrap_err()
    }

    #[test]
    fn a_certificate_and_its_key_are_taken_and_the_key_is_never_told() {
        let (chain, key) = made("client.example");

        let certificate = ClientCertificate::check(chain.clone(), SecretString::from(key.as_str())).unwrap();

        assert_eq!((certificate.chain(), certificate.key().expose_secret()), (chain.as_str(), key.as_str()));
        assert_eq!(certificate.to_der().unwrap().0.len(), 1);
        let secret: String = key.lines().nth(1).unwrap().to_owned();
        assert!(!format!("{certificate:?}").contains(&secret));
    }

    /// What a PKCS#8 key wraps: the same key in the form of its own kind.
    fn unwrapped(key: &KeyPair) -> Vec<u8> {
        let mut parts = Der(Der(key.serialized_der()).take(SEQUENCE).unwrap());
        parts.take(INTEGER).unwrap();
        parts.take(SEQUENCE).unwrap();
        parts.take(OCTET_STRING).unwrap().to_vec()
    }

    fn pem(kind: &str, der: &[u8]) -> String {
        let text = BASE64_STANDARD.encode(der);
        let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", lines.join("\n"))
    }

    #[test]
    fn every_form_and_kind_of_key_that_tls_knows_is_taken() {
        let kinds = [
            (&rcgen::PKCS_ECDSA_P256_SHA256, Some("EC PRIVATE KEY")),
            (&rcgen::PKCS_ECDSA_P384_SHA384, Some("EC PRIVATE KEY")),
            (&rcgen::PKCS_RSA_SHA256, Some("RSA PRIVATE KEY")),
            (&rcgen::PKCS_ED25519, None),
        ];
        for (algorithm, own_form) in kinds {
            let key = KeyPair::generate_for(algorithm).unwrap();
            let chain = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().pem();
            for text in [Some(key.serialize_pem()), own_form.map(|kind| pem(kind, &unwrapped(&key)))].into_iter().flatten() {
                let taken = ClientCertificate::check(chain.clone(), SecretString::from(text.as_str()));

                assert!(taken.is_ok(), "{algorithm:?} {}: {:?}", text.lines().next().unwrap(), taken.err());
                assert_eq!(refused(&made("a.example").0, &text), ClientCertificateError::OtherKey, "{algorithm:?}");
            }
        }
    }

    #[test]
    fn the_identity_is_that_of_the_texts() {
        let ((chain, key), (other_chain, other_key)) = (made("a.example"), made("b.example"));
        let identity = |chain: &str, key: &str| ClientCertificate::stored(chain.to_owned(), SecretString::from(key)).unwrap().identity();

        assert_eq!(identity(&chain, &key), identity(&chain, &key));
        assert_ne!(identity(&chain, &key), identity(&other_chain, &key));
        assert_ne!(identity(&chain, &key), identity(&chain, &other_key));
    }

    #[test]
    fn what_is_wrong_is_named() {
        use ClientCertificateError::{Chain, Key, LongChain, OtherKey};
        let ((chain, key), (other, other_key)) = (made("a.example"), made("b.example"));
        let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        let cut = chain.replace("-----END", "----END");

        assert_eq!(refused(&chain, &other_key), OtherKey);
        assert_eq!(refused(&format!("{other}{chain}"), &key), OtherKey);
        assert_eq!(refused("", &key), Chain);
        assert_eq!(refused(&key, &key), Chain);
        assert_eq!(refused(&format!("{chain}{key}"), &key), Chain);
        assert_eq!(refused(&cut, &key), Chain);
        assert_eq!(refused("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &key), Chain);
        assert_eq!(refused(&chain.repeat(11), &key), LongChain);
        assert_eq!(refused(&"x".repeat(MAX_CHAIN_BYTES + 1), &key), LongChain);
        assert_eq!(refused(&chain, ""), Key);
        assert_eq!(refused(&chain, &chain), Key);
        assert_eq!(refused(&chain, &encrypted), Key);
        assert_eq!(refused(&chain, &format!("{key}{other_key}")), Key);
        assert_eq!(refused(&chain, &format!("{key}{}", " ".repeat(MAX_KEY_BYTES))), Key);
        assert!(OtherKey.is_of_key() && Key.is_of_key() && !Chain.is_of_key() && !LongChain.is_of_key());
    }

    proptest! {
        #[test]
        fn altered_texts_make_no_certificate_or_another_one(at in 0_usize..2_000, byte in 0_u8..128) {
            let (chain, key) = made("a.example");
            let mut altered = chain.clone().into_bytes();
            let at = at % altered.len();
            altered[at] = byte;
            let altered = String::from_utf8(altered).unwrap();
            let certificate = ClientCertificate::check(chain.clone(), SecretString::from(key.as_str())).unwrap();

            if let Ok(other) = ClientCertificate::check(altered.clone(), SecretString::from(key)) {
                prop_assert_eq!(other.identity() == certificate.identity(), altered == chain);
            }
        }
    }
}
