//! Who can reach an address, and where an address leads, in words.

use std::net::{IpAddr, SocketAddr};

/// How far an address reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// This machine.
    Loopback,
    /// A private network.
    Private,
    /// Every network that this machine is in.
    Any,
    /// The internet.
    Public,
    /// A name: where it leads is for DNS to say.
    Name,
}

impl Reach {
    /// The reach of an address.
    #[must_use]
    pub fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            ip if ip.is_loopback() => Self::Loopback,
            ip if ip.is_unspecified() => Self::Any,
            IpAddr::V4(v4) if v4.is_private() || v4.is_link_local() => Self::Private,
            // Unique local (fc00::/7) and link local (fe80::/10) addresses.
            IpAddr::V6(v6) if v6.is_unique_local() || v6.is_unicast_link_local() => Self::Private,
            _ => Self::Public,
        }
    }

    /// The reach of a server's base address, such as `http://127.0.0.1:9000/v1`.
    #[must_use]
    pub fn of_url(url: &str) -> Self {
        let host = host(url);
        match host.parse::<IpAddr>() {
            Ok(ip) => Self::of(ip),
            Err(_) if host == "localhost" || host.ends_with(".localhost") => Self::Loopback,
            Err(_) => Self::Name,
        }
    }

    /// Who can reach a listener there.
    #[must_use]
    pub const fn who(self) -> &'static str {
        match self {
            Self::Loopback => "programs on this machine only",
            Self::Private => "every machine in that private network",
            Self::Any => "every machine that can reach this one, on all of its networks",
            Self::Public | Self::Name => "the internet, unless something on the way stops it",
        }
    }

    /// Where a server there is.
    #[must_use]
    pub const fn place(self) -> &'static str {
        match self {
            Self::Loopback | Self::Any => "on this machine",
            Self::Private => "in a private network",
            Self::Public => "at a public address",
            Self::Name => "wherever DNS says that this name leads",
        }
    }
}

/// The host in `url`, without port and brackets.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or("");
    match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(""),
        None => authority.split(':').next().unwrap_or(""),
    }
}

/// Who can reach a listener at `address`.
#[must_use]
pub fn who(address: SocketAddr) -> &'static str {
    Reach::of(address.ip()).who()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lead_where_they_lead() {
        for (url, reach) in [
            ("http://127.0.0.1:9000/v1", Reach::Loopback),
            ("http://localhost:11434/v1", Reach::Loopback),
            ("http://[::1]:1/v1", Reach::Loopback),
            ("http://10.1.2.3/v1", Reach::Private),
            ("http://[fd00::1]/v1", Reach::Private),
            ("http://0.0.0.0:1", Reach::Any),
            ("https://8.8.8.8", Reach::Public),
            ("https://api.example.com/v1", Reach::Name),
            ("http://127.0.0.1.example.com/v1", Reach::Name),
        ] {
            assert_eq!(Reach::of_url(url), reach, "{url}");
        }
    }
}
