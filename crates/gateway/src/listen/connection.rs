//! One connection: its bounds, and what it knows of its peer.

use std::convert::Infallible;
use std::fmt::Display;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use http::header::{CONNECTION, HeaderName, HeaderValue};
use http::{StatusCode, Version};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use surgewall_core::config::limits::Limits;
use surgewall_core::principal::Network;
use surgewall_shield::networks::Place;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tower::ServiceExt as _;

use super::leftover;
use super::protocol::Protocol;
use super::streams::Streams;
use super::watch::{Verdict, Watch};
use crate::tasks::Tasks;

/// Bytes that hyper reads ahead of one HTTP/1 connection.
pub(crate) const HTTP1_BUFFER_BYTES: usize = 64 << 10;
/// Streams that a peer may reset before the door accepted them (rapid reset, CVE-2023-44487).
const HTTP2_PENDING_RESETS_MAX: usize = 20;
/// Resets that a peer may provoke from the door (MadeYouReset, CVE-2025-8671).
const HTTP2_LOCAL_RESETS_MAX: usize = 64;
/// Bytes of one HTTP/2 connection that are sent before the peer takes them.
const HTTP2_SEND_BUFFER_BYTES: usize = 64 << 10;
/// Between two liveness checks of an HTTP/2 connection.
const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(30);
/// For the answer to one.
const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(20);

/// What a connection knows of its peer. Shared by all of its requests.
#[derive(Debug)]
pub struct Peer {
    /// The other end of the socket: a client, or a proxy before the door.
    pub address: SocketAddr,
    /// Its network, as connections are counted.
    pub network: Network,
    /// Whether a request head has arrived in full.
    pub spoke: AtomicBool,
    /// Whether a credential was accepted on it.
    pub authenticated: AtomicBool,
    /// Its place among its network's connections, where those are counted.
    pub place: Mutex<Option<Place>>,
}

/// Serves `protocol` on `io` until the peer closes, a bound is hit, or
/// the door drains.
pub(super) async fn serve<T>(
    io: T,
    protocol: Protocol,
    peer: Arc<Peer>,
    router: Router,
    limits: &Limits,
    tasks: &Tasks,
) where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let seen = peer.clone();
    let header_bytes_max = u64::from(limits.header_bytes_max);
    let streams = Streams::new(Instant::now());
    let opened = streams.clone();
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        seen.spoke.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(seen.clone());
        // One request at a time is HTTP/1's own bound; HTTP/2's streams are watched.
        let exchange = (request.version() == Version::HTTP_2).then(|| opened.begin());
        let (request, leftover) = leftover::lend(request);
        let too_large = head_bytes(&request) > header_bytes_max;
        let answer = router.clone().oneshot(request);
        // Boxed: hyper keeps room for it from one request to the next.
        Box::pin(async move {
            if too_large {
                return Ok(head_too_large());
            }
            let mut response = answer.await?;
            leftover.settle(&mut response).await;
            Ok::<_, Infallible>(match exchange {
                Some(exchange) => exchange.answered(response),
                None => response,
            })
        })
    });
    let (io, watch) = (TokioIo::new(io), Watch::new(limits, peer.clone(), streams));
    match protocol {
        Protocol::Http1 => {
            let connection = pin!(http1(limits).serve_connection(io, service));
            watched(connection, http1::Connection::graceful_shutdown, watch, &peer, tasks).await;
        }
        Protocol::Http2 => {
            // Boxed, as a connection of HTTP/1 has no need of its room.
            let mut connection = Box::pin(http2(limits).serve_connection(io, service));
            let shut = http2::Connection::graceful_shutdown;
            watched(connection.as_mut(), shut, watch, &peer, tasks).await;
        }
    }
}

/// Runs `connection`, which `shut` closes behind its open requests.
async fn watched<C, E>(
    mut connection: Pin<&mut C>,
    shut: fn(Pin<&mut C>),
    mut watch: Watch,
    peer: &Peer,
    tasks: &Tasks,
) where
    C: Future<Output = Result<(), E>>,
    E: Display,
{
    let mut drained = pin!(tasks.drained());
    let mut draining = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(network = %peer.network, %error, "connection ended with an error");
                }
                return;
            }
            () = &mut drained, if !draining => {
                draining = true;
                shut(connection.as_mut());
            }
            verdict = watch.next() => match verdict {
                Verdict::Close => shut(connection.as_mut()),
                Verdict::Cut => return,
            }
        }
    }
}

/// The bytes of a request's head, as HTTP/1 writes them. hyper bounds its
/// buffer, in which a head of up to twice the limit can arrive at once.
fn head_bytes<B>(request: &Request<B>) -> u64 {
    let line = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 4;
    let headers: usize = request.headers().iter().map(line).sum();
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    (headers + target) as u64
}

fn head_too_large() -> Response {
    let mut response = Response::new(axum::body::Body::empty());
    *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

fn http1(limits: &Limits) -> http1::Builder {
    let header_bytes = usize::try_from(limits.header_bytes_max).unwrap_or(usize::MAX);
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(limits.header_read_s))
        .max_buf_size(header_bytes.max(HTTP1_BUFFER_BYTES))
        .half_close(false);
    builder
}

fn http2(limits: &Limits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.http2_streams_max)
        .max_header_list_size(limits.header_bytes_max)
        .max_pending_accept_reset_streams(HTTP2_PENDING_RESETS_MAX)
        .max_local_error_reset_streams(HTTP2_LOCAL_RESETS_MAX)
        .max_send_buf_size(HTTP2_SEND_BUFFER_BYTES)
        .keep_alive_interval(HTTP2_PING_INTERVAL)
        .keep_alive_timeout(HTTP2_PING_TIMEOUT);
    builder
}
