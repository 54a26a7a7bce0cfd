//! What may be named: `HOST`, `HOST:PORT`, `SERVICE://HOST[:PORT]`.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use super::judge::Service;
use super::kind::Kind;
use super::services::SERVICES;

/// One thing to look at: a host and a port, or a host's known ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    pub(crate) asked: Asked,
}

/// What is expected there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Nothing was said.
    Anything,
    /// This service; over TLS if so, else as it usually speaks there.
    Service { kind: &'static Kind, tls: bool },
    /// Anything that speaks HTTP.
    Http { tls: bool },
}

/// Why a target cannot be meant.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TargetError {
    /// Of a service that no probe knows.
    #[error("there is no probe for `{0}://`; there are {list}, http and https", list = ids().join(", "))]
    Scheme(String),
    /// With credentials.
    #[error("a target names no user and no password: nothing is tried but to be a stranger")]
    Credentials,
    /// With a path, or a network.
    #[error("a target is one host or one port: no path and no network")]
    Path,
    /// Without a host that can be one.
    #[error("`{0}` names no host")]
    Host(String),
    /// With a port that is none.
    #[error("`{0}` is no port")]
    Port(String),
}

/// The words that name a service.
fn ids() -> Vec<&'static str> {
    let mut ids: Vec<_> = SERVICES.iter().map(|service| service.kind.id).collect();
    ids.dedup();
    ids
}

/// Other words for services, and those that mean TLS: word, id, TLS.
const ALIASES: [(&str, &str, bool); 6] = [
    ("postgresql", "postgres", false),
    ("rediss", "redis", true),
    ("valkey", "redis", false),
    ("opensearch", "elasticsearch", false),
    ("mariadb", "mysql", false),
    ("mongo", "mongodb", false),
];

/// The longest name of a host (RFC 1035).
const HOST_BYTES_MAX: usize = 253;

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let (asked, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (asked(scheme)?, rest),
            None => (Asked::Anything, text),
        };
        if rest.contains('@') {
            return Err(TargetError::Credentials);
        }
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#']) {
            return Err(TargetError::Path);
        }
        let (host, port) = split(authority)?;
        Ok(Self { host: host.to_owned(), port, asked })
    }
}

fn asked(scheme: &str) -> Result<Asked, TargetError> {
    let scheme = scheme.to_ascii_lowercase();
    match scheme.as_str() {
        "http" => return Ok(Asked::Http { tls: false }),
        "https" => return Ok(Asked::Http { tls: true }),
        _ => {}
    }
    let alias = ALIASES.iter().find(|(word, ..)| *word == scheme);
    let (id, tls) = alias.map_or((scheme.as_str(), false), |(_, id, tls)| (*id, *tls));
    let service = SERVICES.iter().find(|service| service.kind.id == id);
    let service = service.ok_or_else(|| TargetError::Scheme(scheme.clone()))?;
    Ok(Asked::Service { kind: service.kind, tls })
}

/// Host and port of `HOST`, `HOST:PORT`, `::1` or `[::1]:PORT`.
fn split(authority: &str) -> Result<(&str, Option<u16>), TargetError> {
    let unmeant = || TargetError::Host(authority.to_owned());
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or_else(unmeant)?;
            host.parse::<Ipv6Addr>().map_err(|_| unmeant())?;
            let port = if port.is_empty() {
                None
            } else {
                Some(port.strip_prefix(':').ok_or_else(unmeant)?)
            };
            (host, port)
        }
        None if authority.parse::<Ipv6Addr>().is_ok() => (authority, None),
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    if host.is_empty() || host.len() > HOST_BYTES_MAX || !host.chars().all(is_name) {
        return Err(unmeant());
    }
    let number = |text: &str| {
        let port = text.parse().ok().filter(|port| *port != 0);
        port.ok_or_else(|| TargetError::Port(text.to_owned()))
    };
    Ok((host, port.map(number).transpose()?))
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = &self.host;
        match self.port {
            Some(port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Some(port) => write!(f, "{host}:{port}"),
            None => f.write_str(host),
        }
    }
}

/// The services of a kind, those of this port first.
pub(crate) fn services_of(kind: &Kind, port: u16) -> Vec<&'static Service> {
    let mut services: Vec<_> = SERVICES.iter().filter(|one| one.kind == kind).collect();
    services.sort_by_key(|service| !service.ports.contains(&port));
    services
}

/// The services that are expected on a port.
pub(crate) fn services_on(port: u16) -> Vec<&'static Service> {
    SERVICES.iter().filter(|service| service.ports.contains(&port)).collect()
}

/// Every port on which something is expected, once.
pub(crate) fn known_ports() -> Vec<u16> {
    let mut ports: Vec<u16> = SERVICES.iter().flat_map(|service| service.ports).copied().collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match text.parse::<Target>() {
            Ok(target) => {
                let asked = match &target.asked {
                    Asked::Anything => "anything".to_owned(),
                    Asked::Service { kind, tls } => {
                        format!("{}{}", kind.id, if *tls { "+tls" } else { "" })
                    }
                    Asked::Http { tls } => format!("http{}", if *tls { "+tls" } else { "" }),
                };
                format!("{target} {asked}")
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn targets_are_read() {
        for (text, expected) in [
            ("10.0.0.5", "10.0.0.5 anything"),
            ("db.example.org:9000", "db.example.org:9000 anything"),
            ("::1", "::1 anything"),
            ("[::1]", "::1 anything"),
            ("[::1]:6379", "[::1]:6379 anything"),
            ("redis://h:1", "h:1 redis"),
            ("REDISS://h/", "h redis+tls"),
            ("postgresql://h:5433/", "h:5433 postgres"),
            ("https://h", "h http+tls"),
            ("http://[fd00::1]:8123", "[fd00::1]:8123 http"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_said() {
        for (text, expected) in [
            ("", "names no host"),
            (":80", "names no host"),
            ("[::1", "names no host"),
            ("[h]:1", "names no host"),
            ("[::1]x", "names no host"),
            ("a b", "names no host"),
            ("h:0", "no port"),
            ("h:65536", "no port"),
            ("h:", "no port"),
            ("h:x", "no port"),
            ("ftp://h", "no probe for `ftp://`"),
            ("redis://:secret@h", "no user and no password"),
            ("10.0.0.0/8", "no path and no network"),
            ("http://h/v1", "no path and no network"),
        ] {
            assert!(shown(text).contains(expected), "{text}: {}", shown(text));
        }
        assert!("h".repeat(HOST_BYTES_MAX).parse::<Target>().is_ok());
        assert!("h".repeat(HOST_BYTES_MAX + 1).parse::<Target>().is_err());
        let secret = "redis://u:hunter2@h".parse::<Target>().unwrap_err();
        assert!(!secret.to_string().contains("hunter2"));
    }
}
