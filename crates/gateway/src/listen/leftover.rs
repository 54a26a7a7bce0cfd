//! What is left of a request's body when its answer is ready.
//!
//! A refusal does not wait for the body, and on HTTP/1 an unread body stands
//! before the connection's next request: hyper then closes the connection, and
//! a client that sends its next request at that moment sees it break. So a
//! short rest is read and thrown away, as Go's net/http does, and where there
//! is more the answer says `connection: close`.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::response::Response;
use bytes::Bytes;
use http::header::{CONNECTION, EXPECT, HeaderValue};
use http::{Request, Version};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::timeout;

use crate::sync::lock;

/// Bytes of an unread body that are thrown away; past it the connection closes.
/// Twice the default bound of a body: who is a little past it can read the answer.
const LEFTOVER_BYTES_MAX: usize = 16 << 20;
/// For them to arrive.
const LEFTOVER_PATIENCE: Duration = Duration::from_secs(1);

/// A request's body, lent to whoever answers: dropped unread, it comes back.
pub(super) struct Lent {
    body: Option<Incoming>,
    home: Leftover,
}

/// Where an unread body comes back to.
#[derive(Clone, Default)]
pub(super) struct Leftover(Arc<Mutex<Option<Incoming>>>);

/// Lends `request`'s body.
pub(super) fn lend(request: Request<Incoming>) -> (Request<Lent>, Leftover) {
    // HTTP/2 has a stream for each request: an unread body ends with it. And
    // who waits to be asked for the body has not sent it.
    let returns = request.version() < Version::HTTP_2 && !request.headers().contains_key(EXPECT);
    let home = Leftover::default();
    let lent = home.clone();
    let request = request.map(|body| Lent { body: Some(body), home: lent });
    (request, if returns { home } else { Leftover::default() })
}

impl Leftover {
    /// Reads what is left, so that the connection can go on, or says in the
    /// answer that it will not.
    pub(super) async fn settle(self, response: &mut Response) {
        let Some(mut body) = lock(&self.0).take() else { return };
        let has_ended = timeout(LEFTOVER_PATIENCE, ends(&mut body)).await.unwrap_or(false);
        if !has_ended {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// Whether `body` ends within its bound.
async fn ends(body: &mut Incoming) -> bool {
    let mut left = LEFTOVER_BYTES_MAX;
    while let Some(frame) = body.frame().await {
        let length = frame.ok().map(|frame| frame.data_ref().map_or(0, Bytes::len));
        match length.and_then(|length| left.checked_sub(length)) {
            Some(rest) => left = rest,
            None => return false,
        }
    }
    true
}

impl Body for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.is_end_stream() {
            *lock(&self.home.0) = self.body.take();
        }
    }
}
