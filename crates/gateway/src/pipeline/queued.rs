//! A request that waits for its turn, and what its client is told meanwhile.
//!
//! A stream that still waits after `queue.comment_after_ms` gets its head, and
//! then a comment with its position every two seconds; what goes wrong later
//! is an event in the client's dialect. Everybody else hears nothing before
//! the outcome.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http_body::{Body as HttpBody, Frame};
use surgewall_core::refusal::Refusal;
use surgewall_shield::admission::gate::Place;
use surgewall_wire::error::{ErrorBody, render_event};
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use super::enter::Queued;
use super::{Arrival, proceed};
use crate::admission::Spot;
use crate::door::Door;
use crate::refuse::Refused;

/// Between two comments.
const COMMENT_INTERVAL: Duration = Duration::from_secs(2);
/// The stream content type in which comments can be written (WHATWG HTML, 9.2.6).
const EVENT_STREAM: &str = "text/event-stream";

type Rest = Pin<Box<dyn Future<Output = Result<Response, Refusal>> + Send>>;

/// Waits for the request's turn, and goes on.
///
/// # Errors
/// It may not go on, or a later step says no, before the head was written.
pub async fn wait(
    door: &Arc<Door>,
    arrival: &Arc<Arrival>,
    queued: Box<Queued>,
) -> Result<Response, Refusal> {
    let tells = queued.may_be_told() && arrival.route.dialect.stream_content_type() == EVENT_STREAM;
    let spot = queued.spot();
    let rate_limits = tells.then(|| queued.rate_limits().clone());
    let mut rest: Rest = Box::pin(rest(door.clone(), arrival.clone(), queued));
    let after = Duration::from_millis(arrival.policy.config.queue.comment_after_ms);
    if !tells {
        return rest.await;
    }
    if let Ok(answer) = timeout(after, &mut rest).await {
        return answer;
    }
    let place = spot.as_ref().and_then(Spot::tell);
    let Some((spot, place)) = spot.zip(place) else {
        // Its turn has come: the upstream's own status goes out.
        return rest.await;
    };
    let mut response = early(door, arrival, rest, spot, &place);
    if let Some(rate_limits) = rate_limits {
        rate_limits.write(response.headers_mut());
    }
    Ok(response)
}

async fn rest(
    door: Arc<Door>,
    arrival: Arc<Arrival>,
    queued: Box<Queued>,
) -> Result<Response, Refusal> {
    let entered = queued.turn(&door, &arrival).await?;
    Box::pin(proceed(&door, &arrival, entered)).await
}

/// The head of a stream whose turn is yet to come.
fn early(
    door: &Arc<Door>,
    arrival: &Arc<Arrival>,
    rest: Rest,
    spot: Spot,
    place: &Place,
) -> Response {
    let mut comments = interval(COMMENT_INTERVAL);
    comments.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (door, arrival) = (door.clone(), arrival.clone());
    let body = QueuedBody { door, arrival, spot, state: State::Waiting(rest), comments };
    let mut response = Response::new(Body::new(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(HeaderName::from_static("x-queue-position"), place.position.into());
    headers.insert(HeaderName::from_static("x-queue-eta-s"), seconds(place.eta.eta).into());
    response
}

/// Whole seconds, rounded up: nobody waits for 0 seconds.
fn seconds(eta: Duration) -> u64 {
    u64::try_from(eta.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX).max(1)
}

/// The body of a stream whose head was written before its turn.
struct QueuedBody {
    door: Arc<Door>,
    arrival: Arc<Arrival>,
    spot: Spot,
    state: State,
    comments: Interval,
}

enum State {
    Waiting(Rest),
    Answer(Body),
    Ended,
}

impl QueuedBody {
    /// The rest of the way; a panic there is this request's alone.
    fn poll_rest(rest: &mut Rest, cx: &mut Context<'_>) -> Poll<Result<Response, Refusal>> {
        let poll = AssertUnwindSafe(|| rest.as_mut().poll(cx));
        catch_unwind(poll).unwrap_or_else(|_| {
            Poll::Ready(Err(Refusal::Internal { why: "a panic while a request waited".into() }))
        })
    }

    /// Where the request stands, once every two seconds.
    fn poll_comment(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        loop {
            ready!(self.comments.poll_tick(cx));
            // Once its turn has come there is nothing to tell: the model's answer is next.
            if let Some(place) = self.spot.tell() {
                return Poll::Ready(comment(&place));
            }
        }
    }

    /// The head is written: what goes wrong now is an event.
    fn refused(&self, refusal: Refusal) -> Bytes {
        let (dialect, request_id) = (self.arrival.route.dialect, self.arrival.request_id);
        let error = ErrorBody::of(dialect, &refusal, &request_id.to_string());
        let mut event = BytesMut::new();
        render_event(dialect, &error, &mut event);
        self.arrival.trace.refused(&refusal);
        self.door.note_refusal(&Refused {
            request_id,
            network: self.arrival.network,
            who: self.arrival.who.get().copied(),
            refusal,
        });
        event.freeze()
    }
}

/// `: queued position=12 eta_s=9`, and between which times its turn comes.
fn comment(place: &Place) -> Bytes {
    let eta = &place.eta;
    let (low, high) = (eta.low.as_secs(), seconds(eta.high));
    let (position, eta_s) = (place.position, seconds(eta.eta));
    Bytes::from(format!(
        ": queued position={position} eta_s={eta_s}\n: between {low} and {high} s\n\n"
    ))
}

impl HttpBody for QueuedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        loop {
            match &mut self.state {
                State::Ended => return Poll::Ready(None),
                State::Answer(body) => return Pin::new(body).poll_frame(cx),
                State::Waiting(rest) => match Self::poll_rest(rest, cx) {
                    Poll::Ready(Ok(response)) => self.state = State::Answer(response.into_body()),
                    Poll::Ready(Err(refusal)) => {
                        self.state = State::Ended;
                        let event = self.refused(refusal);
                        return Poll::Ready(Some(Ok(Frame::data(event))));
                    }
                    Poll::Pending => {
                        let comment = ready!(self.poll_comment(cx));
                        return Poll::Ready(Some(Ok(Frame::data(comment))));
                    }
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::footprint::future_bytes;

    /// Of a stream that waits, its connection and its body aside.
    const WAITING_BYTES_MAX: usize = 2 << 10;

    #[test]
    fn a_stream_that_waits_has_no_room_for_the_steps_after_its_turn() {
        let steps = future_bytes(&|(door, arrival, queued)| rest(door, arrival, queued));
        let bytes = steps + size_of::<Queued>() + size_of::<QueuedBody>();
        assert!(bytes <= WAITING_BYTES_MAX, "{bytes}");
    }
}
