//! The one way in which a request is exchanged for its answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, HOST, PROXY_AUTHORIZATION, USER_AGENT};
use http::uri::{InvalidUri, PathAndQuery};
use http::{HeaderValue, Response, Uri};
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use url::{Position, Url};

use super::connection::{Connection, HttpRequest};
use super::dial::{Dialler, authority};
use super::error::Awaited;
use super::idle::IdleConnections;
use super::{Answer, CallLimits, OutboundRequest, SendError};

/// Exchanges requests for answers, over connections that it makes and keeps, all with the same TLS: nothing is sent twice,
/// nothing is decompressed, and where an answer points elsewhere, nobody follows.
pub(super) struct Exchange {
    /// Makes connections.
    dialler: Arc<Dialler>,
    /// Whom it trusts, and what it shows to servers that ask.
    tls: TlsConnector,
    /// Connections between two requests.
    idle: Arc<IdleConnections>,
    /// The `User-Agent` of requests that have none.
    user_agent: HeaderValue,
}

/// A request that was sent, and the head of its answer.
struct Sent {
    connection: Connection,
    /// How long making the connection took; `None` for one that was open.
    connect_took: Option<Duration>,
    response: Response<Incoming>,
}

impl Exchange {
    /// Exchanges over connections that `dialler` makes; keeps at most so many of them for one origin.
    pub(super) fn new(dialler: Arc<Dialler>, tls: TlsConnector, idle_per_origin: usize, user_agent: HeaderValue) -> Self {
        Self { dialler, tls, idle: IdleConnections::new(idle_per_origin), user_agent }
    }

    /// Sends one request, once, and reads the answer.
    pub(super) async fn call(&self, request: OutboundRequest, limits: CallLimits) -> Result<Answer, SendError> {
        let started = Instant::now();
        let OutboundRequest { method, url, headers, body, client_certificate: _ } = request;
        let mut request = HttpRequest::new(Full::from(body.unwrap_or_default()));
        *request.method_mut() = method.into();
        *request.headers_mut() = headers;
        self.complete(&mut request, &url)?;

        let Sent { mut connection, connect_took, response } = self.send(request, &url, limits.deadline).await?;
        let head_at = Instant::now();
        let (head, body) = response.into_parts();
        let (body, body_complete) = read_body(&mut connection, body, limits).await;
        let body_took = head_at.elapsed();
        let remote_address = connection.remote_address();
        if is_reusable(&mut connection, limits.deadline).await {
            self.idle.keep(origin(&url), connection);
        }
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            remote_address,
            body,
            body_complete,
            connect_took,
            head_after: head_at - started,
            body_took,
        })
    }

    /// Adds what HTTP itself needs.
    fn complete(&self, request: &mut HttpRequest, url: &Url) -> Result<(), SendError> {
        let unfit = |error: InvalidUri| SendError::Protocol(error.to_string());
        *request.uri_mut() = if let Some(proxy) = self.dialler.proxy_that_reads(url) {
            if let Some(authorization) = proxy.authorization() {
                request.headers_mut().insert(PROXY_AUTHORIZATION, authorization.clone());
            }
            Uri::try_from(&url[..Position::AfterQuery]).map_err(unfit)?
        } else {
            PathAndQuery::try_from(&url[Position::BeforePath..Position::AfterQuery]).map_err(unfit)?.into()
        };
        let host = HeaderValue::from_str(authority(url)).map_err(|error| SendError::Protocol(error.to_string()))?;
        let headers = request.headers_mut();
        headers.insert(HOST, host);
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        headers.entry(USER_AGENT).or_insert_with(|| self.user_agent.clone());
        Ok(())
    }

    /// Sends it over an open connection or, where the server keeps none open, over a new one.
    async fn send(&self, mut request: HttpRequest, url: &Url, deadline: Instant) -> Result<Sent, SendError> {
        while let Some(mut connection) = self.idle.take(origin(url)) {
            match in_time(connection.send(request), deadline).await? {
                Ok(response) => return Ok(Sent { connection, connect_took: None, response }),
                // It was closed while nobody used it: then nothing was written, and the request comes back.
                Err(mut unanswered) => match unanswered.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(SendError::of_exchanging(&unanswered.into_error())),
                },
            }
        }
        let begun = Instant::now();
        // In a box of its own: every call would be three times as large for what few of them do.
        let mut connection = Box::pin(self.dialler.dial(url, &self.tls, deadline)).await?;
        let connect_took = Some(begun.elapsed());
        match in_time(connection.send(request), deadline).await? {
            Ok(response) => Ok(Sent { connection, connect_took, response }),
            Err(unanswered) => Err(SendError::of_exchanging(&unanswered.into_error())),
        }
    }
}

/// Connections to one origin serve all urls of it.
fn origin(url: &Url) -> &str {
    &url[..Position::BeforePath]
}

/// Whether another request can be sent, which none can before this one was sent to its last byte.
async fn is_reusable(connection: &mut Connection, deadline: Instant) -> bool {
    // Nearly always it is sent long before its answer comes.
    connection.park() || (timeout_at(deadline, connection.finish()).await.is_ok() && connection.park())
}

async fn in_time<T>(answer: impl Future<Output = T>, deadline: Instant) -> Result<T, SendError> {
    timeout_at(deadline, answer).await.map_err(|_| SendError::Timeout(Awaited::Answer))
}

/// Reads up to the cap; says whether that was all.
async fn read_body(connection: &mut Connection, mut body: Incoming, limits: CallLimits) -> (Bytes, bool) {
    let mut read = BytesMut::new();
    while !body.is_end_stream() {
        let piece = match timeout_at(limits.deadline, connection.next_piece(&mut body)).await {
            Ok(Some(Ok(piece))) => piece,
            Ok(None) => break,
            Ok(Some(Err(_))) | Err(_) => return (read.freeze(), false),
        };
        let room = limits.body_cap - read.len();
        read.extend_from_slice(&piece[..piece.len().min(room)]);
        if piece.len() > room {
            return (read.freeze(), false);
        }
    }
    (read.freeze(), true)
}
