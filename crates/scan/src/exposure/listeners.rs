//! What listens on this machine, from the kernel's own list (`/proc/self/net/tcp`
//! and `tcp6`: proc(5)).

use std::fs::File;
use std::io::{self, Read as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;

use super::limits::{LISTENERS_MAX, SOCKET_LIST_BYTES_MAX};

/// The kernel's word for a socket that listens.
const LISTEN: &str = "0A";

/// Every address on which something listens over TCP, sorted, each once.
///
/// # Errors
/// This system has no such list.
pub(super) fn listeners() -> io::Result<Vec<SocketAddr>> {
    let mut found = parse(&read(Path::new("/proc/self/net/tcp"))?);
    // A kernel without IPv6 has none.
    found.extend(
        read(Path::new("/proc/self/net/tcp6")).map_or_else(|_| Vec::new(), |text| parse(&text)),
    );
    Ok(distinct(found))
}

/// Sorted, each once, and no more than are told of.
fn distinct(mut found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    found.sort_unstable();
    found.dedup();
    found.truncate(LISTENERS_MAX);
    found
}

/// The beginning of a list: sockets that listen come before all others.
fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(SOCKET_LIST_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

fn parse(text: &str) -> Vec<SocketAddr> {
    let listening = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        let local = words.next()?;
        (words.nth(1)? == LISTEN).then(|| address(local)).flatten()
    };
    text.lines().filter_map(listening).collect()
}

/// `0100007F:1F90`: 32-bit words as this machine has them in memory.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    if !ip.is_ascii() {
        return None;
    }
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = [0; 16];
    let words = ip.len() / 8;
    for (at, room) in bytes.chunks_exact_mut(4).enumerate().take(words) {
        let word = u32::from_str_radix(ip.get(at * 8..at * 8 + 8)?, 16).ok()?;
        room.copy_from_slice(&word.to_ne_bytes());
    }
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3])),
        32 => IpAddr::V6(Ipv6Addr::from(bytes)),
        _ => return None,
    };
    Some(SocketAddr::new(ip.to_canonical(), port))
}

/// Where a listener is asked, in this order: what is bound to every address is
/// asked at the one that other machines would use, because some services let
/// only loopback in.
pub(crate) fn asked_at(bound: SocketAddr) -> Vec<SocketAddr> {
    if !bound.ip().is_unspecified() {
        return vec![bound];
    }
    let outward = [outward(bound.is_ipv6(), true), outward(bound.is_ipv6(), false)];
    let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let all = outward.into_iter().flatten().chain(loopback);
    let fits = |ip: &IpAddr| bound.is_ipv6() || ip.is_ipv4();
    all.filter(fits).map(|ip| SocketAddr::new(ip, bound.port())).collect()
}

/// This machine's address on the way out. Nothing is sent: connecting a UDP
/// socket only chooses a route. The far ends are for documentation (RFC 5737, RFC 3849).
fn outward(may_be_v6: bool, is_v4: bool) -> Option<IpAddr> {
    let (here, there): (IpAddr, IpAddr) = if is_v4 {
        (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into())
    } else if may_be_v6 {
        (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into())
    } else {
        return None;
    };
    let socket = UdpSocket::bind((here, 0)).ok()?;
    socket.connect((there, 9)).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_unspecified()).then_some(ip)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[cfg(target_endian = "little")]
    #[test]
    fn the_kernels_list_is_read() {
        let text = "  sl  local_address rem_address   st tx_queue\n\
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1\n\
             1: 00000000:0016 00000000:0000 0A 0\n\
             2: 0100007F:1F91 0100007F:9999 01 0\n\
             3: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0\n\
             4: 0000000000000000FFFF00000100007F:0051 0:0 0A 0\n\
             5: é0007F:1F90 x 0A\n\
             6: 0100007F:1F9";
        let shown: Vec<_> = parse(text).iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["127.0.0.1:8080", "0.0.0.0:22", "[::1]:80", "127.0.0.1:81"]);
    }

    #[test]
    fn listeners_have_a_bound() {
        let of = |count: usize| {
            let ports =
                (1..=u16::try_from(count).unwrap()).map(|port| SocketAddr::from(([0; 4], port)));
            distinct(ports.clone().chain(ports).collect()).len()
        };
        assert_eq!([of(LISTENERS_MAX), of(LISTENERS_MAX + 1)], [LISTENERS_MAX; 2]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_listener_of_this_process_is_found() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(listeners().unwrap().contains(&socket.local_addr().unwrap()));
    }

    #[test]
    fn what_is_bound_everywhere_is_asked_from_outside_first() {
        let asked = |bound: &str| asked_at(bound.parse().unwrap());
        assert_eq!(asked("10.0.0.5:1"), ["10.0.0.5:1".parse().unwrap()]);
        assert_eq!(asked("0.0.0.0:1").last().unwrap().to_string(), "127.0.0.1:1");
        assert!(asked("0.0.0.0:1").iter().all(SocketAddr::is_ipv4));
        assert_eq!(asked("[::]:1").last().unwrap().to_string(), "[::1]:1");
    }
}
