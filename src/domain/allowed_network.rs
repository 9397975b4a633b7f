//! A network that may be called although its addresses are not public: `10.0.0.0/8`, `10.0.0.5:8443`, `[::1]:5000`.
//!
//! This says what an entry of the list means; when the list is asked is the address policy's business.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// A network, and the one port on it that is meant, or all ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AllowedNetwork {
    /// The addresses.
    pub network: IpNet,
    /// The port; `None` means every port.
    pub port: Option<u16>,
}

impl AllowedNetwork {
    /// Whether a connection to `ip` and `port` is meant.
    ///
    /// An IPv4 address is found in its IPv4-mapped IPv6 form too, because both reach the same host.
    #[must_use]
    pub fn covers(&self, ip: IpAddr, port: u16) -> bool {
        let port_is_meant = self.port.is_none_or(|meant| meant == port);
        port_is_meant && (self.network.contains(&ip) || self.network.contains(&ip.to_canonical()))
    }
}

/// The text names no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no network such as 127.0.0.0/8, 10.0.0.5:8443, [::1]:5000 or fd00::/8")]
pub struct InvalidNetwork;

impl FromStr for AllowedNetwork {
    type Err = InvalidNetwork;

    /// Reads a network or a single address, with an optional port. An IPv6 network with a port stands in brackets.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (network, port) = split_port(text).ok_or(InvalidNetwork)?;
        Ok(Self { network: read_network(network).ok_or(InvalidNetwork)?, port })
    }
}

/// Cuts the port off; `None` when what stands in its place is no port.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let (network, rest) = if let Some(bracketed) = text.strip_prefix('[') {
        bracketed.split_once(']').filter(|(network, _)| network.contains(':'))?
    } else if text.matches(':').count() == 1 {
        text.split_at(text.find(':')?)
    } else {
        (text, "")
    };
    if rest.is_empty() {
        return Some((network, None));
    }
    let port = rest.strip_prefix(':')?;
    let is_plain = port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse::<u16>().ok().filter(|port| is_plain && *port != 0)?;
    Some((network, Some(port)))
}

/// A network without the bits of a host in it; a single address is the network that holds nothing else.
fn read_network(text: &str) -> Option<IpNet> {
    let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.ok().map(|network| network.trunc())
}

impl fmt::Display for AllowedNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_single = self.network.prefix_len() == self.network.max_prefix_len();
        let network = if is_single { self.network.addr().to_string() } else { self.network.to_string() };
        match (self.port, self.network) {
            (None, _) => f.write_str(&network),
            (Some(port), IpNet::V4(_)) => write!(f, "{network}:{port}"),
            (Some(port), IpNet::V6(_)) => write!(f, "[{network}]:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(network: &str, ip: &str, port: u16) -> bool {
        network.parse::<AllowedNetwork>().unwrap().covers(ip.parse().unwrap(), port)
    }

    #[test]
    fn every_form_is_read_and_written_back() {
        for text in ["127.0.0.0/8", "10.0.0.5", "10.0.0.5:8443", "10.0.0.0/8:443", "::1", "[::1]:5000", "fd00::/8", "[fd00::/8]:443"] {
            assert_eq!(text.parse::<AllowedNetwork>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_bare_address_is_the_network_of_that_address_alone() {
        let v4: AllowedNetwork = "10.0.0.5".parse().unwrap();
        let v6: AllowedNetwork = "[::1]".parse().unwrap();

        assert_eq!(v4, AllowedNetwork { network: "10.0.0.5/32".parse().unwrap(), port: None });
        assert_eq!(v6, AllowedNetwork { network: "::1/128".parse().unwrap(), port: None });
    }

    #[test]
    fn bits_of_a_host_are_cut() {
        assert_eq!("127.0.0.1/8".parse::<AllowedNetwork>().unwrap().to_string(), "127.0.0.0/8");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            " ",
            "localhost",
            "10.0.0",
            "10.0.0.0/33",
            "10.0.0.5:",
            "10.0.0.5:0",
            "10.0.0.5:65536",
            "10.0.0.5:+80",
            ":80",
            "[10.0.0.5]:80",
            "[::1",
            "::1]",
            "[::1]5000",
            "[::1]:",
            "[]:80",
            "fd00::/8:443",
            "fd00::/129",
            "10.0.0.0/8/8",
            "10.0.0.5:80:80",
            "*",
        ] {
            assert_eq!(text.parse::<AllowedNetwork>(), Err(InvalidNetwork), "{text:?}");
        }
    }

    #[test]
    fn a_network_covers_its_addresses_on_every_port() {
        assert!(covers("127.0.0.0/8", "127.0.0.1", 1));
        assert!(covers("127.0.0.0/8", "127.255.255.255", 65535));
        assert!(!covers("127.0.0.0/8", "128.0.0.0", 1));
        assert!(!covers("127.0.0.0/8", "::1", 1));
        assert!(covers("fd00::/8", "fdff::1", 443));
        assert!(!covers("fd00::/8", "fe00::1", 443));
    }

    #[test]
    fn a_port_narrows_the_network_to_itself() {
        assert!(covers("10.0.0.5:8443", "10.0.0.5", 8443));
        assert!(!covers("10.0.0.5:8443", "10.0.0.5", 8442));
        assert!(!covers("10.0.0.5:8443", "10.0.0.6", 8443));
        assert!(covers("[::1]:5000", "::1", 5000));
        assert!(!covers("[::1]:5000", "::1", 80));
    }

    #[test]
    fn an_ipv4_address_is_covered_in_its_mapped_form_too() {
        assert!(covers("127.0.0.0/8", "::ffff:127.0.0.1", 80));
        assert!(!covers("127.0.0.0/8", "::ffff:10.0.0.1", 80));
        assert!(covers("::ffff:0:0/96", "::ffff:10.0.0.1", 80));
    }
}
