//! Urls that admins type, and the ids that are put into them.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use percent_encoding::percent_decode_str;
use proptest::prelude::*;
use webhook_dispatcher::domain::address_policy::AddressPolicy;
use webhook_dispatcher::domain::target_url::{IdInUrl, LoginUrl, TargetUrl};

use super::for_all;

/// Numbers as parts of an address are written, and some that are none.
fn part() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<u8>().prop_map(|n| n.to_string()),
        any::<u8>().prop_map(|n| format!("{n:#x}")),
        any::<u8>().prop_map(|n| format!("0{n:o}")),
        any::<u32>().prop_map(|n| n.to_string()),
        any::<u32>().prop_map(|n| format!("{n:#x}")),
        any::<u16>().prop_map(|n| format!("%{:02x}", n % 256)),
        "[0-9a-fx]{0,4}",
        Just(String::new()),
    ]
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::collection::vec(part(), 1..6).prop_map(|parts| parts.join(".")),
        any::<[u8; 16]>().prop_map(|bytes| format!("[{}]", IpAddr::from(bytes))),
        "\\[[0-9a-f:.]{0,40}\\]",
        "\\PC{0,20}",
        ".{0,20}",
    ]
}

#[test]
fn a_host_that_any_reader_takes_for_an_address_is_judged_as_that_address() {
    let policy = AddressPolicy::default();
    for_all(&(host(), any::<Option<u16>>()), |(host, port)| {
        let port_text = port.map(|port| format!(":{port}")).unwrap_or_default();
        let Ok(url) = TargetUrl::parse(&format!("http://{host}{port_text}/:id"), IdInUrl::Required) else { return Ok(()) };
        let parsed = url.template().host_str().unwrap();
        // What the system itself reads without asking anybody for a name.
        let bare = parsed.trim_start_matches('[').trim_end_matches(']');
        let is_number = bare.parse::<IpAddr>().is_ok();
        if is_number {
            let address: SocketAddr = (bare, 80).to_socket_addrs().unwrap().next().unwrap();
            let port = url.template().port_or_known_default().unwrap();
            prop_assert_eq!(policy.check_url_host(url.template()).is_ok(), policy.check(address.ip(), port).is_ok());
        } else {
            // A name that ends in a number is one that some reader takes for an address.
            let last = bare.strip_suffix('.').unwrap_or(bare).rsplit('.').next().unwrap();
            prop_assert!(last.is_empty() || !last.bytes().all(|byte| byte.is_ascii_digit()) && !last.starts_with("0x"), "{bare}");
        }
        Ok(())
    });
}

#[test]
fn any_text_is_a_url_or_refused_and_a_login_url_by_the_same_rules() {
    for_all(&prop_oneof![any::<String>(), "(https?://|HTTP://|//)?\\PC{0,40}", "https?://[a-z.:@/?#\\[\\]]{0,30}"], |text| {
        let (target, login) = (TargetUrl::parse(&text, IdInUrl::Optional), LoginUrl::parse(&text));
        prop_assert_eq!(target.as_ref().err(), login.as_ref().err());
        if let Ok(target) = target {
            prop_assert!(matches!(target.template().scheme(), "http" | "https"));
            prop_assert!(target.template().host_str().is_some_and(|host| !host.is_empty()));
            prop_assert!(target.template().username().is_empty() && target.template().password().is_none());
            prop_assert_eq!(target.as_str(), text);
        }
        Ok(())
    });
}

#[test]
fn an_id_changes_nothing_of_a_url_but_its_place() {
    const TEMPLATES: &[&str] = &["https://a.example/x/:id/y?b=1", "https://a.example/?q=:id&r=2", "http://a.example:81/:id"];
    for_all(&(prop::sample::select(TEMPLATES), any::<String>()), |(template, id)| {
        let template = TargetUrl::parse(template, IdInUrl::Required).unwrap();
        let Ok(url) = template.for_subject(&id) else {
            prop_assert!(matches!(id.as_str(), "." | "..") || id.len() > 10_000, "{id:?}");
            return Ok(());
        };
        let (plain, before) = (template.for_subject("7").unwrap(), template.template());
        prop_assert_eq!((url.scheme(), url.host(), url.port()), (before.scheme(), before.host(), before.port()));
        let segments = |url: &url::Url| url.path_segments().unwrap().count();
        prop_assert_eq!((segments(&url), url.query_pairs().count()), (segments(&plain), plain.query_pairs().count()));
        prop_assert!(url.fragment().is_none());
        let decoded = percent_decode_str(url.as_str()).decode_utf8().unwrap();
        prop_assert!(decoded.contains(&id));
        Ok(())
    });
}
