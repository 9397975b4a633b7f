//! Which addresses may be called: the public ones, and those that the operator allows by name.
//!
//! A webhook's url is written by a tenant, so every address it leads to is judged here before a connection is made. Pure:
//! resolving names is the caller's work.

mod special;

use std::net::{IpAddr, SocketAddr};

use url::{Host, Url};

use self::special::{CLOUD_METADATA, refusal};
use super::allowed_network::AllowedNetwork;

/// Judges addresses.
#[derive(Clone, Debug, Default)]
pub struct AddressPolicy {
    allow: Vec<AllowedNetwork>,
    /// Where the dispatcher itself listens.
    own: Option<SocketAddr>,
}

/// The rule that only an entry of exactly that address and port lifts: a dispatcher that calls itself may never end.
const OWN_LISTENER: &str = "own listener";

/// The address may not be called. Which address and why is for operators; whoever wrote the url must not learn it, or
/// the dispatcher becomes a scanner of its own network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("address {address} may not be called ({rule})")]
pub struct RefusedAddress {
    /// The address.
    pub address: IpAddr,
    /// The kind of address that it is.
    pub rule: &'static str,
}

impl AddressPolicy {
    /// Public addresses, and `allow`.
    #[must_use]
    pub const fn new(allow: Vec<AllowedNetwork>) -> Self {
        Self { allow, own: None }
    }

    /// The same, but for the address where the dispatcher itself listens. One that listens on every address is known on
    /// this machine's loopback addresses alone.
    #[must_use]
    pub const fn apart_from(mut self, own: SocketAddr) -> Self {
        self.own = Some(own);
        self
    }

    /// Whether `port` of `ip` may be called.
    ///
    /// # Errors
    ///
    /// Names the rule that refuses the address and that no entry of the allow list lifts.
    pub fn check(&self, ip: IpAddr, port: u16) -> Result<(), RefusedAddress> {
        let rule = if self.is_own(ip.to_canonical(), port) { Some(OWN_LISTENER) } else { refusal(ip.to_canonical()) };
        match rule {
            Some(rule) if !self.allows(ip, port, rule) => Err(RefusedAddress { address: ip, rule }),
            _ => Ok(()),
        }
    }

    /// Judges the host of a url when it is an address, in whatever notation. A name passes: what it resolves to is
    /// judged by [`Self::check`], and an address needs this because HTTP clients do not resolve it.
    ///
    /// # Errors
    ///
    /// As [`Self::check`].
    pub fn check_url_host(&self, url: &Url) -> Result<(), RefusedAddress> {
        let port = url.port_or_known_default().unwrap_or(0);
        match url.host() {
            Some(Host::Ipv4(ip)) => self.check(ip.into(), port),
            Some(Host::Ipv6(ip)) => self.check(ip.into(), port),
            Some(Host::Domain(_)) | None => Ok(()),
        }
    }

    fn is_own(&self, ip: IpAddr, port: u16) -> bool {
        self.own.is_some_and(|own| {
            let is_everywhere = own.ip().is_unspecified() && (ip.is_loopback() || ip.is_unspecified());
            own.port() == port && (is_everywhere || own.ip().to_canonical() == ip)
        })
    }

    fn allows(&self, ip: IpAddr, port: u16, rule: &str) -> bool {
        let lifts = |entry: &&AllowedNetwork| match rule {
            OWN_LISTENER => is_single_address(entry) && entry.port.is_some(),
            CLOUD_METADATA => is_single_address(entry),
            _ => true,
        };
        let covers = |entry: &AllowedNetwork| entry.covers(ip, port) || entry.covers(ip.to_canonical(), port);
        self.allow.iter().filter(lifts).any(covers)
    }
}

fn is_single_address(entry: &AllowedNetwork) -> bool {
    entry.network.prefix_len() == entry.network.max_prefix_len()
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    const PUBLIC: &str = "";

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn policy(allow: &[&str]) -> AddressPolicy {
        AddressPolicy::new(allow.iter().map(|entry| entry.parse().unwrap()).collect())
    }

    fn rule(policy: &AddressPolicy, text: &str, port: u16) -> &'static str {
        policy.check(ip(text), port).map_or_else(|refused| refused.rule, |()| PUBLIC)
    }

    fn url_rule(policy: &AddressPolicy, url: &str) -> &'static str {
        policy.check_url_host(&Url::parse(url).unwrap()).map_or_else(|refused| refused.rule, |()| PUBLIC)
    }

    #[test]
    fn a_refusal_names_the_address_as_it_was_asked_for() {
        let refused = policy(&[]).check(ip("::ffff:127.0.0.1"), 80).unwrap_err();

        assert_eq!(refused.to_string(), "address ::ffff:127.0.0.1 may not be called (loopback)");
    }

    #[test]
    fn allowed_networks_and_ports_are_called_and_no_others() {
        let policy = policy(&["10.0.0.0/8", "127.0.0.0/8:5000", "[fd00::/8]:443", "::1"]);

        assert_eq!(rule(&policy, "10.1.2.3", 1), PUBLIC);
        assert_eq!(rule(&policy, "192.168.0.1", 1), "private");
        assert_eq!(rule(&policy, "127.0.0.1", 5000), PUBLIC);
        assert_eq!(rule(&policy, "127.0.0.1", 5001), "loopback");
        assert_eq!(rule(&policy, "fd12::1", 443), PUBLIC);
        assert_eq!(rule(&policy, "fd12::1", 80), "unique local");
        assert_eq!(rule(&policy, "::1", 9), PUBLIC);
    }

    #[test]
    fn an_allowed_ipv4_network_is_allowed_in_mapped_form_and_in_no_other() {
        let policy = policy(&["10.0.0.0/8", "127.0.0.1:5000"]);

        assert_eq!(rule(&policy, "::ffff:10.1.2.3", 80), PUBLIC);
        assert_eq!(rule(&policy, "::ffff:127.0.0.1", 5000), PUBLIC);
        assert_eq!(rule(&policy, "::ffff:127.0.0.1", 5001), "loopback");
        assert_eq!(rule(&policy, "64:ff9b::10.1.2.3", 80), "private");
        assert_eq!(rule(&policy, "::10.1.2.3", 80), "private");
        assert_eq!(rule(&policy, "2002:a01:203::1", 80), "private");
    }

    #[test]
    fn a_metadata_service_needs_an_entry_of_its_own() {
        let wide = policy(&["0.0.0.0/0", "169.254.169.254/31", "::/0", "fd00:ec2::/64"]);
        let exact = policy(&["169.254.169.254:80", "fd00:ec2::254/128"]);

        for address in ["169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254"] {
            assert_eq!(rule(&wide, address, 80), "cloud metadata", "{address}");
        }
        assert_eq!(rule(&wide, "64:ff9b::169.254.169.254", 80), "cloud metadata");
        assert_eq!(rule(&wide, "fe80::5efe:169.254.169.254", 80), "cloud metadata");
        assert_eq!(rule(&wide, "169.254.169.253", 80), PUBLIC);
        assert_eq!(rule(&exact, "169.254.169.254", 80), PUBLIC);
        assert_eq!(rule(&exact, "::ffff:169.254.169.254", 80), PUBLIC);
        assert_eq!(rule(&exact, "169.254.169.254", 8080), "cloud metadata");
        assert_eq!(rule(&exact, "169.254.170.2", 80), "cloud metadata");
        assert_eq!(rule(&exact, "fd00:ec2::254", 80), PUBLIC);
    }

    #[test]
    fn the_dispatcher_does_not_call_itself_unless_that_is_named_exactly() {
        let listens = |own: &str, allow: &[&str]| policy(allow).apart_from(own.parse().unwrap());
        let local = listens("127.0.0.1:8080", &["127.0.0.0/8", "::1"]);
        let everywhere = listens("[::]:8080", &["0.0.0.0/0", "::/0"]);
        let public = listens("8.8.8.8:443", &[]);

        assert_eq!(rule(&local, "127.0.0.1", 8080), "own listener");
        assert_eq!(rule(&local, "::ffff:127.0.0.1", 8080), "own listener");
        assert_eq!((rule(&local, "127.0.0.1", 8081), rule(&local, "127.0.0.2", 8080)), (PUBLIC, PUBLIC));
        for address in ["127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::"] {
            assert_eq!(rule(&everywhere, address, 8080), "own listener", "{address}");
        }
        assert_eq!(rule(&everywhere, "10.0.0.1", 8080), PUBLIC);
        assert_eq!((rule(&public, "8.8.8.8", 443), rule(&public, "8.8.8.8", 80)), ("own listener", PUBLIC));
        assert_eq!(rule(&listens("127.0.0.1:8080", &["127.0.0.1:8080"]), "127.0.0.1", 8080), PUBLIC);
        assert_eq!(rule(&listens("127.0.0.1:8080", &["127.0.0.1"]), "127.0.0.1", 8080), "own listener");
    }

    #[test]
    fn an_address_in_a_url_is_judged_in_every_notation() {
        let policy = policy(&[]);

        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "127.0.0.1.",
            "%31%32%37.0.0.1",
            "１２７.0.0.1",
            "[::1]",
            "[::ffff:7f00:1]",
        ] {
            assert_eq!(url_rule(&policy, &format!("http://{host}/")), "loopback", "{host}");
        }
        assert_eq!(url_rule(&policy, "http://0/"), "unspecified");
        assert_eq!(url_rule(&policy, "http://8.8.8.8/"), PUBLIC);
    }

    #[test]
    fn the_port_of_a_url_counts_even_when_it_is_not_written() {
        let policy = policy(&["127.0.0.1:443", "127.0.0.1:80"]);

        assert_eq!(url_rule(&policy, "https://127.0.0.1/"), PUBLIC);
        assert_eq!(url_rule(&policy, "http://127.0.0.1/"), PUBLIC);
        assert_eq!(url_rule(&policy, "http://127.0.0.1:8080/"), "loopback");
    }

    #[test]
    fn a_name_in_a_url_is_left_to_its_addresses() {
        for host in ["localhost", "a.example", "169.254.169.254.nip.example"] {
            assert_eq!(url_rule(&policy(&[]), &format!("http://{host}/")), PUBLIC, "{host}");
        }
    }

    proptest! {
        #[test]
        fn an_ipv4_address_is_judged_as_its_mapped_form(bits: u32, port: u16) {
            let v4 = Ipv4Addr::from_bits(bits);
            let policy = policy(&["10.0.0.0/8", "127.0.0.0/8:5000"]);

            prop_assert_eq!(rule(&policy, &v4.to_string(), port), rule(&policy, &v4.to_ipv6_mapped().to_string(), port));
        }

        #[test]
        fn an_entry_for_everything_allows_everything_but_metadata(bits: u32, wide: u128, port: u16) {
            let policy = policy(&["0.0.0.0/0", "::/0"]);

            for ip in [IpAddr::V4(Ipv4Addr::from_bits(bits)), IpAddr::V6(Ipv6Addr::from_bits(wide))] {
                prop_assert!([PUBLIC, CLOUD_METADATA].contains(&rule(&policy, &ip.to_string(), port)));
            }
        }
    }
}
