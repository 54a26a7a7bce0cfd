//! Connections without TLS to model servers, in HTTP/1, each driven by the
//! request that uses it.
//!
//! A pooled client runs a task for each connection: every request, and every
//! piece of its answer, is handed from one task to another, which costs more
//! than reading it. Here the task that waits for an answer also reads it.

use std::collections::HashMap;
use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http::uri::Authority;
use http::{Request, Response};
use http_body::{Body as _, Frame};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use surgewall_core::flow::Observed;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::client::{BUFFER_BYTES, IDLE_CONNECTION};
use crate::sync::lock;

/// How often one poll goes on by itself before other tasks have their turn.
const ROUNDS_MAX: u32 = 2;

/// One connection.
pub(super) struct Plain {
    sender: SendRequest<Full<Bytes>>,
    connection: Connection<TokioIo<TcpStream>, Full<Bytes>>,
    has_ended: bool,
    relay: Arc<Relay>,
    waker: Waker,
    /// Where it leads, as far as its address shows.
    observed: Option<Observed>,
}

impl Plain {
    /// A connection over `stream`.
    pub(super) async fn new(stream: TokioIo<TcpStream>) -> hyper::Result<Box<Self>> {
        let peer = stream.inner().peer_addr().ok();
        let observed = peer.and_then(|peer| Observed::of(peer.ip()));
        let (sender, connection) =
            Builder::new().max_buf_size(BUFFER_BYTES).handshake(stream).await?;
        let relay = Arc::new(Relay::default());
        let waker = Waker::from(relay.clone());
        Ok(Box::new(Self { sender, connection, has_ended: false, relay, waker, observed }))
    }

    /// Moves the connection until `step` is ready. `None`: the connection ended
    /// and `step` never will be.
    fn poll_until<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut step: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<Option<T>> {
        self.relay.task.register(cx.waker());
        for _ in 0..ROUNDS_MAX {
            self.relay.state.store(POLLING, Ordering::SeqCst);
            let waker = self.waker.clone();
            let mut relayed = Context::from_waker(&waker);
            self.advance(&mut relayed);
            let stepped = step(&mut relayed);
            let woken = self.relay.state.swap(0, Ordering::SeqCst) & WOKEN != 0;
            match stepped {
                // Who got something asks again.
                Poll::Ready(done) => return Poll::Ready(Some(done)),
                Poll::Pending if self.has_ended => return Poll::Ready(None),
                Poll::Pending if !woken => return Poll::Pending,
                Poll::Pending => {}
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn advance(&mut self, cx: &mut Context<'_>) {
        self.has_ended = self.has_ended || Pin::new(&mut self.connection).poll(cx).is_ready();
    }

    /// Whether the next request may go on it: the last answer was read to its
    /// end, nobody distrusts it, and the server did not close it.
    fn is_reusable(&mut self) -> bool {
        self.advance(&mut Context::from_waker(Waker::noop()));
        let distrusted = self.relay.distrusted.load(Ordering::Relaxed);
        !self.has_ended && !distrusted && self.sender.is_ready()
    }
}

/// Connections, each since when it is idle.
type Kept = Vec<(Instant, Box<Plain>)>;

/// The idle connections of one pool, by server.
pub(super) struct Idle {
    kept: Mutex<HashMap<Authority, Kept>>,
    /// How many are kept to one server.
    most: usize,
}

impl Idle {
    pub(super) fn new(most: usize) -> Self {
        Self { kept: Mutex::default(), most }
    }

    /// The connection to `server` that was used last, of those that still can be.
    pub(super) fn take(&self, server: &Authority) -> Option<Box<Plain>> {
        loop {
            let (_, mut plain) = lock(&self.kept).get_mut(server)?.pop()?;
            if plain.is_reusable() {
                return Some(plain);
            }
        }
    }

    fn keep(&self, server: Authority, plain: Box<Plain>) {
        let mut all = lock(&self.kept);
        let kept = all.entry(server).or_default();
        if kept.len() < self.most {
            kept.push((Instant::now(), plain));
        }
    }

    /// Closes those that nobody used for long.
    pub(super) fn tidy(&self) {
        let now = Instant::now();
        lock(&self.kept).retain(|_, kept| {
            kept.retain(|(since, _)| now.saturating_duration_since(*since) < IDLE_CONNECTION);
            !kept.is_empty()
        });
    }
}

/// A connection in use: by the request that waits for an answer, then by the
/// answer's body.
pub(super) struct Busy {
    plain: Box<Plain>,
    server: Authority,
    home: Arc<Idle>,
}

/// Why a request got no answer.
pub(super) enum Failed {
    /// Nothing of it was written: it may go on another connection.
    Unsent(Box<Request<Full<Bytes>>>),
    /// The connection broke.
    Broke,
}

impl Busy {
    pub(super) const fn new(plain: Box<Plain>, server: Authority, home: Arc<Idle>) -> Self {
        Self { plain, server, home }
    }

    /// Sends `request` and waits for the head of its answer.
    pub(super) async fn send(
        mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, Self), Failed> {
        let mut answer = pin!(self.plain.sender.try_send_request(request));
        let plain = &mut self.plain;
        match poll_fn(|cx| plain.poll_until(cx, |cx| answer.as_mut().poll(cx))).await {
            Some(Ok(head)) => Ok((head, self)),
            Some(Err(mut error)) => {
                let unsent = error.take_message().map(Box::new);
                Err(unsent.map_or(Failed::Broke, Failed::Unsent))
            }
            None => Err(Failed::Broke),
        }
    }

    /// Where the connection leads, as far as its address shows.
    pub(super) const fn observed(&self) -> Option<Observed> {
        self.plain.observed
    }

    /// What closes the connection, should its answer turn out to be wrong.
    pub(super) fn trust(&self) -> Trust {
        Trust(self.plain.relay.clone())
    }

    /// The next piece of the answer's `body`. An answer that is cut off is an error.
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
        body: &mut Incoming,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyBroke>>> {
        self.plain.poll_until(cx, |cx| Pin::new(&mut *body).poll_frame(cx)).map(|next| match next {
            Some(frame) => frame.map(|frame| frame.map_err(|_| BodyBroke)),
            None => Some(Err(BodyBroke)),
        })
    }

    /// Keeps the connection for the next request, if it can take one.
    pub(super) fn release(mut self) {
        if !std::thread::panicking() && self.plain.is_reusable() {
            // The task that used it may end now.
            drop(self.plain.relay.task.take());
            self.home.keep(self.server, self.plain);
        }
    }
}

/// An answer that was cut off.
#[derive(Debug, thiserror::Error)]
#[error("the server's answer broke off")]
pub struct BodyBroke;

/// Marks a connection whose answer cannot be right.
#[derive(Clone)]
pub(super) struct Trust(Arc<Relay>);

impl Trust {
    pub(super) fn withdraw(&self) {
        self.0.distrusted.store(true, Ordering::Relaxed);
    }
}

/// The task polls the connection.
const POLLING: u8 = 1;
/// The connection can go on.
const WOKEN: u8 = 2;

/// Passes a connection's wake-ups on to the task that waits for it, but for
/// those that the task causes itself while it polls: it goes on anyway.
#[derive(Default)]
struct Relay {
    task: AtomicWaker,
    state: AtomicU8,
    distrusted: AtomicBool,
}

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.fetch_or(WOKEN, Ordering::SeqCst) & POLLING == 0 {
            self.task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body_util::{BodyExt as _, Limited};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::super::body::UpstreamBody;
    use super::*;

    const WHOLE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\npong";
    const CHUNKED: &[u8] =
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npong\r\n0\r\n\r\n";
    const LAST: &[u8] = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 4\r\n\r\npong";
    const CUT: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 40\r\n\r\npong";
    const ENDLESS: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npong\r\n";
    const BYTES_MAX: usize = 1 << 10;

    fn server() -> Authority {
        Authority::from_static("server:1")
    }

    fn ask() -> Request<Full<Bytes>> {
        Request::post("/ask").header("host", "server:1").body(Full::from("ping")).unwrap()
    }

    /// A connection to a server that answers each request with the next of
    /// `answers`, byte by byte, and then closes; it ends when the client does too.
    async fn connect(answers: Vec<&'static [u8]>) -> (Box<Plain>, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        #[expect(clippy::disallowed_methods, reason = "the other end of a test's socket")]
        let other = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            for answer in answers {
                let mut asked = Vec::new();
                while !asked.ends_with(b"ping") {
                    assert_ne!(stream.read_buf(&mut asked).await.unwrap(), 0);
                }
                for byte in answer {
                    if stream.write_all(&[*byte]).await.is_err() {
                        return;
                    }
                    tokio::task::yield_now().await;
                }
            }
            // A reset is an end too.
            let _ = stream.shutdown().await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        });
        let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
        (Plain::new(stream).await.unwrap(), other)
    }

    async fn answer(plain: Box<Plain>, idle: &Arc<Idle>) -> (UpstreamBody, Trust) {
        let busy = Busy::new(plain, server(), idle.clone());
        let Ok((head, busy)) = busy.send(ask()).await else { panic!("no answer") };
        let trust = busy.trust();
        (UpstreamBody::new(head.into_body(), Some(busy)), trust)
    }

    async fn read(body: UpstreamBody) -> Option<Bytes> {
        #[expect(clippy::disallowed_methods, reason = "limited by BYTES_MAX")]
        Limited::new(body, BYTES_MAX).collect().await.ok().map(|body| body.to_bytes())
    }

    async fn check(sent: &'static [u8], reused: bool) {
        let (idle, text) = (Arc::new(Idle::new(2)), String::from_utf8_lossy(sent));
        // A second answer keeps the server from closing behind the first.
        let (plain, _other) = connect(vec![sent, WHOLE]).await;
        let (body, _) = answer(plain, &idle).await;
        assert_eq!(read(body).await.as_deref(), Some(&b"pong"[..]), "{text}");
        assert_eq!(idle.take(&server()).is_some(), reused, "{text}");
    }

    #[tokio::test]
    async fn an_answer_read_to_its_end_leaves_the_connection_to_the_next_request() {
        check(WHOLE, true).await;
        check(CHUNKED, true).await;
        check(LAST, false).await;
    }

    #[tokio::test]
    async fn an_answer_that_is_cut_off_is_an_error_and_never_a_clean_end() {
        for sent in [CUT, ENDLESS] {
            let idle = Arc::new(Idle::new(2));
            let (plain, other) = connect(vec![sent]).await;
            let (body, _) = answer(plain, &idle).await;
            assert_eq!(read(body).await, None);
            assert!(idle.take(&server()).is_none());
            other.await.unwrap();
        }
    }

    #[tokio::test]
    async fn an_answer_dropped_before_its_end_closes_the_connection() {
        let idle = Arc::new(Idle::new(2));
        let (plain, other) = connect(vec![ENDLESS]).await;
        let (mut body, _) = answer(plain, &idle).await;
        assert!(body.frame().await.unwrap().is_ok());
        drop(body);
        assert!(idle.take(&server()).is_none());
        other.await.unwrap();
    }

    #[tokio::test]
    async fn a_connection_is_not_used_again_when_distrusted_or_closed_by_the_server() {
        let idle = Arc::new(Idle::new(2));
        let (plain, _other) = connect(vec![WHOLE, WHOLE]).await;
        let (body, trust) = answer(plain, &idle).await;
        read(body).await.unwrap();
        trust.withdraw();
        assert!(idle.take(&server()).is_none());

        let (plain, _other) = connect(vec![WHOLE]).await;
        let (body, _) = answer(plain, &idle).await;
        read(body).await.unwrap();
        // The server closes at once; the socket tells it soon.
        while idle.take(&server()).map(|plain| idle.keep(server(), plain)).is_some() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn idle_connections_are_bounded_in_number_and_in_time() {
        let idle = Idle::new(2);
        let count = || lock(&idle.kept).values().map(Vec::len).sum::<usize>();
        for expected in [1, 2, 2] {
            idle.keep(server(), connect(vec![WHOLE]).await.0);
            assert_eq!(count(), expected);
        }
        tokio::time::advance(IDLE_CONNECTION - Duration::from_millis(1)).await;
        idle.tidy();
        assert_eq!(count(), 2);
        tokio::time::advance(Duration::from_millis(1)).await;
        idle.tidy();
        assert!(lock(&idle.kept).is_empty());
    }
}
