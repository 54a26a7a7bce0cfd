//! What leaves is judged before it is released. No output guard is built yet,
//! so everything is; the step stands where guards will stand, and only what
//! passed it can be settled and sent.

use bytes::Bytes;
use http::HeaderMap;
use surgewall_core::refusal::Refusal;
use surgewall_wire::estimate::ByteClasses;
use surgewall_wire::stream::Tally;

use super::Arrival;
use super::call::{Answer, Called};
use super::reservation::Reservation;
use super::stream::{AnswerBody, Flow};
use crate::door::Door;

/// The permit of this step: what may leave.
pub enum Released {
    /// A whole answer.
    Whole(Box<Whole>),
    /// A stream, judged piece by piece and settled at its end.
    Stream(Box<AnswerBody>, HeaderMap),
}

/// A whole answer in the client's dialect.
pub struct Whole {
    /// The body.
    pub body: Bytes,
    /// What was counted in it.
    pub tally: Tally,
    /// The reservation.
    pub reservation: Reservation,
    /// The model, as configured.
    pub model: String,
    /// The text of the input, where it is all of the input.
    pub input: Option<ByteClasses>,
    /// What the head says of the caller's limits.
    pub headers: HeaderMap,
}

/// Judges the answer, or the stream's beginning.
///
/// # Errors
/// A guard that withholds all of it.
pub fn guard_output(
    door: &std::sync::Arc<Door>,
    arrival: &Arrival,
    called: Called,
) -> Result<Released, Refusal> {
    let Called { answer, reservation, model, input, rate_limits } = called;
    let mut headers = HeaderMap::new();
    rate_limits.write(&mut headers);
    match answer {
        Answer::Whole { body, tally } => {
            Ok(Released::Whole(Box::new(Whole { body, tally, reservation, model, input, headers })))
        }
        Answer::Streamed(streamed) => {
            let flow = Flow { model, input, dialect: arrival.route.dialect };
            let body = AnswerBody::new(door.clone(), streamed, reservation, flow);
            Ok(Released::Stream(Box::new(body), headers))
        }
    }
}
