//! TLS as every connection speaks it: version 1.2 or newer, certificates of the system and of the operator, and the webhook's
//! own certificate where it has one.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::client::UnusableClient;
use crate::domain::client_certificate::ClientCertificate;

/// Why a file of certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaFileError {
    /// It is not there, or may not be read.
    #[error("it cannot be read")]
    Unreadable(#[from] io::Error),
    /// It holds something that looks like PEM and is not.
    #[error("it is not in PEM form")]
    NotPem,
    /// There is nothing in it to trust.
    #[error("it holds no certificate")]
    Empty,
    /// A certificate in it is none.
    #[error("certificate {number} in it cannot be trusted")]
    Certificate {
        /// Which one, counted from 1.
        number: usize,
        /// What is wrong with it.
        #[source]
        source: rustls::Error,
    },
}

/// What all connections have in common.
pub(super) struct Tls {
    provider: Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
}

impl Tls {
    /// Trusts what the system trusts, and the certificates in `ca_file`.
    pub(super) fn trusting(ca_file: Option<&Path>) -> Result<Self, UnusableClient> {
        let mut roots = RootCertStore::empty();
        if let Some(file) = ca_file {
            add_file(&mut roots, file).map_err(|source| UnusableClient::CaFile { file: PathBuf::from(file), source })?;
        }
        // One bad file among the system's own does not keep the good ones from being used.
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "some of the system's CA certificates cannot be read");
        }
        let (_, ignored) = roots.add_parsable_certificates(found.certs);
        if ignored > 0 {
            tracing::warn!(ignored, "some of the system's CA certificates cannot be used");
        }
        if roots.is_empty() {
            return Err(UnusableClient::NoRoots);
        }
        Ok(Self { provider: Arc::new(default_provider()), roots: Arc::new(roots) })
    }

    /// For calls without TLS.
    pub(super) fn trusting_nobody() -> Self {
        Self { provider: Arc::new(default_provider()), roots: Arc::new(RootCertStore::empty()) }
    }

    /// TLS of connections that show `certificate` to servers that ask for one.
    pub(super) fn connector(&self, certificate: Option<&ClientCertificate>) -> Result<TlsConnector, UnusableClient> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .with_root_certificates(Arc::clone(&self.roots));
        let mut config = match certificate {
            None => builder.with_no_client_auth(),
            Some(certificate) => {
                let (chain, key) = certificate.to_der().ok_or(UnusableClient::Certificate)?;
                builder.with_client_auth_cert(chain, key)?
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

fn add_file(roots: &mut RootCertStore, file: &Path) -> Result<(), CaFileError> {
    let text = std::fs::read(file)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&text).collect::<Result<_, _>>().map_err(|_| CaFileError::NotPem)?;
    if certificates.is_empty() {
        return Err(CaFileError::Empty);
    }
    for (index, certificate) in certificates.into_iter().enumerate() {
        roots.add(certificate).map_err(|source| CaFileError::Certificate { number: index + 1, source })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    fn refusal(path: &Path) -> String {
        let error = Tls::trusting(Some(path)).err().unwrap();
        format!("{:#}", anyhow::Error::from(error)).replace(&path.display().to_string(), "FILE")
    }

    #[test]
    fn a_bad_file_is_refused_with_its_name_and_the_reason() {
        let certificate = CertificateParams::new(Vec::new()).unwrap().self_signed(&KeyPair::generate().unwrap()).unwrap().pem();
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let begins = "the certificates of FILE (egress.ca_file) cannot be used";

        assert!(Tls::trusting(Some(file(&certificate).path())).is_ok());
        assert_eq!(refusal(file("").path()), format!("{begins}: it holds no certificate"));
        assert_eq!(refusal(file("-----BEGIN CERTIFICATE-----\n!\n").path()), format!("{begins}: it is not in PEM form"));
        let second = refusal(file(&format!("{certificate}{broken}")).path());
        assert!(second.starts_with(&format!("{begins}: certificate 2 in it cannot be trusted: ")), "{second}");
        let missing = refusal(Path::new("/nowhere/ca.pem"));
        assert!(missing.starts_with(&format!("{begins}: it cannot be read: No such file")), "{missing}");
    }
}
