//! Which HTTP a connection speaks, decided before hyper reads it: by ALPN, or
//! by the first bytes of a plain connection, which stay in the socket.
//!
//! Were hyper to find it out itself, it would keep what it read in a second
//! buffer: 8 KiB for every connection, for as long as it lives.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;

/// The first bytes of HTTP/2's preface (RFC 9113, 3.4): no method of HTTP/1 begins so.
const PREFACE: [u8; 3] = *b"PRI";
/// Between two looks at a connection that sent less than that.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// HTTP/1.0 or 1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// What a plain connection speaks; `None` where it says nothing within `patience`, or is gone.
pub(super) async fn of_plain(stream: &TcpStream, patience: Duration) -> Option<Protocol> {
    timeout(patience, look(stream)).await.ok()?
}

async fn look(stream: &TcpStream) -> Option<Protocol> {
    let mut seen = [0; PREFACE.len()];
    loop {
        match stream.peek(&mut seen).await {
            Ok(0) | Err(_) => return None,
            Ok(count) if seen[..count] != PREFACE[..count] => return Some(Protocol::Http1),
            Ok(count) if count == PREFACE.len() => return Some(Protocol::Http2),
            Ok(_) => sleep(LOOK_INTERVAL).await,
        }
    }
}

/// What a TLS connection agreed on.
pub(super) fn of_tls(stream: &TlsStream<TcpStream>) -> Protocol {
    match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => Protocol::Http2,
        _ => Protocol::Http1,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    async fn check(said: &[&[u8]], expected: Option<Protocol>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let speaker = async {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            for part in said {
                stream.write_all(part).await.unwrap();
                sleep(Duration::from_millis(30)).await;
            }
            stream
        };
        let (speaker, accepted) = tokio::join!(speaker, listener.accept());
        let found = of_plain(&accepted.unwrap().0, Duration::from_millis(300)).await;
        assert_eq!(found, expected, "{said:?}");
        drop(speaker);
    }

    #[tokio::test]
    async fn the_first_bytes_tell_in_however_many_pieces() {
        check(&[b"GET / HTTP/1.1\r\n"], Some(Protocol::Http1)).await;
        check(&[b"PRI * HTTP/2.0\r\n"], Some(Protocol::Http2)).await;
        check(&[b"P", b"R", b"I"], Some(Protocol::Http2)).await;
        check(&[b"P", b"O"], Some(Protocol::Http1)).await;
        check(&[b"PR"], None).await;
        check(&[], None).await;
    }
}
