//! The demonstration's own calls of the dispatcher's REST interface: what a user would do with `curl`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use tokio::time::{Instant, sleep};
use url::Url;

use crate::domain::address_policy::AddressPolicy;
use crate::domain::allowed_network::AllowedNetwork;
use crate::domain::method::Method;
use crate::egress::{Answer, CallLimits, Caller as _, EgressSettings, HttpCaller, OutboundRequest};

const KEY: HeaderName = HeaderName::from_static("x-api-key");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// How long a call may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The most of an answer that is read.
const BODY_CAP: usize = 4 * 1024 * 1024;

/// How often a call is made that gets no answer or one that asks to come again.
const TRIES: u32 = 4;

/// How long to wait before coming again.
const PAUSE: Duration = Duration::from_millis(250);

/// How many entries of a list one call gets: the most that the interface gives.
const PAGE: usize = 200;

/// Calls the dispatcher with one API key.
#[derive(Clone)]
pub(super) struct RestClient {
    caller: Arc<HttpCaller>,
    base: Url,
    key: HeaderValue,
}

/// One page of a list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<T> {
    items: Vec<T>,
    next_cursor: Option<String>,
}

impl RestClient {
    /// A client of the dispatcher at `address` that shows `key`.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub(super) fn new(address: SocketAddr, allowed: Vec<AllowedNetwork>, key: &SecretString) -> anyhow::Result<Self> {
        let settings = EgressSettings {
            connect_timeout: TIMEOUT,
            idle_connections_per_host: 64,
            user_agent: concat!(env!("CARGO_PKG_NAME"), "-demo").to_owned(),
            ..EgressSettings::default()
        };
        let caller = Arc::new(HttpCaller::new(Arc::new(AddressPolicy::new(allowed)), settings)?);
        let base = Url::parse(&format!("http://{address}"))?;
        Ok(Self { caller, base, key: header_of(key)? })
    }

    /// The same client with another key.
    ///
    /// # Errors
    /// When the key cannot be a header.
    pub(super) fn with_key(&self, key: &SecretString) -> anyhow::Result<Self> {
        Ok(Self { key: header_of(key)?, ..self.clone() })
    }

    /// Reads what is at `path`.
    ///
    /// # Errors
    /// When there is no answer, or none that is `T`.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.call(Method::Get, path, None, None).await
    }

    /// Reads every page of the list at `path`, which has no query.
    ///
    /// # Errors
    /// When there is no answer, or none that is a list of `T`.
    pub(super) async fn all<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<Vec<T>> {
        let mut all = Vec::new();
        let mut cursor = String::new();
        loop {
            let page: Page<T> = self.get(&format!("{path}?limit={PAGE}{cursor}")).await?;
            all.extend(page.items);
            match page.next_cursor {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(all),
            }
        }
    }

    /// Whether the list at `path`, which has a query, holds anything.
    ///
    /// # Errors
    /// When there is no answer, or none that is a list.
    pub(super) async fn any(&self, path: &str) -> anyhow::Result<bool> {
        let page: Page<IgnoredAny> = self.get(&format!("{path}&limit=1")).await?;
        Ok(!page.items.is_empty())
    }

    /// Sends `body` to `path`.
    ///
    /// # Errors
    /// When there is no answer, or none that is `T`.
    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str, body: impl Into<Bytes>) -> anyhow::Result<T> {
        self.call(Method::Post, path, Some(body.into()), None).await
    }

    /// Sends `body` to `path`, and again with the same idempotency key when it is not sure that it came through: as a
    /// producer has to.
    ///
    /// # Errors
    /// When that does not help either.
    pub(super) async fn post_once<T: DeserializeOwned>(&self, path: &str, body: Bytes, idempotency_key: &str) -> anyhow::Result<T> {
        self.call(Method::Post, path, Some(body), Some(HeaderValue::try_from(idempotency_key)?)).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        idempotency_key: Option<HeaderValue>,
    ) -> anyhow::Result<T> {
        let what = format!("{method} {path}");
        let tries = if method == Method::Get || idempotency_key.is_some() { TRIES } else { 1 };
        let mut headers = HeaderMap::from_iter([(KEY, self.key.clone())]);
        if body.is_some() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        headers.extend(idempotency_key.map(|key| (IDEMPOTENCY_KEY, key)));
        let request = OutboundRequest { method, url: self.base.join(path)?, headers, body, client_certificate: None };
        let answer = self.send(request, tries).await.with_context(|| format!("{what} got no answer"))?;
        if !(200..300).contains(&answer.status) {
            bail!("{what} was answered with {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
        serde_json::from_slice(&answer.body).with_context(|| format!("the answer to {what} is not what the contract says"))
    }

    /// Sends a request until there is an answer that does not ask to come again, at most `tries` times.
    async fn send(&self, request: OutboundRequest, tries: u32) -> anyhow::Result<Answer> {
        let mut left = tries;
        loop {
            let limits = CallLimits { deadline: Instant::now() + TIMEOUT, body_cap: BODY_CAP };
            let result = self.caller.call(request.clone(), limits).await;
            left -= 1;
            let come_again = result.as_ref().map_or(true, |answer| matches!(answer.status, 429 | 503));
            if left == 0 || !come_again {
                return Ok(result?);
            }
            sleep(PAUSE).await;
        }
    }
}

fn header_of(key: &SecretString) -> anyhow::Result<HeaderValue> {
    let mut value = HeaderValue::try_from(key.expose_secret())?;
    value.set_sensitive(true);
    Ok(value)
}
