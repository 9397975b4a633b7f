//! The caller for urls that customers typed: it calls what the policy allows.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::HeaderValue;
use http::header::InvalidHeaderValue;
use moka::future::Cache;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::dial::{Dialler, Route, told};
use super::exchange::Exchange;
use super::names::{Names, SystemNames};
use super::proxy::{Proxy, UnusableProxy};
use super::tls::{CaFileError, Tls};
use super::{Answer, CallLimits, Caller, OutboundRequest, SendError};
use crate::domain::address_policy::AddressPolicy;
use crate::domain::client_certificate::ClientCertificate;

/// For how many certificates connections are kept, and for how long without use.
const KEPT_CERTIFICATES: u64 = 1_024;
const KEPT_UNUSED: Duration = Duration::from_mins(10);

/// What an operator may set about outgoing calls.
#[derive(Clone, Debug)]
pub struct EgressSettings {
    /// How long name look-up, connecting and TLS may take together.
    pub connect_timeout: Duration,
    /// How many unused connections to one host are kept.
    pub idle_connections_per_host: usize,
    /// The `User-Agent`.
    pub user_agent: String,
    /// Whether plain `http` may be called.
    pub allow_http: bool,
    /// A file with CA certificates in PEM form that are trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// The url of an HTTP proxy that makes every connection, and so decides which addresses are called.
    pub proxy: Option<SecretString>,
}

impl Default for EgressSettings {
    /// Calls to public addresses, straight.
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            idle_connections_per_host: 16,
            user_agent: env!("CARGO_PKG_NAME").to_owned(),
            allow_http: true,
            ca_file: None,
            proxy: None,
        }
    }
}

/// No client can be made here.
#[derive(Debug, thiserror::Error)]
pub enum UnusableClient {
    /// The operator's CA certificates are none.
    #[error("the certificates of {} (egress.ca_file) cannot be used", file.display())]
    CaFile {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        source: CaFileError,
    },
    /// There is nothing to trust.
    #[error("no CA certificates are installed on this system; install them, or name a file of them in egress.ca_file")]
    NoRoots,
    /// What a webhook has as its certificate is none.
    #[error("the client certificate cannot be used")]
    Certificate,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    /// The proxy cannot be told where it is.
    #[error(transparent)]
    Proxy(#[from] UnusableProxy),
    /// The `User-Agent` makes no header.
    #[error("the user agent cannot be sent")]
    UserAgent(#[from] InvalidHeaderValue),
}

/// Makes calls.
pub struct HttpCaller {
    policy: Arc<AddressPolicy>,
    allow_http: bool,
    tls: Tls,
    dialler: Arc<Dialler>,
    idle_connections_per_host: usize,
    user_agent: HeaderValue,
    /// For webhooks without a certificate.
    exchange: Exchange,
    /// Of each certificate, made when first used: a connection shows one certificate and no other.
    with_certificate: Cache<[u8; 32], Arc<Exchange>>,
}

impl HttpCaller {
    /// A caller for addresses that `policy` allows.
    ///
    /// # Errors
    /// When there are no CA certificates to trust, or those of the settings are none.
    pub fn new(policy: Arc<AddressPolicy>, settings: EgressSettings) -> Result<Self, UnusableClient> {
        Self::with_names(policy, settings, Arc::new(SystemNames::default()))
    }

    /// The same, with `names` to say what names stand for.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_names(policy: Arc<AddressPolicy>, settings: EgressSettings, names: Arc<dyn Names>) -> Result<Self, UnusableClient> {
        let tls = Tls::trusting(settings.ca_file.as_deref())?;
        let user_agent = HeaderValue::try_from(settings.user_agent)?;
        let route = match &settings.proxy {
            Some(url) => Route::Proxied(Proxy::parse(url.expose_secret(), user_agent.clone())?),
            None => Route::Guarded(Arc::clone(&policy)),
        };
        let dialler = Arc::new(Dialler { route, names, connect_timeout: settings.connect_timeout });
        let EgressSettings { allow_http, idle_connections_per_host, .. } = settings;
        let exchange = Exchange::new(Arc::clone(&dialler), tls.connector(None)?, idle_connections_per_host, user_agent.clone());
        let with_certificate = Cache::builder().max_capacity(KEPT_CERTIFICATES).time_to_idle(KEPT_UNUSED).build();
        Ok(Self { policy, allow_http, tls, dialler, idle_connections_per_host, user_agent, exchange, with_certificate })
    }

    /// Where connections show `certificate`.
    async fn exchange_with(&self, certificate: &ClientCertificate) -> Result<Arc<Exchange>, SendError> {
        let made = async {
            let tls = self.tls.connector(Some(certificate))?;
            let (dialler, user_agent) = (Arc::clone(&self.dialler), self.user_agent.clone());
            Ok::<_, UnusableClient>(Arc::new(Exchange::new(dialler, tls, self.idle_connections_per_host, user_agent)))
        };
        self.with_certificate.try_get_with(certificate.identity(), made).await.map_err(|error| SendError::Tls(error.to_string()))
    }

    /// Whether a url may be called as far as its text tells.
    fn check(&self, url: &Url) -> Result<(), SendError> {
        if url.scheme() == "http" && !self.allow_http {
            return Err(SendError::PlainHttp);
        }
        // Hosts that are addresses never reach the resolver.
        let checked = self.policy.check_url_host(url);
        checked.map_err(|refused| SendError::BlockedAddress(told(refused, url.host_str().unwrap_or_default())))
    }
}

#[async_trait]
impl Caller for HttpCaller {
    async fn call(&self, request: OutboundRequest, limits: CallLimits) -> Result<Answer, SendError> {
        self.check(&request.url)?;
        match request.client_certificate.clone() {
            None => self.exchange.call(request, limits).await,
            Some(certificate) => self.exchange_with(&certificate).await?.call(request, limits).await,
        }
    }
}
