//! The HTTP client for identity providers: bounded in time and size, without
//! redirects, in clear only to this machine.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use rustls::{ClientConfig, RootCertStore};

use crate::authority::certificates;

/// The longest answer, in bytes: discovery documents and key sets have a few KiB.
pub const RESPONSE_BYTES_MAX: usize = 512 * 1_024;
/// From the request to the last byte of the answer.
pub const REQUEST_MAX: Duration = Duration::from_secs(10);
/// For the connection alone.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Bytes of an answer's head.
const HEAD_BYTES_MAX: usize = 64 * 1_024;

/// A request that had no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    #[error("the address is not https, nor of this machine")]
    Clear,
    #[error("no answer within {} s", REQUEST_MAX.as_secs())]
    Slow,
    #[error("the answer is longer than {RESPONSE_BYTES_MAX} bytes, or broke off")]
    Body,
    #[error("{0}")]
    Connection(String),
}

/// The client. A clone shares its connections.
#[derive(Clone)]
pub(super) struct Http(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Http {
    /// A client that trusts the public authorities, or only those in `authority` (PEM).
    pub(super) fn new(authority: Option<&[u8]>) -> Result<Self, String> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(CONNECT_MAX));
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls(authority)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .http1_max_buf_size(HEAD_BYTES_MAX)
            .build(https);
        Ok(Self(client))
    }

    async fn send(self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if !is_private(request.uri()) {
            return Err(HttpError::Clear);
        }
        let request = request.map(|body| Full::new(Bytes::from(body)));
        let connection =
            |error: hyper_util::client::legacy::Error| HttpError::Connection(error.to_string());
        let answer = self.0.request(request).await.map_err(connection)?;
        let (head, body) = answer.into_parts();
        #[expect(clippy::disallowed_methods, reason = "bounded by RESPONSE_BYTES_MAX")]
        let body = Limited::new(body, RESPONSE_BYTES_MAX).collect().await;
        let body = body.map_err(|_| HttpError::Body)?.to_bytes();
        Ok(HttpResponse::from_parts(head, body.to_vec()))
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        let client = self.clone();
        Box::pin(async move {
            let answer = tokio::time::timeout(REQUEST_MAX, client.send(request)).await;
            answer.map_err(|_| HttpError::Slow)?
        })
    }
}

/// Whether nobody on the way can read what goes to `uri`.
pub(super) fn is_private(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    match uri.scheme_str() {
        Some("https") => !host.is_empty(),
        Some("http") => is_loopback,
        _ => false,
    }
}

fn tls(authority: Option<&[u8]>) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let Some(pem) = authority else {
        return Ok(builder.with_webpki_roots().with_no_client_auth());
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_clear_only_to_this_machine() {
        let cases = [
            ("https://id.example.org/x", true),
            ("http://localhost:9000/x", true),
            ("http://127.0.0.7/x", true),
            ("http://[::1]:80/x", true),
            ("http://id.example.org/x", false),
            ("http://localhost.example.org/x", false),
            ("http://10.0.0.1/x", false),
            ("ftp://localhost/x", false),
            ("/x", false),
        ];
        for (uri, expected) in cases {
            assert_eq!(is_private(&uri.parse().unwrap()), expected, "{uri}");
        }
    }
}
