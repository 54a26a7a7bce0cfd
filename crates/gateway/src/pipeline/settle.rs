//! reserved = settled + refunded, exactly once: what a request used, decided
//! from what the upstream reported and what the door itself saw.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use surgewall_core::decision::Outcome;
use surgewall_core::usage::{Source, Usage};
use surgewall_wire::estimate::{self, ByteClasses};
use surgewall_wire::stream::Tally;

use super::guard_output::{Released, Whole};
use super::reservation::Reservation;
use crate::door::Door;

/// The status of an answer that an upstream gave.
pub const OK: u16 = 200;

/// Settles a whole answer and sends it; a stream settles itself at its end.
pub async fn settle(door: &Arc<Door>, released: Released) -> Response {
    match released {
        Released::Whole(whole) => send_whole(door, *whole).await,
        Released::Stream(body, headers) => {
            let kind = body.content_type();
            let mut response = Response::new(Body::new(*body));
            *response.headers_mut() = headers;
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            response
        }
    }
}

async fn send_whole(door: &Arc<Door>, whole: Whole) -> Response {
    let Whole { body, tally, mut reservation, model, input, headers } = whole;
    reservation.first_byte(OK);
    if let Some(tap) = reservation.tap() {
        tap.whole(&body);
    }
    let (usage, source) = measure(door, &reservation, &model, &tally, input.as_ref());
    reservation.place().whole(usage.output);
    reservation.settle(Outcome::Completed, usage, source).await;
    let mut response = Response::new(Body::from(body));
    *response.headers_mut() = headers;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// What a finished answer used: the upstream's own count where it can be true,
/// else the door's estimate. A true count teaches the estimate.
pub fn measure(
    door: &Door,
    reservation: &Reservation,
    model: &str,
    tally: &Tally,
    input: Option<&ByteClasses>,
) -> (Usage, Source) {
    let own = Usage {
        input: reservation.input_estimate(),
        output: tally.output.answer_tokens(&door.estimates.correction(model)),
        ..Usage::default()
    };
    let Some(reported) = tally.reported else { return (own, Source::Estimated) };
    let bytes = tally.output.bytes;
    let bound = reservation.output_bound();
    if !estimate::plausible(&reported, own.input, own.output, bytes, bound) {
        door.metrics.usage_implausible();
        let request_id = reservation.request_id();
        tracing::warn!(%request_id, ?reported, ?own, "the upstream's usage cannot be true; the door's own count stands");
        return (own, Source::Estimated);
    }
    if let Some(input) = input {
        door.estimates.observe(model, input, reported.input);
    }
    (reported, Source::Upstream)
}
