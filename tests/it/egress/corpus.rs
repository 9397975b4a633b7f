//! Hosts that lead where nobody may call, in every notation that a url has for them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// Digits too.
const EVERYTHING: AsciiSet =
    NON_ALPHANUMERIC.add(b'0').add(b'1').add(b'2').add(b'3').add(b'4').add(b'5').add(b'6').add(b'7').add(b'8').add(b'9');

/// Written in every notation.
const SPELLED_OUT: [[u8; 4]; 6] =
    [[127, 0, 0, 1], [10, 0, 0, 1], [192, 168, 1, 1], [169, 254, 169, 254], [0, 0, 0, 0], [100, 100, 100, 200]];

/// The other special addresses, at both ends of their networks.
const SPECIAL_V4: [&str; 36] = [
    "0.0.0.1",
    "0.255.255.255",
    "10.255.255.255",
    "100.64.0.0",
    "100.127.255.255",
    "127.0.0.2",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.170.2",
    "169.254.170.23",
    "169.254.42.42",
    "169.254.0.23",
    "172.16.0.0",
    "172.17.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.8",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.0",
    "192.168.255.255",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "224.0.0.251",
    "233.252.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "247.1.2.3",
    "255.255.255.254",
    "255.255.255.255",
    "10.96.0.1",
];

const SPECIAL_V6: [&str; 34] = [
    "::",
    "::1",
    "::2",
    "0:0:0:0:0:0:0:1",
    "0000:0000:0000:0000:0000:0000:0000:0001",
    "::7f00:1",
    "::127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:0:7f00:1",
    "::FFFF:127.0.0.1",
    "64:ff9b:1::1",
    "64:ff9b:2::1",
    "100::1",
    "1::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2002:c0a8:101::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fd00:42::42",
    "fe80::1",
    "fe80::5efe:10.0.0.1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
];

/// Every address of the corpus, as it is when a name stands for it.
pub(super) fn addresses() -> Vec<IpAddr> {
    let spelled = SPELLED_OUT.map(|octets| IpAddr::from(Ipv4Addr::from(octets)));
    let listed = SPECIAL_V4.iter().chain(&SPECIAL_V6).map(|address| address.parse().unwrap());
    spelled.into_iter().chain(listed).collect()
}

/// Every host of the corpus, as it stands in a url.
pub(super) fn hosts() -> Vec<String> {
    let mut hosts: Vec<String> = SPELLED_OUT.into_iter().flat_map(notations).collect();
    for address in SPECIAL_V4 {
        let [a, b, c, d] = address.parse::<Ipv4Addr>().unwrap().octets();
        hosts.push(address.to_owned());
        hosts.push(u32::from_be_bytes([a, b, c, d]).to_string());
        hosts.extend(in_ipv6([a, b, c, d]));
    }
    hosts.extend(SPECIAL_V6.iter().map(|address| format!("[{address}]")));
    hosts
}

/// An IPv4 address in every way in which it can be written.
fn notations([a, b, c, d]: [u8; 4]) -> Vec<String> {
    let number = u32::from_be_bytes([a, b, c, d]);
    let (low, lower) = (number & 0x00ff_ffff, number & 0xffff);
    let dotted = format!("{a}.{b}.{c}.{d}");
    let escaped = percent_encode(dotted.as_bytes(), &EVERYTHING).to_string();
    let moved =
        |zero: u32| -> String { dotted.chars().map(|c| c.to_digit(10).map_or(c, |digit| char::from_u32(zero + digit).unwrap())).collect() };
    let mut all = vec![
        format!("{dotted}."),
        number.to_string(),
        format!("{number:#x}"),
        format!("{number:#X}"),
        format!("0{number:o}"),
        format!("{a}.{low}"),
        format!("{a}.{b}.{lower}"),
        format!("{a:#x}.{b:#x}.{c:#x}.{d:#x}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("000{a:o}.0{b:o}.{c:#x}.{d}"),
        format!("{a:#x}.{low}"),
        format!("0{a:o}.{low:#x}"),
        escaped,
        // Digits of full width, and bold ones: one letter each to a reader of names.
        moved(0xff10),
        moved(0x1_d7ce),
        // Other full stops.
        dotted.replace('.', "\u{3002}"),
        dotted.replace('.', "\u{ff0e}"),
        dotted.replace('.', "\u{ff61}"),
        dotted.replace('.', "%2e"),
        dotted.clone(),
    ];
    all.extend(in_ipv6([a, b, c, d]));
    all
}

/// The dresses that IPv6 has for an IPv4 address.
fn in_ipv6([a, b, c, d]: [u8; 4]) -> Vec<String> {
    let dotted = format!("{a}.{b}.{c}.{d}");
    let mapped = Ipv4Addr::from([a, b, c, d]).to_ipv6_mapped();
    let segments = mapped.segments().map(|segment| format!("{segment:04X}")).join(":");
    let to_6to4 = Ipv6Addr::from_segments([0x2002, u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]), 0, 0, 0, 0, 1]);
    vec![format!("[::ffff:{dotted}]"), format!("[{segments}]"), format!("[64:ff9b::{dotted}]"), format!("[{to_6to4}]")]
}

#[test]
fn the_corpus_is_as_large_as_it_is_said_to_be() {
    let mut hosts = hosts();
    hosts.sort();
    hosts.dedup();

    assert!(hosts.len() > 300, "{}", hosts.len());
}
