//! The only way out: every call to a url that a customer typed goes through [`Caller`].
//!
//! Connections are made here alone, and in one place, so that the rules hold for deliveries and logins alike: only
//! addresses that may be called ([`HttpCaller`]), no redirects, no proxy but the operator's, nothing sent twice, nothing
//! decompressed, one deadline, a cap on what is read. The dispatcher's own address, which its operator names to the command
//! line, is called by an [`OperatorCaller`]: by the same rules, and nothing else can be called with it.
//!
//! The HTTP is `hyper`'s, the TLS `rustls`'s, connecting `hyper-util`'s. What is ours is which connection carries what:
//! a client library above them keeps its connections in tasks of their own, which costs a delivery a fifth of its processor time,
//! and does not say how long connecting took.

mod client;
mod connection;
mod dial;
mod error;
mod exchange;
mod idle;
mod names;
mod operator;
mod proxy;
mod tls;

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use url::Url;

pub use client::{EgressSettings, HttpCaller, UnusableClient};
pub use error::{Awaited, SendError};
pub use names::{Names, SystemNames};
pub use operator::{OperatorCaller, OperatorRequest};
pub use proxy::UnusableProxy;
pub use tls::CaFileError;

use crate::domain::client_certificate::ClientCertificate;
use crate::domain::method::Method;

/// Makes calls.
#[async_trait]
pub trait Caller: Send + Sync {
    /// Sends one request, once, and reads the answer.
    ///
    /// The answer's head must be complete before `limits.deadline`. Its body is read until it ends, the cap is reached,
    /// the deadline passes or the connection breaks; what came until then is in the answer.
    async fn call(&self, request: OutboundRequest, limits: CallLimits) -> Result<Answer, SendError>;
}

/// A request, ready to go.
#[derive(Clone)]
pub struct OutboundRequest {
    /// How.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// Headers beside those that HTTP itself needs.
    pub headers: HeaderMap,
    /// The body, if there is one.
    pub body: Option<Bytes>,
    /// What is shown to a server that asks who calls.
    pub client_certificate: Option<Arc<ClientCertificate>>,
}

/// How long a call may take and how much of its answer is read.
#[derive(Clone, Copy, Debug)]
pub struct CallLimits {
    /// When it must be over.
    pub deadline: Instant,
    /// The most bytes of the answer's body that are read.
    pub body_cap: usize,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// Who answered.
    pub remote_address: Option<SocketAddr>,
    /// The body, or its beginning.
    pub body: Bytes,
    /// Whether [`Self::body`] is all of it.
    pub body_complete: bool,
    /// How long making the connection took, name look-up and TLS included; `None` where one was open.
    pub connect_took: Option<Duration>,
    /// From the call's start until the head was complete, [`Self::connect_took`] included.
    pub head_after: Duration,
    /// From then until the body was read or given up.
    pub body_took: Duration,
}
