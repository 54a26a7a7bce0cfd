//! What is loaded: an address on loopback, a path, a key.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpSocket;

/// Networks (/24) of loopback that connections come from.
const SOURCE_NETWORKS: usize = 64;
/// What fills a prompt up to its size: words, as people write them.
const FILLER: &str = "The quick brown fox jumps over the lazy dog, and the report says why. ";

/// A server on loopback.
#[derive(Clone, Debug)]
pub struct Target {
    address: SocketAddr,
    path: Uri,
    headers: HeaderMap,
}

/// Why an address is no target.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Not of the form.
    #[error("write the target as http://127.0.0.1:PORT/PATH")]
    Form,
    /// Another machine, or one that cannot be told.
    #[error("only addresses of loopback are loaded")]
    NotLoopback,
    /// A key or header that HTTP does not know.
    #[error("write a header as NAME:VALUE, in signs that HTTP takes")]
    Header,
}

impl FromStr for Target {
    type Err = TargetError;
    fn from_str(url: &str) -> Result<Self, TargetError> {
        let rest = url.strip_prefix("http://").ok_or(TargetError::Form)?;
        let slash = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(slash);
        let address: SocketAddr = authority.parse().map_err(|_| TargetError::Form)?;
        if !address.ip().is_loopback() {
            return Err(TargetError::NotLoopback);
        }
        let path = if path.is_empty() { "/" } else { path };
        let path = path.parse().map_err(|_| TargetError::Form)?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(HOST, HeaderValue::from_str(authority).map_err(|_| TargetError::Form)?);
        Ok(Self { address, path, headers })
    }
}

impl Target {
    /// The same target, asked with a key.
    ///
    /// # Errors
    /// [`TargetError::Header`].
    pub fn with_key(mut self, key: &str) -> Result<Self, TargetError> {
        let bearer = format!("Bearer {key}").parse().map_err(|_| TargetError::Header)?;
        self.headers.insert(AUTHORIZATION, bearer);
        Ok(self)
    }

    /// The same target, asked with one more header: `NAME:VALUE`.
    ///
    /// # Errors
    /// [`TargetError::Header`].
    pub fn with_header(mut self, header: &str) -> Result<Self, TargetError> {
        let (name, value) = header.split_once(':').ok_or(TargetError::Header)?;
        let name: HeaderName = name.parse().map_err(|_| TargetError::Header)?;
        let value = value.trim().parse().map_err(|_| TargetError::Header)?;
        self.headers.insert(name, value);
        Ok(self)
    }

    /// A POST of this JSON body.
    pub(super) fn request(&self, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.path.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }

    /// A POST of this JSON body with more headers.
    pub(super) fn request_with(&self, body: Bytes, headers: HeaderMap) -> Request<Full<Bytes>> {
        let mut request = self.request(body);
        request.headers_mut().extend(headers);
        request
    }

    /// Connection number `index`; they come from many networks in turn, because
    /// a door bounds those of one, and because one address has too few ports.
    pub(super) async fn connect(&self, index: usize) -> io::Result<SendRequest<Full<Bytes>>> {
        let third = u8::try_from(index % SOURCE_NETWORKS).unwrap_or(0);
        self.connect_from(Ipv4Addr::new(127, 0, third, 1)).await
    }

    /// A connection from this address of loopback; where the server's is of
    /// IPv6, there is only one.
    pub(super) async fn connect_from(
        &self,
        source: Ipv4Addr,
    ) -> io::Result<SendRequest<Full<Bytes>>> {
        let socket = if self.address.is_ipv4() {
            let socket = TcpSocket::new_v4()?;
            socket.bind((source, 0).into())?;
            socket
        } else {
            TcpSocket::new_v6()?
        };
        socket.set_nodelay(true)?;
        let stream = socket.connect(self.address).await?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        super::spawn(async {
            // The request's own future tells of a failure.
            let _ = connection.await;
        });
        Ok(sender)
    }
}

/// The body of a chat request, of `bytes` bytes where that is enough for its
/// form; `words` are for the double.
#[must_use]
pub fn conversation(model: &str, words: &str, stream: bool, bytes: usize) -> Bytes {
    let body = |filler: &str| {
        let content = format!("!double {words}\n{filler}");
        serde_json::json!({
            "model": model,
            "messages": [{"role": "user", "content": content}],
            "max_tokens": 256,
            "stream": stream,
        })
        .to_string()
    };
    let missing = bytes.saturating_sub(body("").len());
    let filler: String = FILLER.chars().cycle().take(missing).collect();
    Bytes::from(body(&filler))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_a_target() {
        for good in ["http://127.0.0.1:1/v1/x", "http://127.9.9.9:80", "http://[::1]:8080/"] {
            assert!(good.parse::<Target>().is_ok(), "{good}");
        }
        for bad in [
            "http://10.0.0.1:80/",
            "http://[2001:db8::1]:80/",
            "http://0.0.0.0:80/",
            "http://example.org:80/",
            "https://127.0.0.1:1/",
            "http://127.0.0.1/",
        ] {
            assert!(bad.parse::<Target>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_body_has_the_size_that_was_asked_for() {
        for bytes in [1 << 10, 64 << 10] {
            let body = conversation("m", "tokens=3", true, bytes);
            assert_eq!(body.len(), bytes);
            assert!(serde_json::from_slice::<serde_json::Value>(&body).is_ok());
        }
        assert!(!conversation("m", "tokens=3", false, 0).is_empty());
    }
}
