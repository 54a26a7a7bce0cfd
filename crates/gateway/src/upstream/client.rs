//! The HTTP client of one pool: connections, TLS, and one call to one server.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{
    CaptureConnection, HttpConnector, HttpInfo, capture_connection,
};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use surgewall_core::config::schema::{Dialect, Upstream};
use surgewall_core::files;
use surgewall_core::flow::Observed;
use surgewall_core::limits::CREDENTIAL_FILE_BYTES_MAX;
use surgewall_core::refusal::UpstreamFault;
use surgewall_core::secret::SecretString;
use surgewall_wire::request::stream_content_type;
use tower::Service as _;

use super::body::UpstreamBody;
use super::plain::{Busy, Failed, Idle, Plain, Trust};
use super::pool::PoolError;

/// Idle connections kept to one server.
const IDLE_CONNECTIONS_MAX: usize = 1_024;
/// How long one is kept.
pub(super) const IDLE_CONNECTION: Duration = Duration::from_secs(30);
/// Bytes that hyper reads ahead of one connection.
pub(super) const BUFFER_BYTES: usize = 64 << 10;
/// The port of an address that names none.
const HTTP_PORT: u16 = 80;
/// The version of Anthropic's API that the door speaks where the client names none.
const ANTHROPIC_VERSION: &str = "2023-06-01";
/// Headers of Anthropic's clients that change what an answer means.
const ANTHROPIC_HEADERS: [&str; 2] = ["anthropic-version", "anthropic-beta"];

/// The head of an upstream's answer, its body still to come.
pub type Head = http::Response<UpstreamBody>;

/// The HTTP client of one pool.
pub struct HttpClient {
    /// For servers with TLS.
    pooled: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// For servers without.
    connector: HttpConnector,
    idle: Arc<Idle>,
    dialect: Dialect,
    credential: Option<SecretString>,
    /// The certificate authority's file, as it was read.
    authority: Option<Vec<u8>>,
}

/// The connection that an answer came on. HTTP/1 tells answers apart by their
/// order alone: after one that cannot be right, the next on the same connection
/// may be somebody else's.
#[derive(Clone)]
pub struct Line(Kind);

#[derive(Clone)]
enum Kind {
    Plain(Trust),
    Pooled(CaptureConnection),
}

impl Line {
    /// Closes the connection after this answer: nobody else's request goes on it.
    pub fn distrust(&self) {
        match &self.0 {
            Kind::Plain(trust) => trust.withdraw(),
            Kind::Pooled(captured) => {
                if let Some(connected) = &*captured.connection_metadata() {
                    connected.poison();
                }
            }
        }
    }
}

/// Where the server of an answer is, as far as the connection's address shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen(pub Option<Observed>);

/// One call: where, what, and in whose name.
pub struct Call<'a> {
    /// The server's base address and the path.
    pub uri: Uri,
    /// `POST` for a model call.
    pub method: Method,
    /// The body in the upstream's dialect.
    pub body: Bytes,
    /// `x-request-id`; a health check has none.
    pub request_id: Option<&'a str>,
    /// `traceparent`, where traces are made.
    pub traceparent: Option<HeaderValue>,
    /// What [`passed_on`] took of the client's own headers.
    pub client_headers: Option<&'a HeaderMap>,
    /// Whether a stream is asked for.
    pub stream: bool,
}

impl HttpClient {
    /// A client for `upstream`.
    ///
    /// # Errors
    /// A credential or a certificate authority that cannot be read.
    pub fn new(upstream: &Upstream) -> Result<Self, PoolError> {
        let credential = upstream.api_key.as_ref().map(crate::credential::read).transpose();
        let credential = credential
            .map_err(|source| PoolError::Credential { pool: upstream.name.clone(), source })?;
        let authority =
            upstream.ca_file.as_deref().map(|path| read_authority(&upstream.name, path));
        let authority = authority.transpose()?;
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        http.enforce_http(false);
        http.set_connect_timeout(Some(Duration::from_millis(upstream.connect_timeout_ms)));
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls(&upstream.name, authority.as_deref())?)
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(http.clone());
        let pooled = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_CONNECTION)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .http1_max_buf_size(BUFFER_BYTES)
            .build(https);
        let (dialect, idle) = (upstream.dialect, Arc::new(Idle::new(IDLE_CONNECTIONS_MAX)));
        Ok(Self { pooled, connector: http, idle, dialect, credential, authority })
    }

    /// Whether `other` calls with the same credential and trusts the same authority.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        let text = |client: &Self| client.credential.as_ref().map(|secret| secret.expose().clone());
        text(self) == text(other) && self.authority == other.authority
    }

    /// `text` without this client's credential, should the server have quoted it.
    #[must_use]
    pub fn without_credential(&self, text: &str) -> String {
        self.credential
            .as_ref()
            .map_or_else(|| text.to_owned(), |secret| text.replace(secret.expose().as_str(), "..."))
    }

    /// Sends `call` and waits for the head of the answer. A redirect is never followed.
    ///
    /// # Errors
    /// No connection, or it broke before the head.
    pub async fn send(&self, call: Call<'_>) -> Result<Head, UpstreamFault> {
        let mut request = Request::new(Full::new(call.body.clone()));
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = call.uri.clone();
        self.headers(request.headers_mut(), &call);
        let (head, busy, line, seen) = if request.uri().scheme() == Some(&Scheme::HTTP) {
            let (head, busy) = self.send_plain(request).await?;
            let line = Line(Kind::Plain(busy.trust()));
            let seen = Seen(busy.observed());
            (head, Some(busy), line, seen)
        } else {
            let line = Line(Kind::Pooled(capture_connection(&mut request)));
            let head = self.pooled.request(request).await.map_err(|error| {
                if error.is_connect() { UpstreamFault::Connect } else { UpstreamFault::Broke }
            });
            let head = head?;
            let peer = head.extensions().get::<HttpInfo>().map(HttpInfo::remote_addr);
            let seen = Seen(peer.and_then(|peer| Observed::of(peer.ip())));
            (head, None, line, seen)
        };
        let mut head = head.map(|body| UpstreamBody::new(body, busy));
        head.extensions_mut().insert(line);
        head.extensions_mut().insert(seen);
        Ok(head)
    }

    /// Sends `request` on an idle connection or a new one.
    async fn send_plain(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(http::Response<Incoming>, Busy), UpstreamFault> {
        let server = to_origin_form(&mut request).ok_or(UpstreamFault::Connect)?;
        // A server may close an idle connection at any time: as long as nothing was
        // written, the next one is taken. There are only so many, and a new one is the last.
        while let Some(plain) = self.idle.take(&server.1) {
            match self.busy(plain, &server.1).send(request).await {
                Ok(answered) => return Ok(answered),
                Err(Failed::Broke) => return Err(UpstreamFault::Broke),
                Err(Failed::Unsent(back)) => request = *back,
            }
        }
        let stream = self.connector.clone().call(server.0).await;
        let stream = stream.map_err(|_| UpstreamFault::Connect)?;
        let plain = Plain::new(stream).await.map_err(|_| UpstreamFault::Connect)?;
        self.busy(plain, &server.1).send(request).await.map_err(|_| UpstreamFault::Broke)
    }

    fn busy(&self, plain: Box<Plain>, server: &Authority) -> Busy {
        Busy::new(plain, server.clone(), self.idle.clone())
    }

    /// Closes connections that nobody used for long.
    pub fn tidy(&self) {
        self.idle.tidy();
    }

    fn headers(&self, headers: &mut HeaderMap, call: &Call<'_>) {
        if call.method == Method::POST {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let accept =
            if call.stream { stream_content_type(self.dialect) } else { "application/json" };
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        if let Some(Ok(id)) = call.request_id.map(HeaderValue::from_str) {
            headers.insert(HeaderName::from_static("x-request-id"), id);
        }
        if let Some(parent) = &call.traceparent {
            headers.insert(HeaderName::from_static("traceparent"), parent.clone());
        }
        if self.dialect == Dialect::Anthropic {
            headers.insert("anthropic-version", HeaderValue::from_static(ANTHROPIC_VERSION));
            for (name, value) in call.client_headers.into_iter().flatten() {
                headers.insert(name, value.clone());
            }
        }
        self.authorize(headers);
    }

    fn authorize(&self, headers: &mut HeaderMap) {
        let Some(credential) = &self.credential else { return };
        let (name, text) = match self.dialect {
            Dialect::Anthropic => {
                (HeaderName::from_static("x-api-key"), credential.expose().clone())
            }
            Dialect::Openai | Dialect::Ollama => {
                (AUTHORIZATION, format!("Bearer {}", credential.expose()))
            }
        };
        if let Ok(mut value) = HeaderValue::from_str(&text) {
            // hyper and tracing then leave it out of what they print.
            value.set_sensitive(true);
            headers.insert(name, value);
        }
    }
}

/// Gives `request` the form that a server expects (RFC 9112, 3.2.1): the path
/// alone, and the server in `host`. Returns the whole address, and the server.
fn to_origin_form(request: &mut Request<Full<Bytes>>) -> Option<(Uri, Authority)> {
    let whole = request.uri().clone();
    let server = whole.authority()?.clone();
    let host = match server.port_u16() {
        Some(port) if port != HTTP_PORT => {
            HeaderValue::from_str(&format!("{}:{port}", server.host()))
        }
        _ => HeaderValue::from_str(server.host()),
    };
    request.headers_mut().insert(HOST, host.ok()?);
    let path = whole.path_and_query().cloned();
    *request.uri_mut() = Uri::from(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    Some((whole, server))
}

/// The headers of a client's request that go on to a server of Anthropic's dialect.
#[must_use]
pub fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let mut passed = HeaderMap::new();
    for name in ANTHROPIC_HEADERS {
        if let Some(value) = headers.get(name) {
            passed.insert(name, value.clone());
        }
    }
    passed
}

fn tls(pool: &str, authority: Option<&[u8]>) -> Result<ClientConfig, PoolError> {
    let fault = |why: String| PoolError::Authority { pool: pool.to_owned(), why };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| fault(error.to_string()))?;
    let Some(pem) = authority else {
        return Ok(builder.with_webpki_roots().with_no_client_auth());
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| fault(error.to_string()))?;
        roots.add(certificate).map_err(|error| fault(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(fault("the file holds no certificate in PEM form".to_owned()));
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn read_authority(pool: &str, path: &Path) -> Result<Vec<u8>, PoolError> {
    files::read_bounded(path, CREDENTIAL_FILE_BYTES_MAX).map_err(|error| PoolError::Authority {
        pool: pool.to_owned(),
        why: format!("{} cannot be read: {error}", path.display()),
    })
}
