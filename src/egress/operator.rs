//! The caller for the one address that the operator of this program named: that of the dispatcher itself, as its own command
//! line sees it.
//!
//! Nobody else chose the address, so no policy judges it: a dispatcher may well be on this machine. In turn nothing but that
//! address can be called: a request has a path and no host. All else is as for everybody: see [`super::factory`].

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio::time::Instant;
use url::Url;

use super::client::UnusableClient;
use super::factory;
use super::tls::Tls;
use super::{Answer, CallLimits, SendError};
use crate::domain::method::Method;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How many unused connections are kept.
const IDLE_CONNECTIONS: usize = 64;

/// Calls one address.
pub struct OperatorCaller {
    client: reqwest::Client,
    base: Url,
}

/// A request to that address.
#[derive(Clone, Debug)]
pub struct OperatorRequest {
    /// How.
    pub method: Method,
    /// What is asked for, below the address: a path, and behind a `?` a query.
    pub path: String,
    /// Headers beside those that HTTP itself needs.
    pub headers: HeaderMap,
    /// The body, if there is one.
    pub body: Option<Bytes>,
}

impl OperatorCaller {
    /// A caller of what is at `base`. With TLS the certificates that the system trusts and those in `ca_file` are good.
    ///
    /// # Errors
    /// When there are no CA certificates to trust, or those in the file are none.
    pub fn new(base: Url, ca_file: Option<&Path>, user_agent: &str) -> Result<Self, UnusableClient> {
        let tls = if base.scheme() == "https" || ca_file.is_some() { Tls::trusting(ca_file)? } else { Tls::trusting_nobody() };
        let builder = factory::strict(tls.config(None)?, CONNECT_TIMEOUT, user_agent).pool_max_idle_per_host(IDLE_CONNECTIONS);
        Ok(Self { client: builder.build()?, base })
    }

    /// The address.
    #[must_use]
    pub const fn base(&self) -> &Url {
        &self.base
    }

    /// Sends one request, once, and reads the answer, as [`super::Caller::call`] does.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn call(&self, request: OperatorRequest, limits: CallLimits) -> Result<Answer, SendError> {
        let mut outgoing = reqwest::Request::new(request.method.into(), self.url(&request.path));
        *outgoing.headers_mut() = request.headers;
        *outgoing.body_mut() = request.body.map(reqwest::Body::from);
        factory::exchange(&self.client, outgoing, Instant::now(), limits).await
    }

    /// Whatever `path` holds, it leads to no other host.
    fn url(&self, path: &str) -> Url {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{}", self.base.path().trim_end_matches('/'), path.trim_start_matches('/')));
        url.set_query(query);
        url.set_fragment(None);
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(base: &str, path: &str) -> String {
        OperatorCaller::new(Url::parse(base).unwrap(), None, "test").unwrap().url(path).to_string()
    }

    #[test]
    fn a_path_is_asked_for_below_the_address_and_nowhere_else() {
        assert_eq!(url("http://a.example:8080", "/v1/events?limit=1&type=a%20b"), "http://a.example:8080/v1/events?limit=1&type=a%20b");
        assert_eq!(url("http://a.example/hooks/?x#y", "/v1/events"), "http://a.example/hooks/v1/events");
        for path in ["//b.example/", "@b.example/", "http://b.example/", "/\\b.example", ":81/", "?//b.example"] {
            assert!(url("http://a.example", path).starts_with("http://a.example/"), "{path}");
        }
    }
}
