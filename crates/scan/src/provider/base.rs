//! A provider's base address: `https://HOST[:PORT][/PATH]`.

use std::fmt;
use std::str::FromStr;

use crate::exposure::{Target, TargetError};

/// Where a provider's routes are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Base {
    pub(super) tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
    /// What stands before each route: `/v1`, or nothing.
    pub(super) path: String,
}

/// Why an address cannot be meant.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BaseError {
    /// Not of the web.
    #[error("a provider's address begins with https:// or http://")]
    Scheme,
    /// With a question, a fragment, or a path that is none.
    #[error("a provider's address ends with its path, such as /v1: nothing follows it")]
    Path,
    /// The host or the port.
    #[error(transparent)]
    Host(#[from] TargetError),
}

/// The longest path, in bytes.
const PATH_BYTES_MAX: usize = 256;

impl Base {
    /// Whether both lead to the same server.
    #[must_use]
    pub fn is_same_server(&self, other: &Self) -> bool {
        (self.tls, self.port) == (other.tls, other.port)
            && self.host.eq_ignore_ascii_case(&other.host)
    }
}

impl FromStr for Base {
    type Err = BaseError;

    fn from_str(text: &str) -> Result<Self, BaseError> {
        let (scheme, rest) = text.split_once("://").ok_or(BaseError::Scheme)?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(BaseError::Scheme),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let Target { host, port, .. } = authority.parse()?;
        let path = path.trim_end_matches('/');
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~/%".contains(c);
        if path.len() > PATH_BYTES_MAX || !path.chars().all(is_plain) {
            return Err(BaseError::Path);
        }
        let port = port.unwrap_or(if tls { 443 } else { 80 });
        Ok(Self { tls, host, port, path: path.to_owned() })
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tls, host, port, path } = self;
        let (scheme, usual) = if *tls { ("https", 443) } else { ("http", 80) };
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        match *port == usual {
            true => write!(f, "{scheme}://{host}{path}"),
            false => write!(f, "{scheme}://{host}:{port}{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        for (text, expected) in [
            ("https://api.example.com/v1", "https://api.example.com/v1"),
            ("HTTPS://api.example.com:443/v1/", "https://api.example.com/v1"),
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
            ("http://[::1]:9000/a/b", "http://[::1]:9000/a/b"),
            ("api.example.com", "a provider's address begins with https:// or http://"),
            ("ftp://h", "a provider's address begins with https:// or http://"),
            (
                "https://h/v1?x=1",
                "a provider's address ends with its path, such as /v1: nothing follows it",
            ),
            (
                "https://h/v1 x",
                "a provider's address ends with its path, such as /v1: nothing follows it",
            ),
            ("https://:80/", "`:80` names no host"),
            ("https://h:0/", "`0` is no port"),
        ] {
            let shown = text.parse::<Base>().map_or_else(|e| e.to_string(), |b| b.to_string());
            assert_eq!(shown, expected, "{text}");
        }
        let secret = "https://me:hunter2@h/v1".parse::<Base>().unwrap_err().to_string();
        assert!(secret.contains("no user and no password") && !secret.contains("hunter2"));
        let long = |bytes: usize| format!("https://h/{}", "p".repeat(bytes - 1));
        assert!(long(PATH_BYTES_MAX).parse::<Base>().is_ok());
        assert!(long(PATH_BYTES_MAX + 1).parse::<Base>().is_err());
    }

    #[test]
    fn a_server_is_one_whatever_the_path() {
        let base = |text: &str| text.parse::<Base>().unwrap();
        let one = base("https://api.example.com/v1");
        assert!(one.is_same_server(&base("https://API.example.com/beta")));
        for other in ["http://api.example.com/v1", "https://api.example.com:444", "https://h/v1"] {
            assert!(!one.is_same_server(&base(other)), "{other}");
        }
    }
}
