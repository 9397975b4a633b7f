//! The caller for urls that customers typed: it calls what the policy allows.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use moka::future::Cache;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use url::Url;

use super::factory;
use super::names::{Names, SystemNames};
use super::resolver::{GuardedResolver, told};
use super::tls::{CaFileError, Tls};
use super::{Answer, CallLimits, Caller, OutboundRequest, SendError};
use crate::domain::address_policy::AddressPolicy;
use crate::domain::client_certificate::ClientCertificate;

/// How many clients with a certificate are kept, and for how long without use. Another one is quickly made, but begins
/// without connections.
const KEPT_CLIENTS: u64 = 1_024;
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
    /// The HTTP library refuses.
    #[error("no HTTP client can be made")]
    Http(#[from] reqwest::Error),
}

/// Makes clients, each of which keeps every rule.
struct Factory {
    policy: Arc<AddressPolicy>,
    names: Arc<dyn Names>,
    tls: Tls,
    settings: EgressSettings,
}

impl Factory {
    /// A client for calls to `port` that shows `certificate` to servers that ask for one.
    fn build(&self, port: u16, certificate: Option<&ClientCertificate>) -> Result<reqwest::Client, UnusableClient> {
        let settings = &self.settings;
        let builder = factory::strict(self.tls.config(certificate)?, settings.connect_timeout, &settings.user_agent)
            .https_only(!settings.allow_http)
            .pool_max_idle_per_host(settings.idle_connections_per_host);
        let builder = match &settings.proxy {
            // Every connection leads to the proxy, whose own address the operator chose.
            Some(url) => builder.proxy(reqwest::Proxy::all(url.expose_secret())?),
            None => builder.dns_resolver(GuardedResolver::for_port(Arc::clone(&self.policy), Arc::clone(&self.names), port)),
        };
        Ok(builder.build()?)
    }
}

/// Makes calls with `reqwest`.
pub struct HttpCaller {
    factory: Factory,
    /// For every port but those that the policy names.
    client: reqwest::Client,
    by_named_port: HashMap<u16, reqwest::Client>,
    /// Of each certificate and named port, made when first used.
    with_certificate: Cache<([u8; 32], u16), reqwest::Client>,
}

/// No network is allowed for port 0 by name, so a client for it reaches only what is allowed on every port.
const NO_PORT: u16 = 0;

impl HttpCaller {
    /// A caller for addresses that `policy` allows.
    ///
    /// # Errors
    /// When there are no CA certificates to trust, or those of the settings are none.
    pub fn new(policy: Arc<AddressPolicy>, settings: EgressSettings) -> Result<Self, UnusableClient> {
        Self::with_names(policy, settings, Arc::new(SystemNames))
    }

    /// The same, with `names` to say what names stand for.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_names(policy: Arc<AddressPolicy>, settings: EgressSettings, names: Arc<dyn Names>) -> Result<Self, UnusableClient> {
        let tls = Tls::trusting(settings.ca_file.as_deref())?;
        let factory = Factory { policy, names, tls, settings };
        let client = factory.build(NO_PORT, None)?;
        let by_named_port =
            factory.policy.named_ports().map(|port| Ok((port, factory.build(port, None)?))).collect::<Result<_, UnusableClient>>()?;
        let with_certificate = Cache::builder().max_capacity(KEPT_CLIENTS).time_to_idle(KEPT_UNUSED).build();
        Ok(Self { factory, client, by_named_port, with_certificate })
    }

    async fn client_for(&self, request: &OutboundRequest) -> Result<reqwest::Client, SendError> {
        let named = request.url.port_or_known_default().and_then(|port| self.by_named_port.get_key_value(&port));
        let Some(certificate) = &request.client_certificate else {
            return Ok(named.map_or(&self.client, |(_, client)| client).clone());
        };
        let port = named.map_or(NO_PORT, |(port, _)| *port);
        let made = async { self.factory.build(port, Some(certificate)) };
        let client = self.with_certificate.try_get_with((certificate.identity(), port), made).await;
        client.map_err(|error| SendError::Tls(error.to_string()))
    }

    /// Whether a url may be called as far as its text tells.
    fn check(&self, url: &Url) -> Result<(), SendError> {
        if url.scheme() == "http" && !self.factory.settings.allow_http {
            return Err(SendError::PlainHttp);
        }
        // Hosts that are addresses never reach the resolver.
        let checked = self.factory.policy.check_url_host(url);
        checked.map_err(|refused| SendError::BlockedAddress(told(refused, url.host_str().unwrap_or_default())))
    }
}

#[async_trait]
impl Caller for HttpCaller {
    async fn call(&self, request: OutboundRequest, limits: CallLimits) -> Result<Answer, SendError> {
        self.check(&request.url)?;
        let started = Instant::now();
        let client = self.client_for(&request).await?;
        factory::exchange(&client, to_reqwest(request), started, limits).await
    }
}

fn to_reqwest(request: OutboundRequest) -> reqwest::Request {
    let mut outgoing = reqwest::Request::new(request.method.into(), request.url);
    *outgoing.headers_mut() = request.headers;
    *outgoing.body_mut() = request.body.map(reqwest::Body::from);
    outgoing
}
