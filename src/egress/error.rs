//! Why a call brought no answer.

use std::error::Error;
use std::io;

use super::names::LookUpFailed;
use crate::domain::address_policy::RefusedAddress;

/// What was waited for when time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// A connection; nothing was sent.
    Connection,
    /// The head of the answer.
    Answer,
}

/// A call that brought no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The deadline, or that of connecting, passed first.
    #[error("deadline passed")]
    Timeout(Awaited),
    /// The host's name has no address.
    #[error("name not resolved: {0}")]
    Dns(String),
    /// No connection could be made.
    #[error("no connection: {0}")]
    Connect(String),
    /// TLS failed.
    #[error("no trusted connection: {0}")]
    Tls(String),
    /// The connection broke, or what came was not HTTP.
    #[error("no HTTP answer: {0}")]
    Protocol(String),
    /// The address may not be called; nothing was sent.
    #[error("address not allowed")]
    BlockedAddress(#[source] RefusedAddress),
    /// The url is not one of TLS, and no other may be called; nothing was sent.
    #[error("url without TLS not allowed")]
    PlainHttp,
}

impl SendError {
    /// Words on what happened beyond the kind of error; for a blocked address the same words whatever the address is.
    #[must_use]
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::Timeout(Awaited::Connection) => Some("no connection was made in time".to_owned()),
            Self::Timeout(Awaited::Answer) => Some("connected, but no answer came in time".to_owned()),
            Self::Dns(detail) | Self::Connect(detail) | Self::Tls(detail) | Self::Protocol(detail) => Some(detail.clone()),
            Self::BlockedAddress(_) => Some("this address may not be called".to_owned()),
            Self::PlainHttp => Some("the url does not begin with https://".to_owned()),
        }
    }
}

impl SendError {
    /// What it means that no connection could be made.
    pub(super) fn of_connecting(error: &(dyn Error + 'static)) -> Self {
        Self::of(error, Awaited::Connection, Self::Connect)
    }

    /// What it means that a connection brought no answer.
    pub(super) fn of_exchanging(error: &(dyn Error + 'static)) -> Self {
        Self::of(error, Awaited::Answer, Self::Protocol)
    }

    fn of(error: &(dyn Error + 'static), awaited: Awaited, otherwise: fn(String) -> Self) -> Self {
        if let Some(refused) = find::<RefusedAddress>(error) {
            return Self::BlockedAddress(*refused);
        }
        let detail = innermost(error);
        if find::<io::Error>(error).is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            Self::Timeout(awaited)
        } else if find::<rustls::Error>(error).is_some() {
            Self::Tls(detail)
        } else if find::<LookUpFailed>(error).is_some() {
            Self::Dns(detail)
        } else {
            otherwise(detail)
        }
    }
}

/// The first error of type `T` among an error's sources. What an `io::Error` wraps, which may be another one, is not what
/// it calls its source, so that is looked into first.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    if let Some(found) = error.downcast_ref::<T>() {
        return Some(found);
    }
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref).map(|wrapped| -> &(dyn Error + 'static) { wrapped });
    find(wrapped.or_else(|| error.source())?)
}

/// The words of the innermost source: what happened, without the layers that passed it on.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut current = error;
    while let Some(source) = current.source() {
        current = source;
    }
    current.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_found_however_often_it_was_wrapped() {
        let refused = RefusedAddress { address: std::net::Ipv4Addr::LOCALHOST.into(), rule: "loopback" };
        let wrapped = io::Error::other(io::Error::other(io::Error::other(SendError::BlockedAddress(refused))));

        assert_eq!(find::<RefusedAddress>(&wrapped), Some(&refused));
        assert!(find::<rustls::Error>(&wrapped).is_none());
    }
}
