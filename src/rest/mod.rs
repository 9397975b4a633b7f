//! A client of the dispatcher's own REST interface: what its users would otherwise do with `curl`.
//!
//! For the command line and the demonstration. It knows how calls are made, repeated and refused, and how lists are cut into
//! pages; what the answers mean is its callers' business.

mod patience;
mod problem;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use tokio::time::{Instant, sleep};
use url::Url;

pub(crate) use self::problem::{FieldProblem, Problem, RestError};

use self::patience::Patience;
use crate::domain::ids::ClientId;
use crate::domain::method::Method;
use crate::domain::time::{Clock as _, SystemClock};
use crate::egress::{Answer, CallLimits, OperatorCaller, OperatorRequest, SendError, UnusableClient};

/// How many entries of a list one call gets: the most that the interface gives.
pub(crate) const PAGE: u64 = 200;

const KEY: HeaderName = HeaderName::from_static("x-api-key");
const CLIENT: HeaderName = HeaderName::from_static("x-client-id");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

/// How long a call may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The most of an answer that is read: a page of deliveries with all that is kept of their last attempts has less.
const BODY_CAP: usize = 16 * 1024 * 1024;

/// Calls one dispatcher with one API key.
#[derive(Clone)]
pub(crate) struct RestClient {
    caller: Arc<OperatorCaller>,
    headers: HeaderMap,
}

/// One page of a list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page<T> {
    /// What the page holds.
    pub(crate) items: Vec<T>,
    /// By which the next page is asked for; `None` on the last one.
    pub(crate) next_cursor: Option<String>,
}

/// A key that no header can carry.
#[derive(Debug, thiserror::Error)]
#[error("the API key holds characters that no key has")]
pub(crate) struct UnusableKey;

impl RestClient {
    /// A client of the dispatcher at `url`, without a key.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub(crate) fn new(url: Url, ca_file: Option<&Path>) -> Result<Self, UnusableClient> {
        let caller = Arc::new(OperatorCaller::new(url, ca_file, USER_AGENT)?);
        Ok(Self { caller, headers: HeaderMap::new() })
    }

    /// The same client, which shows `key`.
    ///
    /// # Errors
    /// When the key cannot be a header.
    pub(crate) fn with_key(&self, key: &SecretString) -> Result<Self, UnusableKey> {
        let mut value = HeaderValue::try_from(key.expose_secret()).map_err(|_| UnusableKey)?;
        value.set_sensitive(true);
        Ok(self.with_header(KEY, value))
    }

    /// The same client, which acts for one of the clients that a root key manages.
    pub(crate) fn acting_for(&self, client_id: ClientId) -> Self {
        // An id is made of digits, letters and hyphens.
        HeaderValue::try_from(client_id.to_string()).map_or_else(|_| self.clone(), |value| self.with_header(CLIENT, value))
    }

    fn with_header(&self, name: HeaderName, value: HeaderValue) -> Self {
        let mut client = self.clone();
        client.headers.insert(name, value);
        client
    }

    /// Where the dispatcher is.
    pub(crate) fn url(&self) -> &Url {
        self.caller.base()
    }

    /// Reads what is at `path`.
    ///
    /// # Errors
    /// When there is no answer, a refusal, or an answer that is no `T`.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, RestError> {
        self.call(Method::Get, path, None, None).await
    }

    /// Reads one page of the list at `path`, which may have a query: at most `limit` entries, and [`PAGE`].
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) async fn page<T: DeserializeOwned>(&self, path: &str, limit: u64, cursor: Option<&str>) -> Result<Page<T>, RestError> {
        let sign = if path.contains('?') { '&' } else { '?' };
        let cursor = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        self.get(&format!("{path}{sign}limit={}{cursor}", limit.clamp(1, PAGE))).await
    }

    /// Reads every page of the list at `path`, which may have a query.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) async fn all<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, RestError> {
        let mut all = Vec::new();
        let mut cursor = None;
        loop {
            let page: Page<T> = self.page(path, PAGE, cursor.as_deref()).await?;
            all.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(all);
            }
        }
    }

    /// Whether the list at `path`, which may have a query, holds anything.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) async fn any(&self, path: &str) -> Result<bool, RestError> {
        let page: Page<IgnoredAny> = self.page(path, 1, None).await?;
        Ok(!page.items.is_empty())
    }

    /// Sends `body` to `path`.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: impl Into<Bytes>) -> Result<T, RestError> {
        self.call(Method::Post, path, Some(body.into()), None).await
    }

    /// Sends `body` to `path`, and again with the same idempotency key when it is not sure that it came through: as a
    /// producer has to.
    ///
    /// # Errors
    /// When that does not help either.
    pub(crate) async fn post_once<T: DeserializeOwned>(&self, path: &str, body: Bytes, idempotency_key: &str) -> Result<T, RestError> {
        let key = HeaderValue::try_from(idempotency_key).ok();
        self.call(Method::Post, path, Some(body), key).await
    }

    /// Puts `body` in the place of what is at `path`.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) async fn put<T: DeserializeOwned>(&self, path: &str, body: impl Into<Bytes>) -> Result<T, RestError> {
        self.call(Method::Put, path, Some(body.into()), None).await
    }

    /// Deletes what is at `path`.
    ///
    /// # Errors
    /// When there is no answer, or a refusal.
    pub(crate) async fn delete(&self, path: &str) -> Result<(), RestError> {
        self.answer(Method::Delete, path, None, None).await.map(drop)
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        idempotency_key: Option<HeaderValue>,
    ) -> Result<T, RestError> {
        let answer = self.answer(method, path, body, idempotency_key).await?;
        let what = || called(method, path);
        if !answer.body_complete {
            return Err(RestError::Incomplete { what: what() });
        }
        serde_json::from_slice(&answer.body).map_err(|source| RestError::NotUnderstood { what: what(), source })
    }

    /// An answer that is no refusal.
    async fn answer(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        idempotency_key: Option<HeaderValue>,
    ) -> Result<Answer, RestError> {
        let may_repeat = matches!(method, Method::Get | Method::Put) || idempotency_key.is_some();
        let mut headers = self.headers.clone();
        if body.is_some() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        headers.extend(idempotency_key.map(|key| (IDEMPOTENCY_KEY, key)));
        let request = OperatorRequest { method, path: path.to_owned(), headers, body };
        let sent = self.send(request, may_repeat).await;
        let answer = sent.map_err(|source| RestError::NoAnswer { server: self.url().to_string(), source })?;
        if (200..300).contains(&answer.status) {
            Ok(answer)
        } else {
            Err(RestError::Refused { what: called(method, path), problem: Problem::of(&answer) })
        }
    }

    /// Sends a request until there is an answer that does not ask to come again, or patience ends; without an answer again
    /// only if it does no harm to do it twice.
    async fn send(&self, request: OperatorRequest, may_repeat: bool) -> Result<Answer, SendError> {
        let mut patience = Patience::default();
        loop {
            let limits = CallLimits { deadline: Instant::now() + TIMEOUT, body_cap: BODY_CAP };
            let result = self.caller.call(request.clone(), limits).await;
            let pause = match &result {
                Ok(answer) => patience.after_answer(answer.status, &answer.headers, SystemClock.now()),
                Err(_) if may_repeat => patience.after_silence(),
                Err(_) => None,
            };
            match pause {
                Some(pause) => sleep(pause).await,
                None => return result,
            }
        }
    }
}

/// A call in words, without its query.
fn called(method: Method, path: &str) -> String {
    format!("{method} {}", path.split('?').next().unwrap_or_default())
}
