//! What kind of address an address is: public, or which of the special kinds.
//!
//! What is public is said by IANA's registries of special-purpose addresses; where they leave doubt, an address counts as
//! special. An IPv4 address is found in every dress that IPv6 has for it. Not for whether an address may be called.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// The rule that no network on the allow list lifts, only an entry of exactly the one address.
pub(super) const CLOUD_METADATA: &str = "cloud metadata";

/// Where clouds hand credentials to whoever asks from inside. The last one is a public address.
const METADATA_V4: [Ipv4Addr; 8] = [
    Ipv4Addr::new(169, 254, 169, 254), // Most clouds.
    Ipv4Addr::new(169, 254, 170, 2),   // Amazon, containers.
    Ipv4Addr::new(169, 254, 170, 23),  // Amazon, pods.
    Ipv4Addr::new(169, 254, 0, 23),    // Tencent.
    Ipv4Addr::new(169, 254, 42, 42),   // Scaleway.
    Ipv4Addr::new(100, 100, 100, 200), // Alibaba.
    Ipv4Addr::new(192, 0, 0, 192),     // Oracle.
    Ipv4Addr::new(168, 63, 129, 16),   // Azure.
];

/// The same for IPv6.
const METADATA_V6: [Ipv6Addr; 6] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),      // Amazon.
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),       // Amazon, pods.
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),       // Google.
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),        // Scaleway.
    Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe), // Oracle.
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe),    // OpenStack.
];

/// The first network that holds an address names its rule.
const REFUSED_V4: [(Ipv4Net, &str); 17] = [
    (v4([0, 0, 0, 0], 32), "unspecified"),
    (v4([0, 0, 0, 0], 8), "this network"),
    (v4([10, 0, 0, 0], 8), "private"),
    (v4([100, 64, 0, 0], 10), "shared address space"),
    (v4([127, 0, 0, 0], 8), "loopback"),
    (v4([169, 254, 0, 0], 16), "link-local"),
    (v4([172, 16, 0, 0], 12), "private"),
    // Two addresses of this network count as global, but they lead to the nearest gateway and never to a receiver.
    (v4([192, 0, 0, 0], 24), "protocol assignments"),
    (v4([192, 0, 2, 0], 24), "documentation"),
    (v4([192, 88, 99, 0], 24), "6to4 relay"),
    (v4([192, 168, 0, 0], 16), "private"),
    (v4([198, 18, 0, 0], 15), "benchmarking"),
    (v4([198, 51, 100, 0], 24), "documentation"),
    (v4([203, 0, 113, 0], 24), "documentation"),
    (v4([224, 0, 0, 0], 4), "multicast"),
    (v4([255, 255, 255, 255], 32), "broadcast"),
    (v4([240, 0, 0, 0], 4), "reserved"),
];

/// The same for IPv6.
const REFUSED_V6: [(Ipv6Net, &str); 14] = [
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), "unspecified"),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), "loopback"),
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), "local translation"),
    (v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64), "discard-only"),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), "Teredo"),
    (v6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48), "benchmarking"),
    // Some of these assignments count as global; none of them is a receiver.
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), "protocol assignments"),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), "documentation"),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), "documentation"),
    (v6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16), "segment routing"),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), "unique local"),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "link-local"),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), "site-local"),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "multicast"),
];

/// Where public IPv6 addresses are: what is handed out, and IPv4 behind a translator. All else is reserved.
const PUBLIC_V6: [Ipv6Net; 2] = [v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3), v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96)];

/// The kind of a special address, `None` for a public one. An IPv4-mapped address must be given as the IPv4 address
/// that it is.
pub(super) fn refusal(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(ip) => refusal_v4(ip),
        IpAddr::V6(ip) => refusal_v6(ip),
    }
}

fn refusal_v4(ip: Ipv4Addr) -> Option<&'static str> {
    if METADATA_V4.contains(&ip) {
        return Some(CLOUD_METADATA);
    }
    REFUSED_V4.iter().find(|(network, _)| network.contains(&ip)).map(|(_, rule)| *rule)
}

fn refusal_v6(ip: Ipv6Addr) -> Option<&'static str> {
    if METADATA_V6.contains(&ip) {
        return Some(CLOUD_METADATA);
    }
    let own = || REFUSED_V6.iter().find(|(network, _)| network.contains(&ip)).map(|(_, rule)| *rule);
    let unassigned = || (!PUBLIC_V6.iter().any(|network| network.contains(&ip))).then_some("reserved");
    // What is inside goes first: an entry that allows the outer network must not lead to a metadata service.
    embedded_v4(ip).into_iter().flatten().find_map(refusal_v4).or_else(own).or_else(unassigned)
}

/// The IPv4 addresses that a packet to this address may end at. Mapped ones are IPv4 addresses by now.
fn embedded_v4(ip: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let at_the_end = match ip.segments() {
        // Unspecified and loopback are addresses in their own right.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        // Compatible and translated; translated by the well-known and by a local prefix; ISATAP behind any prefix.
        [0, 0, 0, 0, 0 | 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        | [_, _, _, _, 0 | 0x100 | 0x200 | 0x300, 0x5efe, high, low] => Some(joined(high, low)),
        // Teredo hides its client's address from address translators by inverting it.
        [0x2001, 0, _, _, _, _, high, low] => Some(joined(!high, !low)),
        _ => None,
    };
    let behind_6to4 = match ip.segments() {
        [0x2002, high, low, ..] => Some(joined(high, low)),
        _ => None,
    };
    [at_the_end, behind_6to4]
}

fn joined(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low))
}

const fn v4(octets: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::from_octets(octets), prefix)
}

const fn v6(segments: [u16; 8], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::from_segments(segments), prefix)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PUBLIC: &str = "";

    /// Addresses on both sides of every border.
    const JUDGED: [(&str, &str); 138] = [
        ("0.0.0.0", "unspecified"),
        ("0.0.0.1", "this network"),
        ("0.255.255.255", "this network"),
        ("1.0.0.0", PUBLIC),
        ("1.1.1.1", PUBLIC),
        ("8.8.8.8", PUBLIC),
        ("9.255.255.255", PUBLIC),
        ("10.0.0.0", "private"),
        ("10.255.255.255", "private"),
        ("11.0.0.0", PUBLIC),
        ("100.63.255.255", PUBLIC),
        ("100.64.0.0", "shared address space"),
        ("100.100.100.200", "cloud metadata"),
        ("100.127.255.255", "shared address space"),
        ("100.128.0.0", PUBLIC),
        ("126.255.255.255", PUBLIC),
        ("127.0.0.0", "loopback"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.255", "loopback"),
        ("128.0.0.0", PUBLIC),
        ("168.63.129.15", PUBLIC),
        ("168.63.129.16", "cloud metadata"),
        ("168.63.129.17", PUBLIC),
        ("169.253.255.255", PUBLIC),
        ("169.254.0.0", "link-local"),
        ("169.254.0.23", "cloud metadata"),
        ("169.254.42.42", "cloud metadata"),
        ("169.254.169.253", "link-local"),
        ("169.254.169.254", "cloud metadata"),
        ("169.254.170.2", "cloud metadata"),
        ("169.254.170.23", "cloud metadata"),
        ("169.254.255.255", "link-local"),
        ("169.255.0.0", PUBLIC),
        ("172.15.255.255", PUBLIC),
        ("172.16.0.0", "private"),
        ("172.31.255.255", "private"),
        ("172.32.0.0", PUBLIC),
        ("191.255.255.255", PUBLIC),
        ("192.0.0.0", "protocol assignments"),
        ("192.0.0.9", "protocol assignments"),
        ("192.0.0.10", "protocol assignments"),
        ("192.0.0.192", "cloud metadata"),
        ("192.0.0.255", "protocol assignments"),
        ("192.0.1.0", PUBLIC),
        ("192.0.2.0", "documentation"),
        ("192.0.2.255", "documentation"),
        ("192.0.3.0", PUBLIC),
        ("192.31.196.1", PUBLIC),
        ("192.52.193.1", PUBLIC),
        ("192.88.98.255", PUBLIC),
        ("192.88.99.1", "6to4 relay"),
        ("192.88.100.0", PUBLIC),
        ("192.167.255.255", PUBLIC),
        ("192.168.0.0", "private"),
        ("192.168.255.255", "private"),
        ("192.169.0.0", PUBLIC),
        ("192.175.48.1", PUBLIC),
        ("198.17.255.255", PUBLIC),
        ("198.18.0.0", "benchmarking"),
        ("198.19.255.255", "benchmarking"),
        ("198.20.0.0", PUBLIC),
        ("198.51.99.255", PUBLIC),
        ("198.51.100.0", "documentation"),
        ("198.51.100.255", "documentation"),
        ("198.51.101.0", PUBLIC),
        ("203.0.112.255", PUBLIC),
        ("203.0.113.0", "documentation"),
        ("203.0.113.255", "documentation"),
        ("203.0.114.0", PUBLIC),
        ("223.255.255.255", PUBLIC),
        ("224.0.0.0", "multicast"),
        ("239.255.255.255", "multicast"),
        ("240.0.0.0", "reserved"),
        ("255.255.255.254", "reserved"),
        ("255.255.255.255", "broadcast"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::2", "this network"),
        ("::127.0.0.1", "loopback"),
        ("::169.254.169.254", "cloud metadata"),
        ("::8.8.8.8", "reserved"),
        ("::1:0:0:0", "reserved"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:0.0.0.0", "unspecified"),
        ("::ffff:10.1.2.3", "private"),
        ("::ffff:169.254.169.254", "cloud metadata"),
        ("::ffff:168.63.129.16", "cloud metadata"),
        ("::ffff:8.8.8.8", PUBLIC),
        ("::ffff:0:127.0.0.1", "loopback"),
        ("::ffff:0:8.8.8.8", "reserved"),
        ("64:ff9a:ffff:ffff:ffff:ffff:ffff:ffff", "reserved"),
        ("64:ff9b::8.8.8.8", PUBLIC),
        ("64:ff9b::10.0.0.1", "private"),
        ("64:ff9b::127.0.0.1", "loopback"),
        ("64:ff9b::169.254.169.254", "cloud metadata"),
        ("64:ff9b::1:8.8.8.8", "reserved"),
        ("64:ff9b:1::8.8.8.8", "local translation"),
        ("64:ff9b:1:ffff::1.1.1.1", "local translation"),
        ("64:ff9b:1::169.254.169.254", "cloud metadata"),
        ("64:ff9b:2::1", "reserved"),
        ("100::1", "discard-only"),
        ("100:0:0:1::1", "reserved"),
        ("1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "reserved"),
        ("2000::1", PUBLIC),
        // The inverted last 32 bits are the client's address: 8.8.8.8 and 127.0.0.1.
        ("2001:0:4136:e378:8000:63bf:f7f7:f7f7", "Teredo"),
        ("2001:0:4136:e378:8000:63bf:80ff:fffe", "loopback"),
        ("2001:1::1", "protocol assignments"),
        ("2001:2::1", "benchmarking"),
        ("2001:2:1::1", "protocol assignments"),
        ("2001:4:112::1", "protocol assignments"),
        ("2001:10::1", "protocol assignments"),
        ("2001:20::1", "protocol assignments"),
        ("2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "protocol assignments"),
        ("2001:200::1", PUBLIC),
        ("2001:db7:ffff::1", PUBLIC),
        ("2001:db8::1", "documentation"),
        ("2001:db9::1", PUBLIC),
        ("2001:4860:4860::8888", PUBLIC),
        ("2002:808:808::1", PUBLIC),
        ("2002:7f00:1::1", "loopback"),
        ("2002:a9fe:a9fe::1", "cloud metadata"),
        ("2002:808:808::5efe:10.0.0.1", "private"),
        ("2002:a00:1::5efe:8.8.8.8", "private"),
        ("2606:4700:4700::1111", PUBLIC),
        ("2606:4700::5efe:192.168.0.1", "private"),
        ("2606:4700::200:5efe:127.0.0.1", "loopback"),
        ("2606:4700::200:5efe:8.8.8.8", PUBLIC),
        ("2620:4f:8000::1", PUBLIC),
        ("3fff::1", "documentation"),
        ("3fff:1000::1", PUBLIC),
        ("4000::1", "reserved"),
        ("5f00::1", "segment routing"),
        ("fc00::1", "unique local"),
        ("fd00:ec2::254", "cloud metadata"),
        ("fe80::1", "link-local"),
        ("fe80::a9fe:a9fe", "cloud metadata"),
        ("fec0::1", "site-local"),
        ("ff02::1", "multicast"),
    ];

    fn kind(text: &str) -> &'static str {
        refusal(text.parse::<IpAddr>().unwrap().to_canonical()).unwrap_or(PUBLIC)
    }

    #[test]
    fn every_special_address_is_known_by_its_kind() {
        for (address, expected) in JUDGED {
            assert_eq!(kind(address), expected, "{address}");
        }
    }

    proptest! {
        #[test]
        fn an_ipv4_address_is_judged_alike_in_every_dress(bits: u32, prefix: u64) {
            let v4 = Ipv4Addr::from_bits(bits);
            let [a, b, c, d] = v4.octets().map(u16::from);
            let behind = |prefix: u128| IpAddr::V6(Ipv6Addr::from_bits(prefix | u128::from(bits)));
            let kind = refusal(v4.into());

            prop_assert_eq!(refusal(behind(0x0064_ff9b << 96)), kind);
            prop_assert_eq!(refusal(Ipv6Addr::from_segments([0x2002, (a << 8) | b, (c << 8) | d, 0, 0, 0, 0, 1]).into()), kind);
            if kind.is_some() {
                prop_assert_eq!(refusal(behind((u128::from(prefix) << 64) | (0x5efe << 32))), kind);
                prop_assert_eq!(refusal(behind(0x0064_ff9b_0001 << 80)), kind);
            }
        }

        #[test]
        fn what_the_standard_library_calls_special_is_refused(bits: u32, network in 0_usize..REFUSED_V4.len(), wide: u128) {
            let (network, _) = REFUSED_V4[network];
            let inside = Ipv4Addr::from_bits(network.network().to_bits() | bits & network.hostmask().to_bits());

            prop_assert!(refusal(inside.into()).is_some());
            for v4 in [inside, Ipv4Addr::from_bits(bits)] {
                let special = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast() || v4.is_documentation() || v4.is_broadcast() || v4.is_unspecified();
                prop_assert!(!special || refusal(v4.into()).is_some());
            }
            let v6 = Ipv6Addr::from_bits(wide);
            let special = v6.is_loopback() || v6.is_unspecified() || v6.is_multicast() || v6.is_unique_local() || v6.is_unicast_link_local();
            prop_assert!(!special || refusal(v6.into()).is_some());
        }
    }
}
