//! The HTTP proxy that an operator may name: what is sent to it, and tunnels through it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{HOST, PROXY_AUTHORIZATION, USER_AGENT};
use http::{HeaderValue, Method, Request, Uri};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use tokio::net::TcpStream;
use url::Url;

use super::connection::MOST_HEAD_BYTES;
use super::dial::authority;
use super::error::SendError;

/// A proxy.
pub(super) struct Proxy {
    address: Uri,
    authorization: Option<HeaderValue>,
    user_agent: HeaderValue,
}

/// The text is no url of a proxy.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("no url of an HTTP proxy")]
pub struct UnusableProxy;

impl Proxy {
    /// Reads the url of a proxy, which may hold a user name and a password. It is told that `user_agent` asks for tunnels.
    pub(super) fn parse(text: &str, user_agent: HeaderValue) -> Result<Self, UnusableProxy> {
        let url = Url::parse(text).ok().filter(|url| url.scheme() == "http").ok_or(UnusableProxy)?;
        let address = format!("http://{}", authority(&url)).parse().map_err(|_| UnusableProxy)?;
        Ok(Self { address, authorization: authorization(&url)?, user_agent })
    }

    /// Where it is.
    pub(super) const fn address(&self) -> &Uri {
        &self.address
    }

    /// What it wants to be told with each request that it reads itself.
    pub(super) const fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }

    /// Has the proxy connect `stream` to the host of `url`.
    pub(super) async fn tunnel(&self, stream: TcpStream, url: &Url) -> Result<TcpStream, SendError> {
        let http = http1::Builder::new().max_buf_size(MOST_HEAD_BYTES).handshake(TokioIo::new(stream)).await;
        let (mut requests, connection) = http.map_err(|error| SendError::of_connecting(&error))?;
        let asked = requests.send_request(self.request_for_tunnel(url)?);
        let (status, parts) = tokio::join!(
            async {
                let status = asked.await.map(|answer| answer.status());
                // With the last sender gone the connection ends, and its stream is free.
                drop(requests);
                status
            },
            connection.without_shutdown()
        );
        let status = status.map_err(|error| SendError::of_connecting(&error))?;
        if !status.is_success() {
            return Err(SendError::Connect(format!("the proxy answered {status}")));
        }
        let parts = parts.map_err(|error| SendError::of_connecting(&error))?;
        if !parts.read_buf.is_empty() {
            return Err(SendError::Connect("the proxy sent more than its answer".to_owned()));
        }
        Ok(parts.io.into_inner())
    }

    fn request_for_tunnel(&self, url: &Url) -> Result<Request<Empty<Bytes>>, SendError> {
        let unfit = |error: http::Error| SendError::Protocol(error.to_string());
        let host = format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default());
        let mut request = Request::builder()
            .method(Method::CONNECT)
            .uri(&host)
            .header(HOST, &host)
            .header(USER_AGENT, &self.user_agent)
            .body(Empty::new())
            .map_err(unfit)?;
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(PROXY_AUTHORIZATION, authorization.clone());
        }
        Ok(request)
    }
}

/// RFC 7617.
fn authorization(url: &Url) -> Result<Option<HeaderValue>, UnusableProxy> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(None);
    }
    let user: Vec<u8> = percent_decode_str(url.username()).collect();
    let password: Vec<u8> = percent_decode_str(url.password().unwrap_or_default()).collect();
    let value = format!("Basic {}", BASE64_STANDARD.encode([user, password].join(&b':')));
    let mut value = HeaderValue::try_from(value).map_err(|_| UnusableProxy)?;
    value.set_sensitive(true);
    Ok(Some(value))
}
