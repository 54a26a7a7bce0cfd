//! The HTTP/2 streams of one connection: which answers their client does not
//! take, and since when there is none.
//!
//! A stream whose window is shut stops its answer without stopping the
//! connection, so that no write on the socket ever waits; and nothing in hyper
//! ends a connection that answers PINGs and asks nothing.

use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

use crate::sync::lock;

/// The streams of one connection.
#[derive(Debug)]
pub(super) struct Streams(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    used: bool,
    running: usize,
    changed_at: Instant,
    answers: Vec<Weak<Mutex<Held>>>,
}

/// A request and its answer; ends when dropped.
#[derive(Debug)]
pub(super) struct Exchange(Arc<Streams>);

/// An answer's body that can be taken away from a client that does not take it.
struct Answer(Arc<Mutex<Held>>);

#[derive(Debug)]
struct Held {
    /// `None` after the client let it wait for too long.
    inner: Option<(Body, Exchange)>,
    /// Since when the client has let a piece wait.
    waits_since: Option<Instant>,
}

/// The client took none of an answer in time.
#[derive(Debug, thiserror::Error)]
#[error("the client took none of the answer in time")]
struct Stalled;

impl Streams {
    /// No stream yet.
    pub(super) fn new(now: Instant) -> Arc<Self> {
        let inner = Inner { used: false, running: 0, changed_at: now, answers: Vec::new() };
        Arc::new(Self(Mutex::new(inner)))
    }

    /// A request begins.
    pub(super) fn begin(self: &Arc<Self>) -> Exchange {
        let mut inner = lock(&self.0);
        inner.used = true;
        inner.running += 1;
        drop(inner);
        Exchange(self.clone())
    }

    /// Whether there ever was a stream: the connection speaks HTTP/2.
    pub(super) fn were_used(&self) -> bool {
        lock(&self.0).used
    }

    /// For how long there has been no stream.
    pub(super) fn idle_for(&self, now: Instant) -> Duration {
        let inner = lock(&self.0);
        if inner.running > 0 {
            return Duration::ZERO;
        }
        now.saturating_duration_since(inner.changed_at)
    }

    /// Ends the answers of which no byte was taken for `stall`; how many.
    pub(super) fn cut_stalled(&self, now: Instant, stall: Duration) -> usize {
        let mut stalled = Vec::new();
        lock(&self.0).answers.retain(|answer| {
            let Some(answer) = answer.upgrade() else { return false };
            let mut held = lock(&answer);
            let waited = held.waits_since.map(|since| now.saturating_duration_since(since));
            let is_stalled = waited.is_some_and(|waited| waited >= stall);
            if is_stalled {
                stalled.extend(held.inner.take());
            }
            !is_stalled
        });
        // What is dropped here settles itself and ends its call to the upstream.
        stalled.len()
    }
}

impl Exchange {
    /// The answer to this request, watched.
    pub(super) fn answered(self, response: Response) -> Response {
        let streams = self.0.clone();
        response.map(|body| {
            let held = Held { inner: Some((body, self)), waits_since: None };
            let held = Arc::new(Mutex::new(held));
            let mut inner = lock(&streams.0);
            // Forgotten here too, so that the list is no longer than there are streams.
            inner.answers.retain(|answer| answer.strong_count() > 0);
            inner.answers.push(Arc::downgrade(&held));
            Body::new(Answer(held))
        })
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let mut inner = lock(&self.0.0);
        inner.running = inner.running.saturating_sub(1);
        inner.changed_at = Instant::now();
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut held = lock(&self.0);
        let Some((body, _)) = &mut held.inner else {
            return Poll::Ready(Some(Err(axum::Error::new(Stalled))));
        };
        let polled = Pin::new(body).poll_frame(cx);
        // The next piece is asked for when this one was taken.
        held.waits_since = matches!(polled, Poll::Ready(Some(Ok(_)))).then(Instant::now);
        polled
    }

    fn is_end_stream(&self) -> bool {
        lock(&self.0).inner.as_ref().is_some_and(|(body, _)| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        lock(&self.0).inner.as_ref().map_or_else(SizeHint::default, |(body, _)| body.size_hint())
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    const STALL: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_taken_is_cut_and_one_that_is_taken_is_not() {
        let streams = Streams::new(Instant::now());
        let answer = |exchange: Exchange| {
            let pieces =
                futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from("x")));
            exchange.answered(Response::new(Body::from_stream(pieces))).into_body()
        };
        let (mut taken, mut left) = (answer(streams.begin()), answer(streams.begin()));
        left.frame().await.unwrap().unwrap();
        for _ in 0..3 {
            taken.frame().await.unwrap().unwrap();
            tokio::time::advance(STALL / 2 - Duration::from_millis(1)).await;
        }
        assert_eq!(streams.cut_stalled(Instant::now(), STALL), 1);
        assert!(left.frame().await.unwrap().is_err());
        taken.frame().await.unwrap().unwrap();
        tokio::time::advance(STALL - Duration::from_millis(1)).await;
        assert_eq!(streams.cut_stalled(Instant::now(), STALL), 0);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(streams.cut_stalled(Instant::now(), STALL), 1);
        assert_eq!(streams.cut_stalled(Instant::now(), STALL), 0);
        assert!(taken.frame().await.unwrap().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn an_upstream_that_is_silent_is_not_the_clients_fault() {
        let streams = Streams::new(Instant::now());
        let silent = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
        let answered = streams.begin().answered(Response::new(Body::from_stream(silent)));
        let mut body = answered.into_body();
        assert!(tokio::time::timeout(2 * STALL, body.frame()).await.is_err());
        assert_eq!(streams.cut_stalled(Instant::now(), STALL), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_from_its_last_streams_end() {
        let streams = Streams::new(Instant::now());
        let exchange = streams.begin();
        let second = streams.begin().answered(Response::new(Body::from("whole")));
        tokio::time::advance(STALL).await;
        assert_eq!(streams.idle_for(Instant::now()), Duration::ZERO);
        drop(exchange);
        tokio::time::advance(STALL).await;
        assert_eq!(streams.idle_for(Instant::now()), Duration::ZERO);
        drop(second);
        tokio::time::advance(STALL).await;
        assert_eq!(streams.idle_for(Instant::now()), STALL);
        assert!(lock(&streams.0).answers.iter().all(|answer| answer.upgrade().is_none()));
    }
}
