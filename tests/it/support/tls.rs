//! Certificates, and servers that speak TLS with them.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::WebPkiClientVerifier;
use rustls::version::TLS12;
use rustls::{ALL_VERSIONS, RootCertStore, ServerConfig, SupportedProtocolVersion};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;
use webhook_dispatcher::domain::client_certificate::ClientCertificate;

/// Signs certificates of servers and clients.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
    folder: TempDir,
}

/// A certificate and its key, in PEM form.
pub(crate) struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "the tests' own authority");
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), certificate, folder: tempfile::tempdir().unwrap() }
    }

    /// A certificate for `name`.
    pub(crate) fn issue(&self, name: &str) -> Issued {
        self.issue_until(name, 4096)
    }

    /// A certificate for `name` that is good until the year `end` begins.
    pub(crate) fn issue_until(&self, name: &str, end: i32) -> Issued {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_after = date_time_ymd(end, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Issued { certificate, key: key.serialize_pem() }
    }

    /// A certificate for `name` as a webhook has it.
    pub(crate) fn client(&self, name: &str) -> Arc<ClientCertificate> {
        Self::held(self.issue(name))
    }

    /// What was issued, as a webhook has it.
    pub(crate) fn held(issued: Issued) -> Arc<ClientCertificate> {
        Arc::new(ClientCertificate::check(issued.certificate, SecretString::from(issued.key)).unwrap())
    }

    /// A file by which this authority is trusted.
    pub(crate) fn file(&self) -> PathBuf {
        let file = self.folder.path().join("ca.pem");
        std::fs::write(&file, &self.certificate).unwrap();
        file
    }

    /// TLS of a server called `name`.
    pub(crate) fn server(&self, name: &str) -> TlsAcceptor {
        self.acceptor(name, None, ALL_VERSIONS)
    }

    /// TLS of a server called `name` that knows nothing newer than version 1.2.
    pub(crate) fn server_of_tls_1_2(&self, name: &str) -> TlsAcceptor {
        self.acceptor(name, None, &[&TLS12])
    }

    /// TLS of a server called `name` that answers only to those who show a certificate of `clients`.
    pub(crate) fn server_for(&self, name: &str, clients: &Self) -> TlsAcceptor {
        self.acceptor(name, Some(clients), ALL_VERSIONS)
    }

    fn acceptor(&self, name: &str, clients: Option<&Self>, versions: &[&'static SupportedProtocolVersion]) -> TlsAcceptor {
        let issued = self.issue(name);
        let provider = Arc::new(default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions).unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(clients.certificate.as_bytes()).unwrap()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
                builder.with_client_cert_verifier(verifier)
            }
        };
        let certificate = CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap();
        let key = PemObject::from_pem_slice(issued.key.as_bytes()).unwrap();
        TlsAcceptor::from(Arc::new(builder.with_single_cert(vec![certificate], key).unwrap()))
    }
}

/// One and the same certificate of a client, wherever in a run of the tests it is asked for.
pub(crate) fn one_client() -> Arc<ClientCertificate> {
    static CLIENT: LazyLock<Arc<ClientCertificate>> = LazyLock::new(|| Authority::new().client("client.test"));
    Arc::clone(&CLIENT)
}
