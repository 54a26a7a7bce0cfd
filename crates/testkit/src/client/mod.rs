//! A small HTTP/1 client for tests: one connection for each request, so that
//! dropping the answer is what a client does that goes away.

mod sse;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use sse::Parser;
pub use sse::{Event, tokens_in};

/// An answer that is no stream, in bytes.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// A client of one server.
#[derive(Clone, Debug)]
pub struct Client {
    address: SocketAddr,
    headers: HeaderMap,
}

/// An answer, whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// What a callback wants after an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The next event.
    Continue,
    /// To go away now.
    Leave,
}

/// How a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The body ended as HTTP says it should.
    Whole,
    /// The connection broke before the body's end.
    Broken(String),
    /// The client left.
    Left,
}

/// A stream, as far as it was read.
#[derive(Clone, Debug)]
pub struct Streamed {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// All events, in order.
    pub events: Vec<Event>,
    /// Comment lines.
    pub comments: usize,
    /// The body itself where the status is no success.
    pub body: Vec<u8>,
    /// When the request was sent.
    pub sent_at: Instant,
    /// How it ended.
    pub end: End,
}

impl Answer {
    /// The body as text; what is no UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; `Null` if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A header's value as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Streamed {
    /// A header's value as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The answer's text so far.
    #[must_use]
    pub fn text(&self) -> String {
        self.events.iter().map(Event::text).collect()
    }

    /// Tokens of the double that were delivered.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        tokens_in(&self.text())
    }

    /// The last usage that an event told, in either dialect.
    #[must_use]
    pub fn usage(&self) -> Option<Value> {
        let usages = self.events.iter().rev().map(|event| event.json()["usage"].clone());
        usages.into_iter().find(Value::is_object)
    }

    /// From the request to the first event.
    #[must_use]
    pub fn first_event(&self) -> Option<Duration> {
        Some(self.events.first()?.at - self.sent_at)
    }

    /// Whether the last event says `[DONE]` or `message_stop`.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let last = self.events.last();
        last.is_some_and(|e| e.data == "[DONE]" || e.name.as_deref() == Some("message_stop"))
    }
}

impl Client {
    /// A client of the server at `url`, `http://ADDRESS:PORT`; a path behind it does not count.
    ///
    /// # Panics
    /// If it is no such address: a mistake in the test.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test's own address")]
    pub fn new(url: &str) -> Self {
        let rest = url.strip_prefix("http://").unwrap_or(url);
        let authority = rest.split('/').next().unwrap_or(rest);
        let address = authority.parse().expect("http://ADDRESS:PORT");
        Self { address, headers: HeaderMap::new() }
    }

    /// The same client with one more header on each request.
    ///
    /// # Panics
    /// If it is no header: a mistake in the test.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test's own header")]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("a header's name");
        self.headers.insert(name, value.parse().expect("a header's value"));
        self
    }

    /// The same client with a key, as `Authorization: Bearer`.
    #[must_use]
    pub fn with_key(self, key: &str) -> Self {
        self.with_header(AUTHORIZATION.as_str(), &format!("Bearer {key}"))
    }

    /// GET.
    ///
    /// # Errors
    /// If no whole answer came.
    pub async fn get(&self, path: &str) -> io::Result<Answer> {
        self.whole(Method::GET, path, Bytes::new()).await
    }

    /// POST with a JSON body.
    ///
    /// # Errors
    /// If no whole answer came.
    pub async fn post(&self, path: &str, body: &Value) -> io::Result<Answer> {
        self.whole(Method::POST, path, Bytes::from(body.to_string())).await
    }

    /// POST with a form; the client names its content type by a header.
    ///
    /// # Errors
    /// If no whole answer came.
    pub async fn form(&self, path: &str, form: &str) -> io::Result<Answer> {
        self.whole(Method::POST, path, Bytes::from(form.to_owned())).await
    }

    /// Any method with any body.
    ///
    /// # Errors
    /// If no whole answer came.
    pub async fn whole(&self, method: Method, path: &str, body: Bytes) -> io::Result<Answer> {
        let (head, body) = self.send(method, path, body).await?.into_parts();
        #[expect(clippy::disallowed_methods, reason = "bounded by Limited")]
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(io::Error::other)?.to_bytes();
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
    }

    /// POST with a JSON body, and `each` for every event of the answer; when it
    /// says [`Flow::Leave`], the connection is closed at once.
    ///
    /// # Errors
    /// If no head came. A body that breaks is no error but an [`End`].
    pub async fn stream(
        &self,
        path: &str,
        body: &Value,
        each: impl FnMut(&Event) -> Flow,
    ) -> io::Result<Streamed> {
        self.read(Method::POST, path, Bytes::from(body.to_string()), each).await
    }

    /// GET of a stream, as an `EventSource` does it; else as [`Client::stream`].
    ///
    /// # Errors
    /// If no head came.
    pub async fn watch(
        &self,
        path: &str,
        each: impl FnMut(&Event) -> Flow,
    ) -> io::Result<Streamed> {
        self.read(Method::GET, path, Bytes::new(), each).await
    }

    async fn read(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        mut each: impl FnMut(&Event) -> Flow,
    ) -> io::Result<Streamed> {
        let sent_at = Instant::now();
        let response = self.send(method, path, body).await?;
        let (head, mut body) = response.into_parts();
        let is_success = head.status.is_success();
        let mut streamed = Streamed {
            status: head.status.as_u16(),
            headers: head.headers,
            events: Vec::new(),
            comments: 0,
            body: Vec::new(),
            sent_at,
            end: End::Whole,
        };
        let mut parser = Parser::default();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map(|frame| frame.into_data().unwrap_or_default()) else {
                streamed.end = End::Broken("the connection broke in mid-body".to_owned());
                break;
            };
            if !is_success && streamed.body.len() < ANSWER_BYTES_MAX {
                streamed.body.extend_from_slice(&data);
            }
            let mut flow = Flow::Continue;
            parser.feed(&data, |event| {
                if flow == Flow::Continue {
                    flow = each(&event);
                    streamed.events.push(event);
                }
            });
            if flow == Flow::Leave {
                streamed.end = End::Left;
                break;
            }
        }
        streamed.comments = parser.comments;
        Ok(streamed)
    }

    /// All events of a stream.
    ///
    /// # Errors
    /// If no head came.
    pub async fn events(&self, path: &str, body: &Value) -> io::Result<Streamed> {
        self.stream(path, body, |_| Flow::Continue).await
    }

    /// Sends a request on a connection of its own; dropping the answer closes it.
    ///
    /// # Errors
    /// If no head came.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> io::Result<Response<Incoming>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        spawn(async {
            // The request's own future tells of a failure.
            let _ = connection.await;
        });
        let host = self.address.to_string();
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().map_err(io::Error::other)?;
        let headers = request.headers_mut();
        headers.insert(HOST, HeaderValue::from_str(&host).map_err(io::Error::other)?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.extend(self.headers.clone());
        sender.send_request(request).await.map_err(io::Error::other)
    }

    /// Sends bytes as they are and reads until the server closes, or `limit` is over.
    ///
    /// # Errors
    /// If there is no connection.
    pub async fn raw(&self, bytes: &[u8], limit: Duration) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(self.address).await?;
        stream.write_all(bytes).await?;
        let mut read = Vec::new();
        // What came before the time was over, or the connection broke, is the answer.
        let _ = tokio::time::timeout(limit, stream.read_to_end(&mut read)).await;
        Ok(read)
    }
}

#[expect(clippy::disallowed_methods, reason = "a test's runtime ends with the test")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}
