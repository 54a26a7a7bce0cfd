//! Which addresses the door lets a stranger name: on the public internet, and in
//! networks that the operator listed. The door is inside, and must not be sent to
//! what only it can reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;
use ipnet::IpNet;

/// Whether requests may go to `url` as it is written: `https` to a name, which is
/// looked at again when it is resolved; an address, and plain `http`, only in
/// `listed` networks.
pub(super) fn may_be_told(url: &str, listed: &[IpNet]) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let Some(authority) = uri.authority().filter(|authority| !authority.as_str().contains('@'))
    else {
        return false;
    };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    match (uri.scheme_str(), host.parse::<IpAddr>()) {
        (Some("http" | "https"), Ok(address)) => is_listed(address, listed),
        // What is no address but looks like one (127.1, 0x7f000001) is no name.
        (Some("https"), Err(_)) => {
            host.rsplit('.')
                .next()
                .is_some_and(|last| last.starts_with(|c: char| c.is_ascii_alphabetic()))
                && !last_is_hex(host)
                && host.contains('.')
        }
        _ => false,
    }
}

fn last_is_hex(host: &str) -> bool {
    host.rsplit('.').next().is_some_and(|last| last.starts_with("0x"))
}

/// Whether requests may go to `address`.
pub(super) fn is_allowed(address: IpAddr, listed: &[IpNet]) -> bool {
    is_listed(address, listed) || is_public(address)
}

fn is_listed(address: IpAddr, listed: &[IpNet]) -> bool {
    listed.iter().any(|network| network.contains(&address.to_canonical()))
}

/// Whether `address` is one of the public internet (IANA's registries of special
/// addresses, RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    let is_special = v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_multicast()
        || v4.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 198 && (b == 18 || b == 19))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99);
    !is_special
}

/// Global unicast only (2000::/3), without what holds an IPv4 address or is for
/// protocols and books: 2001::/23, 2001:db8::/32, 2002::/16, 3fff::/20.
fn is_public_v6(v6: Ipv6Addr) -> bool {
    let [first, second, ..] = v6.segments();
    let is_special = (first == 0x2001 && (second < 0x200 || second == 0xdb8))
        || first == 0x2002
        || (first == 0x3fff && second < 0x1000);
    first & 0xe000 == 0x2000 && !is_special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_public_internet_and_what_is_listed_is_reached() {
        let listed: [IpNet; 1] = ["10.7.0.0/16".parse().unwrap()];
        for (address, expected) in [
            ("1.1.1.1", true),
            ("198.41.0.4", true),
            ("2606:4700::1111", true),
            ("10.7.1.2", true),
            ("10.8.1.2", false),
            ("127.0.0.1", false),
            ("0.0.0.0", false),
            ("169.254.169.254", false),
            ("::ffff:169.254.169.254", false),
            ("::ffff:10.7.1.2", true),
            ("100.64.0.1", false),
            ("100.128.0.1", true),
            ("192.168.1.1", false),
            ("192.0.2.7", false),
            ("198.18.0.1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("::1", false),
            ("::", false),
            ("fe80::1", false),
            ("fd00::1", false),
            ("ff02::1", false),
            ("2002:7f00:1::", false),
            ("64:ff9b::7f00:1", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_allowed(address.parse().unwrap(), &listed), expected, "{address}");
        }
    }

    #[test]
    fn a_url_is_https_to_a_name_or_an_address_that_is_listed() {
        let listed: [IpNet; 1] = ["127.0.0.0/8".parse().unwrap()];
        for (url, expected) in [
            ("https://hooks.example.org/a?b=c", true),
            ("https://hooks.example.org:8443/", true),
            ("http://hooks.example.org/", false),
            ("http://127.0.0.1:9000/hook", true),
            ("https://1.1.1.1/", false),
            ("https://[::1]/", false),
            ("https://localhost/", false),
            ("https://user:secret@hooks.example.org/", false),
            ("https://127.1/", false),
            ("https://2130706433/", false),
            ("https://0x7f.0.0.0x1/", false),
            ("ftp://hooks.example.org/", false),
            ("hooks.example.org", false),
            ("/etc/passwd", false),
            ("", false),
        ] {
            assert_eq!(may_be_told(url, &listed), expected, "{url}");
        }
        assert!(!may_be_told("http://127.0.0.1:9000/hook", &[]));
    }
}
