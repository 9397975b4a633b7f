//! A network that may be called although its addresses are not public: one entry of the egress allow list.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;

/// A network, and the one port on it that may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AllowedNetwork {
    /// The addresses.
    pub network: IpNet,
    /// The port; `None` for every port.
    pub port: Option<u16>,
}

/// The text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an address or a network, with an optional port")]
pub struct InvalidNetwork;

impl AllowedNetwork {
    /// Whether this entry lets `ip` be called on `port`.
    #[must_use]
    pub fn covers(&self, ip: IpAddr, port: u16) -> bool {
        self.network.contains(&ip) && self.port.is_none_or(|own| own == port)
    }
}

impl FromStr for AllowedNetwork {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (network, port) = split_port(text);
        let port = port.map(|digits| digits.parse().map_err(|_| InvalidNetwork)).transpose()?;
        let network = network.parse::<IpNet>().or_else(|_| network.parse::<IpAddr>().map(IpNet::from));
        Ok(Self { network: network.map_err(|_| InvalidNetwork)?, port })
    }
}

/// An IPv6 network needs brackets to have a port.
fn split_port(text: &str) -> (&str, Option<&str>) {
    if let Some(bracketed) = text.strip_prefix('[') {
        return match bracketed.split_once("]:") {
            Some((network, port)) => (network, Some(port)),
            None => (bracketed.strip_suffix(']').unwrap_or(text), None),
        };
    }
    match text.split_once(':') {
        Some((network, port)) if !port.contains(':') && network.parse::<Ipv6Addr>().is_err() => (network, Some(port)),
        _ => (text, None),
    }
}

impl fmt::Display for AllowedNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.network, self.port) {
            (network, None) => write!(f, "{network}"),
            (IpNet::V4(network), Some(port)) => write!(f, "{network}:{port}"),
            (IpNet::V6(network), Some(port)) => write!(f, "[{network}]:{port}"),
        }
    }
}
