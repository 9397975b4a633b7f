//! The classifier of addresses, against the published registries as somebody else would read them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use webhook_dispatcher::domain::address_policy::AddressPolicy;
use webhook_dispatcher::domain::allowed_network::AllowedNetwork;

use super::for_all;

/// What IANA's registry of special-purpose IPv4 addresses calls not globally reachable, and multicast.
const REGISTRY_V4: [(&str, u32); 16] = [
    ("0.0.0.0", 8),
    ("10.0.0.0", 8),
    ("100.64.0.0", 10),
    ("127.0.0.0", 8),
    ("169.254.0.0", 16),
    ("172.16.0.0", 12),
    ("192.0.0.0", 24),
    ("192.0.2.0", 24),
    ("192.88.99.0", 24),
    ("192.168.0.0", 16),
    ("198.18.0.0", 15),
    ("198.51.100.0", 24),
    ("203.0.113.0", 24),
    ("224.0.0.0", 4),
    ("240.0.0.0", 4),
    ("255.255.255.255", 32),
];

/// The one service of a cloud that has a public address.
const METADATA: &str = "168.63.129.16";

/// The same for IPv6; what is not handed out (beyond `2000::/3` and the translators' `64:ff9b::/96`) is not there.
const REGISTRY_V6: [(&str, u32); 5] = [("2001::", 23), ("2001:db8::", 32), ("3fff::", 20), ("64:ff9b:1::", 48), ("100::", 64)];

fn within<const N: usize>(bits: u128, width: u32, networks: [(u128, u32); N]) -> bool {
    networks.into_iter().any(|(network, prefix)| prefix == 0 || (bits ^ network) >> (width - prefix) == 0)
}

fn is_special_v4(ip: Ipv4Addr) -> bool {
    let networks = REGISTRY_V4.map(|(network, prefix)| (u128::from(network.parse::<Ipv4Addr>().unwrap().to_bits()), prefix));
    within(ip.to_bits().into(), 32, networks) || ip == METADATA.parse::<Ipv4Addr>().unwrap()
}

/// Near the edges of networks, where a classifier errs.
fn v4() -> impl Strategy<Value = Ipv4Addr> {
    let edge = (prop::sample::select(&REGISTRY_V4[..]), -2_i64..=2, any::<bool>()).prop_map(|((network, prefix), step, end)| {
        let first = i64::from(network.parse::<Ipv4Addr>().unwrap().to_bits());
        let at = if end { first + (1_i64 << (32 - prefix)) } else { first };
        Ipv4Addr::from_bits(u32::try_from((at + step).rem_euclid(1 << 32)).unwrap())
    });
    prop_oneof![any::<u32>().prop_map(Ipv4Addr::from_bits), edge]
}

fn is_refused(ip: impl Into<IpAddr>) -> bool {
    AddressPolicy::default().check(ip.into(), 443).is_err()
}

#[test]
fn an_ipv4_address_is_refused_exactly_when_the_registry_says_so() {
    for_all(&v4(), |ip| {
        prop_assert_eq!(is_refused(ip), is_special_v4(ip), "{}", ip);
        prop_assert_eq!(is_refused(ip.to_ipv6_mapped()), is_special_v4(ip), "{}", ip);
        Ok(())
    });
}

#[test]
fn an_ipv6_address_is_refused_when_any_registry_says_so() {
    let in_network = (prop::sample::select(&REGISTRY_V6[..]), any::<u128>()).prop_map(|((network, prefix), bits)| {
        let network = network.parse::<Ipv6Addr>().unwrap().to_bits();
        Ipv6Addr::from_bits(network | (bits & (u128::MAX >> prefix)))
    });
    for_all(&in_network, |ip| {
        prop_assert!(is_refused(ip), "{}", ip);
        Ok(())
    });
    for_all(&any::<u128>(), |bits| {
        let ip = Ipv6Addr::from_bits(bits);
        let is_handed_out = bits >> 125 == 1 || bits >> 32 == 0x0064_ff9b_u128 << 64 || ip.to_ipv4_mapped().is_some();
        prop_assert!(is_handed_out || is_refused(ip), "{}", ip);
        Ok(())
    });
}

#[test]
fn an_ipv4_address_that_is_refused_is_so_inside_ipv6_too() {
    for_all(&(v4(), any::<u64>(), any::<u16>()), |(ip, prefix, group)| {
        let bits = u128::from(ip.to_bits());
        let high = u128::from(prefix) << 64;
        let dresses = [
            (0x0064_ff9b_u128 << 96) | bits,
            (0x0064_ff9b_0001_u128 << 80) | (u128::from(group) << 32) | bits,
            (0x2002_u128 << 112) | (bits << 80) | u128::from(prefix),
            high | (0x5efe_u128 << 32) | bits,
            high | (0x0200_5efe_u128 << 32) | bits,
            (0x2001_u128 << 112) | u128::from(!ip.to_bits()),
        ];
        for dress in dresses.map(Ipv6Addr::from_bits) {
            prop_assert!(!is_special_v4(ip) || is_refused(dress), "{} in {}", ip, dress);
        }
        Ok(())
    });
}

#[test]
fn a_network_is_read_as_it_is_written_and_anything_else_is_refused() {
    for_all(&any::<String>(), |text| {
        if let Ok(network) = text.parse::<AllowedNetwork>() {
            prop_assert_eq!(network.to_string().parse::<AllowedNetwork>(), Ok(network));
        }
        Ok(())
    });
    for_all(&(any::<u128>(), 0_u8..=128, prop::option::of(1_u16..)), |(bits, prefix, port)| {
        let network = ipnet::Ipv6Net::new(Ipv6Addr::from_bits(bits), prefix).unwrap().trunc();
        let allowed = AllowedNetwork { network: network.into(), port };
        prop_assert_eq!(allowed.to_string().parse::<AllowedNetwork>(), Ok(allowed));
        Ok(())
    });
}
