//! The client's address, also behind a proxy that the operator named.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

/// The header in which proxies append the address they saw.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The address of the client behind `peer`. `x-forwarded-for` is believed from
/// right to left, for as long as the next hop is one of `proxies`: what a
/// stranger wrote further left counts for nothing.
#[must_use]
pub fn client_address(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> IpAddr {
    let trusted =
        |address: &IpAddr| proxies.iter().any(|net| net.contains(&address.to_canonical()));
    if !trusted(&peer) {
        return peer.to_canonical();
    }
    let mut seen = peer;
    let hops = headers.get_all(FORWARDED_FOR).into_iter().rev();
    for value in hops.filter_map(|value| value.to_str().ok()) {
        for hop in value.rsplit(',') {
            let Ok(address) = hop.trim().parse::<IpAddr>() else { return seen.to_canonical() };
            seen = address;
            if !trusted(&address) {
                return address.to_canonical();
            }
        }
    }
    seen.to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(peer: &str, forwarded: &[&str], expected: &str) {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        let proxies = ["10.0.0.0/8".parse().unwrap()];
        let address = client_address(peer.parse().unwrap(), &headers, &proxies);
        assert_eq!(address.to_string(), expected, "{peer} {forwarded:?}");
    }

    #[test]
    fn only_named_proxies_are_believed() {
        check("203.0.113.9", &["198.51.100.1"], "203.0.113.9");
        check("10.0.0.1", &["198.51.100.1"], "198.51.100.1");
        check("10.0.0.1", &["1.2.3.4, 198.51.100.1, 10.0.0.2"], "198.51.100.1");
        check("10.0.0.1", &["1.2.3.4", "198.51.100.1"], "198.51.100.1");
        check("10.0.0.1", &["nonsense"], "10.0.0.1");
        check("10.0.0.1", &[], "10.0.0.1");
        check("::ffff:10.0.0.1", &["198.51.100.1"], "198.51.100.1");
    }
}
