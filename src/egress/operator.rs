//! The caller for the one address that the operator of this program named: that of the dispatcher itself, as its own command
//! line sees it.
//!
//! Nobody else chose the address, so no policy judges it: a dispatcher may well be on this machine. In turn nothing but that
//! address can be called: a request has a path and no host. All else is as for everybody.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use url::Url;

use super::client::UnusableClient;
use super::dial::{Dialler, Route};
use super::exchange::Exchange;
use super::names::SystemNames;
use super::tls::Tls;
use super::{Answer, CallLimits, OutboundRequest, SendError};
use crate::domain::method::Method;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How many unused connections are kept.
const IDLE_CONNECTIONS: usize = 64;

/// Calls one address.
pub struct OperatorCaller {
    exchange: Exchange,
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
        let dialler = Dialler { route: Route::Operated, names: Arc::new(SystemNames::default()), connect_timeout: CONNECT_TIMEOUT };
        let user_agent = HeaderValue::from_str(user_agent)?;
        let exchange = Exchange::new(Arc::new(dialler), tls.connector(None)?, IDLE_CONNECTIONS, user_agent);
        Ok(Self { exchange, base })
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
        let OperatorRequest { method, path, headers, body } = request;
        let request = OutboundRequest { method, url: self.url(&path), headers, body, client_certificate: None };
        self.exchange.call(request, limits).await
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
