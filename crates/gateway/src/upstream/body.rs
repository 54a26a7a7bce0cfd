//! The body of an upstream's answer, with the connection that it comes on.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::plain::{BodyBroke, Busy};

/// The body of an upstream's answer. Read to its end, or dropped when all of it
/// has arrived, it leaves its connection to the next request; dropped before, it
/// closes it, which is how a server learns that nobody waits any more.
pub struct UpstreamBody {
    incoming: Option<Incoming>,
    /// The connection, where nobody else drives it.
    busy: Option<Busy>,
}

impl UpstreamBody {
    pub(super) const fn new(incoming: Incoming, busy: Option<Busy>) -> Self {
        Self { incoming: Some(incoming), busy }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = BodyBroke;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyBroke>>> {
        let Self { incoming, busy } = &mut *self;
        let Some(incoming) = incoming else { return Poll::Ready(None) };
        let Some(driven) = busy else {
            let next = Pin::new(incoming).poll_frame(cx);
            return next.map(|next| next.map(|frame| frame.map_err(|_| BodyBroke)));
        };
        let next = driven.poll_frame(cx, incoming);
        match &next {
            Poll::Ready(None) => {
                if let Some(busy) = busy.take() {
                    busy.release();
                }
            }
            Poll::Ready(Some(Err(BodyBroke))) => *busy = None,
            _ => {}
        }
        next
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl Drop for UpstreamBody {
    fn drop(&mut self) {
        // In this order: a connection whose answer nobody reads drops the rest of it.
        drop(self.incoming.take());
        if let Some(busy) = self.busy.take() {
            busy.release();
        }
    }
}
