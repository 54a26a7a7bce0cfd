//! Where a syslog server is, in one word.

use serde::Deserialize;

/// A syslog server: `udp://HOST:PORT` or `tcp://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Syslog {
    /// How messages travel. Neither way is encrypted.
    pub transport: SyslogTransport,
    /// Host and port.
    pub address: String,
}

/// How messages travel to a syslog server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyslogTransport {
    /// One datagram a message: nobody hears of one that is lost.
    Udp,
    /// A connection.
    Tcp,
}

impl TryFrom<String> for Syslog {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const FORM: &str = "a syslog server is written like udp://127.0.0.1:514 or tcp://logs:601";
        let (transport, address) = match text.split_once("://") {
            Some(("udp", address)) => (SyslogTransport::Udp, address),
            Some(("tcp", address)) => (SyslogTransport::Tcp, address),
            _ => return Err(FORM),
        };
        let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        let is_port = port.is_some_and(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0));
        let strange = |c: char| c.is_whitespace() || c.is_control() || "/@?#".contains(c);
        if !is_port || address.contains(strange) {
            return Err(FORM);
        }
        Ok(Self { transport, address: address.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_transport_a_host_and_a_port() {
        let read = |text: &str| Syslog::try_from(text.to_owned()).ok();
        for (text, transport, address) in [
            ("udp://127.0.0.1:514", SyslogTransport::Udp, "127.0.0.1:514"),
            ("tcp://logs.example.org:601", SyslogTransport::Tcp, "logs.example.org:601"),
            ("tcp://[::1]:65535", SyslogTransport::Tcp, "[::1]:65535"),
        ] {
            let address = address.to_owned();
            assert_eq!(read(text), Some(Syslog { transport, address }), "{text}");
        }
        for bad in [
            "",
            "udp://",
            "udp://a",
            "udp://:1",
            "udp://a:0",
            "udp://a:65536",
            "udp://u@a:1",
            "tcp://a:1/x",
            "tls://a:1",
            "a:1",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
