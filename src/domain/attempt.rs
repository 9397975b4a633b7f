//! One try of a delivery and what came of it.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::time::Timestamp;

/// What one attempt means for its delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// The receiver answered 2xx.
    Delivered,
    /// It failed in a way that may pass.
    Retryable(FailureReason),
    /// It failed in a way that will not pass by itself.
    Permanent(FailureReason),
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailureReason {
    /// The receiver answered with this status, which is not 2xx.
    Status(u16),
    /// The receiver answered 410: it never wants to be called again.
    Gone,
    /// The deadline passed before the answer's head was complete.
    Timeout,
    /// The name could not be resolved.
    Dns,
    /// No connection could be made.
    Connect,
    /// The connection could not be made secret, or the certificate is not trusted.
    Tls,
    /// The connection broke, or what came was not HTTP.
    Protocol,
    /// No access token could be had from `authorizationUrl`; the target was not called.
    Authorization,
    /// The address is not one that may be called.
    AddressNotAllowed,
    /// The definition and the event do not make a request.
    Unsendable,
}

impl FailureReason {
    const WORDS: [(Self, &'static str); 9] = [
        (Self::Gone, "gone"),
        (Self::Timeout, "timeout"),
        (Self::Dns, "dns"),
        (Self::Connect, "connect"),
        (Self::Tls, "tls"),
        (Self::Protocol, "protocol"),
        (Self::Authorization, "authorization"),
        (Self::AddressNotAllowed, "address_not_allowed"),
        (Self::Unsendable, "unsendable"),
    ];

    /// Every word that [`Self::as_str`] writes.
    pub fn words() -> impl Iterator<Item = &'static str> {
        std::iter::once("status").chain(Self::WORDS.into_iter().map(|(_, word)| word))
    }

    /// The word for it in the API and in stores; every status is `status`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        Self::WORDS.iter().find(|(reason, _)| reason == self).map_or("status", |(_, word)| word)
    }

    /// The reason that [`Self::as_str`] writes so, with the status that was kept beside it.
    #[must_use]
    pub fn parse(word: &str, status: Option<u16>) -> Option<Self> {
        match (word, status) {
            ("status", Some(status)) => Some(Self::Status(status)),
            _ => Self::WORDS.iter().find(|(_, known)| *known == word).map(|(reason, _)| reason.clone()),
        }
    }
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "the receiver answered {status}"),
            Self::Gone => f.write_str("the receiver answered 410 (gone)"),
            Self::Timeout => f.write_str("the deadline passed before an answer came"),
            Self::Dns => f.write_str("the receiver's name could not be resolved"),
            Self::Connect => f.write_str("no connection to the receiver could be made"),
            Self::Tls => f.write_str("no trusted TLS connection could be made"),
            Self::Protocol => f.write_str("the connection broke or the answer was not HTTP"),
            Self::Authorization => f.write_str("the login at authorizationUrl gave no access token"),
            Self::AddressNotAllowed => f.write_str("the receiver's address is not one that may be called"),
            Self::Unsendable => f.write_str("the definition and the event do not make a request"),
        }
    }
}

/// Everything that is kept of one attempt, whatever came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Counts from 1 and rises over redeliveries too.
    pub number: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// When its outcome was known.
    pub finished_at: Timestamp,
    /// What it means.
    pub outcome: AttemptOutcome,
    /// What happened, in detail.
    pub exchange: Exchange,
}

/// What could be seen of the exchange with the receiver. Parts that were not reached are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// The answer's status.
    pub status: Option<u16>,
    /// Words on a failure beyond its [`FailureReason`]; never a secret.
    pub detail: Option<String>,
    /// Whom we spoke to.
    pub remote_address: Option<SocketAddr>,
    /// How long the parts took.
    pub phases: Phases,
    /// The answer's headers as text, one `name: value` a line.
    pub response_head: Option<String>,
    /// The first bytes of the answer's body, up to the configured cap.
    pub response_body: Option<Bytes>,
}

/// How long the parts of an attempt took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    /// Getting the access token, when one was needed.
    pub login: Option<Duration>,
    /// Making the connection, name look-up and TLS included; none where one was open.
    pub connect: Option<Duration>,
    /// From starting to connect or send until the answer's head was there; [`Self::connect`] is a part of it.
    pub answer: Option<Duration>,
    /// Reading the answer's body.
    pub body: Option<Duration>,
}

impl Phases {
    /// Waiting for the answer over an open connection.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        self.answer.map(|answer| answer.saturating_sub(self.connect.unwrap_or_default()))
    }
}
