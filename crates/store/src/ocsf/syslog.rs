//! Events to a syslog server: RFC 5424 messages, over UDP one a datagram
//! (RFC 5426), over TCP with their lengths before them (RFC 6587, 3.4.1).
//!
//! Nothing says that a message arrived: what the network swallows is not counted.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _, UdpSocket};
use std::time::Duration;

use serde_json::Value;
use surgewall_core::clock::Timestamp;
use surgewall_core::config::syslog::{Syslog, SyslogTransport};

/// One message over UDP, in bytes: what fits into a datagram. Larger ones are lost.
pub const DATAGRAM_BYTES_MAX: usize = 65_000;
/// The longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The longest wait for the server to take a message.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// Facility 13 of RFC 5424: log audit.
const FACILITY: u64 = 13;

/// Where messages go. TCP connects at the first message, and again after a failure.
pub(super) struct Server {
    target: Syslog,
    socket: Option<Socket>,
}

enum Socket {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Server {
    /// The server that is configured; nothing is sent yet.
    pub(super) const fn new(target: Syslog) -> Self {
        Self { target, socket: None }
    }

    /// Sends `lines`. Says how many were handed to the network also where it fails.
    pub(super) fn append(&mut self, lines: &[Vec<u8>]) -> (usize, io::Result<()>) {
        for (done, line) in lines.iter().enumerate() {
            if let Err(error) = self.send(line) {
                // A connection that broke in a message is of no use for the next.
                self.socket = None;
                return (done, Err(error));
            }
        }
        (lines.len(), Ok(()))
    }

    fn send(&mut self, line: &[u8]) -> io::Result<()> {
        let message = message(line)?;
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => connect(&self.target)?,
        };
        match self.socket.insert(socket) {
            Socket::Udp(socket) => {
                if message.len() > DATAGRAM_BYTES_MAX {
                    return Err(io::ErrorKind::FileTooLarge.into());
                }
                socket.send(&message).map(drop)
            }
            Socket::Tcp(stream) => {
                let framed = [format!("{} ", message.len()).as_bytes(), &message].concat();
                stream.write_all(&framed)
            }
        }
    }
}

fn connect(target: &Syslog) -> io::Result<Socket> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in target.address.to_socket_addrs()? {
        match connect_to(target.transport, address) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn connect_to(transport: SyslogTransport, address: SocketAddr) -> io::Result<Socket> {
    match transport {
        SyslogTransport::Udp => {
            let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = UdpSocket::bind(any)?;
            socket.connect(address)?;
            Ok(Socket::Udp(socket))
        }
        SyslogTransport::Tcp => {
            let stream = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT)?;
            stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
            Ok(Socket::Tcp(stream))
        }
    }
}

/// `<PRI>1 TIME - surgewall - CODE - EVENT`: the host is for the server to say.
fn message(line: &[u8]) -> io::Result<Vec<u8>> {
    let event: Value = serde_json::from_slice(line)?;
    // From the schema's severities to those of RFC 5424.
    let severity = match event["severity_id"].as_u64() {
        Some(5) => 2,
        Some(4) => 3,
        Some(3) => 4,
        Some(2) => 5,
        _ => 6,
    };
    let at = Timestamp::from_millis(event["time"].as_u64().unwrap_or(0));
    let code = event["metadata"]["event_code"].as_str().unwrap_or("-");
    let head = format!("<{}>1 {at} - surgewall - {code} - ", FACILITY * 8 + severity);
    Ok([head.as_bytes(), line.trim_ascii_end()].concat())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Read as _};
    use std::net::TcpListener;

    use super::*;

    fn line(code: &str, severity: u32) -> Vec<u8> {
        let event = serde_json::json!({
            "severity_id": severity,
            "time": 1_700_000_000_123_u64,
            "metadata": { "event_code": code },
        });
        format!("{event}\n").into_bytes()
    }

    fn server(transport: SyslogTransport, address: SocketAddr) -> Server {
        Server::new(Syslog { transport, address: address.to_string() })
    }

    #[test]
    fn a_message_has_the_head_of_rfc_5424() {
        for (severity, priority) in [(0, 110), (1, 110), (2, 109), (3, 108), (4, 107), (5, 106)] {
            let line = line("finding", severity);
            let text = String::from_utf8(message(&line).unwrap()).unwrap();
            let event = String::from_utf8(line).unwrap();
            let head = format!("<{priority}>1 2023-11-14T22:13:20.123Z - surgewall - finding - ");
            assert_eq!(text, head + event.trim_end());
        }
        assert!(message(b"no event").is_err());
    }

    #[test]
    fn each_datagram_is_one_message_and_one_that_does_not_fit_is_refused() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut server = server(SyslogTransport::Udp, receiver.local_addr().unwrap());
        assert_eq!(server.append(&[line("a", 1), line("b", 1)]).0, 2);
        let mut buffer = [0; 1_024];
        for code in ["a", "b"] {
            let length = receiver.recv(&mut buffer).unwrap();
            assert_eq!(buffer[..length], message(&line(code, 1)).unwrap());
        }
        let head = message(&line("", 1)).unwrap().len();
        let of = |bytes: usize| line(&"x".repeat((bytes - head) / 2), 1);
        let (fits, over) = (of(DATAGRAM_BYTES_MAX), of(DATAGRAM_BYTES_MAX + 2));
        assert!(server.append(&[fits]).1.is_ok());
        let (done, sent) = server.append(&[over]);
        assert!(done == 0 && sent.is_err());
    }

    #[test]
    fn over_tcp_a_length_stands_before_each_message_and_a_lost_server_is_found_again() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = server(SyslogTransport::Tcp, address);
        server.append(&[line("a", 1), line("b", 5)]).1.unwrap();
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream);
        for (code, severity) in [("a", 1), ("b", 5)] {
            let mut length = Vec::new();
            reader.read_until(b' ', &mut length).unwrap();
            let length: usize = String::from_utf8(length).unwrap().trim().parse().unwrap();
            let mut text = vec![0; length];
            reader.read_exact(&mut text).unwrap();
            assert_eq!(text, message(&line(code, severity)).unwrap());
        }
        drop((reader, listener));
        // The kernel takes a message or two before it says that nobody is there.
        while server.append(&[line("c", 1)]).1.is_ok() {}
        let listener = TcpListener::bind(address).unwrap();
        server.append(&[line("d", 1)]).1.unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        drop(server);
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert!(text.contains(" - d - "), "{text}");
    }
}
