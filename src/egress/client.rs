//! The one factory of HTTP clients, and the calls made with them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use reqwest::redirect;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::resolver::GuardedResolver;
use super::{Answer, CallLimits, Caller, OutboundRequest, SendError};
use crate::domain::address_policy::AddressPolicy;

/// Connections that were not used for this long are closed. Many servers drop idle connections after five seconds;
/// staying well below keeps a request from meeting a connection that closes under it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(2);

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
}

/// No client can be made here.
#[derive(Debug, thiserror::Error)]
#[error("no HTTP client can be made (are the system's CA certificates installed?)")]
pub struct UnusableClient(#[from] reqwest::Error);

/// Makes calls with `reqwest`.
pub struct HttpCaller {
    policy: Arc<AddressPolicy>,
    /// For every port but those that the policy names.
    client: reqwest::Client,
    by_named_port: HashMap<u16, reqwest::Client>,
}

impl HttpCaller {
    /// A caller for addresses that `policy` allows.
    ///
    /// # Errors
    /// When the system has no CA certificates to trust.
    pub fn new(policy: Arc<AddressPolicy>, settings: &EgressSettings) -> Result<Self, UnusableClient> {
        // No network is allowed for port 0 by name, so this client reaches only what is allowed on every port.
        let client = build(GuardedResolver::for_port(Arc::clone(&policy), 0), settings)?;
        let by_named_port = policy
            .named_ports()
            .map(|port| Ok((port, build(GuardedResolver::for_port(Arc::clone(&policy), port), settings)?)))
            .collect::<Result<_, UnusableClient>>()?;
        Ok(Self { policy, client, by_named_port })
    }

    fn client_for(&self, url: &Url) -> &reqwest::Client {
        url.port_or_known_default().and_then(|port| self.by_named_port.get(&port)).unwrap_or(&self.client)
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one factory of HTTP clients")]
fn build(resolver: GuardedResolver, settings: &EgressSettings) -> Result<reqwest::Client, UnusableClient> {
    let client = reqwest::Client::builder()
        .dns_resolver(Arc::new(resolver))
        .no_proxy()
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .http1_only()
        .https_only(!settings.allow_http)
        .tls_version_min(reqwest::tls::Version::TLS_1_2)
        .connect_timeout(settings.connect_timeout)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(settings.idle_connections_per_host)
        .user_agent(&settings.user_agent)
        .build()?;
    Ok(client)
}

#[async_trait]
impl Caller for HttpCaller {
    async fn call(&self, request: OutboundRequest, limits: CallLimits) -> Result<Answer, SendError> {
        // Hosts that are addresses never reach the resolver.
        self.policy.check_url_host(&request.url).map_err(SendError::BlockedAddress)?;
        let started = Instant::now();
        let client = self.client_for(&request.url);
        let answering = client.execute(to_reqwest(request));
        let mut response = timeout_at(limits.deadline, answering).await.map_err(|_| SendError::Timeout)??;
        let head_at = Instant::now();
        let (body, body_complete) = read_body(&mut response, limits).await;
        Ok(Answer {
            status: response.status().as_u16(),
            remote_address: response.remote_addr(),
            headers: std::mem::take(response.headers_mut()),
            body,
            body_complete,
            head_after: head_at - started,
            body_took: head_at.elapsed(),
        })
    }
}

fn to_reqwest(request: OutboundRequest) -> reqwest::Request {
    let mut outgoing = reqwest::Request::new(request.method.into(), request.url);
    *outgoing.headers_mut() = request.headers;
    *outgoing.body_mut() = request.body.map(reqwest::Body::from);
    outgoing
}

/// Reads up to the cap; says whether that was all.
async fn read_body(response: &mut reqwest::Response, limits: CallLimits) -> (Bytes, bool) {
    let mut read = BytesMut::new();
    loop {
        let Ok(Ok(chunk)) = timeout_at(limits.deadline, response.chunk()).await else {
            return (read.freeze(), false);
        };
        let Some(chunk) = chunk else {
            return (read.freeze(), true);
        };
        let room = limits.body_cap - read.len();
        read.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            return (read.freeze(), false);
        }
    }
}
