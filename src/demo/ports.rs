//! Finds ports that nobody uses, so that a demonstration starts whatever else runs.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpListener;

/// How many ports are tried from the wished one upwards.
const TRIES: u16 = 100;

/// Listens on every address that `localhost` stands for, all on the same port: `first` or the next one that is free on
/// all of them. Otherwise a caller of `localhost` could meet another program on the address that it tries first.
///
/// # Errors
/// When no port is free.
pub(super) async fn listen_on_localhost(first: u16) -> io::Result<(u16, Vec<TcpListener>)> {
    for port in first..first.saturating_add(TRIES) {
        if let Some(listeners) = bind_all(port).await? {
            return Ok((port, listeners));
        }
    }
    Err(none_free(first))
}

/// The address on 127.0.0.1 with the port `first` or the next free one. It is free now; it is not held.
///
/// # Errors
/// When no port is free.
pub(super) async fn free_address(first: u16) -> io::Result<SocketAddr> {
    for port in first..first.saturating_add(TRIES) {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        match TcpListener::bind(address).await {
            Ok(_) => return Ok(address),
            Err(error) if is_taken(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Err(none_free(first))
}

/// `None` when the port is taken on one of them.
async fn bind_all(port: u16) -> io::Result<Option<Vec<TcpListener>>> {
    let version_4 = match TcpListener::bind((IpAddr::from(Ipv4Addr::LOCALHOST), port)).await {
        Ok(listener) => listener,
        Err(error) if is_taken(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    match TcpListener::bind((IpAddr::from(Ipv6Addr::LOCALHOST), port)).await {
        Ok(version_6) => Ok(Some(vec![version_4, version_6])),
        Err(error) if is_taken(&error) => Ok(None),
        // A machine without IPv6 does not look for `localhost` there either.
        Err(_) => Ok(Some(vec![version_4])),
    }
}

fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
}

fn none_free(first: u16) -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, format!("none of the {TRIES} ports from {first} on is free"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_passed_over() {
        let (taken, _held) = listen_on_localhost(20_500).await.unwrap();

        let (next, _also_held) = listen_on_localhost(taken).await.unwrap();
        let free = free_address(taken).await.unwrap();

        assert!(next > taken);
        assert!(free.port() > next);
    }
}
