//! Makes connections: looks the name up, judges its addresses, connects, passes the operator's proxy, seals with TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use http::uri::InvalidUri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_util::either::Either;
use tower::{Service, service_fn};
use url::{Host, Position, Url};

use super::connection::Connection;
use super::error::{Awaited, SendError};
use super::names::{LookUpFailed, Names};
use super::proxy::Proxy;
use crate::domain::address_policy::{AddressPolicy, RefusedAddress};

/// A receiver that vanished is noticed before a long deadline: while an answer is waited for, the system asks after every
/// so long whether the other end is still there, and gives up after so many times;
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const KEEP_ALIVE_TRIES: u32 = 3;

/// and while something sent was not acknowledged, which it does not ask about, it gives up after this long.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// Makes connections.
pub(super) struct Dialler {
    /// Where connections lead.
    pub(super) route: Route,
    /// Says what names stand for.
    pub(super) names: Arc<dyn Names>,
    /// How long name look-up, connecting and TLS may take together.
    pub(super) connect_timeout: Duration,
}

/// Where connections lead.
pub(super) enum Route {
    /// Straight to addresses that the policy allows.
    Guarded(Arc<AddressPolicy>),
    /// To the operator's proxy, which decides by itself what it reaches.
    Proxied(Proxy),
    /// Straight to any address: the operator named it.
    Operated,
}

impl Dialler {
    /// The proxy, if it reads the requests for `url` itself: those that are not sealed.
    pub(super) fn proxy_that_reads(&self, url: &Url) -> Option<&Proxy> {
        match &self.route {
            Route::Proxied(proxy) if url.scheme() == "http" => Some(proxy),
            Route::Proxied(_) | Route::Guarded(_) | Route::Operated => None,
        }
    }

    /// A connection over which `url` can be asked for, with `tls` if the url says so.
    pub(super) async fn dial(&self, url: &Url, tls: &TlsConnector, deadline: Instant) -> Result<Connection, SendError> {
        let deadline = deadline.min(Instant::now() + self.connect_timeout);
        timeout_at(deadline, self.connect(url, tls, deadline)).await.unwrap_or(Err(SendError::Timeout(Awaited::Connection)))
    }

    async fn connect(&self, url: &Url, tls: &TlsConnector, deadline: Instant) -> Result<Connection, SendError> {
        let is_sealed = is_sealed(url)?;
        let stream = match &self.route {
            Route::Guarded(policy) => {
                // Hosts that are addresses are not looked up.
                policy.check_url_host(url).map_err(SendError::BlockedAddress)?;
                self.reach(&to_uri(url)?, Some(Arc::clone(policy)), deadline).await?
            }
            Route::Operated => self.reach(&to_uri(url)?, None, deadline).await?,
            Route::Proxied(proxy) => {
                let stream = self.reach(proxy.address(), None, deadline).await?;
                if is_sealed { proxy.tunnel(stream, url).await? } else { stream }
            }
        };
        let remote_address = stream.peer_addr().ok();
        let stream = if is_sealed {
            let sealed = tls.connect(server_name(url)?, stream).await;
            Either::Right(sealed.map_err(|error| SendError::of_connecting(&error))?)
        } else {
            Either::Left(stream)
        };
        Connection::on(stream, remote_address).await.map_err(|error| SendError::of_connecting(&error))
    }

    /// Connects to the first address that answers of those that the host's name stands for; with a `policy`, only if it
    /// allows all of them.
    async fn reach(&self, to: &Uri, policy: Option<Arc<AddressPolicy>>, deadline: Instant) -> Result<TcpStream, SendError> {
        let (names, port) = (Arc::clone(&self.names), port(to));
        // What comes out of here is dialled: there is no second look-up between the check and the connection.
        let look_up = service_fn(move |name: Name| {
            let (names, policy) = (Arc::clone(&names), policy.clone());
            async move {
                let found = names.addresses(name.as_str()).await.map_err(LookUpFailed)?;
                if let Some(policy) = policy {
                    found.iter().try_for_each(|address| policy.check(*address, port)).map_err(|refused| told(refused, name.as_str()))?;
                }
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>(found.into_iter().map(move |address| SocketAddr::new(address, port)))
            }
        });
        let mut connector = HttpConnector::new_with_resolver(look_up);
        connector.enforce_http(false);
        connector.set_nodelay(true);
        // Shared out among the addresses: one that is dead does not use up the time of the others.
        connector.set_connect_timeout(Some(deadline - Instant::now()));
        connector.set_keepalive(Some(KEEP_ALIVE));
        connector.set_keepalive_interval(Some(KEEP_ALIVE));
        connector.set_keepalive_retries(Some(KEEP_ALIVE_TRIES));
        #[cfg(target_os = "linux")]
        connector.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
        let connected = connector.call(to.clone()).await;
        Ok(connected.map_err(|error| SendError::of_connecting(&error))?.into_inner())
    }
}

/// Tells operators what was refused, and why; whoever wrote the url gets the same words whatever it is.
pub(super) fn told(refused: RefusedAddress, host: &str) -> RefusedAddress {
    tracing::warn!(host, address = %refused.address, rule = refused.rule, "an address that may not be called was not called");
    refused
}

/// Host, and port unless it is that of the scheme.
pub(super) fn authority(url: &Url) -> &str {
    &url[Position::BeforeHost..Position::AfterPort]
}

/// Whether a connection for `url` is sealed with TLS.
fn is_sealed(url: &Url) -> Result<bool, SendError> {
    match url.scheme() {
        "https" => Ok(true),
        "http" => Ok(false),
        _ => Err(SendError::Protocol("neither http nor https".to_owned())),
    }
}

fn to_uri(url: &Url) -> Result<Uri, SendError> {
    let uri = format!("{}://{}", url.scheme(), authority(url)).parse();
    uri.map_err(|error: InvalidUri| SendError::Protocol(error.to_string()))
}

fn port(uri: &Uri) -> u16 {
    let of_scheme = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    uri.port_u16().unwrap_or(of_scheme)
}

/// The name that a server's certificate must be for.
fn server_name(url: &Url) -> Result<ServerName<'static>, SendError> {
    let name = match url.host() {
        Some(Host::Domain(name)) => ServerName::try_from(name.to_owned()).ok(),
        Some(Host::Ipv4(address)) => Some(ServerName::IpAddress(std::net::IpAddr::from(address).into())),
        Some(Host::Ipv6(address)) => Some(ServerName::IpAddress(std::net::IpAddr::from(address).into())),
        None => None,
    };
    name.ok_or_else(|| SendError::Tls("no certificate can be for this host".to_owned()))
}
